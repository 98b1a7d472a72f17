//! The machine and the clock: who we are, which kernel this is, what time it is, randomness.

use super::call::{call, uninterrupted};
use super::{Errno, word};
use linux_raw_sys::general as raw;

/// Length of a field of `struct new_utsname` (include/uapi/linux/utsname.h, `__NEW_UTS_LEN` + 1).
const UTS_FIELD: usize = 65;

/// The kernel's name for the CPU, from [`uname_machine`].
#[derive(Clone, Copy)]
pub struct Machine([u8; UTS_FIELD]);

impl Machine {
    /// Its bytes, such as `x86_64`.
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(UTS_FIELD);
        &self.0[..end]
    }
}

/// The CPU as the kernel names it to this process (`uname -m`; `linux32` changes it).
pub fn uname_machine() -> Result<Machine, Errno> {
    // Six fields: system, node, release, version, machine, domain.
    let mut fields = [[0; UTS_FIELD]; 6];
    // SAFETY: `fields` has the size and layout of `struct new_utsname`.
    unsafe { call(raw::__NR_uname, [fields.as_mut_ptr() as usize]) }?;
    Ok(Machine(fields[4]))
}

/// This process.
pub fn getpid() -> u32 {
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_getpid, []) }.map_or(0, |pid| pid as u32)
}

/// How many processors this process may use; 1 where that is unknown.
pub fn cpus() -> u64 {
    // More processors than any kernel is built for (`NR_CPUS`).
    let mut mask = [0u64; 128];
    let arguments = [0, size_of_val(&mask), mask.as_mut_ptr() as usize];
    // SAFETY: the kernel writes at most as many bytes as `mask` has.
    let _ = unsafe { call(raw::__NR_sched_getaffinity, arguments) };
    mask.iter().map(|word| u64::from(word.count_ones())).sum::<u64>().max(1)
}

/// The user whose rights this process has.
pub fn geteuid() -> u32 {
    // SAFETY: no pointers; never fails (geteuid(2)).
    unsafe { call(word::GETEUID, []) }.map_or(u32::MAX, |uid| uid as u32)
}

/// Sets the permission bits that new files do not get (umask(2)); returns the ones before.
pub fn umask(mask: u32) -> u32 {
    // SAFETY: no pointers; never fails (umask(2)).
    unsafe { call(raw::__NR_umask, [mask as usize]) }.map_or(0, |before| before as u32)
}

/// Fills `buffer` (at most 256 bytes, which come in one piece) with random bytes, without waiting for the
/// pool at boot: `EAGAIN` then. `ENOSYS` before Linux 3.17.
pub fn fill_random(buffer: &mut [u8]) -> Result<(), Errno> {
    let arguments = [buffer.as_mut_ptr() as usize, buffer.len(), raw::GRND_NONBLOCK as usize];
    // SAFETY: the kernel writes at most `buffer.len()` bytes into `buffer`.
    let count = uninterrupted(|| unsafe { call(raw::__NR_getrandom, arguments) })?;
    if count == buffer.len() { Ok(()) } else { Err(Errno::EAGAIN) }
}

/// The time of day, in seconds since 1970.
pub fn unix_seconds() -> i64 {
    word::clock(raw::CLOCK_REALTIME).map_or(0, |(seconds, _)| seconds)
}

/// Time since some moment in the past, which no clock setting changes.
pub fn monotonic_milliseconds() -> u64 {
    word::clock(raw::CLOCK_MONOTONIC).map_or(0, |(seconds, nanoseconds)| {
        seconds.unsigned_abs() * 1000 + nanoseconds.unsigned_abs() / 1_000_000
    })
}

/// Waits this long, or less if a signal arrives.
pub fn sleep_milliseconds(milliseconds: u32) {
    word::sleep_milliseconds(milliseconds);
}
