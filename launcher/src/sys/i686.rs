//! `i686`: number in eax, arguments in ebx ecx edx esi edi ebp, result in eax (syscall(2)).
//!
//! The compiler keeps esi and ebp for itself and inline assembly may not name them, so the arguments travel
//! in memory and the registers are saved around the call. `int 0x80` works on every kernel and needs no vDSO.

use core::arch::asm;

use super::call::Argument;

/// `offset` as arguments after three others: low word, high word.
pub(super) fn fourth(offset: u64) -> [usize; 2] {
    [offset as usize, (offset >> 32) as usize]
}

/// `offset` as arguments after one other.
pub(super) fn second(offset: u64) -> [usize; 2] {
    fourth(offset)
}

/// Where a stopped thread's call stands.
#[cfg(feature = "children")]
pub(super) const LAYOUTS: &[super::registers::Layout] = &[super::registers::I386];

/// # Safety
/// As for [`super::call`].
#[inline]
pub(super) unsafe fn syscall(number: usize, [a, b, c, d, e, f]: [Argument; 6]) -> usize {
    let registers = [Argument::new(number), a, b, c, d, e, f];
    let result;
    // SAFETY: the registers are those of the kernel's convention, `registers` lives across the call, and what
    // is not declared is restored; what the call does is our caller's promise.
    unsafe {
        asm!(
            "push ebx",
            "push esi",
            "push ebp",
            "mov ebx, [eax + 4]",
            "mov ecx, [eax + 8]",
            "mov edx, [eax + 12]",
            "mov esi, [eax + 16]",
            "mov edi, [eax + 20]",
            "mov ebp, [eax + 24]",
            "mov eax, [eax]",  // last: eax was the address
            "int 0x80",
            "pop ebp",
            "pop esi",
            "pop ebx",
            inlateout("eax") registers.as_ptr() => result,
            out("ecx") _, out("edx") _, out("edi") _,
        );
    }
    result
}

// The kernel enters with esp at argc; the other registers are unspecified.
#[cfg(feature = "bare")]
core::arch::global_asm!(
    ".globl _start",
    ".type _start, @function",
    "_start:",
    "xor ebp, ebp",    // no caller: the outermost frame
    "mov eax, esp",    // where the kernel put argc, argv, envp and auxv
    "and esp, -16",    // the psABI wants 16-byte alignment at a call,
    "sub esp, 12",     // counted with the one argument
    "push eax",        // which is on the stack
    "call {start}",
    "ud2",             // `start` does not return
    ".size _start, . - _start",
    start = sym super::entry::start,
);
