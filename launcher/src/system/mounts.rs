//! The root of a system: the overlay of tree and upper, and what of the host is bound into it. All of it is
//! in a namespace of this start's own, and gone with its last process.

use core::ffi::CStr;

use super::bind::{Bind, Shows};
use super::place;
use super::upper::{self, MOUNTED, Upper};
use crate::bytes::c_string;
use crate::error::Error;
use crate::sys::{self, At, Errno, Fd, OFlags};
use crate::unpack::TREE;

/// An upper in memory, where that takes user attributes (Linux 6.6); it is gone with the namespace. It is
/// mounted over the working directory, which is its mount point.
pub fn memory() -> Result<Upper, Errno> {
    sys::mount(c"tmpfs", c"unibin-system", c".", c"mode=755")?;
    // The working directory is below what has just been mounted.
    sys::chdir(c_string(&[b"../", upper::DISCARD.to_bytes()]))?;
    let memory = sys::openat(At::CWD, c".", OFlags::DIRECTORY, 0)?;
    upper::in_memory(&memory)
}

/// Mounts the overlay of the tree, a slot with this name, and an upper; its root. Paths are relative to the
/// upper, which is the working directory: whatever characters the cache's path has, they would have a meaning
/// in a list of options; and what was opened before is in other mounts.
pub fn overlay(upper: &Upper, slot: &[u8]) -> Result<Fd, Error> {
    let options = c_string(&[
        b"lowerdir=../../../",
        slot,
        b"/",
        TREE.to_bytes(),
        b",upperdir=upper,workdir=work,userxattr",
    ]);
    sys::mount(c"overlay", upper.mark, MOUNTED, options).map_err(Error::no_overlay)?;
    Ok(sys::openat(At::CWD, MOUNTED, OFlags::PATH | OFlags::DIRECTORY, 0)?)
}

impl Shows for Fd {
    fn has_files(&self, path: &CStr) -> bool {
        place::has_files(self, path)
    }

    fn show(&mut self, bind: &Bind) -> Result<(), Errno> {
        let is_directory = place::is_directory(bind.source)?;
        let place = place::make(self, bind.target.to_bytes(), is_directory)?;
        // A link of the system's may lead there: all of it would be hidden.
        if place.stat()?.same_file(&self.stat()?) {
            return Err(Errno::EBUSY);
        }
        attach(bind.source, bind.read_only, &place)
    }
}

/// Binds what is at a path, with all that is mounted below it, over a place.
pub fn attach(source: &CStr, read_only: bool, place: &Fd) -> Result<(), Errno> {
    let mounts = sys::clone_mounts(source)?;
    if read_only {
        mounts.make_read_only()?;
    }
    mounts.attach_to(place)
}

/// A `binfmt_misc` of the system's own, where the kernel finds this emulator for programs of its target: for
/// emulators that do not start programs themselves. Only in a namespace of users: the machine's own would be
/// changed. Linux 6.7.
pub fn register(root: &Fd, target: bundle::Arch, emulator: &CStr) -> Result<(), Errno> {
    const PLACE: &CStr = c"/proc/sys/fs/binfmt_misc";
    root.open_inside(PLACE, OFlags::PATH | OFlags::DIRECTORY)?.chdir()?;
    sys::mount_binfmt_misc(c".")?;
    let register = root.open_inside(c_string(&[PLACE.to_bytes(), b"/register"]), OFlags::WRITE)?;
    register.write_all(crate::children::binfmt::line(target, emulator))
}
