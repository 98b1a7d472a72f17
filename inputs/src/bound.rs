//! Bounds what the headers of a tar archive may take. A long name, or an extended header, is read into memory
//! before anybody sees it, and compressed it costs its archive nothing.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// The most between the contents of two entries. The map of a sparse file is the longest that is honest.
const MOST: u64 = 32 << 20;

/// Says what is read next.
#[derive(Debug)]
pub struct Bound(Rc<Cell<Option<u64>>>);

impl Bound {
    /// A bound for what is read from `from` through the reader that is returned.
    pub fn of<R: Read>(from: R) -> (Self, Bounded<R>) {
        let left = Rc::new(Cell::new(None));
        (Self(Rc::clone(&left)), Bounded { from, left })
    }

    /// Headers are read next.
    pub fn headers(&self) {
        self.0.set(Some(MOST));
    }

    /// The content of an entry is read next.
    pub fn content(&self) {
        self.0.set(None);
    }
}

/// A reader that fails where the headers of an entry take too much.
#[derive(Debug)]
pub struct Bounded<R> {
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
