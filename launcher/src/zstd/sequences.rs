//! The sequences of a block (RFC 8878, 3.1.1.3.2): so many literals, then so many bytes from so far back.

use core::ops::Range;

use super::bits::{Backward, bits_at, lowest};
use super::fse::Table;
use super::literals::Literals;
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

/// What the codes of lengths mean. Added up at the start, since the tables would be longer than the addition.
fn lengths(mut base: u32, bits: &[u8]) -> [Length; CODES] {
    let mut lengths = [Length::default(); CODES];
    for (length, bits) in lengths.iter_mut().zip(bits) {
        *length = Length { base, bits: *bits };
        base += 1 << bits;
    }
    lengths
}

/// More codes of lengths than there are, and a power of two.
const CODES: usize = 64;

/// What a code of a length means: a base, and as many more bits.
#[derive(Clone, Copy, Default)]
struct Length {
    base: u32,
    bits: u8,
}

impl Length {
    #[inline(always)]
    fn read(self, stream: &mut Backward<'_>) -> usize {
        self.base as usize + stream.take(u32::from(self.bits))
    }
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
    literal_lengths: [Length; CODES],
    match_lengths: [Length; CODES],
    /// The last three offsets.
    recent: [usize; 3],
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self {
            tables: [Table::new(), Table::new(), Table::new()],
            literal_lengths: lengths(0, &LITERAL_BITS),
            match_lengths: lengths(3, &MATCH_BITS),
            recent: [0; 3],
        }
    }

    /// Forgets what the frame before has said.
    pub(super) fn begin(&mut self) {
        self.tables.iter_mut().for_each(|table| table.set = false);
        // What the offsets of a frame begin with (RFC 8878, 3.1.2.5).
        self.recent = [1, 4, 8];
    }

    /// Decodes the sequences in `range` of `bytes` and writes what they say.
    pub(super) fn decode(
        &mut self,
        bytes: &[u8],
        range: Range<usize>,
        literals: &Literals,
        window: &mut Window<'_>,
    ) -> Option<()> {
        let Range { start, end } = range;
        let header = bits_at(bytes, start * 8);
        let (mut at, count) = match lowest(header, 8) {
            first @ 0..128 => (start + 1, first),
            first @ 128..255 => (start + 2, (first - 128) << 8 | lowest(header >> 8, 8)),
            _ => (start + 3, 0x7F00 + lowest(header >> 8, 16)),
        };
        if start >= end || at > end {
            return None;
        }
        let limit = window.end() + MAX_BLOCK;
        let mut taken = 0;
        if count != 0 {
            at = self.read_tables(bytes, at, end)?;
            let mut stream = Backward::new(bytes, at..end)?;
            let [literal_table, offset_table, match_table] = &self.tables;
            let mut literal_code = literal_table.start(&mut stream);
            let mut offset_code = offset_table.start(&mut stream);
            let mut match_code = match_table.start(&mut stream);
            let mut recent = self.recent;
            for left in (0..count).rev() {
                let literal_state = literal_table.state(literal_code);
                let offset_state = offset_table.state(offset_code);
                let match_state = match_table.state(match_code);
                stream.refill();
                let offset_bits = u32::from(offset_state.symbol) % u32::BITS;
                let offset = (1 << offset_bits) + stream.take(offset_bits);
                // Both lengths take up to 16 bits.
                if offset_bits > 24 {
                    stream.refill();
                }
                let length = self.match_lengths[usize::from(match_state.symbol) % CODES].read(&mut stream);
                let run = self.literal_lengths[usize::from(literal_state.symbol) % CODES].read(&mut stream);
                if left != 0 {
                    stream.refill();
                    literal_code = literal_state.next(&mut stream);
                    match_code = match_state.next(&mut stream);
                    offset_code = offset_state.next(&mut stream);
                }
                let offset = resolve(&mut recent, offset, run == 0)?;
                if run > literals.length - taken {
                    return None;
                }
                window.push(&literals.buffer, taken, run)?;
                taken += run;
                window.repeat(offset, length)?;
            }
            self.recent = recent;
            if stream.left() != 0 {
                return None;
            }
        }
        window.append(&literals.buffer, taken, literals.length - taken)?;
        (window.end() <= limit).then_some(())
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
