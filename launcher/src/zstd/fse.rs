//! Finite state entropy (RFC 8878, 4.1): tables of states, from the distributions that a stream or the RFC
//! gives.

use super::bits::{Backward, bits_at, lowest};

/// The widest table: `Max_Accuracy_Log` of literal and match lengths.
const MAX_LOG: u32 = 9;
/// More symbols than any alphabet here has, and a power of two.
const MAX_SYMBOLS: usize = 64;

/// One state: the symbol that it stands for, and how the next state is found.
#[derive(Clone, Copy, Default)]
pub(super) struct State {
    pub(super) symbol: u8,
    bits: u8,
    base: u16,
}

/// A table of states, of which the first `1 << log` count.
pub(super) struct Table {
    states: [State; 1 << MAX_LOG],
    log: u32,
    /// Whether anything has filled it.
    pub(super) set: bool,
}

/// A place in a table, which a stream moves.
#[derive(Clone, Copy)]
pub(super) struct Cursor(usize);

impl Table {
    pub(super) fn new() -> Self {
        Self { states: [State::default(); 1 << MAX_LOG], log: 0, set: false }
    }

    /// The table of one symbol, which takes no bits.
    pub(super) fn fill_with(&mut self, symbol: u8) {
        self.states[0] = State { symbol, bits: 0, base: 0 };
        (self.log, self.set) = (0, true);
    }

    /// Reads a distribution from bit `position` of `bytes` (RFC 8878, 4.1.1) and builds its table; the bit
    /// behind it.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        mut position: usize,
        max_log: u32,
        symbols: usize,
    ) -> Option<usize> {
        let mut counts = [0i16; MAX_SYMBOLS];
        let log = 5 + u32::try_from(lowest(bits_at(bytes, position), 4)).ok()?;
        if log > max_log.min(MAX_LOG) {
            return None;
        }
        position += 4;
        // One more than is left to be given out.
        let mut remaining = (1usize << log) + 1;
        let mut symbol = 0;
        while remaining > 1 {
            let bits = bits_at(bytes, position);
            let low_bits = remaining.ilog2();
            let threshold = 1 << low_bits;
            // The first values are written with a bit less.
            let short = 2 * threshold - 1 - remaining;
            let mut value = lowest(bits, low_bits);
            position += low_bits as usize;
            if value >= short {
                value = lowest(bits, low_bits + 1);
                position += 1;
                if value >= threshold {
                    value -= short;
                }
            }
            // 0 stands for "less than one", which takes one state.
            let count = i16::try_from(value).ok()? - 1;
            *counts.get_mut(symbol).filter(|_| symbol < symbols)? = count;
            symbol += 1;
            remaining = remaining.checked_sub(usize::from(count.unsigned_abs()))?;
            if count == 0 {
                // How many more have none, two bits at a time.
                loop {
                    let zeros = lowest(bits_at(bytes, position), 2);
                    position += 2;
                    symbol += zeros;
                    if zeros != 3 || symbol > symbols {
                        break;
                    }
                }
            }
        }
        self.build(counts.get(..symbol.min(symbols))?, log)?;
        Some(position)
    }

    /// Builds the table of one of the RFC's own distributions.
    pub(super) fn build_of(&mut self, counts: &[i8], log: u32) -> Option<()> {
        let mut wide = [0i16; MAX_SYMBOLS];
        wide.iter_mut().zip(counts).for_each(|(wide, count)| *wide = i16::from(*count));
        self.build(&wide, log)
    }

    /// Builds the table of a distribution: -1 is "less than one" (RFC 8878, 4.1.1).
    pub(super) fn build(&mut self, counts: &[i16], log: u32) -> Option<()> {
        let size = 1usize << log;
        let states = self.states.get_mut(..size)?;
        let mut next = [0u16; MAX_SYMBOLS];
        let mut high = size;
        for (symbol, (count, next)) in counts.iter().zip(&mut next).enumerate() {
            *next = count.unsigned_abs();
            if *count < 0 {
                high = high.checked_sub(1)?;
                states.get_mut(high)?.symbol = u8::try_from(symbol).ok()?;
            }
        }
        let step = size / 2 + size / 8 + 3;
        let mut at = 0;
        for (symbol, count) in counts.iter().enumerate() {
            for _ in 0..*count {
                states.get_mut(at)?.symbol = u8::try_from(symbol).ok()?;
                // Ends: the counts add up to the size, so a state below `high` is there for each.
                loop {
                    at = (at + step) & (size - 1);
                    if at < high {
                        break;
                    }
                }
            }
        }
        for state in states {
            let next = &mut next[usize::from(state.symbol) % MAX_SYMBOLS];
            let bits = log.checked_sub(next.checked_ilog2()?)?;
            state.bits = u8::try_from(bits).ok()?;
            state.base = u16::try_from((usize::from(*next) << bits).checked_sub(size)?).ok()?;
            *next += 1;
        }
        (self.log, self.set) = (log, true);
        Some(())
    }

    /// The first state, which a stream begins with.
    pub(super) fn start(&self, stream: &mut Backward<'_>) -> Cursor {
        Cursor(stream.read(self.log))
    }

    /// What a place says.
    #[inline(always)]
    pub(super) fn state(&self, cursor: Cursor) -> State {
        self.states[cursor.0 % (1 << MAX_LOG)]
    }

    /// The symbol of a state.
    pub(super) fn symbol(&self, cursor: Cursor) -> u8 {
        self.state(cursor).symbol
    }

    /// The state behind a state.
    pub(super) fn advance(&self, cursor: &mut Cursor, stream: &mut Backward<'_>) {
        stream.refill();
        *cursor = self.state(*cursor).next(stream);
    }
}

impl State {
    /// The state behind it, by what a stream has loaded: at most 9 bits.
    #[inline(always)]
    pub(super) fn next(self, stream: &mut Backward<'_>) -> Cursor {
        Cursor(usize::from(self.base) + stream.take(u32::from(self.bits)))
    }
}
