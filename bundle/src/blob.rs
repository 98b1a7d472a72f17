//! Blobs: the stored, hashed byte ranges of a bundle.

use crate::bytes::{array, u16_at, u32_at, u64_at};
use crate::{Digest, FormatError, Part};

/// What a blob is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// The `sh` text at the head of the file.
    Stub = 1,
    /// One host's launcher.
    Launcher = 2,
    /// The app's file tree for one target.
    App = 3,
    /// One emulator, or several of one host in a tar.
    Emulator = 4,
    /// Licence texts and the names of sources.
    Notices = 5,
    /// What the bundle holds, as text for people.
    Summary = 6,
    /// One host's broker, which attends to the programs that an app starts.
    Broker = 7,
    /// Which components a part is made of.
    Components = 8,
}

impl BlobKind {
    /// The kind with this number.
    pub fn from_id(id: u16) -> Option<Self> {
        Some(match id {
            1 => Self::Stub,
            2 => Self::Launcher,
            3 => Self::App,
            4 => Self::Emulator,
            5 => Self::Notices,
            6 => Self::Summary,
            7 => Self::Broker,
            8 => Self::Components,
            _ => return None,
        })
    }

    /// The kind's name in lower case.
    // One copy of its table, however often it is asked.
    #[inline(never)]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stub => "stub",
            Self::Launcher => "launcher",
            Self::App => "app",
            Self::Emulator => "emulator",
            Self::Notices => "notices",
            Self::Summary => "summary",
            Self::Broker => "broker",
            Self::Components => "components",
        }
    }
}

/// How a blob's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are: `length` equals `stored`.
    Raw = 0,
    /// One file in Zstandard frames (RFC 8878).
    Zstd = 1,
    /// A tar stream in the subset that FORMAT.md names, in Zstandard frames.
    TarZstd = 2,
    /// The same with the root of a system: owners and all modes count, and symbolic links may lead
    /// anywhere.
    Root = 3,
}

impl Encoding {
    /// The encoding with this number.
    pub fn from_id(id: u16) -> Option<Self> {
        Some(match id {
            0 => Self::Raw,
            1 => Self::Zstd,
            2 => Self::TarZstd,
            3 => Self::Root,
            _ => return None,
        })
    }

    /// Whether it holds a tree.
    pub const fn is_tree(self) -> bool {
        matches!(self, Self::TarZstd | Self::Root)
    }

    /// The encoding's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Zstd => "zstd",
            Self::TarZstd => "tar+zstd",
            Self::Root => "root",
        }
    }
}

/// A stored byte range; see FORMAT.md, section "Blobs".
///
/// A view of its row: the launcher hands blobs to many functions, and is smaller when they are two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob<'a> {
    /// What it is for.
    pub kind: BlobKind,
    /// How it is stored.
    pub encoding: Encoding,
    row: &'a [u8; BLOB_ROW],
}

/// Length of a row in bytes.
pub(crate) const BLOB_ROW: usize = 96;

// Where the fields of a row begin.
const OFFSET: usize = 8;
const STORED: usize = 16;
const LENGTH: usize = 24;
const STORED_DIGEST: usize = 32;
const DIGEST: usize = 64;

impl<'a> Blob<'a> {
    /// Reads a row and checks all that can be checked without the other rows.
    pub(crate) fn decode(row: &'a [u8; BLOB_ROW]) -> Result<Self, FormatError> {
        let short = FormatError::Length(Part::Manifest);
        let unknown = FormatError::UnknownKind(Part::Blob);
        let kind = BlobKind::from_id(u16_at(row, 0).ok_or(short)?).ok_or(unknown)?;
        let encoding = Encoding::from_id(u16_at(row, 2).ok_or(short)?).ok_or(unknown)?;
        let blob = Self { kind, encoding, row };
        if u32_at(row, 4) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Blob));
        }
        if encoding == Encoding::Raw
            && (blob.stored() != blob.length() || blob.stored_digest() != blob.digest())
        {
            return Err(FormatError::Length(Part::Blob));
        }
        let allowed = match kind {
            BlobKind::Stub | BlobKind::Launcher => encoding == Encoding::Raw,
            BlobKind::App => encoding.is_tree(),
            BlobKind::Emulator => encoding != Encoding::Root,
            BlobKind::Broker => encoding == Encoding::Zstd,
            BlobKind::Notices | BlobKind::Summary | BlobKind::Components => {
                matches!(encoding, Encoding::Raw | Encoding::Zstd)
            }
        };
        if allowed { Ok(blob) } else { Err(unknown) }
    }

    /// Where it starts in the file.
    pub fn offset(&self) -> u64 {
        self.number(OFFSET)
    }

    /// How many bytes of the file it takes.
    pub fn stored(&self) -> u64 {
        self.number(STORED)
    }

    /// How many bytes it is unpacked (for tar: the tar stream).
    pub fn length(&self) -> u64 {
        self.number(LENGTH)
    }

    /// SHA-256 of the stored bytes, or of the table that they begin with unless they are raw.
    pub fn stored_digest(&self) -> Digest {
        self.digest_at(STORED_DIGEST)
    }

    /// SHA-256 of the unpacked bytes.
    pub fn digest(&self) -> Digest {
        self.digest_at(DIGEST)
    }

    /// Where it ends in the file; `None` when that overflows.
    pub fn end(&self) -> Option<u64> {
        self.offset().checked_add(self.stored())
    }

    // Both lie inside the row, whose length is a part of its type.
    fn number(&self, at: usize) -> u64 {
        u64_at(self.row, at).unwrap_or(u64::MAX)
    }

    fn digest_at(&self, at: usize) -> Digest {
        Digest(array(self.row, at).unwrap_or_default())
    }
}
