//! The literals of a block (RFC 8878, 3.1.1.3.1).

use alloc::vec;
use alloc::vec::Vec;

use super::bits::{Backward, bits_at, lowest};
use super::huffman::Huffman;
use super::window::{MAX_BLOCK, STEP};

pub(super) struct Literals {
    /// The current block's, and what a copy in steps reads behind them.
    pub(super) buffer: Vec<u8>,
    /// How many of them count.
    pub(super) length: usize,
    pub(super) huffman: Huffman,
}

impl Literals {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; MAX_BLOCK + STEP], length: 0, huffman: Huffman::new() }
    }

    /// Decodes the literals that the block in `bytes` from `start` to `end` begins with; the byte behind
    /// them.
    pub(super) fn decode(&mut self, bytes: &[u8], start: usize, end: usize) -> Option<usize> {
        let header = bits_at(bytes, start * 8);
        let format = lowest(header >> 2, 2);
        let packed = header & 2 != 0;
        // Bytes of the header, and bits of each size in it.
        let (header_length, size_bits) = match (packed, format) {
            (false, 1) => (2, 12),
            (false, 3) => (3, 20),
            (false, _) => (1, 5),
            (true, 0 | 1) => (3, 10),
            (true, 2) => (4, 14),
            (true, _) => (5, 18),
        };
        // A size of five bits is written above three bits of the header, all others above four.
        let lowest_size_bit = if header_length == 1 { 3 } else { 4 };
        self.length = lowest(header >> lowest_size_bit, size_bits);
        if self.length > MAX_BLOCK {
            return None;
        }
        let out = self.buffer.get_mut(..self.length)?;
        let mut at = start + header_length;
        let behind = match header & 3 {
            0 => {
                let behind = at + out.len();
                out.copy_from_slice(bytes.get(at..behind)?);
                behind
            }
            1 => {
                out.fill(*bytes.get(at)?);
                at + 1
            }
            kind => {
                let behind = at + lowest(header >> (4 + size_bits), size_bits);
                if behind > end {
                    return None;
                }
                if kind == 2 {
                    at = self.huffman.read(bytes, at)?;
                }
                decode_streams(&self.huffman, bytes, at, behind, format != 0, out)?;
                behind
            }
        };
        (behind <= end).then_some(behind)
    }
}

/// One stream, or four with the lengths of the first three before them (RFC 8878, 3.1.1.3.1.6).
fn decode_streams(
    huffman: &Huffman,
    bytes: &[u8],
    at: usize,
    end: usize,
    four: bool,
    out: &mut [u8],
) -> Option<()> {
    if !four {
        return huffman.decode(Backward::new(bytes, at..end)?, out);
    }
    let lengths = bits_at(bytes, at * 8);
    let first = at + 6;
    let second = first + lowest(lengths, 16);
    let third = second + lowest(lengths >> 16, 16);
    let fourth = third + lowest(lengths >> 32, 16);
    let stream = |start, end| Backward::new(bytes, start..end);
    let streams =
        [stream(first, second)?, stream(second, third)?, stream(third, fourth)?, stream(fourth, end)?];
    huffman.decode_four(streams, out)
}
