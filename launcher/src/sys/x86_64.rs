//! `x86_64`: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax (syscall(2)).
//!
//! The `syscall` instruction itself overwrites rcx and r11, which is why the fourth argument is in r10.

use core::arch::asm;

use super::Argument;

/// # Safety
/// As for [`super::call`].
#[inline]
pub(super) unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [Argument; 6]) -> usize {
    let result;
    // SAFETY: the registers are those of the kernel's convention; what the call does is our caller's promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

// The kernel enters with rsp at argc (arch/x86/include/asm/elf.h), every other register unspecified or zero.
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "xor ebp, ebp",    // no caller: the outermost frame
    "mov rdi, rsp",    // first argument: where the kernel put argc, argv, envp and auxv
    "and rsp, -16",    // the psABI wants 16-byte alignment at a call
    "call {start}",    // pushes a return address that nobody uses
    "ud2",             // `start` does not return
    ".size _start, . - _start",
    start = sym super::entry::start,
);
