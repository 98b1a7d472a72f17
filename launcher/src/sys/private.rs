//! Mounts and users of this process's own, as far as every launcher needs them.

use super::call::call;
use super::{Errno, geteuid, word};
use core::ffi::CStr;
use linux_raw_sys::general as raw;

/// Namespaces of this process's own, in one step: of mounts, and of users too where they are asked for.
pub fn unshare_root(users: bool) -> Result<(), Errno> {
    let flags = raw::CLONE_NEWNS | if users { raw::CLONE_NEWUSER } else { 0 };
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_unshare, [flags as usize]) }.map(drop)
}

/// What is mounted from now on is seen by nobody outside; what the machine mounts later is seen here.
pub fn receive_mounts_only() -> Result<(), Errno> {
    let flags = raw::MS_REC | raw::MS_SLAVE;
    // SAFETY: the path is NUL-terminated; there is no source, no kind and no data.
    unsafe { call(raw::__NR_mount, [0, c"/".as_ptr() as usize, 0, flags as usize, 0]) }.map(drop)
}

/// Mounts a file system of this kind, named `source`, over a directory.
pub fn mount(kind: &CStr, source: &CStr, directory: &CStr, data: &CStr) -> Result<(), Errno> {
    let arguments = [
        source.as_ptr() as usize,
        directory.as_ptr() as usize,
        kind.as_ptr() as usize,
        0,
        data.as_ptr() as usize,
    ];
    // SAFETY: all strings are NUL-terminated; the kernel copies as much of a page as it can read of the last.
    unsafe { call(raw::__NR_mount, arguments) }.map(drop)
}

/// The user and the group whose rights this process has.
pub fn effective_ids() -> (u32, u32) {
    // SAFETY: no pointers; never fails (getegid(2)).
    let group = unsafe { call(word::GETEGID, []) }.map_or(u32::MAX, |gid| gid as u32);
    (geteuid(), group)
}
