//! Calls that name a file by path: open, make, rename, link, remove.
//!
//! Paths are bytes with a NUL at the end, as the kernel takes them; no path is normalised or checked here.

use super::call::{call, uninterrupted};
use super::{At, Errno, Fd, Follow};
use crate::bytes::{c_str, zeroed};
use bundle::PATH_MAX;
use core::ffi::CStr;
use core::ops::BitOr;
use linux_raw_sys::general as raw;

/// How to open a file (open(2)). `O_CLOEXEC` and, where a CPU needs it, `O_LARGEFILE` are always added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OFlags(u32);

impl OFlags {
    /// For reading.
    pub const READ: Self = Self(raw::O_RDONLY);
    /// For writing.
    pub const WRITE: Self = Self(raw::O_WRONLY);
    /// For both.
    pub const READ_WRITE: Self = Self(raw::O_RDWR);
    /// Make the file if it is missing.
    pub const CREATE: Self = Self(raw::O_CREAT);
    /// With `CREATE`: fail with `EEXIST` if it is there, even as a dangling link.
    pub const EXCLUSIVE: Self = Self(raw::O_EXCL);
    /// Fail with `ENOTDIR` unless it is a directory.
    pub const DIRECTORY: Self = Self(raw::O_DIRECTORY);
    /// Fail with `ELOOP` if the last component is a symbolic link.
    pub const NO_FOLLOW: Self = Self(raw::O_NOFOLLOW);
    /// Leaves the time of the last access as it is; for the owner alone.
    pub const NO_ATIME: Self = Self(raw::O_NOATIME);
    /// Name the file only: no reading, no permission needed.
    pub const PATH: Self = Self(raw::O_PATH);
    /// Do not wait for the other end of a fifo.
    pub const NON_BLOCK: Self = Self(raw::O_NONBLOCK);
    /// A nameless file in the directory that the path names.
    pub const TMPFILE: Self = Self(raw::O_TMPFILE);
}

impl OFlags {
    #[cfg(feature = "children")]
    pub(super) fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for OFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What [`faccessat`] asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Is it there?
    Exists,
    /// May it be read?
    Read,
    /// May it be written?
    Write,
    /// May it be executed, or the directory searched?
    Execute,
}

/// What [`renameat2`] does when the new name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rename {
    /// Replace it, as rename(2) does.
    Replace,
    /// Fail with `EEXIST`. `EINVAL` from a file system that cannot do it.
    NoReplace,
    /// Both names change places. `EINVAL` from a file system that cannot do it.
    Exchange,
}

/// Opens `path`; `mode` counts for a file that is made, less the umask.
pub fn openat(dir: At<'_>, path: &CStr, flags: OFlags, mode: u32) -> Result<Fd, Errno> {
    // 32-bit CPUs refuse files over 2 GiB without O_LARGEFILE; 64-bit ones set it themselves.
    let flags = flags.0 | raw::O_CLOEXEC | raw::O_LARGEFILE;
    let arguments = [dir.argument(), path.as_ptr() as usize, flags as usize, mode as usize];
    // SAFETY: `path` is NUL-terminated.
    uninterrupted(|| unsafe { call(raw::__NR_openat, arguments) }).map(Fd::own)
}

impl Fd {
    /// This directory, opened again: one that is open by its path alone (`O_PATH`) cannot be read, locked or
    /// synced; and a lock belongs to the opening.
    #[inline(never)]
    pub fn reopened(&self) -> Result<Self, Errno> {
        openat(self.at(), c".", OFlags::DIRECTORY, 0)
    }
}

/// Makes a directory with permission bits `mode`, less the umask.
pub fn mkdirat(dir: At<'_>, path: &CStr, mode: u32) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated.
    unsafe { call(raw::__NR_mkdirat, [dir.argument(), path.as_ptr() as usize, mode as usize]) }.map(drop)
}

/// Gives `old` the name `new` in one step. Linux 3.15.
pub fn renameat2(
    old_dir: At<'_>,
    old: &CStr,
    new_dir: At<'_>,
    new: &CStr,
    rename: Rename,
) -> Result<(), Errno> {
    let flags = match rename {
        Rename::Replace => 0,
        Rename::NoReplace => raw::RENAME_NOREPLACE,
        Rename::Exchange => raw::RENAME_EXCHANGE,
    };
    let arguments = [
        old_dir.argument(),
        old.as_ptr() as usize,
        new_dir.argument(),
        new.as_ptr() as usize,
        flags as usize,
    ];
    // SAFETY: both paths are NUL-terminated.
    unsafe { call(raw::__NR_renameat2, arguments) }.map(drop)
}

