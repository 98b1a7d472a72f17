//! Bytes that a bundle will contain, wherever they are: in memory, or in a range of an open file. A file is
//! opened once and never again by name, so that what was checked is what is packed.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
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
    /// One after the other: each with where it ends. None is empty.
    Parts(Arc<[(u64, Content)]>),
}

impl Content {
    /// All of `file` as it is now.
    pub(crate) fn whole(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::File { file: Arc::new(file), offset: 0, length })
    }

    /// One after the other.
    pub(crate) fn of_parts(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut end = 0;
        let parts = parts.into_iter().filter(|part| part.len() != 0).map(|part| {
            end += part.len();
            (end, part)
        });
        Self::Parts(parts.collect())
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
            Self::Parts(parts) => parts.last().map_or(0, |(end, _)| *end),
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
            Self::Parts(parts) => {
                let end = start.saturating_add(length);
                Self::of_parts(parts.iter().filter_map(|(part_end, part)| {
                    let part_start = part_end - part.len();
                    let (from, to) = (start.max(part_start), end.min(*part_end));
                    (from < to).then(|| part.range(from - part_start, to - from))
                }))
            }
        }
    }

    /// All bytes, in memory.
    pub(crate) fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let length = usize::try_from(self.len()).map_err(io::Error::other)?;
        bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The same; of what is in memory already no copy.
    pub(crate) fn in_memory(&self) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Self::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::File { .. } | Self::Parts(_) => self.bytes().map(Cow::Owned),
        }
    }

    /// Their SHA-256.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        let mut passing = Hashing::new(io::sink());
        self.each_piece(|piece| passing.write_all(piece))?;
        Ok(passing.finish().2)
    }

    /// Hands all of it to `each`, in pieces that are worth a system call.
    pub(crate) fn each_piece(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        const PIECE: usize = 256 << 10;
        let mut reader = self.reader();
        let mut piece = vec![0; PIECE];
        loop {
            let length = reader.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            each(piece.get(..length).unwrap_or_default())?;
        }
    }

    /// Some of the bytes from `position`, which is before the end.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(position).map_err(io::Error::other)?;
                bytes.get(start..).unwrap_or_default().read(buffer)
            }
            Self::File { file, offset, .. } => file.read_at(buffer, offset + position),
            Self::Parts(parts) => {
                let first = parts.partition_point(|(end, _)| *end <= position);
                let mut filled = 0;
                for (end, part) in parts.iter().skip(first) {
                    let at = position + filled as u64;
                    let left = usize::try_from(end - at).unwrap_or(usize::MAX);
                    let room = buffer.get_mut(filled..).unwrap_or_default();
                    let wanted = left.min(room.len());
                    if wanted == 0 {
                        break;
                    }
                    let read =
                        part.read_at(at - (end - part.len()), room.get_mut(..wanted).unwrap_or_default())?;
                    filled += read;
                    if read < wanted {
                        break;
                    }
                }
                Ok(filled)
            }
        }
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
        let length = self.content.read_at(self.position, buffer)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_like_one_whole_and_any_range_of_them_too() {
        let whole: Vec<u8> = (0..100).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&whole[..60]).expect("it is written");
        let file = Content::whole(file).expect("it is there");
        let inner = Content::of_parts([file.range(10, 30), Content::from(Vec::new()), file.range(40, 20)]);
        let parts = Content::of_parts([file.range(0, 10), inner, Content::from(whole[60..].to_vec())]);
        assert_eq!(parts.bytes().expect("it is read"), whole);
        assert_eq!(parts.digest().expect("it is read"), crate::hash::of(&whole));
        for start in 0..=100 {
            for end in start..=100 {
                let range = parts.range(start as u64, (end - start) as u64);
                assert_eq!(range.len(), (end - start) as u64);
                assert_eq!(range.bytes().expect("it is read"), whole[start..end], "{start}..{end}");
            }
        }
        let mut reader = parts.reader();
        reader.seek(SeekFrom::Start(35)).expect("it is inside");
        let mut some = [0; 30];
        reader.read_exact(&mut some).expect("it is read");
        assert_eq!(some, whole[35..65]);
    }
}
