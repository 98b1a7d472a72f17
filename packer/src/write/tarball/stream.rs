//! A tree's tar stream in the making: frames of whole members. What is long stays where it is.

use std::fs;
use std::io::{self, Write as _};
use std::sync::Arc;

use bundle::{Encoding, FrameTable, PATH_MAX};

use crate::atomic_file;
use crate::tree::content::Content;
use crate::write::compress::Uncompressed;
use crate::write::similar::{self, By, WHOLE};
use crate::write::tarball::member::{BLOCK, EntryType, FIELD, Header, put, put_header};

/// The most that a frame takes before the next one is begun, whatever it holds.
const FRAME: u64 = FrameTable::MAX_LENGTH - (1 << 20);

/// Content of this many bytes is not copied: it is read where it is.
const IN_PLACE: u64 = 64 << 10;

/// A stream in the making: its parts, those that are short in a file without a name.
pub(super) struct Stream {
    file: Arc<fs::File>,
    to: io::BufWriter<Arc<fs::File>>,
    /// How much is in that file, and how much of it is in `frame`.
    written: u64,
    laid: u64,
    /// The frame that is not full yet.
    frame: Vec<Content>,
    length: u64,
    frames: Vec<Content>,
    directories: u32,
}

/// A file that is still to be written.
pub(super) struct File<'f> {
    pub(super) header: Header,
    pub(super) path: &'f [u8],
    /// Of the tree, if its path is appended to this file.
    pub(super) loader: Vec<u8>,
    pub(super) content: &'f Content,
}

impl Stream {
    pub(super) fn new() -> io::Result<Self> {
        let file = Arc::new(atomic_file::nameless()?);
        let to = io::BufWriter::new(Arc::clone(&file));
        let (frame, frames) = (Vec::new(), Vec::new());
        Ok(Self { file, to, written: 0, laid: 0, frame, length: 0, frames, directories: 0 })
    }

    /// How many frames there are, without the one that is not full yet.
    pub(super) fn frames(&self) -> usize {
        self.frames.len()
    }

    /// What follows is in another frame.
    fn cut(&mut self) {
        if self.length != 0 {
            self.lay();
            self.frames.push(Content::of_parts(self.frame.drain(..)));
            self.length = 0;
        }
    }

    /// What was written since the last time belongs to the frame.
    fn lay(&mut self) {
        let (file, offset, length) = (Arc::clone(&self.file), self.laid, self.written - self.laid);
        self.frame.push(Content::File { file, offset, length });
        self.laid = self.written;
    }

    /// All directories and announcements are written.
    pub(super) fn end_directories(&mut self) {
        self.cut();
        self.directories = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
    }

    pub(super) fn member(
        &mut self,
        header: Header,
        path: &[u8],
        link: &[u8],
        content: &Content,
    ) -> io::Result<()> {
        // A header, long names with theirs, and the content.
        if self.length + header.size()? + 4 * PATH_MAX as u64 > FRAME {
            self.cut();
        }
        let size = content.len();
        if size < IN_PLACE {
            let length = put(&mut self.to, header, path, link, &mut content.reader())?;
            self.written += length;
            self.length += length;
            return Ok(());
        }
        let before = put_header(&mut self.to, header, path, link)?;
        self.written += before;
        self.lay();
        self.frame.push(content.clone());
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.to.write_all(&[0; BLOCK][..usize::try_from(padding).unwrap_or(0)])?;
        self.written += padding;
        self.length += before + size + padding;
        Ok(())
    }

    /// Says before all files that one comes in pieces, if it is that long.
    pub(super) fn announce(
        &mut self,
        mut header: Header,
        path: &[u8],
        link: &[u8],
        length: u64,
    ) -> io::Result<()> {
        if length <= WHOLE {
            return Ok(());
        }
        header.set_size(0);
        as_piece(&mut header, 0, length)?;
        self.member(header, path, link, &Content::from(Vec::new()))
    }

    /// All files, those that resemble each other in one frame.
    pub(super) fn files(&mut self, files: &[File<'_>], by: By) -> io::Result<()> {
        let taken = |file: &File<'_>| {
            let names = if file.path.len() > FIELD { 2 * BLOCK + file.path.len() } else { 0 };
            file.content.len() + (BLOCK + names) as u64
        };
        let sized: Vec<(u64, &Content)> = files.iter().map(|file| (taken(file), file.content)).collect();
        for frame in similar::frames(&sized, by)? {
            for File { header, path, loader, content } in frame.into_iter().filter_map(|file| files.get(file))
            {
                self.file(header.clone(), path, loader, content)?;
            }
            self.cut();
        }
        Ok(())
    }

    fn file(&mut self, header: Header, path: &[u8], link: &[u8], content: &Content) -> io::Result<()> {
        let length = content.len();
        if length <= WHOLE {
            return self.member(header, path, link, content);
        }
        self.cut();
        // Pieces of one length, so that none is left over that is short.
        let piece = length.div_ceil(length.div_ceil(WHOLE)).next_multiple_of(BLOCK as u64);
        let mut start = 0;
        while start < length {
            let mut header = header.clone();
            let piece = content.range(start, piece.min(length - start));
            header.set_size(piece.len());
            as_piece(&mut header, start, length)?;
            self.member(header, path, b"", &piece)?;
            self.cut();
            start += piece.len();
        }
        Ok(())
    }

    pub(super) fn finish(mut self, encoding: Encoding, before_links: usize) -> io::Result<Uncompressed> {
        self.cut();
        self.to.flush()?;
        let links = u32::try_from(self.frames.len() - before_links).unwrap_or(u32::MAX);
        let mut frames = self.frames;
        if frames.is_empty() {
            frames.push(Content::from(Vec::new()));
        }
        Ok(Uncompressed { encoding, frames, directories: self.directories, links })
    }
}

/// Makes a header one of a piece at `offset` of a file of `length` bytes (GNU tar's `oldgnu_header`).
fn as_piece(header: &mut Header, offset: u64, length: u64) -> io::Result<()> {
    let number = |number| {
        let mut header = Header::new_gnu();
        header.set_size(number);
        header.as_old().size
    };
    header.set_entry_type(EntryType::new(b'M'));
    let gnu = header.as_gnu_mut().ok_or(io::ErrorKind::InvalidInput)?;
    (gnu.offset, gnu.realsize) = (number(offset), number(length));
    Ok(())
}
