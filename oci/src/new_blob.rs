//! New blobs: in memory, or in a file without a name.

use std::io::{Cursor, Read};
use std::sync::Arc;

use bundle::Digest;
use sha2::{Digest as _, Sha256};

use crate::descriptor::BlobDigest;
use crate::stored::Stored;

/// A blob, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct NewBlob {
    held: Held,
    digest: BlobDigest,
    media_type: &'static str,
}

#[derive(Clone, Debug)]
enum Held {
    Memory(Arc<[u8]>),
    File(Stored),
}

impl NewBlob {
    /// A document.
    pub(crate) fn of_bytes(bytes: &[u8], media_type: &'static str) -> Self {
        let digest = BlobDigest(Digest(Sha256::digest(bytes).into()));
        Self { held: Held::Memory(bytes.into()), digest, media_type }
    }

    /// The contents of a file that were hashed while they were written.
    pub(crate) fn of_file(stored: Stored, digest: BlobDigest, media_type: &'static str) -> Self {
        Self { held: Held::File(stored), digest, media_type }
    }

    pub(crate) fn digest(&self) -> BlobDigest {
        self.digest
    }

    pub(crate) fn media_type(&self) -> &'static str {
        self.media_type
    }

    pub(crate) fn length(&self) -> u64 {
        match &self.held {
            Held::Memory(bytes) => bytes.len() as u64,
            Held::File(stored) => stored.length,
        }
    }

    /// A reader with its own position.
    pub(crate) fn reader(&self) -> Box<dyn Read> {
        self.part(0, self.length())
    }

    /// Reads `length` bytes from `offset`, both within the blob.
    pub(crate) fn part(&self, offset: u64, length: u64) -> Box<dyn Read> {
        match &self.held {
            Held::Memory(bytes) => {
                let mut reader = Cursor::new(Arc::clone(bytes));
                reader.set_position(offset);
                Box::new(reader.take(length))
            }
            Held::File(stored) => {
                let range = Stored { file: Arc::clone(&stored.file), offset: stored.offset + offset, length };
                Box::new(range.reader())
            }
        }
    }
}
