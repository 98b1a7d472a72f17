//! The reference implementation of Zstandard: our decoder is compared with it, and it compresses a corpus.
//! The only file that uses `zstd`.

use std::io::{self, Read as _};

/// The first frame of `bytes`, unpacked, unless it is damaged or longer than `most`.
pub(crate) fn unpack_frame(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let decoder = zstd::stream::read::Decoder::new(bytes).ok()?.single_frame();
    let mut all = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut all).ok()?;
    (all.len() <= most).then_some(all)
}

/// All of `bytes`, unpacked.
pub(crate) fn unpack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::decode_all(bytes)
}

/// At the highest level.
pub(crate) fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    zstd::encode_all(bytes, 19)
}
