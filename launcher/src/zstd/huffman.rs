//! Huffman codes of literals (RFC 8878, 4.2).

use super::bits::Backward;
use super::fse::Table;

/// The longest code, `Max_Number_of_Bits`.
const MAX_BITS: u32 = 11;

/// As many codes as are certainly in what a stream loads at once.
const AT_ONCE: usize = 5;

/// What the next bits mean.
#[derive(Clone, Copy, Default)]
struct Code {
    symbol: u8,
    length: u8,
}

/// A code, looked up by its longest length's worth of bits.
pub(super) struct Huffman {
    codes: [Code; 1 << MAX_BITS],
    /// The length of the longest code; 0 before there is any.
    pub(super) bits: u32,
}

impl Huffman {
    pub(super) fn new() -> Self {
        Self { codes: [Code::default(); 1 << MAX_BITS], bits: 0 }
    }

    /// Reads the code's description from byte `at` of `bytes` (RFC 8878, 4.2.1); the byte behind it.
    pub(super) fn read(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        let header = usize::from(*bytes.get(at)?);
        let at = at + 1;
        // One more place than the weights that are written: the last one follows from them.
        let mut weights = [0u8; 256];
        let (count, end) = match header.checked_sub(127) {
            None | Some(0) => (read_packed(bytes, at, at + header, &mut weights)?, at + header),
            Some(count) => {
                for (number, weight) in weights.iter_mut().take(count).enumerate() {
                    let pair = *bytes.get(at + number / 2)?;
                    *weight = if number % 2 == 0 { pair >> 4 } else { pair & 15 };
                }
                (count, at + count.div_ceil(2))
            }
        };
        self.build(&mut weights, count)?;
        Some(end)
    }

    fn build(&mut self, weights: &mut [u8; 256], count: usize) -> Option<()> {
        let mut sum = 0u32;
        for weight in weights.iter().filter(|weight| **weight != 0) {
            sum += 1u32.checked_shl(u32::from(*weight) - 1)?;
        }
        let bits = sum.checked_ilog2()? + 1;
        let rest = (1 << bits) - sum;
        if bits > MAX_BITS || !rest.is_power_of_two() {
            return None;
        }
        *weights.get_mut(count)? = u8::try_from(rest.ilog2()).ok()? + 1;
        // The longest codes, which have the lowest weights, are the lowest numbers.
        let mut free = 0;
        for weight in 1..=u8::try_from(bits).ok()? {
            let length = u8::try_from(bits).ok()? + 1 - weight;
            for symbol in 0..=255 {
                if weights[usize::from(symbol)] == weight {
                    let end = free + (1 << (weight - 1));
                    self.codes.get_mut(free..end)?.fill(Code { symbol, length });
                    free = end;
                }
            }
        }
        self.bits = bits;
        Some(())
    }

    /// Fills `out` with what one stream says, which must end there.
    pub(super) fn decode(&self, mut stream: Backward<'_>, out: &mut [u8]) -> Option<()> {
        if self.bits == 0 {
            return None;
        }
        for byte in out {
            stream.refill();
            *byte = self.symbol(&mut stream);
        }
        (stream.left() == 0).then_some(())
    }

    /// Fills `out` with what four streams say, a quarter each: side by side, so that the processor decodes
    /// all four at once.
    pub(super) fn decode_four(&self, mut streams: [Backward<'_>; 4], out: &mut [u8]) -> Option<()> {
        let quarter = out.len().div_ceil(4);
        let (first, rest) = out.split_at_mut_checked(quarter)?;
        let (second, rest) = rest.split_at_mut_checked(quarter)?;
        let (third, fourth) = rest.split_at_mut_checked(quarter)?;
        let whole = fourth.len() / AT_ONCE;
        let [one, two, three, four] = &mut streams;
        let groups = first.as_chunks_mut::<AT_ONCE>().0.iter_mut();
        let groups = groups.zip(second.as_chunks_mut::<AT_ONCE>().0);
        let groups = groups.zip(third.as_chunks_mut::<AT_ONCE>().0);
        for (((first, second), third), fourth) in groups.zip(fourth.as_chunks_mut::<AT_ONCE>().0) {
            one.refill();
            two.refill();
            three.refill();
            four.refill();
            for number in 0..AT_ONCE {
                first[number] = self.symbol(one);
                second[number] = self.symbol(two);
                third[number] = self.symbol(three);
                fourth[number] = self.symbol(four);
            }
        }
        for (stream, out) in streams.into_iter().zip([first, second, third, fourth]) {
            self.decode(stream, out.get_mut(whole * AT_ONCE..)?)?;
        }
        Some(())
    }

    /// The next symbol of what a stream has loaded.
    #[inline(always)]
    fn symbol(&self, stream: &mut Backward<'_>) -> u8 {
        let code = self.codes[stream.peek(self.bits) % (1 << MAX_BITS)];
        stream.skip(u32::from(code.length));
        code.symbol
    }
}

/// Weights that are themselves packed, by two states that take turns (RFC 8878, 4.2.1.2); how many.
fn read_packed(bytes: &[u8], start: usize, end: usize, weights: &mut [u8; 256]) -> Option<usize> {
    let mut table = Table::new();
    let behind = table.read(bytes, start * 8, 6, usize::from(u8::try_from(MAX_BITS).ok()?) + 1)?.div_ceil(8);
    let mut stream = Backward::new(bytes, behind..end)?;
    let (mut this, mut other) = (table.start(&mut stream), table.start(&mut stream));
    let mut count = 0;
    while stream.left() >= 0 {
        *weights.get_mut(count)? = table.symbol(this);
        count += 1;
        table.advance(&mut this, &mut stream);
        (this, other) = (other, this);
    }
    // The stream ended below the one; the other still has its symbol to say.
    *weights.get_mut(count)? = table.symbol(this);
    Some(count + 1)
}
