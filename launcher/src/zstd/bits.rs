//! Bits out of bytes: forwards by position, and backwards as Zstandard's entropy streams are written.

use core::ops::Range;

/// At least 57 bits from bit `position` on, the first one lowest; none where fewer than eight bytes follow,
/// which is why buffers have that many behind them.
pub(super) fn bits_at(bytes: &[u8], position: usize) -> u64 {
    let word = bytes.get(position / 8..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u64::from_le_bytes(*word)) >> (position % 8)
}

/// The lowest `count` bits, at most 31, of `bits`.
pub(super) fn lowest(bits: u64, count: u32) -> usize {
    usize::try_from(bits & ((1 << (count & 31)) - 1)).unwrap_or(0)
}

/// A stream that is read from its end (RFC 8878, 4.1): the highest set bit of its last byte says where.
///
/// Bits come out of a word that [`Backward::refill`] loads; whoever takes more than it has gets zeros.
/// Reading past the stream's start gives any bits, and [`Backward::left`] tells: a decoder looks at that as
/// often as it likes.
#[derive(Clone, Copy)]
pub(super) struct Backward<'b> {
    bytes: &'b [u8],
    start: usize,
    position: usize,
    /// The next bit is its highest.
    word: u64,
}

impl<'b> Backward<'b> {
    /// The stream in `range` of `bytes`, before which there are eight bytes more.
    pub(super) fn new(bytes: &'b [u8], range: Range<usize>) -> Option<Self> {
        let (start, end) = (range.start * 8, range.end * 8);
        let last = *bytes.get(range)?.last()?;
        let padding = usize::try_from(last.leading_zeros()).ok()? + 1;
        (last != 0).then_some(Self { bytes, start, position: end.wrapping_sub(padding), word: 0 })
    }

    /// Loads at least 57 bits.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        let end = self.position.wrapping_add(7) / 8;
        let word = self.bytes.get(end.wrapping_sub(8)..).and_then(<[u8]>::first_chunk);
        let word = word.map_or(0, |word| u64::from_le_bytes(*word));
        self.word = word << (end.wrapping_mul(8).wrapping_sub(self.position) & 7);
    }

    /// The next `count` bits, at most 31, of what is loaded.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> usize {
        // Two shifts: none by 64 for no bits.
        ((self.word >> 1) >> (63 - (count & 63))) as usize
    }

    /// Takes `count` bits of what is loaded.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.word <<= count & 63;
        self.position = self.position.wrapping_sub(count as usize);
    }

    /// Takes and gives the next `count` bits, at most 31, of what is loaded.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> usize {
        let bits = self.peek(count);
        self.skip(count);
        bits
    }

    /// The same after loading.
    pub(super) fn read(&mut self, count: u32) -> usize {
        self.refill();
        self.take(count)
    }

    /// How many bits are left; negative when more were taken than there were.
    pub(super) fn left(&self) -> isize {
        self.position.wrapping_sub(self.start).cast_signed()
    }
}
