//! The literals of a block (RFC 8878, 3.1.1.3.1).

use alloc::vec;
use alloc::vec::Vec;

use super::bits::{Backward, bits_at, lowest};
use super::huffman::Huffman;
use super::window::MAX_BLOCK;

pub(super) struct Literals {
    buffer: Vec<u8>,
    length: usize,
    huffman: Huffman,
}

impl Literals {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; MAX_BLOCK], length: 0, huffman: Huffman::new() }
    }

    /// The current block's.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    /// Decodes the literals that `block` begins with; the byte behind them. `block` goes on behind its
    /// `size`.
    pub(super) fn decode(&mut self, block: &[u8], size: usize) -> Option<usize> {
        let header = bits_at(block, 0);
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
        let out = self.buffer.get_mut(..self.length)?;
        let end = match header & 3 {
            0 => {
                let end = header_length + out.len();
                out.copy_from_slice(block.get(header_length..end)?);
                end
            }
            1 => {
                out.fill(*block.get(header_length)?);
                header_length + 1
            }
            kind => {
                let end = header_length + lowest(header >> (4 + size_bits), size_bits);
                let mut at = header_length;
                if end > size {
                    return None;
                }
                if kind == 2 {
                    at = self.huffman.read(block, at)?;
                }
                decode_streams(&self.huffman, block, at, end, format != 0, out)?;
                end
            }
        };
        (end <= size).then_some(end)
    }
}

/// One stream, or four with the lengths of the first three before them (RFC 8878, 3.1.1.3.1.6).
fn decode_streams(
    huffman: &Huffman,
    block: &[u8],
    at: usize,
    end: usize,
    four: bool,
    out: &mut [u8],
) -> Option<()> {
    if !four {
        return huffman.decode(Backward::new(block, at..end)?, out);
    }
    let mut lengths = bits_at(block, at * 8);
    let mut start = at + 6;
    let quarter = out.len().div_ceil(4);
    let mut rest = out;
    for number in 1..=4 {
        let (stream_end, length) =
            if number == 4 { (end, rest.len()) } else { (start + lowest(lengths, 16), quarter) };
        lengths >>= 16;
        if stream_end > end {
            return None;
        }
        let (now, later) = rest.split_at_mut_checked(length)?;
        huffman.decode(Backward::new(block, start..stream_end)?, now)?;
        (start, rest) = (stream_end, later);
    }
    Some(())
}
