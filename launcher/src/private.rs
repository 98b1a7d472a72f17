//! A directory in memory that this process alone has, and what comes of it: for an app that needs its files
//! in a directory where no other serves. Unless root starts it, it takes a namespace of users, where the
//! caller's user is who he is, and all others are nobody; so it is the last way of all.

use core::ffi::CStr;

use crate::bytes::{decimal, join};
use crate::sys::{self, At, Errno, OFlags};

/// Where it is mounted: the first of these that is there and empty, so that it hides nothing.
const PLACES: [&CStr; 5] = [c"/mnt", c"/media", c"/srv", c"/opt", c"/var/tmp"];

/// Mounts it, and says where.
pub fn directory() -> Result<&'static [u8], Errno> {
    let is_empty = |place: &&CStr| {
        let opened = sys::openat(At::CWD, place, OFlags::DIRECTORY, 0);
        opened.is_ok_and(|directory| directory.entries().next().is_none())
    };
    let place = PLACES.into_iter().find(is_empty).ok_or(Errno::ENOENT)?;
    own_mounts()?;
    sys::mount(c"tmpfs", c"unibin", place, c"mode=700")?;
    Ok(join(&[place.to_bytes(), b"/unibin"]))
}

/// Mounts of this process's own, in which its user is who he is.
pub fn own_mounts() -> Result<(), Errno> {
    let (user, group) = sys::effective_ids();
    // Root has no need of a namespace of users, in which he would lose his rights over what others own.
    if user != 0 || sys::unshare_root(false).is_err() {
        sys::unshare_root(true)?;
        map(user, user, group, group)?;
    }
    sys::receive_mounts_only()
}

/// Lets this process's user and group be called by other numbers in its user namespace.
pub fn map(user: u32, outer_user: u32, group: u32, outer_group: u32) -> Result<(), Errno> {
    let one = |inner: u32, outer: u32| join(&[decimal(inner.into()), b" ", decimal(outer.into()), b" 1"]);
    // Or a group that stands for fewer rights could be dropped.
    write(c"/proc/self/setgroups", b"deny")?;
    write(c"/proc/self/uid_map", one(user, outer_user))?;
    write(c"/proc/self/gid_map", one(group, outer_group))
}

fn write(path: &CStr, bytes: &[u8]) -> Result<(), Errno> {
    sys::openat(At::CWD, path, OFlags::WRITE, 0)?.write_all(bytes)
}
