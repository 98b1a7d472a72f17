//! Mounts of a system's own: trees of mounts as open files, attached to places that are open files too, so
//! that no path is looked up twice; and the step into a new root.

use super::call::call;
use super::{At, Errno, Fd, OFlags, chdir};
use core::ffi::CStr;
use linux_raw_sys::general as raw;
use linux_raw_sys::ioctl::{NS_GET_OWNER_UID, NS_GET_USERNS};

/// Moves the mount at the working directory over the root, and takes it as such.
fn cover_root() -> Result<(), Errno> {
    let (here, root) = (c".".as_ptr() as usize, c"/".as_ptr() as usize);
    // SAFETY: both paths are NUL-terminated; there is no kind and no data.
    unsafe { call(raw::__NR_mount, [here, root, 0, raw::MS_MOVE as usize, 0]) }?;
    // SAFETY: the path is NUL-terminated.
    unsafe { call(raw::__NR_chroot, [here]) }?;
    chdir(c"/")
}

/// A copy of the mounts at and below `path`, attached to nothing yet. Linux 5.2.
pub fn clone_mounts(path: &CStr) -> Result<Fd, Errno> {
    open_tree(path, raw::AT_RECURSIVE)
}

/// The same of one mount alone.
pub fn clone_mount(path: &CStr) -> Result<Fd, Errno> {
    open_tree(path, 0)
}

fn open_tree(path: &CStr, flags: u32) -> Result<Fd, Errno> {
    let flags = raw::OPEN_TREE_CLONE | raw::OPEN_TREE_CLOEXEC | flags;
    let arguments = [At::CWD.argument(), path.as_ptr() as usize, flags as usize];
    // SAFETY: `path` is NUL-terminated.
    unsafe { call(raw::__NR_open_tree, arguments) }.map(Fd::own)
}

/// Whether a mount is among the copies of what is above it.
#[derive(Clone, Copy)]
pub enum Copied {
    /// It is left out (`MS_UNBINDABLE` of mount(2)).
    Never,
    /// It is copied like any other.
    Always,
}

impl Fd {
    /// Attaches a copy of mounts here, over the file or directory that `place` is. Linux 5.2.
    pub fn attach_to(&self, place: &Self) -> Result<(), Errno> {
        let empty = c"".as_ptr() as usize;
        let flags = raw::MOVE_MOUNT_F_EMPTY_PATH | raw::MOVE_MOUNT_T_EMPTY_PATH;
        let arguments = [self.argument(), empty, place.argument(), empty, flags as usize];
        // SAFETY: both paths are NUL-terminated.
        unsafe { call(raw::__NR_move_mount, arguments) }.map(drop)
    }

    /// Nothing can be written through this copy of mounts. Linux 5.12.
    pub fn make_read_only(&self) -> Result<(), Errno> {
        self.change_mounts(raw::MOUNT_ATTR_RDONLY, 0, raw::AT_RECURSIVE)
    }

    /// Says of the one mount whose root this is whether it can be written to, and copied. Linux 5.12.
    pub fn change_mount(&self, read_only: bool, copied: Copied) -> Result<(), Errno> {
        let propagation = match copied {
            Copied::Never => raw::MS_UNBINDABLE,
            Copied::Always => raw::MS_PRIVATE,
        };
        self.change_mounts(if read_only { raw::MOUNT_ATTR_RDONLY } else { 0 }, propagation, 0)
    }

    fn change_mounts(&self, set: u32, propagation: u32, which: u32) -> Result<(), Errno> {
        let change = raw::mount_attr {
            attr_set: u64::from(set),
            attr_clr: 0,
            propagation: u64::from(propagation),
            userns_fd: 0,
        };
        let flags = raw::AT_EMPTY_PATH | which;
        let arguments = [
            self.argument(),
            c"".as_ptr() as usize,
            flags as usize,
            &raw const change as usize,
            size_of::<raw::mount_attr>(),
        ];
        // SAFETY: the path is NUL-terminated, and `change` has the length that is given with it.
        unsafe { call(raw::__NR_mount_setattr, arguments) }.map(drop)
    }

    /// Opens `path` as a process would for which this directory is the root: no link and no `..` leads out of
    /// it. Linux 5.6.
    pub fn open_inside(&self, path: &CStr, flags: OFlags) -> Result<Self, Errno> {
        let how = raw::open_how {
            flags: u64::from(flags.bits() | raw::O_CLOEXEC),
            mode: 0,
            resolve: u64::from(raw::RESOLVE_IN_ROOT | raw::RESOLVE_NO_MAGICLINKS),
        };
        let arguments =
            [self.argument(), path.as_ptr() as usize, &raw const how as usize, size_of::<raw::open_how>()];
        // SAFETY: `path` is NUL-terminated, and `how` has the length that is given with it.
        unsafe { call(raw::__NR_openat2, arguments) }.map(Self::own)
    }

    /// Makes it the working directory.
    pub fn chdir(&self) -> Result<(), Errno> {
        // SAFETY: no pointers.
        unsafe { call(raw::__NR_fchdir, [self.argument()]) }.map(drop)
    }

    /// Makes the mount that this directory is the root of the namespace of mounts. Of the old one no trace is
    /// left (`pivot_root(".", ".")` of its manual page).
    pub fn become_root(&self) -> Result<(), Errno> {
        self.chdir()?;
        let here = c".".as_ptr() as usize;
        // SAFETY: the path is NUL-terminated.
        match unsafe { call(raw::__NR_pivot_root, [here, here]) } {
            // The first file system of all cannot be left, only covered, as switch_root(8) does.
            Err(Errno::EINVAL) => return cover_root(),
            other => other?,
        };
        // SAFETY: the path is NUL-terminated.
        unsafe { call(raw::__NR_umount2, [here, raw::MNT_DETACH as usize]) }?;
        chdir(c"/")
    }

    /// Enters the namespace that this descriptor stands for.
    pub fn join_namespace(&self) -> Result<(), Errno> {
        // SAFETY: no pointers.
        unsafe { call(raw::__NR_setns, [self.argument(), 0]) }.map(drop)
    }

    /// The namespace of users to which another namespace belongs (`ioctl_nsfs(2)`). Linux 4.9.
    pub fn owner_of_namespace(&self) -> Result<Self, Errno> {
        // SAFETY: no pointers; the call's answer is a descriptor.
        unsafe { call(raw::__NR_ioctl, [self.argument(), NS_GET_USERNS as usize]) }.map(Self::own)
    }

    /// The user who has made a namespace of users (`ioctl_nsfs(2)`). Linux 4.11.
    pub fn maker_of_users(&self) -> Result<u32, Errno> {
        let mut user = 0u32;
        let arguments = [self.argument(), NS_GET_OWNER_UID as usize, (&raw mut user) as usize];
        // SAFETY: the call writes one `uid_t`, and `user` outlives it.
        unsafe { call(raw::__NR_ioctl, arguments) }?;
        Ok(user)
    }
}
