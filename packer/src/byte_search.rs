//! Searches for bytes in bytes; the standard library does that for text only.

use memchr::memmem;

/// The first position of `needle` in `bytes`. An empty needle has none.
pub(crate) fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return None;
    }
    memmem::find(bytes, needle)
}

#[cfg(test)]
mod tests {
    use super::position;

    #[test]
    fn the_first_place_is_found_and_an_empty_needle_nowhere() {
        assert_eq!(position(b"abcabc", b"bc"), Some(1));
        assert_eq!(position(b"ab", b"abc"), None);
        assert_eq!(position(b"abc", b""), None);
    }
}
