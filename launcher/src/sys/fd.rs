//! Open files: reading, writing, locking and closing.
//!
//! Every descriptor made here is closed on exec; `keep_across_exec` is the one way to hand it on.

use super::Errno;
use super::call::{call, uninterrupted};
use core::ffi::CStr;
use core::marker::PhantomData;
use linux_raw_sys::general as raw;

/// An open file, closed when dropped.
#[derive(Debug)]
pub struct Fd(i32);

/// Where a relative path begins: the working directory, or an open directory.
#[derive(Debug, Clone, Copy)]
pub struct At<'a>(i32, PhantomData<&'a Fd>);

/// `AT_FDCWD`, as another process passes it.
#[cfg(feature = "children")]
pub const CURRENT_DIRECTORY: i32 = raw::AT_FDCWD;

impl At<'static> {
    /// The working directory (`AT_FDCWD`). Absolute paths ignore where they begin.
    pub const CWD: Self = Self(raw::AT_FDCWD, PhantomData);
}

impl At<'_> {
    /// As the kernel takes it: a negative number keeps its sign in the whole register.
    pub(super) fn argument(self) -> usize {
        self.0 as isize as usize
    }
}

/// The first number of descriptors that are held for others to see. Above what shells take for themselves
/// (10 and up, bash 255).
const HELD_FROM: usize = 256;

/// What flock(2) is asked for. `Try` forms fail with `EAGAIN` instead of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// One holder, wait for it.
    Exclusive,
    /// One holder, or `EAGAIN` at once.
    TryExclusive,
    /// Many holders, wait for it.
    Shared,
    /// Many holders, or `EAGAIN` at once.
    TryShared,
    /// Give it back; closing the last copy of the descriptor does so too.
    Unlock,
}

impl Fd {
    /// Takes a descriptor that a system call has just returned.
    pub(super) fn own(value: usize) -> Self {
        // The kernel returns descriptors below 2^31 (`files_struct` counts in int).
        Self(value as i32)
    }

    /// The number, for `/proc/self/fd/N`. It stays owned by `self`.
    pub fn raw(&self) -> i32 {
        self.0
    }

    /// Gives the descriptor up without closing it, for a program that is about to be executed.
    pub fn leak(self) -> i32 {
        let number = self.0;
        core::mem::forget(self);
        number
    }

