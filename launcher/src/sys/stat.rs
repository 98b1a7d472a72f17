//! What a file is: type, permissions, owner, size, identity, time of last change.
//!
//! statx(2) has one layout on every CPU. Kernels before 4.11 lack it; there the old call is asked instead.

use super::call::call;
use super::{At, Errno, Fd, word};
use core::ffi::CStr;
use linux_raw_sys::general as raw;

/// Whether a symbolic link at the end of a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// The file that it leads to.
    Yes,
    /// The link itself.
    No,
}

impl Follow {
    pub(super) fn flag(self) -> u32 {
        match self {
            Self::Yes => 0,
            Self::No => raw::AT_SYMLINK_NOFOLLOW,
        }
    }
}

/// The answer of stat(2), as far as the launcher asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Type and permission bits, as in `st_mode`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Number of the file in its file system.
    pub ino: u64,
    /// The file system: (major, minor).
    pub dev: (u32, u32),
    /// Time of last change, in seconds since 1970.
    pub mtime: i64,
    /// Time of last reading, likewise, as far as the file system keeps it.
    #[cfg(feature = "children")]
    pub atime: i64,
    /// Time of the last change of its status, likewise.
    #[cfg(feature = "children")]
    pub ctime: i64,
    /// How many names it has.
    pub nlink: u32,
    /// Whether it is known to be no mount's root. Linux 5.8 tells.
    pub is_within_mount: bool,
}

impl Stat {
    /// A directory.
    pub fn is_dir(&self) -> bool {
        self.mode & raw::S_IFMT == raw::S_IFDIR
    }

    /// A regular file.
    pub fn is_file(&self) -> bool {
        self.mode & raw::S_IFMT == raw::S_IFREG
    }

    /// A symbolic link; only ever with [`Follow::No`].
    pub fn is_symlink(&self) -> bool {
        self.mode & raw::S_IFMT == raw::S_IFLNK
    }

    /// The twelve permission bits, setuid, setgid and sticky among them.
    pub fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }

    /// Whether both name one file.
    pub fn same_file(&self, other: &Self) -> bool {
        self.ino == other.ino && self.dev == other.dev
    }
}

impl Fd {
    /// What the open file is.
    pub fn stat(&self) -> Result<Stat, Errno> {
        stat(self.argument(), c"", raw::AT_EMPTY_PATH)
    }
}

/// What `path` is.
pub fn statat(dir: At<'_>, path: &CStr, follow: Follow) -> Result<Stat, Errno> {
    stat(dir.argument(), path, follow.flag())
}

fn stat(dir: usize, path: &CStr, flags: u32) -> Result<Stat, Errno> {
    match statx(dir, path, flags) {
        Err(Errno::ENOSYS) => word::old_stat(dir, path, flags),
        answer => answer,
    }
}

fn statx(dir: usize, path: &CStr, flags: u32) -> Result<Stat, Errno> {
    let mut answer = core::mem::MaybeUninit::<raw::statx>::zeroed();
    let arguments = [
        dir,
        path.as_ptr() as usize,
        flags as usize,
        raw::STATX_BASIC_STATS as usize,
        answer.as_mut_ptr() as usize,
    ];
    // SAFETY: `path` is NUL-terminated, and `answer` is a `struct statx` of ours.
    unsafe { call(raw::__NR_statx, arguments) }?;
    // SAFETY: integers only: zeroed memory is a value, and so is whatever the kernel wrote over it.
    let answer = unsafe { answer.assume_init() };
    let is_root = u64::from(raw::STATX_ATTR_MOUNT_ROOT);
    Ok(Stat {
        mode: u32::from(answer.stx_mode),
        uid: answer.stx_uid,
        gid: answer.stx_gid,
        size: answer.stx_size,
        ino: answer.stx_ino,
        dev: (answer.stx_dev_major, answer.stx_dev_minor),
        mtime: answer.stx_mtime.tv_sec,
        #[cfg(feature = "children")]
        atime: answer.stx_atime.tv_sec,
        #[cfg(feature = "children")]
        ctime: answer.stx_ctime.tv_sec,
        nlink: answer.stx_nlink,
        is_within_mount: answer.stx_attributes_mask & !answer.stx_attributes & is_root != 0,
    })
}

/// Major and minor of a `dev_t` as the old calls pack it (`include/linux/kdev_t.h`, `new_encode_dev`).
pub(super) fn split_device(packed: u64) -> (u32, u32) {
    (((packed >> 8) & 0xfff) as u32, ((packed & 0xff) | ((packed >> 12) & 0xf_ff00)) as u32)
}
