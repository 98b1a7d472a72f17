//! The frame with all programs of a host: Zstandard, in one thread, so that the same programs and the same
//! library give the same bytes. The only file that uses `zstd`.

use anyhow::{Context, Result, ensure};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

/// The best of the format.
const LEVEL: i32 = 22;
/// Log2 of the window: 64 MiB, so that every program is in reach of every other.
const WINDOW: u32 = 26;

/// Programs one after another, as one frame that has its length and a checksum.
pub(crate) fn pack(programs: &[&[u8]]) -> Result<Vec<u8>> {
    let all = programs.concat();
    ensure!(all.len() <= 1 << WINDOW, "{} bytes of programs are more than a window", all.len());
    let mut compressor = Compressor::new(LEVEL)?;
    for parameter in [
        CParameter::WindowLog(WINDOW),
        CParameter::EnableLongDistanceMatching(true),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(true),
    ] {
        compressor.set_parameter(parameter)?;
    }
    compressor.compress(&all).context("the programs cannot be compressed")
}

/// What a frame holds, which is `unpacked` bytes.
pub(crate) fn unpack(frame: &[u8], unpacked: u64) -> Result<Vec<u8>> {
    let bytes = Decompressor::new()?.decompress(frame, usize::try_from(unpacked)?)?;
    ensure!(bytes.len() as u64 == unpacked, "the frame holds {} bytes, not {unpacked}", bytes.len());
    Ok(bytes)
}
