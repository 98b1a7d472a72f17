//! `ppc64le`: number in r0, arguments in r3 to r8, result in r3, and the summary overflow bit of cr0 says
//! that it is an error, which is then positive (syscall(2)). ELFv2.
//!
//! The kernel overwrites r0, r3 to r13 but r13 (the thread pointer), cr0, ctr and xer
//! (Documentation/arch/powerpc/syscall64-abi.rst). `_start` gets no TOC pointer and makes its own.

use core::arch::asm;

use super::call::Argument;
#[cfg(feature = "children")]
use super::registers::Layout;

/// Where a stopped thread's call stands (arch/powerpc/include/uapi/asm/ptrace.h, `pt_regs`). After the stop
/// the kernel copies `orig_gpr3` over r3 (arch/powerpc/kernel/ptrace/ptrace.c, `do_syscall_trace_enter`);
/// both are set. And of a 32-bit program, where a kernel is built to run them: the same in narrower words
/// (arch/powerpc/kernel/ptrace/ptrace-view.c, `gpr32_get`), and no sign of its byte order for filters
/// (include/uapi/linux/audit.h).
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[Layout] = &[
    Layout {
        audit: 0xc000_0015,
        execve: 11,
        execveat: 362,
        mmap: 90,
        munmap: 91,
        word: 8,
        length: 48,
        pointer: 8,
        address: u64::MAX,
        number: 0,
        arguments: [34, 4, 5, 6, 7, 8],
        first: 3,
        result: 3,
        counter: 32,
    },
    Layout {
        audit: 0x14,
        execve: 11,
        execveat: 362,
        mmap: 90,
        munmap: 91,
        word: 4,
        length: 48,
        pointer: 4,
        address: 0xffff_ffff,
        number: 0,
        arguments: [34, 4, 5, 6, 7, 8],
        first: 3,
        result: 3,
        counter: 32,
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
            "bl {gate}",
            gate = sym gate,
            inlateout("r0") number => _,
            inlateout("r3") a => result,
            inlateout("r4") b => _, inlateout("r5") c => _, inlateout("r6") d => _,
            inlateout("r7") e => _, inlateout("r8") f => _,
            lateout("r9") _, lateout("r10") _, lateout("r11") _, lateout("r12") _,
            lateout("cr0") _, lateout("ctr") _, lateout("xer") _, lateout("lr") _,
            options(nostack),
        );
    }
    result
}

unsafe extern "C" {
    #[link_name = "unibin_syscall"]
    fn gate();
}

core::arch::global_asm!(
    ".type unibin_syscall, @function",
    "unibin_syscall:",
    "sc",
    "bnslr+",   // no summary overflow: the result is one
    "neg 3, 3", // else make it negative, as every other CPU has it
    "blr",
    ".size unibin_syscall, . - unibin_syscall",
);

// The kernel enters with r1 at argc, 16-byte aligned, and r12 at `_start` (arch/powerpc/kernel/process.c,
// `start_thread`: ELFv2 programs find their TOC from r12).
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "addis 2, 12, .TOC.-_start@ha",  // the TOC pointer, from the address we were entered at
    "addi 2, 2, .TOC.-_start@l",
    "mr 3, 1",                       // first argument: where the kernel put argc, argv, envp and auxv
    "clrrdi 1, 1, 4",                // the ABI wants 16-byte alignment
    "li 0, 0",
    "stdu 0, -32(1)",                // the smallest frame, its back chain null: the outermost one
    "mtlr 0",                        // nowhere to return to
    "bl {start}",
    "nop",                           // the linker's room for restoring the TOC
    "trap",                          // `start` does not return
    ".size _start, . - _start",
    start = sym super::entry::start,
);
