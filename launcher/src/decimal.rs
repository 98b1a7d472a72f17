//! Numbers as text without `core::fmt`.

use alloc::vec::Vec;

/// The decimal digits of a number.
pub fn decimal(mut number: u64) -> Vec<u8> {
    let mut digits = Vec::new();
    loop {
        digits.push(b'0'.wrapping_add(u8::try_from(number % 10).unwrap_or(0)));
        number /= 10;
        if number == 0 {
            digits.reverse();
            return digits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn numbers_are_written_in_decimal() {
        assert_eq!(decimal(0), b"0");
        assert_eq!(decimal(u64::MAX), u64::MAX.to_string().as_bytes());
    }
}