    /// This directory, as the beginning of relative paths.
    pub fn at(&self) -> At<'_> {
        At(self.0, PhantomData)
    }

    pub(super) fn argument(&self) -> usize {
        self.0 as usize
    }

    /// Reads up to `buffer.len()` bytes from the file's position; 0 is the end.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let arguments = [self.argument(), buffer.as_mut_ptr() as usize, buffer.len()];
        // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`, which we hold mutably.
        uninterrupted(|| unsafe { call(raw::__NR_read, arguments) })
    }

    /// Reads up to `buffer.len()` bytes from byte `offset`; 0 is the end. The position stays.
    pub fn pread(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        uninterrupted(|| super::word::pread(self.argument(), buffer, offset))
    }

    /// Fills `buffer` from byte `offset`. A file that ends too early is `EIO`.
    pub fn pread_exact(&self, mut buffer: &mut [u8], mut offset: u64) -> Result<(), Errno> {
        while !buffer.is_empty() {
            let count = self.pread(buffer, offset)?;
            if count == 0 {
                return Err(Errno::EIO);
            }
            buffer = buffer.get_mut(count..).ok_or(Errno::EIO)?;
            offset += count as u64;
        }
        Ok(())
    }

    /// Writes some of `bytes` at an offset; the position stays.
    pub fn pwrite(&self, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
        uninterrupted(|| super::word::pwrite(self.argument(), bytes, offset))
    }

    /// Writes all of `bytes` from an offset on.
    pub fn pwrite_all(&self, mut bytes: &[u8], mut offset: u64) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let count = self.pwrite(bytes, offset)?;
            bytes = bytes.get(count..).filter(|_| count != 0).ok_or(Errno::EIO)?;
            offset += count as u64;
        }
        Ok(())
    }

    /// Writes some of `bytes` at the file's position and says how many.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        write(self.argument(), bytes)
    }

    /// Writes all of `bytes`, however often the kernel takes only a part.
    pub fn write_all(&self, bytes: &[u8]) -> Result<(), Errno> {
        write_all(self.argument(), bytes)
    }

    /// Cuts or extends the file to `length` bytes.
    pub fn truncate(&self, length: u64) -> Result<(), Errno> {
        uninterrupted(|| super::word::ftruncate(self.argument(), length))
    }

    /// Sets the permission bits, whatever the umask.
    pub fn chmod(&self, mode: u32) -> Result<(), Errno> {
        // SAFETY: no pointers.
        unsafe { call(raw::__NR_fchmod, [self.argument(), mode as usize]) }.map(drop)
    }

    /// Returns when the file's bytes and its length are on the disk.
    pub fn fdatasync(&self) -> Result<(), Errno> {
        // SAFETY: no pointers.
        uninterrupted(|| unsafe { call(raw::__NR_fdatasync, [self.argument()]) }).map(drop)
    }

    /// Returns when everything on the file's file system is on the disk.
    pub fn syncfs(&self) -> Result<(), Errno> {
        // SAFETY: no pointers.
        uninterrupted(|| unsafe { call(raw::__NR_syncfs, [self.argument()]) }).map(drop)
    }

    /// Locks the open file against other openers (flock(2)); the lock dies with the last copy of the
    /// descriptor.
    pub fn flock(&self, lock: Lock) -> Result<(), Errno> {
        let operation = match lock {
            Lock::Exclusive => raw::LOCK_EX,
            Lock::TryExclusive => raw::LOCK_EX | raw::LOCK_NB,
            Lock::Shared => raw::LOCK_SH,
            Lock::TryShared => raw::LOCK_SH | raw::LOCK_NB,
            Lock::Unlock => raw::LOCK_UN,
        };
        // SAFETY: no pointers.
        uninterrupted(|| unsafe { call(raw::__NR_flock, [self.argument(), operation as usize]) }).map(drop)
    }

    /// Whether somebody has the file open for writing: execve(2) is refused then (`ETXTBSY`). Only of files
    /// of our user can this be asked, by a lease that such a writer stands in the way of (fcntl(2),
    /// `F_SETLEASE`).
    #[cfg(feature = "children")]
    pub fn is_being_written(&self) -> bool {
        let lease = |kind: u32| {
            // SAFETY: no pointers.
            unsafe { call(raw::__NR_fcntl, [self.argument(), raw::F_SETLEASE as usize, kind as usize]) }
        };
        match lease(raw::F_RDLCK) {
            Ok(_) => {
                let _ = lease(raw::F_UNLCK);
                false
            }
            Err(errno) => errno == Errno::EAGAIN,
        }
    }

    /// Whether a POSIX access control list says more than the permission bits (acl(5)).
    pub fn has_acl(&self) -> Result<bool, Errno> {
        let name = c"system.posix_acl_access";
        // SAFETY: `name` is NUL-terminated; with a length of 0 the kernel writes nothing.
        match unsafe { call(raw::__NR_fgetxattr, [self.argument(), name.as_ptr() as usize, 0, 0]) } {
            Ok(_) => Ok(true),
            Err(Errno::ENODATA | Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// An extended attribute's value; its length. `ENODATA` where there is none of this name.
    pub fn attribute(&self, name: &CStr, value: &mut [u8]) -> Result<usize, Errno> {
        let arguments = [self.argument(), name.as_ptr() as usize, value.as_mut_ptr() as usize, value.len()];
        // SAFETY: `name` is NUL-terminated; the kernel writes at most `value.len()` bytes into `value`.
        unsafe { call(raw::__NR_fgetxattr, arguments) }
    }

    /// Sets an extended attribute. `EOPNOTSUPP` where the file system has none of its kind.
    pub fn set_attribute(&self, name: &CStr, value: &[u8]) -> Result<(), Errno> {
        let arguments = [self.argument(), name.as_ptr() as usize, value.as_ptr() as usize, value.len(), 0];
        // SAFETY: `name` is NUL-terminated; the kernel reads `value.len()` bytes from `value`.
        unsafe { call(raw::__NR_fsetxattr, arguments) }.map(drop)
    }

    /// Sets the time of last change, in seconds since 1970; the time of last access stays.
    pub fn set_mtime(&self, seconds: i64) -> Result<(), Errno> {
        super::word::set_mtime(self.argument(), None, seconds, 0)
    }

    /// A copy that stays open in a program that is executed, and is none of the three standard streams there:
    /// one that the caller has closed must be closed for the program too.
    pub fn keep_across_exec(&self) -> Result<Self, Errno> {
        self.copy_from(3)
    }

    /// The same with a number that no program expects to be its own or free, which it returns. `EINVAL` where
    /// that many files are not allowed (`ulimit -n`).
    pub fn hold_across_exec(&self) -> Result<i32, Errno> {
        self.copy_from(HELD_FROM).map(Self::leak)
    }

    fn copy_from(&self, lowest: usize) -> Result<Self, Errno> {
        // SAFETY: no pointers; F_DUPFD takes the lowest number by value, and its copy has no FD_CLOEXEC.
        unsafe { call(raw::__NR_fcntl, [self.argument(), raw::F_DUPFD as usize, lowest]) }.map(Self::own)
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // An error of close(2) has nobody to go to, and the descriptor is gone even then.
        // SAFETY: no pointers, and `self` was the descriptor's only owner.
        let _ = unsafe { call(raw::__NR_close, [self.argument()]) };
    }
}

fn write(fd: usize, bytes: &[u8]) -> Result<usize, Errno> {
    let arguments = [fd, bytes.as_ptr() as usize, bytes.len()];
    // SAFETY: the kernel reads `bytes.len()` bytes from `bytes`.
    uninterrupted(|| unsafe { call(raw::__NR_write, arguments) })
}

fn write_all(fd: usize, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let count = write(fd, bytes)?;
        if count == 0 {
            return Err(Errno::EIO);
        }
        bytes = bytes.get(count..).ok_or(Errno::EIO)?;
    }
    Ok(())
}

/// Writes all of `bytes` to standard output.
pub fn stdout(bytes: &[u8]) -> Result<(), Errno> {
    write_all(1, bytes)
}

/// Writes all of `bytes` to standard error.
pub fn stderr(bytes: &[u8]) -> Result<(), Errno> {
    write_all(2, bytes)
}

/// Whether somebody at a terminal sees what is written to standard error (isatty(3)).
pub fn stderr_is_terminal() -> bool {
    // At least as long as any CPU's `struct termios`.
    let mut settings = [0u64; 16];
    let arguments = [2, linux_raw_sys::ioctl::TCGETS as usize, settings.as_mut_ptr() as usize];
    // SAFETY: the kernel writes one `struct termios` into `settings`.
    unsafe { call(raw::__NR_ioctl, arguments) }.is_ok()
}

/// A file in memory without a name; `name` shows in `/proc/self/fd` only. Linux 3.17. It may be executed,
/// which has to be said since Linux 6.3 (sysctl `vm.memfd_noexec`) and is unknown before.
pub fn memfd_create(name: &CStr) -> Result<Fd, Errno> {
    let create = |flags: u32| {
        // SAFETY: `name` is NUL-terminated.
        unsafe { call(raw::__NR_memfd_create, [name.as_ptr() as usize, flags as usize]) }.map(Fd::own)
    };
    match create(raw::MFD_CLOEXEC | raw::MFD_EXEC) {
        Err(Errno::EINVAL) => create(raw::MFD_CLOEXEC),
        done => done,
    }
}
