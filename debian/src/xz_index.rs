//! The index at the end of an xz stream: the position and size of each block, so that one can be decoded
//! without the others. Format: <https://tukaani.org/xz/xz-file-format.txt>, sections 2.1, 4 and 1.2
//! (numbers). Files with several streams or with padding are unsupported. CRCs are not checked: whoever reads
//! a member by this index checks the member's SHA-256.

use std::ops::Range;

/// Length of a stream's header and of its footer, in bytes.
pub const EDGE: u64 = 12;

const HEADER_MAGIC: [u8; 6] = [0xFD, b'7', b'z', b'X', b'Z', 0];
const FOOTER_MAGIC: [u8; 2] = *b"YZ";

/// One block: its bytes in the stream and the bytes it decodes to, both as ranges from their starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its bytes in the stream.
    pub stored: Range<u64>,
    /// What it decodes to, in what the whole stream decodes to.
    pub decoded: Range<u64>,
}

/// The length in bytes of the index that ends right before `footer`, or why it cannot be used.
pub fn index_length(footer: &[u8]) -> Result<u64, &'static str> {
    let footer: &[u8; 12] = footer.try_into().map_err(|_| "the xz footer is truncated")?;
    if footer[10..] != FOOTER_MAGIC {
        return Err("the xz stream has padding or no footer");
    }
    let backward = u32::from_le_bytes([footer[4], footer[5], footer[6], footer[7]]);
    Ok((u64::from(backward) + 1) * 4)
}

/// The blocks of the stream of `length` bytes with this `header` (12 bytes) and `index`.
pub fn blocks(header: &[u8], index: &[u8], length: u64) -> Result<Vec<Block>, &'static str> {
    if header.len() != 12 || !header.starts_with(&HEADER_MAGIC) {
        return Err("not an xz stream");
    }
    let mut numbers = Numbers(index);
    if numbers.byte()? != 0 {
        return Err("not an xz index");
    }
    let count = numbers.next()?;
    let mut blocks = Vec::new();
    let (mut stored, mut decoded) = (EDGE, 0_u64);
    for _ in 0..count {
        let unpadded = numbers.next()?;
        let uncompressed = numbers.next()?;
        let padded = unpadded.checked_next_multiple_of(4).ok_or("an xz block is too large")?;
        let stored_end = stored.checked_add(padded).filter(|&end| end <= length);
        let stored_end = stored_end.ok_or("an xz block lies outside its stream")?;
        let decoded_end = decoded.checked_add(uncompressed).ok_or("an xz block is too large")?;
        blocks.push(Block { stored: stored..stored_end, decoded: decoded..decoded_end });
        (stored, decoded) = (stored_end, decoded_end);
    }
    if stored + index.len() as u64 + EDGE != length {
        return Err("there are several xz streams");
    }
    Ok(blocks)
}

struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let (&first, rest) = self.0.split_first().ok_or("the xz index is truncated")?;
        self.0 = rest;
        Ok(first)
    }

    /// A number of up to 63 bits in groups of 7, lowest first; a set top bit says that more follow.
    fn next(&mut self) -> Result<u64, &'static str> {
        let mut number = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number in the xz index is too long")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One block of 5 stored bytes (8 with padding) and 300 decoded ones; the index's padding and CRC are
    // zeros.
    const INDEX: [u8; 12] = [0, 1, 5, 0xAC, 2, 0, 0, 0, 0, 0, 0, 0];
    const HEADER: [u8; 12] = [0xFD, b'7', b'z', b'X', b'Z', 0, 0, 4, 0, 0, 0, 0];

    #[test]
    fn an_index_that_does_not_fill_its_stream_exactly_is_refused() {
        for length in [0, 43, 45, 1000] {
            assert!(blocks(&HEADER, &INDEX, length).is_err(), "{length}");
        }
        let block = Block { stored: 12..20, decoded: 0..300 };
        assert_eq!(blocks(&HEADER, &INDEX, 44), Ok(vec![block]));
    }

    #[test]
    fn cut_and_overlong_numbers_are_refused() {
        for cut in 0..5 {
            assert!(blocks(&HEADER, &INDEX[..cut], 44).is_err(), "{cut}");
        }
        let endless = [0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 0];
        assert!(blocks(&HEADER, &endless, 46).is_err());
    }
}
