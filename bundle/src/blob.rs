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
            _ => return None,
        })
    }

    /// The kind's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stub => "stub",
            Self::Launcher => "launcher",
            Self::App => "app",
            Self::Emulator => "emulator",
            Self::Notices => "notices",
        }
    }
}

/// How a blob's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are: `length` equals `stored`.
    Raw = 0,
    /// One Zstandard frame (RFC 8878) of one file.
    Zstd = 1,
    /// One Zstandard frame of a tar stream in the subset that FORMAT.md names.
    TarZstd = 2,
}

impl Encoding {
    /// The encoding with this number.
    pub fn from_id(id: u16) -> Option<Self> {
        Some(match id {
            0 => Self::Raw,
            1 => Self::Zstd,
            2 => Self::TarZstd,
            _ => return None,
        })
    }

    /// The encoding's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Zstd => "zstd",
            Self::TarZstd => "tar+zstd",
        }
    }
}

/// A stored byte range; see FORMAT.md, section "Blobs".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it is for.
    pub kind: BlobKind,
    /// How it is stored.
    pub encoding: Encoding,
    /// Where it starts in the file.
    pub offset: u64,
    /// How many bytes of the file it takes.
    pub stored: u64,
    /// How many bytes it is unpacked (for tar: the tar stream).
    pub length: u64,
    /// SHA-256 of the stored bytes.
    pub stored_digest: Digest,
    /// SHA-256 of the unpacked bytes.
    pub digest: Digest,
}

impl Blob {
    /// Length of a row in bytes.
    pub(crate) const ROW: usize = 96;

    /// Reads a row and checks all that can be checked without the other rows.
    pub(crate) fn decode(row: &[u8]) -> Result<Self, FormatError> {
        let short = FormatError::Length(Part::Manifest);
        let unknown = FormatError::UnknownKind(Part::Blob);
        let blob = Self {
            kind: BlobKind::from_id(u16_at(row, 0).ok_or(short)?).ok_or(unknown)?,
            encoding: Encoding::from_id(u16_at(row, 2).ok_or(short)?).ok_or(unknown)?,
            offset: u64_at(row, 8).ok_or(short)?,
            stored: u64_at(row, 16).ok_or(short)?,
            length: u64_at(row, 24).ok_or(short)?,
            stored_digest: Digest(array(row, 32).ok_or(short)?),
            digest: Digest(array(row, 64).ok_or(short)?),
        };
        if u32_at(row, 4) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Blob));
        }
        if blob.encoding == Encoding::Raw && (blob.stored != blob.length || blob.stored_digest != blob.digest)
        {
            return Err(FormatError::Length(Part::Blob));
        }
        let allowed = match blob.kind {
            BlobKind::Stub | BlobKind::Launcher => blob.encoding == Encoding::Raw,
            BlobKind::App => blob.encoding == Encoding::TarZstd,
            BlobKind::Emulator => true,
            BlobKind::Notices => blob.encoding != Encoding::TarZstd,
        };
        if allowed { Ok(blob) } else { Err(unknown) }
    }

    /// The bytes of a row.
    #[cfg(feature = "encode")]
    pub(crate) fn encode(&self) -> [u8; Self::ROW] {
        let Self { kind, encoding, offset, stored, length, stored_digest, digest } = *self;
        let fields: [&[u8]; 8] = [
            &(kind as u16).to_le_bytes(),
            &(encoding as u16).to_le_bytes(),
            &0u32.to_le_bytes(),
            &offset.to_le_bytes(),
            &stored.to_le_bytes(),
            &length.to_le_bytes(),
            &stored_digest.0,
            &digest.0,
        ];
        let mut row = [0; Self::ROW];
        row.iter_mut().zip(fields.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        row
    }

    /// Where it ends in the file; `None` when that overflows.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.stored)
    }
}
