//! A process of our own beside the app: forked, never executed, without a signal when it ends.

use super::call::call;
use super::fork::{ended, fork, fork_and_wait};
use super::{Errno, Fd, exit};
use linux_raw_sys::{general as raw, prctl};

/// The two ends of a pipe: reading, writing.
#[cfg(feature = "children")]
pub fn pipe() -> Result<(Fd, Fd), Errno> {
    let mut ends = [0u32; 2];
    let arguments = [ends.as_mut_ptr() as usize, raw::O_CLOEXEC as usize];
    // SAFETY: `ends` are the two numbers that the kernel writes.
    unsafe { call(raw::__NR_pipe2, arguments) }?;
    Ok((Fd::own(ends[0] as usize), Fd::own(ends[1] as usize)))
}

/// Starts `work` in a process that is neither our child nor our parent, has a session of its own, takes no
/// signal but SIGKILL, stands in the root and has nothing open but `kept`. Who adopts orphans himself
/// (process 1, a subreaper) has it as a child, which he sees only when he waits for children of every kind.
/// `becomes_other`: this process goes on when that one has become another program, or has ended; `EAGAIN` for
/// who adopts orphans.
pub fn beside(kept: Fd, becomes_other: bool, work: impl FnOnce(Fd) -> i32) -> Result<(), Errno> {
    let adopts = super::getpid() == 1 || is_subreaper();
    // A child that executes a program sends a signal when it ends, like any other (execve(2)).
    if adopts && becomes_other {
        return Err(Errno::EAGAIN);
    }
    let callers_mask = block_signals(u64::MAX);
    let fork = if becomes_other { fork_and_wait } else { fork };
    let first = fork();
    if let Ok(None) = first {
        // Before this process goes on: what it has locked must not stay locked when it ends.
        let kept = close_all_but(kept);
        if !adopts {
            match fork() {
                Ok(None) => {}
                Ok(Some(_)) => exit(0),
                Err(_) => exit(1),
            }
        }
        // SAFETY: no pointers.
        let _ = unsafe { call(raw::__NR_setsid, []) };
        // SAFETY: the path is NUL-terminated.
        let _ = unsafe { call(raw::__NR_chdir, [c"/".as_ptr() as usize]) };
        exit(work(kept));
    }
    drop(kept);
    block_signals(callers_mask);
    match first? {
        Some(pid) if !adopts => match ended(pid) {
            // Of a caller that ignores its children nothing is left to wait for.
            Ok(0) | Err(Errno::ECHILD) => Ok(()),
            _ => Err(Errno::EAGAIN),
        },
        _ => Ok(()),
    }
}

/// The number under which [`Fd::keep_for_program`] leaves it.
const KEPT: usize = 3;

impl Fd {
    /// Leaves what a process beside the app has open to the program that it becomes.
    pub fn keep_for_program(&self) -> Result<(), Errno> {
        // Nothing else is open.
        if self.keep_across_exec()?.leak() == KEPT as i32 { Ok(()) } else { Err(Errno::EBADF) }
    }
}

/// What was left so.
pub fn kept_for_program() -> Fd {
    Fd::own(KEPT)
}

/// Does `work` in a copy of this process, whose number it returns, and whose end wait(2) reports. It ends
/// with this process at the latest.
pub fn aside(work: impl FnOnce()) -> Result<u32, Errno> {
    let parent = super::getpid();
    if let Some(copy) = fork()? {
        return Ok(copy);
    }
    end_with(parent);
    work();
    exit(0)
}

/// Ends this process with its parent, which may be gone already. Has to be said again when rights change
/// (`PR_SET_PDEATHSIG` of prctl(2)).
pub(super) fn end_with(parent: u32) {
    // SAFETY: no pointers.
    let _ = unsafe { call(raw::__NR_prctl, [prctl::PR_SET_PDEATHSIG as usize, raw::SIGKILL as usize]) };
    if getppid() != parent {
        exit(0);
    }
}

/// The parent's number.
pub(super) fn getppid() -> u32 {
    // SAFETY: no pointers; the call cannot fail.
    unsafe { call(raw::__NR_getppid, []) }.unwrap_or(0) as u32
}

/// Another process's descriptor, as our own. Linux 5.6. `EPERM` where that process may not be traced.
#[cfg(feature = "children")]
pub fn descriptor_of(process: u32, number: u32) -> Result<Fd, Errno> {
    // SAFETY: no pointers.
    let process = Fd::own(unsafe { call(raw::__NR_pidfd_open, [process as usize, 0]) }?);
    let arguments = [process.raw() as usize, number as usize, 0];
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_pidfd_getfd, arguments) }.map(Fd::own)
}

/// Ends such a copy, whatever it waits for.
#[cfg(feature = "children")]
pub fn end(copy: u32) {
    // SAFETY: no pointers; a child of ours that has not been waited for has its number to itself.
    let _ = unsafe { call(raw::__NR_kill, [copy as usize, raw::SIGKILL as usize]) };
}

/// What other programs and people call this process.
#[cfg(feature = "children")]
pub fn set_name(name: &core::ffi::CStr) {
    // SAFETY: `name` is NUL-terminated; the kernel takes 15 bytes at most.
    let _ = unsafe { call(raw::__NR_prctl, [prctl::PR_SET_NAME as usize, name.as_ptr() as usize, 0, 0, 0]) };
}

fn is_subreaper() -> bool {
    let mut answer = 0u32;
    let arguments = [prctl::PR_GET_CHILD_SUBREAPER as usize, (&raw mut answer) as usize, 0, 0, 0];
    // SAFETY: `answer` is an `int` of ours.
    unsafe { call(raw::__NR_prctl, arguments) }.is_ok() && answer != 0
}

/// Blocks the signals of a mask and no others; returns the mask of before.
fn block_signals(mask: u64) -> u64 {
    // In the kernel's words: as many of the CPU's longs as make 64 bits, the lowest signals first.
    let high = if usize::BITS == 64 { 0 } else { (mask >> 32) as usize };
    let (new, mut old) = ([mask as usize, high], [0; 2]);
    let pointers = (new.as_ptr() as usize, old.as_mut_ptr() as usize);
    let arguments = [raw::SIG_SETMASK as usize, pointers.0, pointers.1, size_of::<u64>()];
    // SAFETY: both masks have 64 bits at least, as the last argument says.
    let _ = unsafe { call(raw::__NR_rt_sigprocmask, arguments) };
    if usize::BITS == 64 { old[0] as u64 } else { old[0] as u64 | (old[1] as u64) << 32 }
}

/// Closes every descriptor but one, which moves to the lowest number.
fn close_all_but(kept: Fd) -> Fd {
    let number = kept.leak();
    // SAFETY: no pointers; 0 is ours to replace, since nothing else of this process is used any more.
    let _ = unsafe { call(raw::__NR_dup3, [number as usize, 0, raw::O_CLOEXEC as usize]) };
    let all = u32::MAX as usize;
    // SAFETY: no pointers; likewise.
    if unsafe { call(raw::__NR_close_range, [1, all, 0]) }.is_err() {
        // Linux before 5.9. More than this are open in no process that starts us by accident.
        for number in 1..4096 {
            // SAFETY: no pointers; likewise.
            let _ = unsafe { call(raw::__NR_close, [number]) };
        }
    }
    Fd::own(0)
}