/// Sets the permission bits of a file that is no symbolic link.
#[cfg(feature = "children")]
pub fn chmodat(dir: At<'_>, path: &CStr, mode: u32) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated.
    unsafe { call(raw::__NR_fchmodat, [dir.argument(), path.as_ptr() as usize, mode as usize]) }.map(drop)
}

/// Removes a name that is not a directory's.
pub fn unlinkat(dir: At<'_>, path: &CStr) -> Result<(), Errno> {
    unlink(dir, path, 0)
}

/// Removes an empty directory.
pub fn rmdirat(dir: At<'_>, path: &CStr) -> Result<(), Errno> {
    unlink(dir, path, raw::AT_REMOVEDIR)
}

fn unlink(dir: At<'_>, path: &CStr, flags: u32) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated.
    unsafe { call(raw::__NR_unlinkat, [dir.argument(), path.as_ptr() as usize, flags as usize]) }.map(drop)
}

/// Makes `path` a symbolic link that says `content`.
pub fn symlinkat(content: &CStr, dir: At<'_>, path: &CStr) -> Result<(), Errno> {
    let arguments = [content.as_ptr() as usize, dir.argument(), path.as_ptr() as usize];
    // SAFETY: both strings are NUL-terminated.
    unsafe { call(raw::__NR_symlinkat, arguments) }.map(drop)
}

/// Gives the file `old` a second name `new`. A symbolic link is linked itself, not followed.
pub fn linkat(old_dir: At<'_>, old: &CStr, new_dir: At<'_>, new: &CStr) -> Result<(), Errno> {
    let arguments = [old_dir.argument(), old.as_ptr() as usize, new_dir.argument(), new.as_ptr() as usize, 0];
    // SAFETY: both paths are NUL-terminated.
    unsafe { call(raw::__NR_linkat, arguments) }.map(drop)
}

/// What the symbolic link says. `EINVAL` if `path` is not one.
pub fn readlinkat(dir: At<'_>, path: &CStr) -> Result<&'static CStr, Errno> {
    let buffer = zeroed(PATH_MAX);
    // The last byte stays zero: targets are shorter than `PATH_MAX`.
    let arguments = [dir.argument(), path.as_ptr() as usize, buffer.as_mut_ptr() as usize, PATH_MAX - 1];
    // SAFETY: `path` is NUL-terminated; the kernel writes at most `PATH_MAX - 1` bytes into `buffer`.
    unsafe { call(raw::__NR_readlinkat, arguments) }?;
    Ok(c_str(buffer))
}

/// The same into a buffer of the caller's, for those who live long: how many bytes it is.
#[cfg(feature = "children")]
pub fn readlink_into(path: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
    let arguments = [At::CWD.argument(), path.as_ptr() as usize, buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: `path` is NUL-terminated; the kernel writes at most `buffer.len()` bytes into `buffer`.
    unsafe { call(raw::__NR_readlinkat, arguments) }
}

/// Whether the real user may do `access`. Only executing shows whether a security module agrees.
pub fn faccessat(dir: At<'_>, path: &CStr, access: Access) -> Result<(), Errno> {
    // The four bits of access(2); `<unistd.h>` has them, not the kernel's headers.
    let mode = match access {
        Access::Exists => 0,
        Access::Execute => 1,
        Access::Write => 2,
        Access::Read => 4,
    };
    // SAFETY: `path` is NUL-terminated.
    unsafe { call(raw::__NR_faccessat, [dir.argument(), path.as_ptr() as usize, mode]) }.map(drop)
}

/// Sets the time of last change, in seconds since 1970; the time of last access stays.
pub fn set_mtime(dir: At<'_>, path: &CStr, seconds: i64, follow: Follow) -> Result<(), Errno> {
    super::word::set_mtime(dir.argument(), Some(path), seconds, follow.flag())
}

/// The working directory. `ENOENT` if it is removed or lies outside our root.
pub fn getcwd() -> Result<&'static CStr, Errno> {
    // What the kernel answers is no longer, with its NUL.
    let buffer = zeroed(PATH_MAX);
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
    unsafe { call(raw::__NR_getcwd, [buffer.as_mut_ptr() as usize, buffer.len()]) }?;
    // `(unreachable)/...` is the kernel's answer outside our root.
    if buffer.first() == Some(&b'/') { Ok(c_str(buffer)) } else { Err(Errno::ENOENT) }
}
