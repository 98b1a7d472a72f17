//! Bounds what a package may take that nobody vouches for: where its paths lead, what it unpacks to, and the
//! headers of its tar archives. A long name, or an extended header, is read into memory before anybody sees
//! it, and compressed it costs its archive nothing.

use std::cell::Cell;
use std::collections::HashSet;
use std::io::{self, Read};
use std::rc::Rc;

/// The most between the contents of two entries. The map of a sparse file is the longest that is honest.
const MOST: u64 = 32 << 20;

/// What a package may unpack to: as many times its length, and this much more.
pub(crate) const TIMES: u64 = 200;
pub(crate) const MORE: u64 = 256 << 20;

/// Entries need memory.
pub(crate) const ENTRIES_MAX: usize = 2_000_000;

/// Each directory above an entry is looked at for each entry.
const DEPTH_MAX: usize = 256;

/// Says what is read next.
#[derive(Debug)]
pub(crate) struct Bound(Rc<Cell<Option<u64>>>);

impl Bound {
    /// A bound for what is read from `from` through the reader that is returned.
    pub(crate) fn of<R: Read>(from: R) -> (Self, Bounded<R>) {
        let left = Rc::new(Cell::new(None));
        (Self(Rc::clone(&left)), Bounded { from, left })
    }

    /// Headers are read next.
    pub(crate) fn headers(&self) {
        self.0.set(Some(MOST));
    }

    /// The content of an entry is read next.
    pub(crate) fn content(&self) {
        self.0.set(None);
    }
}

/// A reader that fails where the headers of an entry take too much.
#[derive(Debug)]
pub(crate) struct Bounded<R> {
    from: R,
    left: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        if let Some(left) = self.left.get() {
            let left = left.checked_sub(read as u64);
            let too_much = || {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("the headers of an entry take more than {} MiB", MOST >> 20),
                )
            };
            self.left.set(Some(left.ok_or_else(too_much)?));
        }
        Ok(read)
    }
}

/// A stored path relative to the tree's root, without `.` and doubled slashes; empty for the root itself.
pub(crate) fn inside(stored: &[u8]) -> Result<Vec<u8>, &'static str> {
    if stored.starts_with(b"/") {
        return Err("its path is absolute");
    }
    if stored.contains(&0) {
        return Err("its path contains a NUL byte");
    }
    let parts = stored.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let parts: Vec<&[u8]> = parts.collect();
    if parts.contains(&b"..".as_slice()) {
        return Err("its path leaves the package");
    }
    if parts.len() > DEPTH_MAX {
        return Err("its path leads through too many directories");
    }
    Ok(parts.join(&b'/'))
}

/// Whether a directory on the way to `path` is one of `symlinks`.
pub(crate) fn passes_through(path: &[u8], symlinks: &HashSet<Vec<u8>>) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at]).any(|parent| symlinks.contains(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_somewhere_and_contents_do_not() {
        let (bound, mut from) = Bound::of(io::repeat(1));
        let mut read = |length| io::copy(&mut from.by_ref().take(length), &mut io::sink());
        bound.headers();
        read(MOST).expect("as much as is honest");
        assert!(read(1).is_err_and(|error| error.to_string().contains("headers")));
        bound.content();
        read(MOST + 1).expect("no header");
        bound.headers();
        read(1).expect("those of the next entry");
    }
}
