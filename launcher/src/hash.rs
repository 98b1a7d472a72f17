//! SHA-256 (FIPS 180-4) of bytes that come in pieces. Its heart is that of crate `sha2`; the frame around it
//! is our own, since that of the crate, which serves any hash function, is three times as long.

use bundle::Digest;
use sha2::block_api::compress256;

/// Bytes that are hashed at once.
const BLOCK: usize = 64;

/// The first words of the fractional parts of the square roots of the first eight primes (FIPS 180-4, 5.3.3).
const BEGIN: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Adds blocks, by the CPU's own instructions if it has any.
fn compress(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
    if crate::sys::compress(state, blocks) {
        return;
    }
    compress256(state, blocks);
}

/// A hash in the making.
pub struct Sha256 {
    state: [u32; 8],
    /// What does not fill a block yet: as many bytes as `length` has beyond whole blocks.
    rest: [u8; BLOCK],
    length: u64,
}

impl Sha256 {
    /// Of nothing yet.
    #[inline(never)]
    pub fn begin() -> Self {
        Self { state: BEGIN, rest: [0; BLOCK], length: 0 }
    }

    /// Adds bytes.
    #[inline(never)]
    pub fn update(&mut self, mut bytes: &[u8]) {
        let filled = usize::try_from(self.length % BLOCK as u64).unwrap_or(0);
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if filled != 0 {
            let (into, left) = (self.rest.get_mut(filled..).unwrap_or_default(), bytes);
            let length = into.len().min(left.len());
            let (now, later) = left.split_at_checked(length).unwrap_or_default();
            into.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            if length < into.len() {
                return;
            }
            compress(&mut self.state, core::slice::from_ref(&self.rest));
            bytes = later;
        }
        let (blocks, rest) = bytes.as_chunks();
        compress(&mut self.state, blocks);
        self.rest.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    }

    /// The digest of all that was added; nothing can be added any more.
    #[inline(never)]
    pub fn digest(&mut self) -> Digest {
        let bits = self.length.wrapping_mul(8);
        self.update(&[0x80]);
        while self.length % BLOCK as u64 != BLOCK as u64 - 8 {
            self.update(&[0]);
        }
        self.update(&bits.to_be_bytes());
        let mut digest = [0; 32];
        for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *to = word.to_be_bytes();
        }
        Digest(digest)
    }

    /// The digest of bytes that are all there.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hash = Self::begin();
        hash.update(bytes);
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::Sha256;
    use sha2::Digest as _;

    #[test]
    fn many_blocks_at_once_give_the_digest_that_the_crate_gives() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        let bytes: Vec<u8> = (0..70_000).map(|_| next().to_be_bytes()[0]).collect();
        for _ in 0..100 {
            let (start, end) = (next() as usize % 5000, 5000 + next() as usize % 65_000);
            let expected: [u8; 32] = sha2::Sha256::digest(&bytes[start..end]).into();
            assert_eq!(Sha256::of(&bytes[start..end]).0, expected, "{start}..{end}");
        }
    }

    #[test]
    fn pieces_of_any_length_give_the_digest_that_the_crate_gives() {
        let bytes: Vec<u8> = (0..400u32).map(|number| number.to_le_bytes()[0] ^ 0x5a).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let expected: [u8; 32] = sha2::Sha256::digest(bytes).into();
            assert_eq!(Sha256::of(bytes).0, expected, "{length} bytes at once");
            for piece in [1, 7, 63, 64, 65, 130] {
                let mut hash = Sha256::begin();
                bytes.chunks(piece).for_each(|piece| hash.update(piece));
                assert_eq!(hash.digest().0, expected, "{length} bytes, {piece} at a time");
            }
        }
    }
}
