//! The parts of a bundle by name, so that a test can change a byte of one of them.

use std::fs;
use std::ops::Range;
use std::path::Path;

use bundle::{BlobKind, Footer, Manifest};

/// A bundle's bytes and where its parts lie.
#[derive(Clone, Debug)]
pub struct Parts {
    /// All bytes.
    pub bytes: Vec<u8>,
    footer: Footer,
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a bundle fits into memory")
}

impl Parts {
    /// Reads a bundle.
    pub fn of(bundle: &Path) -> Self {
        let bytes = fs::read(bundle).expect("bundle");
        let footer = Footer::read(&bytes.as_slice()).expect("a footer");
        Self { bytes, footer }
    }

    /// Its manifest.
    pub fn manifest(&self) -> Manifest<'_> {
        Manifest::decode(&self.bytes[self.manifest_range()], self.footer.manifest_offset).expect("a manifest")
    }

    /// Where the manifest lies.
    pub fn manifest_range(&self) -> Range<usize> {
        let start = index(self.footer.manifest_offset);
        start..start + index(self.footer.manifest_length)
    }

    /// Where the footer lies.
    pub fn footer_range(&self) -> Range<usize> {
        self.bytes.len() - Footer::LEN..self.bytes.len()
    }

    /// Where the first blob of this kind lies.
    pub fn blob_range(&self, kind: BlobKind) -> Range<usize> {
        let found = self.manifest().blobs().find(|blob| blob.kind == kind);
        let blob = found.unwrap_or_else(|| panic!("the bundle holds no {}", kind.name()));
        index(blob.offset())..index(blob.offset() + blob.stored())
    }

    /// The first blob of this kind.
    pub fn blob(&self, kind: BlobKind) -> &[u8] {
        &self.bytes[self.blob_range(kind)]
    }

    /// A place that belongs to no blob.
    pub fn padding(&self) -> Range<usize> {
        let mut free = 0;
        let starts =
            self.manifest().blobs().map(|blob| (index(blob.offset()), index(blob.offset() + blob.stored())));
        for (start, end) in starts {
            if start > free {
                return free..start;
            }
            free = end;
        }
        free..self.manifest_range().start
    }

    /// The bytes with one bit changed.
    pub fn changed(&self, at: usize) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[at] ^= 0x20;
        bytes
    }
}
