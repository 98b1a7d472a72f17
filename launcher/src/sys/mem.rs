//! The four functions that compiled code calls to copy, move, fill and compare memory (C11 7.24).
//!
//! compiler-builtins has them too, faster for unaligned moves and four times as long. A word at a time is
//! enough here: what a launcher copies is unpacked once.

use core::ffi::{c_int, c_void};

const WORD: usize = size_of::<usize>();

/// Keeps the compiler from turning a loop into a call of the function that the loop is in.
#[inline(always)]
fn plain_loop() {
    // SAFETY: no instruction.
    unsafe { core::arch::asm!("", options(nomem, nostack, preserves_flags)) }
}

/// # Safety
/// C11 7.24.2.1, but the ranges may overlap if `to` is below `from`: every word is read before it is
/// overwritten.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void {
    let (bytes, source) = (to.cast::<u8>(), from.cast::<u8>());
    let mut at = 0;
    while at < length {
        plain_loop();
        // SAFETY: `at` and, in the first case, the word at it lie within `length`, which the caller vouches
        // for.
        unsafe {
            if length - at >= WORD {
                let word = source.add(at).cast::<usize>().read_unaligned();
                bytes.add(at).cast::<usize>().write_unaligned(word);
                at += WORD;
            } else {
                *bytes.add(at) = *source.add(at);
                at += 1;
            }
        }
    }
    to
}

/// # Safety
/// C11 7.24.2.2
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut c_void, from: *const c_void, length: usize) -> *mut c_void {
    if to.addr() <= from.addr() {
        // SAFETY: our caller's promise; the overlap is of the allowed kind.
        return unsafe { memcpy(to, from, length) };
    }
    let (bytes, source) = (to.cast::<u8>(), from.cast::<u8>());
    let mut left = length;
    while left > 0 {
        plain_loop();
        // SAFETY: as in `memcpy`, from the end.
        unsafe {
            if left >= WORD {
                left -= WORD;
                let word = source.add(left).cast::<usize>().read_unaligned();
                bytes.add(left).cast::<usize>().write_unaligned(word);
            } else {
                left -= 1;
                *bytes.add(left) = *source.add(left);
            }
        }
    }
    to
}

/// # Safety
/// C11 7.24.6.1
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut c_void, value: c_int, length: usize) -> *mut c_void {
    let bytes = to.cast::<u8>();
    for at in 0..length {
        plain_loop();
        // SAFETY: within `length`.
        unsafe { *bytes.add(at) = value as u8 }
    }
    to
}

/// # Safety
/// C11 7.24.4.1
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int {
    let (one, other) = (one.cast::<u8>(), other.cast::<u8>());
    for at in 0..length {
        plain_loop();
        // SAFETY: within `length`.
        let (left, right) = unsafe { (*one.add(at), *other.add(at)) };
        if left != right {
            return c_int::from(left) - c_int::from(right);
        }
    }
    0
}

/// # Safety
/// As for `memcmp`, of which rustc asks only whether the result is zero.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int {
    // SAFETY: our caller's promise.
    unsafe { memcmp(one, other, length) }
}

/// # Safety
/// C11 7.24.6.3
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(string: *const core::ffi::c_char) -> usize {
    let mut length = 0;
    // SAFETY: up to its NUL the string is the caller's promise.
    while unsafe { *string.add(length) } != 0 {
        plain_loop();
        length += 1;
    }
    length
}
