//! Copies a file so that ranges of zeros become holes: disk images and databases are mostly zeros.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Holes are looked for in pieces of this size, a multiple of every file system's block size.
const PIECE: usize = 64 * 1024;

/// Copies all of `from` into `to`, an empty file; returns the length in bytes.
pub(crate) fn copy(from: &mut dyn Read, to: &File) -> io::Result<u64> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut end = 0;
    loop {
        piece.clear();
        Read::take(&mut *from, PIECE as u64).read_to_end(&mut piece)?;
        if piece.is_empty() {
            // The file may end in a hole.
            to.set_len(end)?;
            return Ok(end);
        }
        if piece.iter().any(|byte| *byte != 0) {
            to.write_all_at(&piece, end)?;
        }
        end += piece.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn zeros_become_holes_and_the_bytes_stay() {
        let mut bytes = vec![0; 10 * PIECE + 100];
        bytes[5 * PIECE + 7] = 1;
        let file = tempfile::tempfile().expect("a file");
        assert_eq!(copy(&mut &bytes[..], &file).expect("copied"), bytes.len() as u64);
        let mut back = vec![1; bytes.len()];
        file.read_exact_at(&mut back, 0).expect("read");
        assert!(back == bytes, "the same bytes");
        let found = file.metadata().expect("known");
        assert_eq!(found.len(), bytes.len() as u64);
        // In units of 512 bytes; one piece has to be there.
        assert!(found.blocks() * 512 <= 2 * PIECE as u64, "{} blocks", found.blocks());
    }
}
