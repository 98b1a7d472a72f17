//! Overwrites paths that are constants in a loader or library, so that they lead nowhere. Nothing in the file
//! moves.

use crate::byte_search;

/// A byte that occurs in no name that anybody would use.
pub(crate) const NOTHING: u8 = 1;

/// Changes the first component of a path, wherever it occurs in `bytes`, to a name that nothing has; returns
/// whether it occurred. It remains an absolute path of the same length. `text`: the path, with what comes
/// before and after it.
pub(crate) fn forget(bytes: &mut [u8], text: &[u8]) -> bool {
    let mut from = 0;
    while let Some(at) = byte_search::position(&bytes[from..], text) {
        let found = &mut bytes[from + at..from + at + text.len()];
        let part = found.iter_mut().skip_while(|byte| **byte != b'/').skip(1);
        part.take_while(|byte| !matches!(**byte, b'/' | 0)).for_each(|byte| *byte = NOTHING);
        // The end of one text may be the start of the next.
        from += at + text.len() - 1;
    }
    from > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_a_path_is_forgotten_and_nothing_behind_its_end() {
        let mut bytes = b"\0/lib/a/\0/lib/a/\0/lib\0next".to_vec();
        assert!(forget(&mut bytes, b"\0/lib/a/\0") && forget(&mut bytes, b"/lib\0"));
        assert_eq!(bytes, b"\0/\x01\x01\x01/a/\0/\x01\x01\x01/a/\0/\x01\x01\x01\0next");
        assert!(!forget(&mut bytes, b"/lib\0"));
    }
}
