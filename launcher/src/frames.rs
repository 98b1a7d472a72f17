//! The frames that a blob is stored in: each is read into memory of this process alone, compared there with
//! its digest, and only then decoded.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use bundle::{Blob, Encoding, Frame, FrameTable};

use crate::bundle_file::BundleFile;
use crate::bytes::zeroed;
use crate::error::Error;
use crate::hash::Sha256;
use crate::progress::Progress;
use crate::sys::Pages;
use crate::zstd::{BEHIND, Decoder};

/// Bytes that are read between two signs of life.
const PIECE: usize = 1 << 20;

/// Which part of the tree a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Directories, and announcements of files that come in pieces.
    Directories,
    /// Files.
    Files,
    /// Symbolic and hard links.
    Links,
}

/// The table of one blob, compared with its digest and checked.
pub struct Frames<'a> {
    file: &'a BundleFile<'a>,
    blob: Blob<'a>,
    all: Vec<Frame>,
    directories: usize,
    links: usize,
}

impl<'a> Frames<'a> {
    /// Reads the table of a blob that is not raw.
    pub fn open(file: &'a BundleFile<'a>, blob: Blob<'a>) -> Result<Self, Error> {
        let damaged = |_| damaged(file.name(), blob);
        let mut header = [0; FrameTable::HEADER];
        file.read_exact_at(blob.offset(), &mut header)?;
        // At most some hundred kilobytes, whatever the header says.
        let table = zeroed(FrameTable::length(&header).map_err(damaged)?);
        file.read_exact_at(blob.offset(), table)?;
        if Sha256::of(table) != blob.stored_digest() {
            return Err(self::damaged(file.name(), blob));
        }
        let table = FrameTable::decode(blob, table).map_err(damaged)?;
        let (directories, links) = (table.directories(), table.links());
        Ok(Self { file, blob, all: table.frames().collect(), directories, links })
    }

    /// How many there are, one at least.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The numbers of those that hold a part of a tree.
    pub fn of(&self, part: Part) -> Range<usize> {
        let links = self.all.len().saturating_sub(self.links);
        match part {
            Part::Directories => 0..self.directories,
            Part::Files => self.directories..links,
            Part::Links => links..self.all.len(),
        }
    }

    /// The part of a tree that a frame holds.
    pub fn part(&self, number: usize) -> Part {
        let of = |part: &Part| self.of(*part).contains(&number);
        [Part::Directories, Part::Links].into_iter().find(of).unwrap_or(Part::Files)
    }

    /// The error that says which part is damaged.
    pub fn damaged(&self) -> Error {
        damaged(self.file.name(), self.blob)
    }

    /// How much memory it takes to unpack any of them.
    pub fn memory(&self) -> u64 {
        self.most(|frame| frame.stored).saturating_add(self.most(|frame| frame.length))
    }

    fn most(&self, length: fn(&Frame) -> u64) -> u64 {
        self.all.iter().map(length).max().unwrap_or(0)
    }

    fn room(&self, length: fn(&Frame) -> u64) -> Result<Pages, Error> {
        // The table has limited both.
        let most = usize::try_from(self.most(length)).unwrap_or(0);
        Pages::zeroed(most.saturating_add(BEHIND)).map_err(|_| Error::no_memory())
    }
}

/// Unpacks frames, one at a time, into memory that is given back when this is dropped.
pub struct Unpacker {
    stored: Pages,
    out: Pages,
    decoder: Box<Decoder>,
    length: usize,
}

impl Unpacker {
    /// For any of these frames.
    pub fn new(frames: &Frames<'_>) -> Result<Self, Error> {
        let (stored, out) = (frames.room(|frame| frame.stored)?, frames.room(|frame| frame.length)?);
        Ok(Self { stored, out, decoder: Decoder::new(), length: 0 })
    }

    /// Unpacks one. Runs that wait for this one are shown that it goes on.
    pub fn frame(
        &mut self,
        frames: &Frames<'_>,
        number: usize,
        progress: Option<&Progress>,
    ) -> Result<&[u8], Error> {
        let damaged = || frames.damaged();
        let frame = frames.all.get(number).ok_or_else(damaged)?;
        let length = usize::try_from(frame.stored).unwrap_or(usize::MAX);
        let stored = self.stored.get_mut(..length).ok_or_else(damaged)?;
        let mut offset = frame.offset;
        for piece in stored.chunks_mut(PIECE) {
            frames.file.read_exact_at(offset, piece)?;
            offset = offset.saturating_add(piece.len() as u64);
            let _ = progress.map(Progress::sign);
        }
        if Sha256::of(stored) != frame.digest {
            return Err(damaged());
        }
        let room = usize::try_from(frame.length).unwrap_or(usize::MAX).saturating_add(BEHIND);
        let out = self.out.get_mut(..room).ok_or_else(damaged)?;
        self.length = self.decoder.decode(&self.stored, length, out).unwrap_or(usize::MAX);
        if self.length as u64 == frame.length { Ok(self.bytes()) } else { Err(damaged()) }
    }

    /// What the last frame holds.
    pub fn bytes(&self) -> &[u8] {
        self.out.get(..self.length).unwrap_or_default()
    }
}

/// The error that says which blob of a bundle is damaged.
pub fn damaged(bundle: &[u8], blob: Blob<'_>) -> Error {
    Error::damaged(bundle, blob.kind.name().as_bytes())
}

/// Whether a blob is in frames.
pub fn has_frames(blob: Blob<'_>) -> bool {
    blob.encoding != Encoding::Raw
}
