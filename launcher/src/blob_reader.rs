//! A blob's unpacked bytes as a stream that hashes what it gives out. Nothing read from it may be used before
//! [`BlobReader::finish`] has said that length and digest are right.

use alloc::vec;
use alloc::vec::Vec;

use bundle::Blob;

use crate::bundle_file::BundleFile;
use crate::error::Error;
use crate::frames::{Frames, Unpacker, damaged, has_frames};
use crate::hash::Sha256;
use crate::progress::Progress;

/// Bytes that are stored as they are come in pieces of this size.
const PIECE: usize = 128 * 1024;

/// Where the bytes come from.
enum From<'a> {
    /// The file itself.
    Raw(Vec<u8>),
    Frames(Frames<'a>, Unpacker, usize),
}

/// See the module's documentation.
pub struct BlobReader<'a> {
    file: &'a BundleFile<'a>,
    blob: Blob<'a>,
    from: From<'a>,
    hasher: Sha256,
    left: u64,
}

impl<'a> BlobReader<'a> {
    /// Starts reading `blob` of `file`.
    pub fn open(file: &'a BundleFile<'a>, blob: Blob<'a>) -> Result<Self, Error> {
        let from = if has_frames(blob) {
            let frames = Frames::open(file, blob)?;
            let unpacker = Unpacker::new(&frames)?;
            From::Frames(frames, unpacker, 0)
        } else {
            From::Raw(vec![0; PIECE])
        };
        Ok(Self { file, blob, from, hasher: Sha256::begin(), left: blob.length() })
    }

    /// The next bytes; none at the end.
    fn read(&mut self, progress: Option<&Progress>) -> Result<&[u8], Error> {
        let bytes = match &mut self.from {
            From::Raw(buffer) => {
                let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE);
                let bytes = buffer.get_mut(..length).unwrap_or_default();
                let offset = self.blob.offset().saturating_add(self.blob.length().saturating_sub(self.left));
                self.file.read_exact_at(offset, bytes)?;
                bytes
            }
            From::Frames(frames, unpacker, number) => {
                let mut more = false;
                // A frame may hold nothing.
                while *number < frames.count() && !more {
                    more = !unpacker.frame(frames, *number, progress)?.is_empty();
                    *number = number.saturating_add(1);
                }
                if more { unpacker.bytes() } else { b"" }
            }
        };
        self.hasher.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }

    /// Reads to the end and checks length and digest.
    pub fn finish(&mut self) -> Result<(), Error> {
        while !self.read(None)?.is_empty() {}
        let digest_fits = self.hasher.digest() == self.blob.digest();
        if self.left == 0 && digest_fits { Ok(()) } else { Err(damaged(self.file.name(), self.blob)) }
    }

    /// Hands all of it to `each`, piece by piece, and checks length and digest: what `each` has done counts
    /// only then.
    pub fn each(
        &mut self,
        progress: Option<&Progress>,
        each: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let blob = self.blob;
        loop {
            let bytes = self.read(progress)?;
            if bytes.is_empty() {
                return self.finish();
            }
            let length = bytes.len() as u64;
            each(bytes)?;
            if let Some(progress) = progress {
                progress.advance(blob, length);
            }
        }
    }
}
