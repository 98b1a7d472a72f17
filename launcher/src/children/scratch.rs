//! Buffers that are used again for each call. The allocator never frees, and a broker may live for months, so
//! that it must not allocate for a call.

use alloc::vec::Vec;
use core::ffi::CStr;

use crate::bytes::c_str;

/// A buffer for one path. Ends in NUL once it has been filled.
#[derive(Default)]
pub struct Scratch(Vec<u8>);

impl Scratch {
    /// Joins byte strings, none of which holds a NUL.
    pub fn join(&mut self, parts: &[&[u8]]) {
        self.0.clear();
        for part in parts {
            self.0.extend_from_slice(part);
        }
        self.0.push(0);
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.strip_suffix(b"\0").unwrap_or_default()
    }

    /// The same for a system call.
    pub fn c_str(&self) -> &CStr {
        c_str(&self.0)
    }
}

/// The decimal digits of a number.
pub struct Digits([u8; 10], usize);

impl Digits {
    /// Of `number`.
    pub fn of(mut number: u32) -> Self {
        // 2^32 has 10 digits.
        let (mut digits, mut start) = ([b'0'; 10], 10usize);
        for digit in digits.iter_mut().rev() {
            *digit = b'0'.wrapping_add(u8::try_from(number % 10).unwrap_or(0));
            start = start.saturating_sub(1);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        Self(digits, start)
    }

    /// As bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.get(self.1..).unwrap_or_default()
    }
}
