//! Byte strings: joined, as paths, and with numbers in them, without `core::fmt`.
//!
//! They are never freed: a launcher lives for a moment, its allocator takes nothing back, and without the code that frees
//! them it is a third smaller.

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;

/// Joins byte strings. Not inlined: nearly every message and path is made by it.
#[inline(never)]
pub fn join(parts: &[&[u8]]) -> &'static [u8] {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        joined.extend_from_slice(part);
    }
    joined.leak()
}

/// Joins byte strings with a separator between them.
pub fn list<'a>(parts: impl Iterator<Item = &'a [u8]>, separator: &[u8]) -> &'static [u8] {
    let mut joined = Vec::new();
    for part in parts {
        if !joined.is_empty() {
            joined.extend_from_slice(separator);
        }
        joined.extend_from_slice(part);
    }
    joined.leak()
}

/// Joins byte strings into a path. None of the parts holds a NUL: they came from C strings or from checked names.
#[inline(never)]
pub fn c_string(parts: &[&[u8]]) -> &'static CStr {
    CStr::from_bytes_with_nul(join(&[join(parts), b"\0"])).unwrap_or_default()
}

/// The same with `?` in place of control codes: a name in a hostile bundle must not steer the terminal.
pub fn printable(text: &[u8]) -> &'static [u8] {
    let safe = |byte: &u8| if *byte == b'\n' || !byte.is_ascii_control() { *byte } else { b'?' };
    text.iter().map(safe).collect::<Vec<_>>().leak()
}

/// A buffer of zeros, which is never freed either.
#[inline(never)]
pub fn zeroed(length: usize) -> &'static mut [u8] {
    vec![0; length].leak()
}

/// The decimal digits of a number.
pub fn decimal(mut number: u64) -> &'static [u8] {
    let mut digits = Vec::new();
    loop {
        digits.push(b'0'.wrapping_add(u8::try_from(number % 10).unwrap_or(0)));
        number /= 10;
        if number == 0 {
            digits.reverse();
            return digits.leak();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{decimal, printable};

    #[test]
    fn control_codes_do_not_reach_the_terminal() {
        assert_eq!(printable(b"a\x1b[2J\x07b\nc\xff\x7f"), b"a?[2J?b\nc\xff?");
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        assert_eq!(decimal(0), b"0");
        assert_eq!(decimal(u64::MAX), u64::MAX.to_string().as_bytes());
    }
}
