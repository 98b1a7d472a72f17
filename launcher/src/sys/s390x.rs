//! `s390x`: number in r1, arguments in r2 to r7, result in r2 (syscall(2)). Big-endian.
//!
//! `mmap` alone takes the address of its six arguments (see `word64.rs`). A caller leaves 160 bytes below its
//! frame for the callee to save registers in (s390x ELF ABI, 1.2.2).

use core::arch::asm;

use super::call::Argument;
#[cfg(feature = "children")]
use super::registers::Layout;

/// Where a stopped thread's call stands (arch/s390/include/uapi/asm/ptrace.h, `s390_regs`): the first
/// argument in `orig_gpr2`, while r2 holds the number (arch/s390/kernel/syscall.c). And of a 31-bit program,
/// which kernels before Linux 6.19 may run (arch/s390/include/asm/compat.h, `s390_compat_regs`, a multiple of
/// eight bytes): the highest bit of an address is the mode's, and the kernel clears it.
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        audit: 0x8000_0016,
        execve: 11,
        execveat: 354,
        mmap: 90,
        munmap: 91,
        word: 8,
        length: 27,
        pointer: 8,
        address: u64::MAX,
        number: 4,
        arguments: [26, 5, 6, 7, 8, 9],
        first: 4,
        result: 4,
        counter: 1,
    },
    Layout {
        audit: 0x16,
        execve: 11,
        execveat: 354,
        mmap: 90,
        munmap: 91,
        word: 4,
        length: 36,
        pointer: 4,
        address: 0x7fff_ffff,
        number: 4,
        arguments: [34, 5, 6, 7, 8, 9],
        first: 4,
        result: 4,
        counter: 1,
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
            "svc 0",
            in("r1") number,
            inlateout("r2") a => result,
            in("r3") b, in("r4") c, in("r5") d, in("r6") e, in("r7") f,
            options(nostack),
        );
    }
    result
}

// The kernel enters with r15 at argc, 8-byte aligned, which is all that this ABI asks for.
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "lgr %r2, %r15",               // first argument: where the kernel put argc, argv, envp and auxv
    "lghi %r0, -8",                // the mask of an 8-byte boundary
    "ngr %r15, %r0",               // align
    "aghi %r15, -160",             // the area in which `start` saves our registers
    "xc 0(8,%r15), 0(%r15)",       // back chain null: the outermost frame
    "lghi %r11, 0",                // no frame pointer
    "brasl %r14, {start}",
    "j .+2",                       // `start` does not return: an address in mid-instruction traps
    ".size _start, . - _start",
    start = sym super::entry::start,
);
