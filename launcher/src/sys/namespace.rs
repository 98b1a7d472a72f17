//! Namespaces: what a copy of this process prepares in its own, this process then enters, all of it or
//! nothing.
//!
//! Nothing here changes the calling process but [`enter_those_of`], in its last step.

use super::beside::pipe;
use super::call::call;
use super::fork::{ended, fork};
use super::{Errno, exit};
use core::ffi::CStr;
use linux_raw_sys::general as raw;

/// A user namespace of this process's own.
pub fn unshare_users() -> Result<(), Errno> {
    unshare(raw::CLONE_NEWUSER)
}

/// Mounts of this process's own. What the machine mounts later is seen, what is mounted here is seen by
/// nobody else.
pub fn unshare_mounts() -> Result<(), Errno> {
    unshare(raw::CLONE_NEWNS)
}

fn unshare(flags: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_unshare, [flags as usize]) }.map(drop)
}

/// Mounts a `binfmt_misc` over `directory`.
pub fn mount_binfmt_misc(directory: &CStr) -> Result<(), Errno> {
    let kind = c"binfmt_misc".as_ptr() as usize;
    let flags = raw::MS_NOSUID | raw::MS_NODEV | raw::MS_NOEXEC;
    // SAFETY: the strings are NUL-terminated; there is no data.
    unsafe { call(raw::__NR_mount, [kind, directory.as_ptr() as usize, kind, flags as usize, 0]) }.map(drop)
}

/// Makes `directory` the working directory.
pub fn chdir(directory: &CStr) -> Result<(), Errno> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call(raw::__NR_chdir, [directory.as_ptr() as usize]) }.map(drop)
}

/// Lets a copy of this process `prepare` user and mount namespaces, then enters those in one step and stands
/// in `directory` again: entering mounts leads to their root. Where anything fails, this process is as it
/// was; `prepare` says what failed by a number of its own, which comes back with the error, or 0 for what is
/// done here.
pub fn enter_those_of(
    prepare: &dyn Fn() -> Result<(), (u8, Errno)>,
    directory: &CStr,
) -> Result<(), (u8, Errno)> {
    let here = |errno| (0, errno);
    let (result, answer) = pipe().map_err(here)?;
    let (stay, leave) = pipe().map_err(here)?;
    let Some(copy) = fork().map_err(here)? else {
        drop(leave);
        let (step, code) = match prepare() {
            Ok(()) => (0, 0),
            Err((step, errno)) => (step, errno.code()),
        };
        let [high, low] = code.to_be_bytes();
        let told = answer.write_all(&[step, high, low]);
        // Until this process has entered, or has ended.
        let _ = stay.read(&mut [0]);
        exit(i32::from(told.is_err()));
    };
    drop(answer);
    let mut told = [0; 3];
    let read = result.read(&mut told);
    let entered = match (read, told) {
        (Ok(3), [_, 0, 0]) => join(copy).map_err(here),
        (Ok(3), [step, high, low]) => {
            Err((step, Errno::from_code(usize::from(u16::from_be_bytes([high, low])))))
        }
        (read, _) => Err(here(read.err().unwrap_or(Errno::ECHILD))),
    };
    drop(leave);
    // A caller that ignores its children leaves none to wait for.
    let _ = ended(copy);
    entered?;
    // The copy has been there from the same directory, by the same path.
    chdir(directory).map_err(here)
}

/// Enters user and mount namespace of a process, both or none (Linux 5.8); the mounts alone where its users
/// are this process's.
fn join(process: u32) -> Result<(), Errno> {
    // SAFETY: no pointers.
    let opened = unsafe { call(raw::__NR_pidfd_open, [process as usize, 0]) }?;
    let process = super::Fd::own(opened);
    let enter = |which: u32| {
        // SAFETY: no pointers.
        unsafe { call(raw::__NR_setns, [process.argument(), which as usize]) }.map(drop)
    };
    match enter(raw::CLONE_NEWUSER | raw::CLONE_NEWNS) {
        Err(Errno::EINVAL) => enter(raw::CLONE_NEWNS),
        other => other,
    }
}
