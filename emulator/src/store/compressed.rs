//! Compressed programs, by the program's digest, the compressor and its level, because level 19 takes seconds
//! for each program. A file is the zstd frame and one skippable frame (RFC 8878, 3.1.2) with the frame's
//! SHA-256, so that damage is detected and `zstd -d` can still read the file.

use std::fs;
use std::io;
use std::path::PathBuf;

use bundle::Digest;
use debian::digest;

use super::{Store, StoreError, remove_if_there, write_by_rename};

/// Magic number and length of a skippable frame of 32 bytes, little-endian.
const SKIPPABLE: [u8; 8] = [0x50, 0x2a, 0x4d, 0x18, 32, 0, 0, 0];
const TRAILER: usize = SKIPPABLE.len() + Digest::LEN;

impl Store {
    /// The frame that `compressor` made from the program `digest` at `level`. `compressor` is part of the
    /// file's name, and identifies everything else that affects a frame's bytes, so that a bundle never
    /// depends on what the store has. A damaged frame is removed and counts as missing.
    pub fn compressed(
        &self,
        digest: Digest,
        compressor: &str,
        level: i32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.compressed_path(digest, compressor, level);
        let mut bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::read(&path, error)),
        };
        let Some((frame, trailer)) = bytes.len().checked_sub(TRAILER).map(|at| bytes.split_at(at)) else {
            remove_if_there(&path)?;
            return Ok(None);
        };
        if trailer != trailer_of(frame) {
            remove_if_there(&path)?;
            return Ok(None);
        }
        bytes.truncate(bytes.len() - TRAILER);
        Ok(Some(bytes))
    }

    /// Keeps `frame`, which `compressor` made from the program `digest` at `level`.
    pub fn put_compressed(
        &self,
        digest: Digest,
        compressor: &str,
        level: i32,
        frame: &[u8],
    ) -> Result<(), StoreError> {
        let directory = self.directory("compressed")?;
        let mut bytes = Vec::with_capacity(frame.len() + TRAILER);
        bytes.extend_from_slice(frame);
        bytes.extend_from_slice(&trailer_of(frame));
        write_by_rename(&directory, &self.compressed_path(digest, compressor, level), &bytes, 0o644)
    }

    fn compressed_path(&self, digest: Digest, compressor: &str, level: i32) -> PathBuf {
        self.root.join("compressed").join(format!("{digest}.{compressor}.zst{level}"))
    }
}

fn trailer_of(frame: &[u8]) -> [u8; TRAILER] {
    let mut trailer = [0; TRAILER];
    let bytes = SKIPPABLE.into_iter().chain(digest::of(frame).0);
    trailer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    trailer
}
