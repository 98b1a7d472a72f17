//! A Zstandard decoder (RFC 8878) for one frame from a source of bytes, a seventh as large as a general one,
//! since a launcher is to be small. Safe code; whatever the input says, it ends, writes nothing outside its
//! own memory and takes no more of it than [`MAX_WINDOW`] and some.
//!
//! It refuses dictionaries and wider windows. It doesn't check the frame's own checksum: everything that
//! comes out is compared with a SHA-256.

mod bits;
mod fse;
mod huffman;
mod literals;
mod sequences;
mod window;

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use literals::Literals;
use sequences::Sequences;
use window::{MAX_BLOCK, Window};

/// A larger window is refused, so that a bundle cannot ask for more memory than small machines have: 64 MiB.
pub const MAX_WINDOW: u64 = 1 << 26;

/// `Magic_Number` of RFC 8878, 3.1.1.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// Fills the slice with the frame's next bytes; `None` where there are not as many.
pub type Fill<'f> = &'f mut dyn FnMut(&mut [u8]) -> Option<()>;

/// One frame being decoded. `None` from any function is damage: the decoder is then of no further use.
pub struct Decoder {
    window: Window,
    /// A compressed block, and eight bytes behind it that [`bits::bits_at`] may look at.
    block: Vec<u8>,
    literals: Literals,
    sequences: Sequences,
    last_block_seen: bool,
}

impl Decoder {
    /// Reads the frame's header.
    pub fn open(fill: Fill<'_>) -> Option<Box<Self>> {
        let mut start = [0; 5];
        fill(&mut start)?;
        let [magic @ .., descriptor] = start;
        // Bits 0 and 1 announce a dictionary, bit 3 is reserved (RFC 8878, 3.1.1.1.1).
        if magic != MAGIC || descriptor & 0b1011 != 0 {
            return None;
        }
        let single_segment = descriptor & 0b10_0000 != 0;
        // One byte for the window unless it is the content, then 0 (or 1), 2, 4 or 8 for the content's size.
        let size_length = match descriptor >> 6 {
            0 => usize::from(single_segment),
            flag => 1 << flag,
        };
        let window_length = usize::from(!single_segment);
        let mut sizes = [0; 16];
        fill(sizes.get_mut(..window_length + size_length)?)?;
        let window = if single_segment {
            let biased = if size_length == 2 { 256 } else { 0 };
            u64::from_le_bytes(*sizes.first_chunk()?).checked_add(biased)?
        } else {
            let base = 1 << (10 + (sizes[0] >> 3));
            base + base / 8 * u64::from(sizes[0] & 7)
        };
        if window > MAX_WINDOW {
            return None;
        }
        Some(Box::new(Self {
            window: Window::new(usize::try_from(window).ok()?),
            block: vec![0; MAX_BLOCK + size_of::<u64>()],
            literals: Literals::new(),
            sequences: Sequences::new(),
            last_block_seen: false,
        }))
    }

    /// Writes the frame's next bytes into `out` and says how many; 0 at its end.
    pub fn read(&mut self, fill: Fill<'_>, out: &mut [u8]) -> Option<usize> {
        while self.window.is_given() && !self.last_block_seen {
            self.decode_block(fill)?;
        }
        Some(self.window.give(out))
    }

    /// RFC 8878, 3.1.1.2.
    fn decode_block(&mut self, fill: Fill<'_>) -> Option<()> {
        let mut header = [0; 4];
        fill(header.get_mut(..3)?)?;
        let header = u32::from_le_bytes(header);
        self.last_block_seen = header & 1 != 0;
        let size = usize::try_from(header >> 3).ok().filter(|size| *size <= MAX_BLOCK)?;
        match header >> 1 & 3 {
            0 => {
                let raw = self.block.get_mut(..size)?;
                fill(raw)?;
                self.window.push(raw)
            }
            1 => {
                let mut byte = [0];
                fill(&mut byte)?;
                self.window.push(&byte)?;
                if size == 0 { None } else { self.window.repeat(1, size - 1) }
            }
            2 => {
                fill(self.block.get_mut(..size)?)?;
                let behind_literals = self.literals.decode(&self.block, size)?;
                self.sequences.decode(
                    &self.block,
                    behind_literals..size,
                    self.literals.bytes(),
                    &mut self.window,
                )
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
