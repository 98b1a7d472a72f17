//! A blob's unpacked bytes as a stream that hashes what it gives out. Nothing read from it may be used before
//! [`BlobReader::finish`] has said that length and digest are right.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use bundle::{Blob, Encoding};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::{Error as ZstdError, ErrorKind, Read};
use sha2::{Digest as _, Sha256};

use crate::bundle_file::BundleFile;
use crate::error::Error;

/// Stored bytes are read in pieces of this size.
const PIECE: usize = 128 * 1024;

/// A larger window is refused, so that a bundle cannot ask for more memory than small machines have: 64 MiB.
const MAX_WINDOW: u64 = 1 << 26;

/// The stored bytes of a blob.
struct Stored<'a> {
    file: &'a BundleFile<'a>,
    offset: u64,
    left: u64,
    buffer: Vec<u8>,
    /// The part of `buffer` that has not been given out.
    ready: core::ops::Range<usize>,
}

impl Read for Stored<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, ZstdError> {
        if self.ready.is_empty() {
            let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.buffer.len());
            let into = self.buffer.get_mut(..want).unwrap_or_default();
            let read = self.file.read_at(self.offset, into).map_err(|_| ZstdError::from(ErrorKind::Other))?;
            self.offset = self.offset.saturating_add(read as u64);
            self.left = self.left.saturating_sub(read as u64);
            self.ready = 0..read;
        }
        let ready = self.buffer.get(self.ready.clone()).unwrap_or_default();
        let length = ready.len().min(out.len());
        for (to, from) in out.iter_mut().zip(ready) {
            *to = *from;
        }
        self.ready.start = self.ready.start.saturating_add(length);
        Ok(length)
    }
}

/// Raw bytes, or a Zstandard frame being decoded.
enum Decoder<'a> {
    Raw(Stored<'a>),
    Zstd(Box<Frame<'a>>),
}

/// A Zstandard frame being decoded. Not `ruzstd`'s own streaming reader: that one keeps its errors as trait objects, and
/// their texts would be half of the launcher.
struct Frame<'a> {
    stored: Stored<'a>,
    decoder: FrameDecoder,
}

impl<'a> Frame<'a> {
    fn open(mut stored: Stored<'a>) -> Option<Self> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_WINDOW);
        decoder.init(&mut stored).ok()?;
        Some(Self { stored, decoder })
    }

    /// `None` is damage.
    fn read(&mut self, out: &mut [u8]) -> Option<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            self.decoder.decode_blocks(&mut self.stored, BlockDecodingStrategy::UptoBlocks(1)).ok()?;
        }
        self.decoder.read(out).ok()
    }
}

/// See the module's documentation.
pub struct BlobReader<'a> {
    file: &'a BundleFile<'a>,
    blob: Blob,
    decoder: Decoder<'a>,
    hasher: Sha256,
    left: u64,
}

impl<'a> BlobReader<'a> {
    /// Starts reading `blob` of `file`.
    pub fn open(file: &'a BundleFile<'a>, blob: Blob) -> Result<Self, Error> {
        let stored =
            Stored { file, offset: blob.offset, left: blob.stored, buffer: vec![0; PIECE], ready: 0..0 };
        let decoder = match blob.encoding {
            Encoding::Raw => Decoder::Raw(stored),
            Encoding::Zstd | Encoding::TarZstd => {
                let frame = Frame::open(stored).ok_or_else(|| damaged(file, blob))?;
                Decoder::Zstd(Box::new(frame))
            }
        };
        Ok(Self { file, blob, decoder, hasher: Sha256::new(), left: blob.length })
    }

    /// Fills as much of `out` as there is; 0 at the end. More bytes than the manifest says are damage: a small blob
    /// cannot fill the disk.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let read = match &mut self.decoder {
            Decoder::Raw(stored) => stored.read(out).ok(),
            Decoder::Zstd(frame) => frame.read(out),
        };
        let read = read.ok_or_else(|| self.damaged())?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| self.damaged())?;
        self.hasher.update(out.get(..read).unwrap_or_default());
        Ok(read)
    }

    /// Fills all of `out`.
    pub fn read_exact(&mut self, mut out: &mut [u8]) -> Result<(), Error> {
        while !out.is_empty() {
            let read = self.read(out)?;
            if read == 0 {
                return Err(self.damaged());
            }
            out = out.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads to the end and checks length and digest.
    pub fn finish(mut self) -> Result<(), Error> {
        let mut rest = vec![0; PIECE];
        while self.read(&mut rest)? != 0 {}
        let digest_fits = self.hasher.clone().finalize().as_slice() == self.blob.digest.0.as_slice();
        if self.left == 0 && digest_fits { Ok(()) } else { Err(self.damaged()) }
    }

    /// The error that says which part is damaged.
    pub fn damaged(&self) -> Error {
        damaged(self.file, self.blob)
    }

    /// The bundle's path, for messages.
    pub fn bundle_name(&self) -> &'a [u8] {
        self.file.name()
    }
}

fn damaged(file: &BundleFile<'_>, blob: Blob) -> Error {
    Error::damaged(file.name(), blob.kind.name().as_bytes())
}
