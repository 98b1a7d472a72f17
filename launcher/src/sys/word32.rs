//! Calls of the 32-bit CPUs whose arguments or layouts depend on the word size.
//!
//! Two registers hold a file offset. Times are asked for in 64 bits first, which Linux has since 5.1, then in
//! 32 bits; a time that does not fit is `EOVERFLOW`, never a wrong one.

use super::call::call;
use super::stat::{Stat, split_device};
use super::{Errno, cpu};
use core::ffi::CStr;
use linux_raw_sys::general as raw;

/// The call without the number has 16-bit user ids.
pub(super) const GETEUID: u32 = raw::__NR_geteuid32;
pub(super) const GETEGID: u32 = raw::__NR_getegid32;

/// Unit of `mmap2`'s offset in bytes, whatever the page size (mmap2(2)).
const MMAP2_UNIT: u64 = 4096;

/// Seconds and nanoseconds: `struct __kernel_timespec`.
type Time = [i64; 2];
/// Seconds and nanoseconds: `struct old_timespec32`.
type OldTime = [i32; 2];

pub(super) fn pread(fd: usize, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut arguments = [0; 6];
    arguments[..3].copy_from_slice(&[fd, buffer.as_mut_ptr() as usize, buffer.len()]);
    let offset = cpu::fourth(offset);
    arguments[3..3 + offset.len()].copy_from_slice(&offset);
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`, which we hold mutably.
    unsafe { call(raw::__NR_pread64, arguments) }
}

pub(super) fn pwrite(fd: usize, bytes: &[u8], offset: u64) -> Result<usize, Errno> {
    let mut arguments = [0; 6];
    arguments[..3].copy_from_slice(&[fd, bytes.as_ptr() as usize, bytes.len()]);
    let offset = cpu::fourth(offset);
    arguments[3..3 + offset.len()].copy_from_slice(&offset);
    // SAFETY: the kernel reads `bytes.len()` bytes from `bytes`.
    unsafe { call(raw::__NR_pwrite64, arguments) }
}

pub(super) fn ftruncate(fd: usize, length: u64) -> Result<(), Errno> {
    let mut arguments = [fd, 0, 0, 0, 0, 0];
    let length = cpu::second(length);
    arguments[1..=length.len()].copy_from_slice(&length);
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_ftruncate64, arguments) }.map(drop)
}

/// New memory at an address of the kernel's choice. `MAP_FIXED` is not for `flags`.
pub(super) fn mmap(
    length: usize,
    protection: usize,
    flags: usize,
    fd: usize,
    offset: u64,
) -> Result<usize, Errno> {
    if !offset.is_multiple_of(MMAP2_UNIT) {
        return Err(Errno::EINVAL);
    }
    let unit = usize::try_from(offset / MMAP2_UNIT).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: without an address and MAP_FIXED the kernel never touches memory that is in use.
    unsafe { call(raw::__NR_mmap2, [0, length, protection, flags, fd, unit]) }
}

/// What kind of file system a path is on: `f_type` of statfs64(2).
pub fn file_system(path: &CStr) -> Result<u32, Errno> {
    let mut answer = core::mem::MaybeUninit::<raw::statfs64>::zeroed();
    let arguments = [path.as_ptr() as usize, size_of::<raw::statfs64>(), answer.as_mut_ptr() as usize];
    // SAFETY: `path` is NUL-terminated, and `answer` is a `struct statfs64` of ours.
    unsafe { call(raw::__NR_statfs64, arguments) }?;
    // SAFETY: integers only: zeroed memory is a value, and so is whatever the kernel wrote over it.
    Ok(unsafe { answer.assume_init() }.f_type as u32)
}

/// `path` is relative to `dir`, or without it `dir` is the file itself.
pub(super) fn set_mtime(dir: usize, path: Option<&CStr>, seconds: i64, flags: u32) -> Result<(), Errno> {
    let path = path.map_or(0, |path| path.as_ptr() as usize);
    let times: [Time; 2] = [[0, i64::from(raw::UTIME_OMIT)], [seconds, 0]];
    let arguments = [dir, path, times.as_ptr() as usize, flags as usize];
    // SAFETY: `path` is NUL-terminated or null, `times` two `struct __kernel_timespec`.
    match unsafe { call(raw::__NR_utimensat_time64, arguments) } {
        Err(Errno::ENOSYS) => {}
        answer => return answer.map(drop),
    }
    let seconds = i32::try_from(seconds).map_err(|_| Errno::EOVERFLOW)?;
    let times: [OldTime; 2] = [[0, raw::UTIME_OMIT as i32], [seconds, 0]];
    // SAFETY: `path` is NUL-terminated or null, `times` two `struct old_timespec32`.
    unsafe { call(raw::__NR_utimensat, [dir, path, times.as_ptr() as usize, flags as usize]) }.map(drop)
}

pub(super) fn clock(clock: u32) -> Result<(i64, i64), Errno> {
    let mut time: Time = [0; 2];
    // SAFETY: `time` is a `struct __kernel_timespec` of ours.
    match unsafe { call(raw::__NR_clock_gettime64, [clock as usize, time.as_mut_ptr() as usize]) } {
        Err(Errno::ENOSYS) => {}
        answer => return answer.map(|_| time.into()),
    }
    let mut time: OldTime = [0; 2];
    // SAFETY: `time` is a `struct old_timespec32` of ours.
    unsafe { call(raw::__NR_clock_gettime, [clock as usize, time.as_mut_ptr() as usize]) }?;
    Ok((i64::from(time[0]), i64::from(time[1])))
}

pub(super) fn sleep_milliseconds(milliseconds: u32) {
    // poll(2) takes milliseconds, so it has no 32-bit time to outlive; it waits for ever below zero.
    let milliseconds = milliseconds.min(i32::MAX as u32) as usize;
    // SAFETY: no descriptors, so the null list is not read.
    let _ = unsafe { call(raw::__NR_poll, [0, 0, milliseconds]) };
}

/// For kernels without statx(2).
pub(super) fn old_stat(dir: usize, path: &CStr, flags: u32) -> Result<Stat, Errno> {
    let mut answer = core::mem::MaybeUninit::<raw::stat64>::zeroed();
    let arguments = [dir, path.as_ptr() as usize, answer.as_mut_ptr() as usize, flags as usize];
    // SAFETY: `path` is NUL-terminated, and `answer` is a `struct stat64` of ours.
    unsafe { call(raw::__NR_fstatat64, arguments) }?;
    // SAFETY: integers only: zeroed memory is a value, and so is whatever the kernel wrote over it.
    let answer = unsafe { answer.assume_init() };
    Ok(Stat {
        mode: answer.st_mode,
        uid: answer.st_uid,
        gid: answer.st_gid,
        size: answer.st_size as u64,
        ino: answer.st_ino,
        dev: split_device(answer.st_dev),
        // The unsigned 32-bit fields hold signed times.
        mtime: i64::from(answer.st_mtime as i32),
        #[cfg(feature = "children")]
        atime: i64::from(answer.st_atime as i32),
        #[cfg(feature = "children")]
        ctime: i64::from(answer.st_ctime as i32),
        nlink: answer.st_nlink,
        is_within_mount: false,
    })
}
