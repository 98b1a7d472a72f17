//! The kernel, in safe clothing: one thin function per system call, the same on the eight CPUs.
//!
//! The CPU files hold the instructions, `word64.rs`/`word32.rs` the calls whose arguments depend on the word
//! size. Nothing here decides anything: no path is made up, no error is swallowed, and no call is retried
//! except after `EINTR`. Numbers, constants and layouts come from `linux-raw-sys`, used in this directory
//! alone.
#![allow(
    unsafe_code,
    reason = "the one directory that talks to the kernel; each block states why it is sound"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "arguments and results are register words, whose sign and width are the kernel's convention"
)]
#![allow(clippy::many_single_char_names, reason = "the six arguments of a system call have no other names")]

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod cpu;
#[cfg(target_arch = "arm")]
#[path = "armv7.rs"]
mod cpu;
#[cfg(target_arch = "x86")]
#[path = "i686.rs"]
mod cpu;
#[cfg(target_arch = "loongarch64")]
#[path = "loongarch64.rs"]
mod cpu;
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
#[path = "ppc64le.rs"]
mod cpu;
#[cfg(target_arch = "riscv64")]
#[path = "riscv64.rs"]
mod cpu;
#[cfg(target_arch = "s390x")]
#[path = "s390x.rs"]
mod cpu;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod cpu;

#[cfg(target_pointer_width = "32")]
#[path = "word32.rs"]
mod word;
#[cfg(target_pointer_width = "64")]
#[path = "word64.rs"]
mod word;

mod beside;
mod call;
mod dir;
#[cfg(feature = "bare")]
mod entry;
mod errno;
mod exec;
mod fd;
#[cfg(feature = "children")]
mod filter;
mod fork;
mod head;
mod map;
#[cfg(feature = "bare")]
mod mem;
#[cfg(feature = "children")]
mod mounts;
#[cfg(feature = "children")]
mod namespace;
mod path;
mod private;
mod process;
#[cfg(feature = "children")]
pub mod registers;
#[cfg(feature = "children")]
mod rights;
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
mod sha;
mod shared;
mod signal;
mod stat;
mod system;
#[cfg(feature = "children")]
pub mod trace;

pub use beside::{aside, beside, kept_for_program};
#[cfg(feature = "children")]
pub use beside::{descriptor_of, end, pipe, set_name};
#[cfg(feature = "children")]
pub use dir::Buffers;
pub use dir::{Entries, Entry, Kind};
pub use errno::Errno;
#[cfg(feature = "children")]
pub use exec::execveat_name;
pub use exec::{Argv, NOT_EXECUTED, ending, execve, execveat, exit};
#[cfg(feature = "children")]
pub use fd::CURRENT_DIRECTORY;
pub use fd::{At, Fd, Lock, memfd_create, stderr, stderr_is_terminal, stdout};
#[cfg(feature = "children")]
pub use filter::{no_new_privileges, stop_at_exec};
pub use fork::ended;
pub use head::{HEAD_ELF, HEAD_SH, starts_as_elf};
#[cfg(any(feature = "bare", feature = "rewind", test))]
pub(crate) use map::leak_pages;
pub use map::{Mapping, Pages};
#[cfg(feature = "children")]
pub use mounts::{Copied, clone_mount, clone_mounts};
#[cfg(feature = "children")]
pub use namespace::{chdir, enter_those_of, mount_binfmt_misc, unshare_mounts, unshare_users};
pub use path::{
    Access, OFlags, Rename, faccessat, getcwd, linkat, mkdirat, openat, readlinkat, renameat2, rmdirat,
    set_mtime, symlinkat, unlinkat,
};
#[cfg(feature = "children")]
pub use path::{chmodat, readlink_into};
pub use private::{effective_ids, mount, receive_mounts_only, unshare_root};
pub use process::Process;
#[cfg(feature = "children")]
pub use rights::give_up;
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
pub use sha::compress;
pub use shared::{Numbers, Shared};
pub use signal::{Disposition, file_size_signal};
pub use stat::{Follow, Stat, statat};
pub use system::{
    Machine, cpus, fill_random, geteuid, getpid, monotonic_milliseconds, sleep_milliseconds, umask,
    uname_machine, unix_seconds,
};
pub use word::file_system;

/// The highest level of this CPU beyond its baseline that it and the kernel provide, as variants name them.
pub fn level() -> u16 {
    #[cfg(target_arch = "x86_64")]
    return cpu::level();
    #[cfg(not(target_arch = "x86_64"))]
    0
}

#[cfg(test)]
mod tests;
