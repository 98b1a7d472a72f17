//! Removes an upper: what ran inside may have taken its own rights away on directories.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::cache::names;
use crate::sys::{self, Fd, OFlags};

/// Removes a directory and all in it, as far as that goes.
pub fn remove(at: &Fd, name: &CStr) {
    let open = |flags| sys::openat(at.at(), name, flags | OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0);
    if sys::unlinkat(at.at(), name).is_ok() {
        return;
    }
    // A link is never followed to what it leads to.
    if open(OFlags::PATH).is_err() {
        return;
    }
    let _ = sys::chmodat(at.at(), name, 0o700);
    if let Ok(directory) = open(OFlags::READ) {
        let names: Vec<_> = names(&directory).collect();
        for name in names {
            remove(&directory, name);
        }
    }
    let _ = sys::rmdirat(at.at(), name);
}
