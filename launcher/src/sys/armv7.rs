//! `armv7` (EABI, Thumb): number in r7, arguments in r0 to r5, result in r0 (syscall(2)).
//!
//! A 64-bit argument takes an even register and the next one, so one register before it may stay empty.
//! Soft float: the program runs on a CPU without VFP too.

use core::arch::asm;

use super::call::Argument;

/// `offset` as arguments after three others: r3 is odd and stays empty.
pub(super) fn fourth(offset: u64) -> [usize; 3] {
    [0, offset as usize, (offset >> 32) as usize]
}

/// `offset` as arguments after one other: r1 is odd and stays empty.
pub(super) fn second(offset: u64) -> [usize; 3] {
    fourth(offset)
}

/// Where a stopped thread's call stands. The kernel loads the arguments from there after the stop
/// (arch/arm/kernel/entry-common.S, `__sys_trace`).
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[super::registers::Layout] = &[super::registers::ARM];

/// # Safety
/// As for [`super::call`].
#[inline]
pub(super) unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [Argument; 6]) -> usize {
    let result;
    // SAFETY: the registers are those of the kernel's convention; r7, which is the frame pointer in Thumb and
    // so not ours to name, is what it was behind the call; what the call does is our caller's promise.
    unsafe {
        asm!(
            "mov {saved}, r7",
            "mov r7, {number}",
            "svc 0",
            "mov r7, {saved}",
            saved = out(reg) _,
            number = in(reg) number,
            inlateout("r0") a => result,
            in("r1") b, in("r2") c, in("r3") d, in("r4") e, in("r5") f,
            options(nostack),
        );
    }
    result
}

// In ARM mode, where sp can be masked: the linker has the call change the mode.
// The kernel enters with sp at argc, every other register zero or unspecified.
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".arm",
    ".type _start, %function",
    "_start:",
    "mov fp, #0",      // no caller: the outermost frame
    "mov lr, #0",      // and nowhere to return to
    "mov r0, sp",      // first argument: where the kernel put argc, argv, envp and auxv
    "bic sp, sp, #7",  // the AAPCS wants 8-byte alignment at a call
    "bl {start}",
    "udf #0",          // `start` does not return
    ".size _start, . - _start",
    start = sym super::entry::start,
);
