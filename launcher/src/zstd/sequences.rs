//! The sequences of a block (RFC 8878, 3.1.1.3.2): so many literals, then so many bytes from so far back.

use core::ops::Range;

use super::bits::{Backward, bits_at, lowest};
use super::fse::Table;
use super::window::{MAX_BLOCK, Window};

/// Extra bits of the literal length codes (RFC 8878, table 16); each code begins where the one before ends,
/// at 0.
const LITERAL_BITS: [u8; 36] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13,
    14, 15, 16,
];
/// The same for match lengths (RFC 8878, table 17), from 3.
const MATCH_BITS: [u8; 53] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1,
    1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];
/// `Offset_Code` may be anything that an offset of 31 bits needs.
const OFFSET_CODES: usize = 32;

/// Where the codes of lengths begin. Added up when a frame is opened, since the tables would be longer than
/// the addition.
fn bases<const CODES: usize>(mut base: u32, bits: &[u8; CODES]) -> [u32; CODES] {
    bits.map(|bits| {
        let this = base;
        base += 1 << bits;
        this
    })
}

/// The RFC's own distributions (3.1.1.3.2.2), for a block that has none.
const LITERAL_COUNTS: [i8; 36] = [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1,
    -1, -1,
];
const OFFSET_COUNTS: [i8; 29] =
    [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1];
const MATCH_COUNTS: [i8; 53] = [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
];

/// What a kind of code is made of: the RFC's distribution and its accuracy, the greatest accuracy, how many
/// codes.
struct Alphabet {
    counts: &'static [i8],
    log: u32,
    max_log: u32,
    codes: usize,
}

/// In the order in which a block describes them: literal lengths, offsets, match lengths.
static ALPHABETS: [Alphabet; 3] = [
    Alphabet { counts: &LITERAL_COUNTS, log: 6, max_log: 9, codes: LITERAL_BITS.len() },
    Alphabet { counts: &OFFSET_COUNTS, log: 5, max_log: 8, codes: OFFSET_CODES },
    Alphabet { counts: &MATCH_COUNTS, log: 6, max_log: 9, codes: MATCH_BITS.len() },
];

pub(super) struct Sequences {
    tables: [Table; 3],
    literal_bases: [u32; LITERAL_BITS.len()],
    match_bases: [u32; MATCH_BITS.len()],
    /// The last three offsets.
    recent: [usize; 3],
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self {
            tables: [Table::new(), Table::new(), Table::new()],
            literal_bases: bases(0, &LITERAL_BITS),
            match_bases: bases(3, &MATCH_BITS),
            // What the offsets of a frame begin with (RFC 8878, 3.1.2.5).
            recent: [1, 4, 8],
        }
    }

    /// Decodes the sequences in `range` of `block` and writes what they say.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        range: Range<usize>,
        mut literals: &[u8],
        window: &mut Window,
    ) -> Option<()> {
        let Range { start, end } = range;
        let header = bits_at(block, start * 8);
        let (mut at, count) = match lowest(header, 8) {
            first @ 0..128 => (start + 1, first),
            first @ 128..255 => (start + 2, (first - 128) << 8 | lowest(header >> 8, 8)),
            _ => (start + 3, 0x7F00 + lowest(header >> 8, 16)),
        };
        if start >= end || at > end {
            return None;
        }
        // A block writes no more than `MAX_BLOCK`: what is still in the window would be overwritten.
        let mut room = MAX_BLOCK;
        if count != 0 {
            at = self.read_tables(block, at, end)?;
            let mut stream = Backward::new(block, at..end)?;
            let [literal_table, offset_table, match_table] = &self.tables;
            let mut literal_code = literal_table.start(&mut stream);
            let mut offset_code = offset_table.start(&mut stream);
            let mut match_code = match_table.start(&mut stream);
            for left in (0..count).rev() {
                let code = u32::from(offset_table.symbol(offset_code));
                let offset = (1 << code) + stream.read(code);
                let length =
                    value(match_table.symbol(match_code), &self.match_bases, &MATCH_BITS, &mut stream)?;
                let run = value(
                    literal_table.symbol(literal_code),
                    &self.literal_bases,
                    &LITERAL_BITS,
                    &mut stream,
                )?;
                if left != 0 {
                    literal_table.advance(&mut literal_code, &mut stream);
                    match_table.advance(&mut match_code, &mut stream);
                    offset_table.advance(&mut offset_code, &mut stream);
                }
                let offset = resolve(&mut self.recent, offset, run == 0)?;
                room = room.checked_sub(run.checked_add(length)?)?;
                let (now, later) = literals.split_at_checked(run)?;
                literals = later;
                window.push(now)?;
                window.repeat(offset, length)?;
                if stream.left() < 0 {
                    return None;
                }
            }
            if stream.left() != 0 {
                return None;
            }
        }
        room.checked_sub(literals.len())?;
        window.push(literals)
    }

    /// Reads how each kind of code is written; the byte behind that (RFC 8878, 3.1.1.3.2.1).
    fn read_tables(&mut self, block: &[u8], at: usize, end: usize) -> Option<usize> {
        let mut modes = *block.get(at)?;
        let mut at = at + 1;
        for (table, alphabet) in self.tables.iter_mut().zip(&ALPHABETS) {
            match modes >> 6 {
                0 => table.build_of(alphabet.counts, alphabet.log)?,
                1 => {
                    let symbol = *block.get(at).filter(|symbol| usize::from(**symbol) < alphabet.codes)?;
                    table.fill_with(symbol);
                    at += 1;
                }
                2 => at = table.read(block, at * 8, alphabet.max_log, alphabet.codes)?.div_ceil(8),
                _ => {
                    if !table.set {
                        return None;
                    }
                }
            }
            modes <<= 2;
        }
        // What is left of the modes is reserved.
        (modes == 0 && at <= end).then_some(at)
    }
}

/// A code's length: its base and its extra bits.
fn value(code: u8, bases: &[u32], bits: &[u8], stream: &mut Backward<'_>) -> Option<usize> {
    let code = usize::from(code);
    let extra = stream.read(u32::from(*bits.get(code)?));
    Some(usize::try_from(*bases.get(code)?).ok()? + extra)
}

/// The offset that a value means: up to 3 it is one of the last three, shifted by one where no literals are
/// before it (RFC 8878, 3.1.2.5).
fn resolve(recent: &mut [usize; 3], value: usize, no_literals: bool) -> Option<usize> {
    let [first, second, third] = *recent;
    let offset = match (value, no_literals) {
        (1, false) => return Some(first),
        (2, false) | (1, true) => second,
        (3, false) | (2, true) => third,
        (3, true) => first.checked_sub(1)?,
        _ => value - 3,
    };
    // The second one moves up only, all others push the third one out.
    let third = if matches!((value, no_literals), (2, false) | (1, true)) { third } else { second };
    *recent = [offset, first, third];
    Some(offset)
}
