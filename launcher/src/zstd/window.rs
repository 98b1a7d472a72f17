//! The last bytes that were decoded: matches are copied out of them, and the reader is given each of them
//! once.

use alloc::vec;
use alloc::vec::Vec;

/// `Block_Maximum_Size` of RFC 8878, 3.1.1.2.4: no block is longer, packed or unpacked.
pub(super) const MAX_BLOCK: usize = 128 * 1024;

/// A ring as long as a power of two. A block is decoded only when the one before has been given out, so that
/// what is overwritten is out of reach of matches and wanted by nobody.
pub(super) struct Window {
    ring: Vec<u8>,
    /// How far back a match may reach.
    reach: usize,
    /// How many bytes there are to be reached, up to `reach`.
    filled: usize,
    /// Where the next byte goes.
    end: usize,
    /// How many bytes before `end` have not been given out.
    pending: usize,
}

impl Window {
    pub(super) fn new(reach: usize) -> Self {
        let ring = vec![0; reach.max(MAX_BLOCK).next_power_of_two()];
        Self { ring, reach, filled: 0, end: 0, pending: 0 }
    }

    /// Whether the reader has everything.
    pub(super) fn is_given(&self) -> bool {
        self.pending == 0
    }

    /// Gives the reader as much as it can take and says how many bytes that is.
    pub(super) fn give(&mut self, out: &mut [u8]) -> usize {
        let start = self.end.wrapping_sub(self.pending) & (self.ring.len() - 1);
        let length = out.len().min(self.pending).min(self.ring.len() - start);
        let (Some(out), Some(ready)) = (out.get_mut(..length), self.ring.get(start..start + length)) else {
            return 0;
        };
        out.copy_from_slice(ready);
        self.pending -= length;
        length
    }

    fn advance(&mut self, length: usize) {
        self.end = (self.end + length) & (self.ring.len() - 1);
        self.pending += length;
        self.filled = (self.filled + length).min(self.reach);
    }

    /// Appends bytes, at most [`MAX_BLOCK`].
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let (before, after) = bytes.split_at(bytes.len().min(self.ring.len() - self.end));
        self.ring.get_mut(self.end..)?.get_mut(..before.len())?.copy_from_slice(before);
        self.ring.get_mut(..after.len())?.copy_from_slice(after);
        self.advance(bytes.len());
        Some(())
    }

    /// Appends `length` bytes, at most [`MAX_BLOCK`], each the one that stands `offset` before it. `None`
    /// where there are not as many.
    pub(super) fn repeat(&mut self, offset: usize, length: usize) -> Option<()> {
        if offset == 0 || offset > self.filled {
            return None;
        }
        let mask = self.ring.len() - 1;
        let from = self.end.wrapping_sub(offset) & mask;
        let whole = length <= offset && from.max(self.end) + length <= self.ring.len();
        if whole {
            self.ring.copy_within(from..from + length, self.end);
        } else {
            for step in 0..length {
                let byte = *self.ring.get((from + step) & mask)?;
                *self.ring.get_mut((self.end + step) & mask)? = byte;
            }
        }
        self.advance(length);
        Some(())
    }
}
