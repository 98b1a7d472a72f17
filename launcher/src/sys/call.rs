//! One call of the kernel, for all the others of this directory.

use super::{Errno, cpu};

/// A word for a register, or what the register holds already: a tenth of a call's code would clear arguments
/// that the call does not have.
pub(super) type Argument = core::mem::MaybeUninit<usize>;

/// Calls the kernel with up to six arguments; what the missing ones are is left to chance.
///
/// # Safety
/// There must be as many arguments as call `number` has, each what it asks for: pointers valid for the
/// lengths given with them, and memory that the kernel writes must be the caller's to write.
#[inline(always)]
#[expect(clippy::inline_always, reason = "out of line it would pass an array of six words through memory")]
pub(super) unsafe fn call<const N: usize>(number: u32, arguments: [usize; N]) -> Result<usize, Errno> {
    // Not a loop: one would be compiled as such.
    let argument = |at: usize| arguments.get(at).map_or(Argument::uninit(), |word| Argument::new(*word));
    let all = [argument(0), argument(1), argument(2), argument(3), argument(4), argument(5)];
    // SAFETY: passed on from our caller.
    let value = unsafe { cpu::syscall(number as usize, all) };
    // -4095..=-1 are errors on every CPU (include/linux/err.h, `MAX_ERRNO`).
    match value.wrapping_neg() {
        code @ 1..=4095 => Err(Errno::from_code(code)),
        _ => Ok(value),
    }
}

/// Repeats `attempt` while a signal interrupts it.
pub(super) fn uninterrupted<T>(mut attempt: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match attempt() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}
