//! Zstandard, touched here only. A frame is made by one thread, records its content's size and has no
//! checksum (the manifest binds digests): its bytes depend on the input and the level alone, since the
//! library is compiled in.

use std::io::{self, Read, Write};

use bundle::Digest;
use zstd::zstd_safe::{CParameter, Strategy};

use crate::hash::Hashing;
use crate::progress::Shown;
use crate::tree::content::Content;

/// The launcher sets aside at most 1 << 26 bytes (64 MiB) to unpack a frame; zstd's level 22 alone would use
/// 1 << 27.
const WINDOW_LOG_MAX: u32 = 26;

/// How many bytes are reported as done at a time.
const PIECE: usize = 256 << 10;

/// Shorter inputs, in bytes, get the level's own window.
const WIDE_MIN: u64 = 1 << 20;

/// The level that trees are packed at unless the user says otherwise. It has to feel immediate, so it looks
/// for matches in a table that a CPU's cache holds, of this many bits, and does not try the second next byte:
/// a quarter less time for 1.5 % more bytes, measured with a tree of 441 MB.
const QUICK: i32 = 9;
const QUICK_HASH_LOG: u32 = 20;

/// To be raised with every change of the parameters in [`made`], so that frames made before are not reused.
const PARAMETERS: u32 = 4;

/// Identifies everything but input and level that determines a frame's bytes.
pub(crate) fn compressor() -> String {
    format!("zstd{}-{PARAMETERS}", zstd::zstd_safe::version_number())
}

/// Compresses `input` into `to` with a window over all of it, as far as the launcher can follow: long
/// distances are where large programs resemble each other. Returns `to` and the frame's SHA-256.
pub(crate) fn made<W: Write>(input: &[u8], level: i32, shown: &Shown<'_>, to: W) -> io::Result<(W, Digest)> {
    let all = |each: &mut dyn FnMut(&[u8]) -> io::Result<()>| input.chunks(PIECE).try_for_each(each);
    of_pieces(input.len() as u64, all, level, shown, to)
}

/// Like [`made`], for input that may be larger than the memory.
pub(crate) fn long<W: Write>(input: &Content, level: i32, to: W) -> io::Result<W> {
    let all = |each: &mut dyn FnMut(&[u8]) -> io::Result<()>| input.each_piece(each);
    of_pieces(input.len(), all, level, &Shown::nowhere(), to).map(|(to, _)| to)
}

fn of_pieces<W: Write>(
    length: u64,
    all: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    level: i32,
    shown: &Shown<'_>,
    to: W,
) -> io::Result<(W, Digest)> {
    let mut encoder = zstd::Encoder::new(Hashing::new(to), level)?;
    encoder.set_pledged_src_size(Some(length))?;
    if length >= WIDE_MIN {
        let log = length.next_power_of_two().ilog2().min(WINDOW_LOG_MAX);
        encoder.set_parameter(CParameter::WindowLog(log))?;
        encoder.set_parameter(CParameter::EnableLongDistanceMatching(true))?;
        if level == QUICK {
            encoder.set_parameter(CParameter::Strategy(Strategy::ZSTD_lazy))?;
            encoder.set_parameter(CParameter::HashLog(QUICK_HASH_LOG))?;
        }
    }
    all(&mut |piece| {
        encoder.write_all(piece)?;
        shown.advance(piece.len() as u64);
        Ok(())
    })?;
    let (to, _, digest) = encoder.finish()?.finish();
    Ok((to, digest))
}

/// The most that a frame of `length` bytes takes.
pub(crate) fn longest(length: usize) -> u64 {
    zstd::zstd_safe::compress_bound(length) as u64
}

/// About how much memory it takes to compress `length` bytes: these, the window and the tables of the level,
/// which are estimates, not measured.
pub(crate) fn memory(level: i32, length: u64) -> u64 {
    let tables: u64 = match level {
        ..=4 => 24 << 20,
        5..=12 => 72 << 20,
        13..=19 => 160 << 20,
        20 => 272 << 20,
        21 => 432 << 20,
        _ => 784 << 20,
    };
    let window = length.next_power_of_two().min(1 << WINDOW_LOG_MAX);
    // Tables are no larger than what they are of needs them to be.
    length + window + tables.min(length.saturating_mul(16).max(1 << 20))
}

/// Reads what frames hold that follow each other. Those with a larger window than ours are refused by the
/// library.
pub(crate) fn decoder<'a>(stored: impl Read + 'a) -> io::Result<impl Read + 'a> {
    let mut decoder = zstd::Decoder::new(stored)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// A frame with a window of `1 << window` bytes, whatever the launcher takes.
#[cfg(test)]
pub(crate) fn with_window(input: &[u8], window: u32) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
    encoder.set_parameter(CParameter::WindowLog(window))?;
    encoder.write_all(input)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_records_its_content_size_has_no_checksum_and_a_window_of_64_mib_at_most() {
        // RFC 8878 3.1.1.1.1: bits 7-6 content size flag, 5 single segment, 2 checksum.
        let input = vec![7u8; (64 << 20) + 1];
        for level in [1, *zstd::compression_level_range().end()] {
            let (frame, _) = made(&input, level, &Shown::nowhere(), Vec::new()).expect("compresses");
            assert_eq!(frame[4] & 0b0000_0100, 0, "no checksum");
            assert_ne!(frame[4] & 0b1110_0000, 0, "content size");
            assert_eq!(frame[4] & 0b0010_0000, 0, "has a window descriptor");
            assert!(10 + (frame[5] >> 3) <= 26, "window log of level {level}");
        }
    }
}
