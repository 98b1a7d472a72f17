//! A blob's unpacked bytes as a stream that hashes what it gives out. Nothing read from it may be used before
//! [`BlobReader::finish`] has said that length and digest are right.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use bundle::{Blob, Encoding};

use crate::bundle_file::BundleFile;
use crate::error::Error;
use crate::hash::Sha256;
use crate::progress::Progress;
use crate::zstd::Decoder as Zstd;

/// Stored bytes are read in pieces of this size.
const PIECE: usize = 128 * 1024;

/// The stored bytes of a blob.
struct Stored<'a> {
    file: &'a BundleFile<'a>,
    offset: u64,
    left: u64,
    buffer: Vec<u8>,
    /// The part of `buffer` that has not been given out.
    ready: core::ops::Range<usize>,
}

impl Stored<'_> {
    /// `None` when the file cannot be read.
    fn read(&mut self, out: &mut [u8]) -> Option<usize> {
        if self.ready.is_empty() {
            let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.buffer.len());
            let read = self.file.read_at(self.offset, self.buffer.get_mut(..want)?).ok()?;
            self.offset = self.offset.saturating_add(read as u64);
            self.left = self.left.saturating_sub(read as u64);
            self.ready = 0..read;
        }
        let length = self.ready.len().min(out.len());
        out.get_mut(..length)?.copy_from_slice(self.buffer.get(self.ready.clone())?.get(..length)?);
        self.ready.start = self.ready.start.saturating_add(length);
        Some(length)
    }

    /// `None` also when there are not as many bytes as `out` takes.
    fn fill(&mut self, mut out: &mut [u8]) -> Option<()> {
        while !out.is_empty() {
            let read = self.read(out).filter(|read| *read != 0)?;
            out = out.get_mut(read..)?;
        }
        Some(())
    }
}

/// See the module's documentation.
pub struct BlobReader<'a> {
    file: &'a BundleFile<'a>,
    blob: Blob<'a>,
    stored: Stored<'a>,
    /// Unpacks what is stored; raw bytes need none.
    zstd: Option<Box<Zstd>>,
    hasher: Sha256,
    left: u64,
    progress: Option<&'static Progress>,
}

impl<'a> BlobReader<'a> {
    /// Starts reading `blob` of `file`.
    pub fn open(file: &'a BundleFile<'a>, blob: Blob<'a>) -> Result<Self, Error> {
        let mut stored =
            Stored { file, offset: blob.offset(), left: blob.stored(), buffer: vec![0; PIECE], ready: 0..0 };
        let zstd = match blob.encoding {
            Encoding::Raw => None,
            Encoding::Zstd | Encoding::TarZstd | Encoding::Root => {
                Some(Zstd::open(&mut |out| stored.fill(out)).ok_or_else(|| damaged(file, blob))?)
            }
        };
        Ok(Self { file, blob, stored, zstd, hasher: Sha256::begin(), left: blob.length(), progress: None })
    }

    /// Shows from now on how far it is.
    #[must_use]
    pub fn shown(mut self, progress: &'static Progress) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Fills as much of `out` as there is; 0 at the end. More bytes than the manifest says are damage: a
    /// small blob cannot fill the disk.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let stored = &mut self.stored;
        let read = match &mut self.zstd {
            None => stored.read(out),
            Some(zstd) => zstd.read(&mut |out| stored.fill(out), out),
        };
        let read = read.ok_or_else(|| self.damaged())?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| self.damaged())?;
        self.hasher.update(out.get(..read).unwrap_or_default());
        if let Some(progress) = self.progress {
            progress.show(self.blob, self.left);
        }
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
    pub fn finish(&mut self) -> Result<(), Error> {
        let mut rest = vec![0; PIECE];
        while self.read(&mut rest)? != 0 {}
        let digest_fits = self.hasher.digest() == self.blob.digest();
        if self.left == 0 && digest_fits { Ok(()) } else { Err(self.damaged()) }
    }

    /// The error that says which part is damaged.
    pub fn damaged(&self) -> Error {
        damaged(self.file, self.blob)
    }

    /// How the blob is stored.
    pub fn encoding(&self) -> Encoding {
        self.blob.encoding
    }

    /// The bundle's path, for messages.
    pub fn bundle_name(&self) -> &'a [u8] {
        self.file.name()
    }
}

fn damaged(file: &BundleFile<'_>, blob: Blob<'_>) -> Error {
    Error::damaged(file.name(), blob.kind.name().as_bytes())
}
