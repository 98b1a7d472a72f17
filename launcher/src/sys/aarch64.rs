//! `aarch64`: number in x8, arguments in x0 to x5, result in x0 (syscall(2)).
//!
//! The kernel keeps every other register.

use core::arch::asm;

use super::call::Argument;
#[cfg(feature = "children")]
use super::registers::Layout;

/// Where a stopped thread's call stands: of a 64-bit program (arch/arm64/include/uapi/asm/ptrace.h,
/// `user_pt_regs`), and of a 32-bit one. The kernel reads the arguments from there after the stop
/// (arch/arm64/kernel/syscall.c).
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        audit: 0xc000_00b7,
        execve: 221,
        execveat: 281,
        mmap: 222,
        munmap: 215,
        word: 8,
        length: 34,
        pointer: 8,
        address: u64::MAX,
        number: 8,
        arguments: [0, 1, 2, 3, 4, 5],
        first: 0,
        result: 0,
        counter: 32,
    },
    super::registers::ARM,
];

/// # Safety
/// As for [`super::call`].
#[inline]
pub(super) unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [Argument; 6]) -> usize {
    let result;
    // SAFETY: the registers are those of the kernel's convention; what the call does is our caller's promise.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

// The kernel enters with sp at argc, 16-byte aligned, and every other register zero.
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, %function",
    "_start:",
    "mov x29, #0",       // no caller: the outermost frame
    "mov x30, #0",       // and nowhere to return to
    "mov x0, sp",        // first argument: where the kernel put argc, argv, envp and auxv
    "and sp, x0, #-16",  // the CPU faults on a stack that is not 16-byte aligned
    "bl {start}",
    "udf #0",            // `start` does not return
    ".size _start, . - _start",
    start = sym super::entry::start,
);
