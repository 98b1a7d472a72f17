//! What is done with whole directories of a cache.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::bytes::c_string;
use crate::sys::{self, At, Errno, Fd, Follow, OFlags};
use crate::way;

/// A directory by path, never through a link in its last component.
pub fn open_dir(at: At<'_>, name: &CStr) -> Result<Fd, Errno> {
    sys::openat(at, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)
}

/// Whose files are said to be, in a namespace of users, those of everybody without a number there.
pub const NOBODY: u32 = 65534;

/// Whether this process may do with a directory what its owner alone may do, and what a read-only file system
/// does not forbid: read it without a trace (`O_NOATIME` of open(2)). Whatever numbers say, it is ours then.
pub fn obeys_us_as_owner(dir: &Fd) -> bool {
    sys::openat(dir.at(), c".", OFlags::DIRECTORY | OFlags::NO_ATIME, 0).is_ok()
}

/// A directory of ours, made where it is missing.
pub fn open_or_make(at: &Fd, name: &[u8]) -> Result<Fd, Errno> {
    let name = c_string(&[name]);
    match open_dir(at.at(), name) {
        Err(Errno::ENOENT) => {
            way::make(at.at(), name)?;
            open_dir(at.at(), name)
        }
        other => other,
    }
}

/// Sets the times of change of all files below a directory to what they are, which is a change of status.
pub fn touch(dir: &Fd) {
    let Ok(dir) = dir.reopened() else { return };
    let names: Vec<_> = names(&dir).collect();
    for name in names {
        let Ok(stat) = sys::statat(dir.at(), name, Follow::No) else { continue };
        let _ = sys::set_mtime(dir.at(), name, stat.mtime, Follow::No);
        if stat.is_dir()
            && let Ok(below) = open_dir(dir.at(), name)
        {
            touch(&below);
        }
    }
}

/// The names in a directory, as far as it can be read.
pub fn names(dir: &Fd) -> impl Iterator<Item = &'static CStr> {
    dir.entries().map_while(|entry| entry.ok().map(|entry| entry.name))
}

/// Removes a directory and all in it, in as much memory as the tree is deep: a launcher has no room for it.
#[cfg(feature = "children")]
pub use crate::system::remove::remove as remove_tree;

/// Removes a directory and all in it, as far as that goes; what cannot be removed is tried again by a later
/// first run.
#[cfg(not(feature = "children"))]
pub fn remove_tree(at: &Fd, name: &CStr) {
    let flags = OFlags::DIRECTORY | OFlags::NO_FOLLOW;
    if let Ok(dir) = sys::openat(at.at(), name, flags, 0) {
        let names: Vec<_> = names(&dir).collect();
        for name in names {
            if sys::unlinkat(dir.at(), name).is_err() {
                remove_tree(&dir, name);
            }
        }
    }
    let _ = sys::rmdirat(at.at(), name);
}
