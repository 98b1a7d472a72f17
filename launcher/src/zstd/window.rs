//! What a frame holds, in one piece: matches are copied out of what is there.

/// `Block_Maximum_Size` of RFC 8878, 3.1.1.2.4: no block is longer, packed or unpacked.
pub(super) const MAX_BLOCK: usize = 128 * 1024;

/// Bytes are copied in steps of this length, so that up to as many behind a copy's end are read and written
/// too. One step is one load and one store of a vector.
pub(super) const STEP: usize = 16;

/// The output, which has [`STEP`] bytes more than may come out.
pub(super) struct Window<'o> {
    out: &'o mut [u8],
    end: usize,
    /// How far back a match may reach.
    reach: usize,
}

impl<'o> Window<'o> {
    pub(super) fn new(out: &'o mut [u8], reach: usize) -> Self {
        Self { out, end: 0, reach }
    }

    /// How many bytes there are.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Appends `length` bytes of `bytes` from `start`, behind which there are [`STEP`] more.
    #[inline(always)]
    pub(super) fn push(&mut self, bytes: &[u8], start: usize, length: usize) -> Option<()> {
        let source = bytes.get(start..start + length + STEP)?;
        let target = self.out.get_mut(self.end..self.end + length + STEP)?;
        let mut at = 0;
        while at < length {
            *target.get_mut(at..)?.first_chunk_mut::<STEP>()? = *source.get(at..)?.first_chunk()?;
            at += STEP;
        }
        self.end += length;
        Some(())
    }

    /// The same where it happens once in a block.
    #[inline(never)]
    pub(super) fn append(&mut self, bytes: &[u8], start: usize, length: usize) -> Option<()> {
        self.push(bytes, start, length)
    }

    /// Appends the same byte `length` times.
    pub(super) fn fill(&mut self, byte: u8, length: usize) -> Option<()> {
        self.out.get_mut(self.end..self.end + length)?.fill(byte);
        self.end += length;
        Some(())
    }

    /// Appends `length` bytes, each the one that stands `offset` before it. `None` where there are not as
    /// many.
    #[inline(always)]
    pub(super) fn repeat(&mut self, offset: usize, length: usize) -> Option<()> {
        if offset == 0 || offset > self.reach {
            return None;
        }
        let from = self.end.checked_sub(offset)?;
        let region = self.out.get_mut(from..self.end + length + STEP)?;
        let (mut at, mut distance) = (0, offset);
        if offset < STEP {
            // A step would read what it has yet to write: the first one byte by byte, and behind it from so
            // many times `offset` before that a step fits in.
            while at < length.min(STEP) {
                *region.get_mut(offset + at)? = *region.get(at)?;
                at += 1;
            }
            distance = offset * STEP.div_ceil(offset);
        }
        while at < length {
            let step = *region.get((offset + at).checked_sub(distance)?..)?.first_chunk::<STEP>()?;
            *region.get_mut(offset + at..)?.first_chunk_mut()? = step;
            at += STEP;
        }
        self.end += length;
        Some(())
    }
}
