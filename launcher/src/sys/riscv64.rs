//! `riscv64`: number in a7, arguments in a0 to a5, result in a0 (syscall(2)).
//!
//! The kernel keeps every other register but may clear the vector registers
//! (Documentation/arch/riscv/vector.rst). Without the V extension in our own code there is nothing to
//! declare.

use core::arch::asm;

use super::call::Argument;
#[cfg(feature = "children")]
use super::registers::Layout;

/// Where a stopped thread's call stands (arch/riscv/include/uapi/asm/ptrace.h, `user_regs_struct`). The
/// kernel takes the first argument from `orig_a0`, which no tracer can set before Linux 6.16
/// (arch/riscv/kernel/traps.c): only a call that is made again gets another one. And of a 32-bit program
/// (arch/riscv/include/asm/compat.h, `compat_user_regs_struct`), which filters may be told to be a 64-bit one
/// (arch/riscv/include/asm/syscall.h): the numbers are the same.
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        audit: 0xc000_00f3,
        execve: 221,
        execveat: 281,
        mmap: 222,
        munmap: 215,
        word: 8,
        length: 32,
        pointer: 8,
        address: u64::MAX,
        number: 17,
        arguments: [10, 11, 12, 13, 14, 15],
        first: 10,
        result: 10,
        counter: 0,
    },
    Layout {
        audit: 0x4000_00f3,
        execve: 221,
        execveat: 281,
        mmap: 222,
        munmap: 215,
        word: 4,
        length: 32,
        pointer: 4,
        address: 0xffff_ffff,
        number: 17,
        arguments: [10, 11, 12, 13, 14, 15],
        first: 10,
        result: 10,
        counter: 0,
    },
];

/// # Safety
/// As for [`super::call`].
#[inline]
pub(super) unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [Argument; 6]) -> usize {
    let result;
    // SAFETY: the registers are those of the kernel's convention; what the call does is our caller's promise.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") a => result,
            in("a1") b, in("a2") c, in("a3") d, in("a4") e, in("a5") f,
            options(nostack),
        );
    }
    result
}

// The kernel enters with sp at argc, every other register zero. gp stays so: the linker makes gp-relative
// addresses only when asked (`--relax-gp`).
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "mv fp, zero",      // no caller: the outermost frame
    "mv ra, zero",      // and nowhere to return to
    "mv a0, sp",        // first argument: where the kernel put argc, argv, envp and auxv
    "andi sp, sp, -16", // the psABI wants 16-byte alignment
    "call {start}",
    "unimp",            // `start` does not return
    ".size _start, . - _start",
    start = sym super::entry::start,
);
