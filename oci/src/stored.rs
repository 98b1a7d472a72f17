//! Fetched blobs, as ranges of open files, and their comparison with their descriptors.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bundle::Digest;
use sha2::{Digest as _, Sha256};

use crate::descriptor::{DOCUMENT_MAX, Descriptor};
use crate::error::OciError;

/// A range of bytes, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Stored {
    /// All of `file`.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), offset: 0, length })
    }

    /// A reader with its own position.
    pub(crate) fn reader(&self) -> Reader {
        Reader { stored: self.clone(), position: 0 }
    }

    /// All of it, if it is as short as a document.
    pub(crate) fn bytes(&self, name: &str) -> Result<Vec<u8>, OciError> {
        if self.length > DOCUMENT_MAX {
            return Err(OciError::form(name, format!("a document has {} bytes", self.length)));
        }
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes).map_err(OciError::Temporary)?;
        Ok(bytes)
    }

    /// Compares it with what its descriptor says.
    pub(crate) fn check(self, name: &str, descriptor: &Descriptor) -> Result<Self, OciError> {
        let Descriptor { digest, size, .. } = descriptor;
        if self.length != *size {
            let what = format!("has {} bytes, not {size}", self.length);
            return Err(OciError::damaged(name, &digest, what));
        }
        let found = digest_of(&mut self.reader()).map_err(OciError::Temporary)?;
        if found != digest.0 {
            return Err(OciError::damaged(name, &digest, format!("has the digest sha256:{found}")));
        }
        Ok(self)
    }
}

/// SHA-256 of all that is read.
pub(crate) fn digest_of(reader: &mut dyn Read) -> io::Result<Digest> {
    let mut state = Sha256::new();
    let mut piece = vec![0; 128 * 1024];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(Digest(state.finalize().into())),
            Ok(length) => state.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A verified layer.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(crate) stored: Stored,
    /// What messages call it.
    pub(crate) name: String,
}

impl Layer {
    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its stored length in bytes.
    pub fn stored(&self) -> u64 {
        self.stored.length
    }

    /// Its bytes as stored: a tar archive, compressed or not.
    pub fn reader(&self) -> Reader {
        self.stored.reader()
    }
}

/// Reads a range of a file from its start.
#[derive(Debug)]
pub struct Reader {
    stored: Stored,
    position: u64,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.stored.length - self.position).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let length = self.stored.file.read_at(&mut buffer[..wanted], self.stored.offset + self.position)?;
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
        }
        self.position += length as u64;
        Ok(length)
    }
}
