//! `x86_64`: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax (syscall(2)).
//!
//! The `syscall` instruction itself overwrites rcx and r11, which is why the fourth argument is in r10.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

use super::call::Argument;
#[cfg(feature = "children")]
use super::registers::Layout;

/// What a level needs beyond the one below: bits of leaf 1 ecx, leaf 7 ebx, leaf `0x8000_0001` ecx, and of
/// the register state that the kernel saves (x86-64 psABI, section 3.1.1; the bits: Intel SDM volume 2,
/// CPUID).
const LEVELS: [(u16, [u32; 4]); 3] = [
    // SSE3 SSSE3 CMPXCHG16B SSE4.1 SSE4.2 POPCNT; LAHF
    (2, [1 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20 | 1 << 23, 0, 1, 0]),
    // FMA MOVBE OSXSAVE AVX F16C; BMI1 AVX2 BMI2; LZCNT; xmm and ymm
    (3, [1 << 12 | 1 << 22 | 1 << 27 | 1 << 28 | 1 << 29, 1 << 3 | 1 << 5 | 1 << 8, 1 << 5, 0b110]),
    // AVX512 F DQ CD BW VL; opmask and zmm
    (4, [0, 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31, 0, 0b1110_0000]),
];

/// x86-64-v2, -v3 or -v4 as 2, 3 or 4; 0 for the baseline.
pub(super) fn level() -> u16 {
    let one = __cpuid(1).ecx;
    let seven = if __cpuid(0).eax >= 7 { __cpuid_count(7, 0).ebx } else { 0 };
    let mut state: u32 = 0;
    // OSXSAVE
    if one & 1 << 27 != 0 {
        // SAFETY: the instruction is there when OSXSAVE is set; it reads a register of the kernel's.
        unsafe { asm!("xgetbv", in("ecx") 0, out("eax") state, out("edx") _, options(nomem, nostack)) };
    }
    let have = [one, seven, __cpuid(0x8000_0001).ecx, state];
    let mut highest = 0;
    for (level, needs) in LEVELS {
        if needs.iter().zip(have).any(|(needed, have)| needed & !have != 0) {
            break;
        }
        highest = level;
    }
    highest
}

/// Where a stopped thread's call stands: of a 64-bit program (`user_regs_struct` of
/// `arch/x86/include/asm/user_64.h`), of one of the ABI x32, which differs in its numbers
/// (`__X32_SYSCALL_BIT`, `arch/x86/entry/syscalls/syscall_64.tbl`) and in pointers of 4 bytes, and of a
/// 32-bit one (`user_regs_struct32`).
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        audit: 0xc000_003e,
        execve: 59,
        execveat: 322,
        mmap: 9,
        munmap: 11,
        word: 8,
        length: 27,
        pointer: 8,
        address: u64::MAX,
        number: 15,
        arguments: [14, 13, 12, 7, 9, 8],
        first: 14,
        result: 10,
        counter: 16,
    },
    Layout {
        audit: 0xc000_003e,
        execve: 0x4000_0208,
        execveat: 0x4000_0221,
        mmap: 0x4000_0009,
        munmap: 0x4000_000b,
        word: 8,
        length: 27,
        pointer: 4,
        address: u64::MAX,
        number: 15,
        arguments: [14, 13, 12, 7, 9, 8],
        first: 14,
        result: 10,
        counter: 16,
    },
    super::registers::I386,
];

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
