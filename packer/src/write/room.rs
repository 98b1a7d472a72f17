//! One nameless file for all frames of a blob, several of them written at once: a process may have few files
//! open (`ulimit -n`). Each has room for the most that it can take, so the file has holes.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::atomic_file;
use crate::tree::content::Content;

/// The block size of file systems: no two rooms share a block.
const BLOCK: u64 = 4096;

/// The file, and where nobody has room yet.
pub(crate) struct Rooms {
    file: Arc<File>,
    free: AtomicU64,
}

/// A part of the file, and how much is written there.
pub(crate) struct Room {
    file: Arc<File>,
    start: u64,
    written: u64,
    most: u64,
}

impl Rooms {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { file: Arc::new(atomic_file::nameless()?), free: AtomicU64::new(0) })
    }

    /// Room for at most so many bytes.
    pub(crate) fn room(&self, most: u64) -> Room {
        let start = self.free.fetch_add(most.next_multiple_of(BLOCK), Ordering::Relaxed);
        Room { file: Arc::clone(&self.file), start, written: 0, most }
    }
}

impl Room {
    /// What was written.
    pub(crate) fn content(self) -> Content {
        Content::File { file: self.file, offset: self.start, length: self.written }
    }
}

impl Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.most - self.written {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let length = self.file.write_at(bytes, self.start + self.written)?;
        self.written += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_turns_is_read_apart_and_no_room_reaches_the_next() {
        let rooms = Rooms::new().expect("a file");
        let (mut one, mut other) = (rooms.room(5), rooms.room(5000));
        for _ in 0..2 {
            one.write_all(b"ab").expect("there is room");
            other.write_all(&[7; 2000]).expect("there is room");
        }
        assert_eq!(one.write(b"cd").expect_err("there is none").kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(one.content().bytes().expect("it is read"), b"abab");
        assert_eq!(other.content().bytes().expect("it is read"), [7; 4000]);
    }
}
