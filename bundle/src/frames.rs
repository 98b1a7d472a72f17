//! The table that a blob begins with unless it is raw: which frames it is made of (FORMAT.md, section 5.1.1).

use crate::bytes::{array, index, u32_at, u64_at};
use crate::{Blob, Digest, Encoding, FormatError, Part};

/// One frame of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it starts in the file.
    pub offset: u64,
    /// How many bytes of the file it takes, at most [`FrameTable::MAX_STORED`].
    pub stored: u64,
    /// How many bytes it is unpacked, at most [`FrameTable::MAX_LENGTH`].
    pub length: u64,
    /// SHA-256 of its stored bytes.
    pub digest: Digest,
}

/// A table that has been checked: its frames fill the blob.
#[derive(Clone, Copy, Debug)]
pub struct FrameTable<'a> {
    rows: &'a [[u8; ROW]],
    /// Where the first frame starts in the file.
    first: u64,
    directories: usize,
    links: usize,
}

/// Length of a table's header in bytes.
const HEADER: usize = 16;
/// Length of a row in bytes.
const ROW: usize = 48;

const SHORT: FormatError = FormatError::Length(Part::Frames);

impl<'a> FrameTable<'a> {
    /// Length of its header in bytes.
    pub const HEADER: usize = HEADER;
    /// More frames are refused before memory is set aside for their rows.
    pub const MAX: u32 = 1 << 14;
    /// No frame unpacks to more: 128 MiB.
    pub const MAX_LENGTH: u64 = 1 << 27;
    /// No frame takes more of the file: content that cannot be compressed gets a little longer.
    pub const MAX_STORED: u64 = Self::MAX_LENGTH + (1 << 20);

    /// How long a table is in bytes, from its header.
    pub fn length(header: &[u8; HEADER]) -> Result<usize, FormatError> {
        let count = u32_at(header, 0).filter(|count| (1..=Self::MAX).contains(count)).ok_or(SHORT)?;
        index(count).checked_mul(ROW).and_then(|rows| rows.checked_add(HEADER)).ok_or(SHORT)
    }

    /// Reads and checks the table of `blob`, whose digest must have been compared with the blob's before.
    pub fn decode(blob: Blob<'_>, table: &'a [u8]) -> Result<Self, FormatError> {
        let read = Self::parse(blob.encoding, blob.offset(), table)?;
        let (end, unpacked) = read.sums();
        if Some(end) == blob.end() && unpacked == blob.length() { Ok(read) } else { Err(SHORT) }
    }

    /// Reads a table at `offset` of a file, of a blob with this encoding, whose lengths nothing else tells.
    pub fn parse(encoding: Encoding, offset: u64, table: &'a [u8]) -> Result<Self, FormatError> {
        let (header, rows) = table.split_first_chunk().ok_or(SHORT)?;
        if Self::length(header)? != table.len() {
            return Err(SHORT);
        }
        let rows = rows.as_chunks().0;
        let part = |at| u32_at(header, at).map(index).ok_or(SHORT);
        let (directories, links) = (part(4)?, part(8)?);
        let most = if encoding.is_tree() { rows.len() } else { 0 };
        if directories.checked_add(links).is_none_or(|both| both > most) {
            return Err(SHORT);
        }
        if u32_at(header, 12) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Frames));
        }
        let first = offset.checked_add(table.len() as u64).ok_or(SHORT)?;
        let read = Self { rows, first, directories, links };
        let fits = |frame: Frame| frame.stored <= Self::MAX_STORED && frame.length <= Self::MAX_LENGTH;
        if read.frames().all(fits) { Ok(read) } else { Err(FormatError::OutOfBounds(Part::Frames)) }
    }

    /// Where the last frame ends in the file, and what all unpack to. No sum of so many lengths with such
    /// limits overflows; only an offset near the end of all numbers could make it.
    pub fn sums(&self) -> (u64, u64) {
        self.frames().fold((self.first, 0), |(end, unpacked), frame| {
            (end.saturating_add(frame.stored), unpacked.saturating_add(frame.length))
        })
    }

    /// The frames, in order.
    pub fn frames(&self) -> impl Iterator<Item = Frame> + use<'a> {
        let mut offset = self.first;
        self.rows.iter().map(move |row| {
            // All lie inside the row, whose length is a part of its type.
            let number = |at| u64_at(row, at).unwrap_or(u64::MAX);
            let (stored, length) = (number(0), number(8));
            let frame = Frame { offset, stored, length, digest: Digest(array(row, 16).unwrap_or_default()) };
            offset = offset.saturating_add(stored);
            frame
        })
    }

    /// How many frames, from the first, hold a tree's directories.
    pub fn directories(&self) -> usize {
        self.directories
    }

    /// How many frames, up to the last, hold a tree's links.
    pub fn links(&self) -> usize {
        self.links
    }

    /// The bytes of a table, which the decoder refuses if there are no frames, or too many or too long
    /// ones. Where frames start follows from their lengths.
    #[cfg(feature = "encode")]
    pub fn encode(frames: &[Frame], directories: u32, links: u32) -> alloc::vec::Vec<u8> {
        let count = u32::try_from(frames.len()).unwrap_or(u32::MAX);
        let mut bytes = alloc::vec::Vec::new();
        for number in [count, directories, links, 0] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for Frame { stored, length, digest, .. } in frames {
            bytes.extend_from_slice(&stored.to_le_bytes());
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&digest.0);
        }
        bytes
    }
}
