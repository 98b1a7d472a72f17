//! `loongarch64`: number in a7, arguments in a0 to a5, result in a0 (syscall(2)).
//!
//! The kernel overwrites the temporaries t0 to t8 (arch/loongarch/include/asm/syscall.h, glibc's `sysdep.h`).

use core::arch::asm;

use super::call::Argument;
#[cfg(feature = "children")]
use super::registers::Layout;

/// Where a stopped thread's call stands (arch/loongarch/include/uapi/asm/ptrace.h, `user_pt_regs`): the first
/// argument in `orig_a0`, which a tracer can set.
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[Layout] = &[Layout {
    audit: 0xc000_0102,
    execve: 221,
    execveat: 281,
    mmap: 222,
    munmap: 215,
    word: 8,
    length: 45,
    pointer: 8,
    address: u64::MAX,
    number: 11,
    arguments: [32, 5, 6, 7, 8, 9],
    first: 4,
    result: 4,
    counter: 33,
}];

/// # Safety
/// As for [`super::call`].
#[inline]
pub(super) unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [Argument; 6]) -> usize {
    let result;
    // SAFETY: the registers are those of the kernel's convention; what the call does is our caller's promise.
    unsafe {
        asm!(
            "syscall 0",
            in("$a7") number,
            inlateout("$a0") a => result,
            in("$a1") b, in("$a2") c, in("$a3") d, in("$a4") e, in("$a5") f,
            lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
            lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _,
            options(nostack),
        );
    }
    result
}

// The kernel enters with sp at argc, every other register zero.
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "move $fp, $zero",             // no caller: the outermost frame
    "move $ra, $zero",             // and nowhere to return to
    "move $a0, $sp",               // first argument: where the kernel put argc, argv, envp and auxv
    "bstrins.d $sp, $zero, 3, 0",  // clear the low four bits: the psABI wants 16-byte alignment
    "bl {start}",
    "break 0",                     // `start` does not return
    ".size _start, . - _start",
    start = sym super::entry::start,
);
