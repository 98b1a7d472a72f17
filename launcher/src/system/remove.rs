//! Removes a directory and all in it, also where what ran inside an upper has taken its own rights away.

use core::ffi::CStr;

use crate::sys::{self, Buffers, Fd, OFlags};

/// Removes a directory and all in it, as far as that goes.
pub fn remove(at: &Fd, name: &CStr) {
    remove_with(at, name, &mut Buffers::default());
}

/// Whether it is gone.
fn remove_with(at: &Fd, name: &CStr, buffers: &mut Buffers) -> bool {
    let open = |flags| sys::openat(at.at(), name, flags | OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0);
    if sys::unlinkat(at.at(), name).is_ok() {
        return true;
    }
    // A link is never followed to what it leads to.
    if open(OFlags::PATH).is_err() {
        return false;
    }
    let _ = sys::chmodat(at.at(), name, 0o700);
    // Not every file system shows all names of a directory out of which some are removed meanwhile.
    loop {
        let mut removed = false;
        if let Ok(directory) = open(OFlags::READ) {
            let _ = buffers.each_name(&directory, &mut |buffers, name, _| {
                removed |= remove_with(&directory, name, buffers);
                false
            });
        }
        if sys::rmdirat(at.at(), name).is_ok() {
            return true;
        }
        if !removed {
            return false;
        }
    }
}
