//! Copies of this process. They send no signal when they end.

use super::Errno;
use super::call::{call, uninterrupted};
use linux_raw_sys::general as raw;

/// A copy of this process, whose end sends no signal and is reported only to a wait(2) that asks for "clone
/// children" (`__WALL`).
/// Its number; `None` in the copy.
pub(super) fn fork() -> Result<Option<u32>, Errno> {
    clone(0)
}

/// The same, and goes on when the copy has become another program or has ended.
pub(super) fn fork_and_wait() -> Result<Option<u32>, Errno> {
    clone(raw::CLONE_VFORK as usize)
}

fn clone(flags: usize) -> Result<Option<u32>, Errno> {
    // s390x takes the stack first, which is not given (clone(2)).
    let arguments = if cfg!(target_arch = "s390x") { [0, flags, 0, 0, 0] } else { [flags, 0, 0, 0, 0] };
    // SAFETY: nothing is shared: the child has a copy of all memory, and no other thread runs.
    let pid = unsafe { call(raw::__NR_clone, arguments) }?;
    Ok((pid != 0).then_some(pid as u32))
}

/// Waits for a copy's end; its status as wait(2) gives it.
pub fn ended(pid: u32) -> Result<u32, Errno> {
    let mut status = 0u32;
    let arguments = [pid as usize, (&raw mut status) as usize, raw::__WALL as usize, 0];
    // SAFETY: `status` is an `int` of ours; no resource usage is asked for.
    uninterrupted(|| unsafe { call(raw::__NR_wait4, arguments) })?;
    Ok(status)
}
