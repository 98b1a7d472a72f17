//! Bytes that a bundle will contain, wherever they are: in memory, or in a range of an open file. A file is
//! opened once and never again by name, so that what was checked is what is packed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bundle::Digest;

use crate::hash::Hashing;

/// A range of bytes, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// In memory.
    Memory(Arc<[u8]>),
    /// `length` bytes of `file` from `offset`.
    File {
        /// The open file; it may have no name.
        file: Arc<File>,
        /// Where the range starts.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
}

impl Content {
    /// All of `file` as it is now.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::File { file: Arc::new(file), offset: 0, length })
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    /// `length` bytes of it from `start`; of a file in memory a copy.
    pub(crate) fn range(&self, start: u64, length: u64) -> Self {
        match self {
            Self::Memory(bytes) => {
                let at = |number| usize::try_from(number).unwrap_or(usize::MAX).min(bytes.len());
                Self::Memory(bytes[at(start)..at(start.saturating_add(length))].into())
            }
            Self::File { file, offset, .. } => {
                Self::File { file: Arc::clone(file), offset: offset + start, length }
            }
        }
    }

    /// All bytes, in memory.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Their SHA-256.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        let mut passing = Hashing::new(self.reader());
        io::copy(&mut passing, &mut io::sink())?;
        Ok(passing.finish().2)
    }

    /// A reader with its own position; any number may read at once.
    pub(crate) fn reader(&self) -> Reader {
        Reader { content: self.clone(), position: 0 }
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Memory(bytes.into())
    }
}

/// Reads a [`Content`]. If a file has become shorter, the error is `UnexpectedEof`, never a silent short
/// read.
pub(crate) struct Reader {
    content: Content,
    position: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.content.len().saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let buffer = &mut buffer[..wanted];
        let length = match &self.content {
            Content::Memory(bytes) => {
                let start = usize::try_from(self.position).map_err(io::Error::other)?;
                (&bytes[start..]).read(buffer)?
            }
            Content::File { file, offset, .. } => file.read_at(buffer, offset + self.position)?,
        };
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.content.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
