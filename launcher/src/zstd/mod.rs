//! A Zstandard decoder (RFC 8878) for frames in memory, a seventh as large as a general one, since a launcher
//! is to be small, and about as fast. Safe code; whatever the input says, it ends, and writes nothing outside
//! the room that it is given.
//!
//! What its inner loops call is inlined by order, since launchers are compiled for size.
//!
//! It refuses dictionaries and windows beyond [`MAX_WINDOW`]. It doesn't check the frame's own checksum: what
//! goes in has been compared with a SHA-256.

#![allow(clippy::inline_always, reason = "the inner loops are compiled for size otherwise")]

mod bits;
mod fse;
mod huffman;
mod literals;
mod sequences;
mod window;

use alloc::boxed::Box;

use literals::Literals;
use sequences::Sequences;
use window::{MAX_BLOCK, STEP, Window};

/// Behind a frame and behind the room for what comes out of it there are as many bytes more, which are read
/// and written, and do not count.
pub const BEHIND: usize = 2 * STEP;

/// A larger window is refused, as FORMAT.md says: 64 MiB. Here it takes no memory: matches are copied out of
/// the frame's own output.
pub const MAX_WINDOW: u64 = 1 << 26;

/// `Magic_Number` of RFC 8878, 3.1.1.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// What decoding takes beside the frame and what comes out of it; for one frame after another.
pub struct Decoder {
    literals: Literals,
    sequences: Sequences,
}

impl Decoder {
    /// For any frame.
    pub fn new() -> Box<Self> {
        Box::new(Self { literals: Literals::new(), sequences: Sequences::new() })
    }

    /// Decodes the frame that is the first `length` bytes of `frame`, and says how many bytes of `out` it
    /// has filled; both have [`BEHIND`] more. `None` is damage.
    pub fn decode(&mut self, frame: &[u8], length: usize, out: &mut [u8]) -> Option<usize> {
        let (magic, behind) = frame.split_first_chunk()?;
        let descriptor = *behind.first()?;
        // Bits 0 and 1 announce a dictionary, bit 3 is reserved (RFC 8878, 3.1.1.1.1).
        if *magic != MAGIC || descriptor & 0b1011 != 0 {
            return None;
        }
        let single_segment = descriptor & 0b10_0000 != 0;
        let checksum_length = usize::from(descriptor & 0b100);
        // One byte for the window unless it is the content, then 0 (or 1), 2, 4 or 8 for the content's size.
        let size_length = match descriptor >> 6 {
            0 => usize::from(single_segment),
            flag => 1 << flag,
        };
        let window_length = usize::from(!single_segment);
        let sizes = u64::from_le_bytes(*frame.get(5..)?.first_chunk()?);
        let window = if single_segment {
            let biased = if size_length == 2 { 256 } else { 0 };
            // Of eight bytes all count.
            let size = if size_length == 8 { sizes } else { sizes & ((1 << (8 * size_length)) - 1) };
            size.checked_add(biased)?
        } else {
            let base = 1 << (10 + (sizes >> 3 & 31));
            base + base / 8 * (sizes & 7)
        };
        if window > MAX_WINDOW {
            return None;
        }
        self.literals.huffman.bits = 0;
        self.sequences.begin();
        let mut window = Window::new(out, usize::try_from(window).ok()?);
        let mut at = 5 + window_length + size_length;
        // RFC 8878, 3.1.1.2.
        loop {
            let header = u32::from_le_bytes(*frame.get(at..)?.first_chunk()?);
            at += 3;
            let size = usize::try_from(header >> 3 & 0x1F_FFFF).ok().filter(|size| *size <= MAX_BLOCK)?;
            let kind = header >> 1 & 3;
            let end = at + if kind == 1 { 1 } else { size };
            if end > length {
                return None;
            }
            match kind {
                0 => window.append(frame, at, size)?,
                1 => window.fill(*frame.get(at)?, size)?,
                2 => {
                    let behind = self.literals.decode(frame, at, end)?;
                    self.sequences.decode(frame, behind..end, &self.literals, &mut window)?;
                }
                _ => return None,
            }
            at = end;
            if header & 1 != 0 {
                return (at + checksum_length == length).then_some(window.end());
            }
        }
    }
}

#[cfg(test)]
mod tests;
