//! Calls of the 64-bit CPUs whose arguments or layouts depend on the word size.
//!
//! One register holds a file offset, `struct timespec` has two words.

use super::Errno;
use super::call::call;
use super::stat::{Stat, split_device};
use core::ffi::CStr;
use linux_raw_sys::general as raw;

pub(super) const GETEUID: u32 = raw::__NR_geteuid;
pub(super) const GETEGID: u32 = raw::__NR_getegid;

/// Seconds and nanoseconds: `struct timespec`.
type Time = [i64; 2];

pub(super) fn pread(fd: usize, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let arguments = [fd, buffer.as_mut_ptr() as usize, buffer.len(), offset as usize];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`, which we hold mutably.
    unsafe { call(raw::__NR_pread64, arguments) }
}

pub(super) fn pwrite(fd: usize, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    let arguments = [fd, bytes.as_ptr() as usize, bytes.len(), offset as usize];
    // SAFETY: the kernel reads `bytes.len()` bytes from `bytes`.
    unsafe { call(raw::__NR_pwrite64, arguments) }
}

pub(super) fn ftruncate(fd: usize, length: u64) -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_ftruncate, [fd, length as usize]) }.map(drop)
}

/// New memory at an address of the kernel's choice. `MAP_FIXED` is not for `flags`.
pub(super) fn mmap(
    length: usize,
    protection: usize,
    flags: usize,
    fd: usize,
    offset: u64,
) -> Result<usize, Errno> {
    let arguments = [0, length, protection, flags, fd, offset as usize];
    // s390x passes the address of the six words (arch/s390/kernel/syscall.c, `old_mmap`).
    #[cfg(target_arch = "s390x")]
    let arguments = [arguments.as_ptr() as usize];
    // SAFETY: without an address and MAP_FIXED the kernel never touches memory that is in use.
    unsafe { call(raw::__NR_mmap, arguments) }
}

/// What kind of file system a path is on: `f_type` of statfs(2).
pub fn file_system(path: &CStr) -> Result<u32, Errno> {
    let mut answer = core::mem::MaybeUninit::<raw::statfs>::zeroed();
    // SAFETY: `path` is NUL-terminated, and `answer` is a `struct statfs` of ours.
    unsafe { call(raw::__NR_statfs, [path.as_ptr() as usize, answer.as_mut_ptr() as usize]) }?;
    // SAFETY: integers only: zeroed memory is a value, and so is whatever the kernel wrote over it.
    Ok(unsafe { answer.assume_init() }.f_type as u32)
}

/// `path` is relative to `dir`, or without it `dir` is the file itself.
pub(super) fn set_mtime(dir: usize, path: Option<&CStr>, seconds: i64, flags: u32) -> Result<(), Errno> {
    let path = path.map_or(0, |path| path.as_ptr() as usize);
    let times: [Time; 2] = [[0, i64::from(raw::UTIME_OMIT)], [seconds, 0]];
    // SAFETY: `path` is NUL-terminated or null, `times` two `struct timespec`.
    unsafe { call(raw::__NR_utimensat, [dir, path, times.as_ptr() as usize, flags as usize]) }.map(drop)
}

pub(super) fn clock(clock: u32) -> Result<(i64, i64), Errno> {
    let mut time: Time = [0; 2];
    // SAFETY: `time` is a `struct timespec` of ours.
    unsafe { call(raw::__NR_clock_gettime, [clock as usize, time.as_mut_ptr() as usize]) }?;
    Ok(time.into())
}

pub(super) fn sleep_milliseconds(milliseconds: u32) {
    let milliseconds = i64::from(milliseconds);
    let time: Time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // SAFETY: `time` is a `struct timespec`; no place for the remaining time is given.
    let _ = unsafe { call(raw::__NR_nanosleep, [time.as_ptr() as usize, 0]) };
}

/// For kernels without statx(2).
pub(super) fn old_stat(dir: usize, path: &CStr, flags: u32) -> Result<Stat, Errno> {
    let mut answer = core::mem::MaybeUninit::<raw::stat>::zeroed();
    let arguments = [dir, path.as_ptr() as usize, answer.as_mut_ptr() as usize, flags as usize];
    // SAFETY: `path` is NUL-terminated, and `answer` is a `struct stat` of ours.
    unsafe { call(raw::__NR_newfstatat, arguments) }?;
    // SAFETY: integers only: zeroed memory is a value, and so is whatever the kernel wrote over it.
    let answer = unsafe { answer.assume_init() };
    Ok(Stat {
        mode: answer.st_mode,
        uid: answer.st_uid,
        gid: answer.st_gid,
        size: answer.st_size as u64,
        ino: answer.st_ino,
        dev: split_device(answer.st_dev),
        mtime: answer.st_mtime as i64,
        #[cfg(feature = "children")]
        atime: answer.st_atime as i64,
        #[cfg(feature = "children")]
        ctime: answer.st_ctime as i64,
        nlink: answer.st_nlink as u32,
        is_within_mount: false,
    })
}
