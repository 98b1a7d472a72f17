//! Byte strings: joined, as paths, and with numbers in them, without `core::fmt`.
//!
//! They are never freed: a launcher soon executes another program, and its allocator frees nothing.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Kind, cut, show};

/// Joins byte strings. Not inlined: nearly every message and path is made by it.
#[inline(never)]
pub fn join(parts: &[&[u8]]) -> &'static [u8] {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        joined.extend_from_slice(part);
    }
    joined.leak()
}

/// The template with each `{}` replaced by the next value.
#[inline(never)]
pub fn fill(template: &str, values: &[&[u8]]) -> &'static [u8] {
    let mut filled = Vec::new();
    let mut values = values.iter();
    let mut rest = template.as_bytes();
    loop {
        let (text, behind) = cut(rest, b'{');
        filled.extend_from_slice(text);
        let Some(behind) = behind else { return filled.leak() };
        filled.extend_from_slice(values.next().copied().unwrap_or_default());
        rest = behind.get(1..).unwrap_or_default();
    }
}

/// A message as it is printed: `unibin: ` before each of its lines, nothing in them that steers the terminal.
#[inline(never)]
pub fn lines(text: &[u8]) -> &'static [u8] {
    let mut lines = Vec::new();
    let mut rest = Some(text);
    while let Some(text) = rest {
        let (line, behind) = cut(text, b'\n');
        lines.extend_from_slice(b"unibin: ");
        lines.extend_from_slice(line);
        lines.push(b'\n');
        rest = behind;
    }
    printable(&lines)
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

/// Joins byte strings into a path. None of the parts holds a NUL: they came from C strings or from checked
/// names.
#[inline(never)]
pub fn c_string(parts: &[&[u8]]) -> &'static CStr {
    c_str(join(&[join(parts), b"\0"]))
}

/// A C string out of bytes that end in NUL; an empty one out of others. What follows a NUL before the end is
/// left out.
pub fn c_str(bytes: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(bytes).unwrap_or_default()
}

/// A text of lines as it is shown: nothing in it steers the terminal. Names in it must have been shown by
/// [`name`] before, or they could make lines of their own.
pub fn printable(text: &[u8]) -> &'static [u8] {
    shown(text, Kind::Lines)
}

/// A name or a path as it is shown: on one line.
pub fn name(name: &[u8]) -> &'static [u8] {
    shown(name, Kind::Name)
}

#[inline(never)]
fn shown(text: &[u8], kind: Kind) -> &'static [u8] {
    let mut all = Vec::with_capacity(text.len());
    show(text, kind, &mut |piece| all.extend_from_slice(piece));
    all.leak()
}

/// A value behind a pointer, which is never freed either.
pub fn keep<'a, T: 'a>(value: T) -> &'a mut T {
    Box::leak(Box::new(value))
}

/// A buffer of zeros, which is never freed either.
#[inline(never)]
pub fn zeroed(length: usize) -> &'static mut [u8] {
    vec![0; length].leak()
}

/// The decimal digits of a number.
pub fn decimal(mut number: u64) -> &'static [u8] {
    // 2^64 has 20 digits.
    let digits = zeroed(20);
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add(u8::try_from(number % 10).unwrap_or(0));
        start = start.saturating_sub(1);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{decimal, name, printable};

    #[test]
    fn control_codes_do_not_reach_the_terminal_and_names_make_no_lines() {
        assert_eq!(printable(b"a\x1b[2J\nc"), b"a\\x1b[2J\nc");
        assert_eq!(name(b"a\x1b[2J\nc"), b"a\\x1b[2J\\nc");
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        assert_eq!(decimal(0), b"0");
        assert_eq!(decimal(u64::MAX), u64::MAX.to_string().as_bytes());
    }
}
