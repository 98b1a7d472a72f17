//! zstd, decoding and encoding: members of packages, and copies of indexes. The only file that uses `zstd`.

use std::io::{self, BufRead, Read, Write};

/// Decodes all of `reader`.
pub(crate) fn decode<'r, R: BufRead + 'r>(reader: R) -> io::Result<impl Read + use<'r, R>> {
    zstd::Decoder::with_buffer(reader)
}

/// Encodes `bytes` at the level that costs least.
pub(crate) fn encode(bytes: &[u8], to: impl Write) -> io::Result<()> {
    zstd::stream::copy_encode(bytes, to, 1)
}
