//! Signatures over a bundle's manifest digest. They lie outside the manifest, since nothing can sign itself.
//! This crate finds them; checking one takes a key that the reader trusts, and is the reader's job.

use crate::bytes::{array, u16_at, u32_at};
use crate::{Digest, FormatError, Part};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032) over [`Signature::message`].
    Ed25519,
}

/// What is signed begins with this, so that it can be nothing else that the same key signs.
const DOMAIN: [u8; 19] = *b"unibin-manifest-v1\0";

/// One signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// How it is made.
    pub algorithm: Algorithm,
    /// The public key that it claims to be checked by.
    pub public_key: [u8; 32],
    /// The signature itself.
    pub bytes: [u8; 64],
}

impl Signature {
    /// What a signature is of, for a manifest with this digest.
    pub fn message(manifest: &Digest) -> [u8; 51] {
        filled(&[&DOMAIN, &manifest.0])
    }

    /// Its row.
    pub fn encode(&self) -> [u8; Signatures::ROW] {
        let Algorithm::Ed25519 = self.algorithm;
        filled(&[&1u16.to_le_bytes(), &[0; 6], &self.public_key, &self.bytes])
    }
}

/// Parts one after the other.
fn filled<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut all = [0; N];
    let bytes = parts.iter().copied().flatten();
    all.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    all
}

/// The decoded signature part: a whole number of rows, each of a known algorithm, in ascending order of their
/// keys. So signing in any order gives the same bytes, and a key has one row.
#[derive(Clone, Copy, Debug)]
pub struct Signatures<'a>(&'a [u8]);

impl<'a> Signatures<'a> {
    /// Length of one row in bytes.
    pub const ROW: usize = 104;

    /// Checks every row.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let rows = bytes.chunks_exact(Self::ROW);
        if !rows.remainder().is_empty() {
            return Err(FormatError::Length(Part::Signatures));
        }
        let mut before = None;
        for row in rows {
            if u16_at(row, 0) != Some(1) {
                return Err(FormatError::UnknownKind(Part::Signatures));
            }
            if u16_at(row, 2) != Some(0) || u32_at(row, 4) != Some(0) {
                return Err(FormatError::UnknownFlag(Part::Signatures));
            }
            let key: Option<[u8; 32]> = array(row, 8);
            if key <= before {
                return Err(FormatError::Order);
            }
            before = key;
        }
        Ok(Self(bytes))
    }

    /// The public keys in rows that nobody has checked, in file order.
    pub fn keys(rows: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        rows.chunks_exact(Self::ROW).filter_map(|row| row.get(8..40))
    }

    /// The signatures in file order.
    pub fn iter(&self) -> impl Iterator<Item = Signature> + use<'a> {
        self.0.chunks_exact(Self::ROW).filter_map(|row| {
            Some(Signature {
                algorithm: Algorithm::Ed25519,
                public_key: array(row, 8)?,
                bytes: array(row, 40)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_half_row_an_unknown_algorithm_and_an_unknown_flag_are_refused() {
        let mut row = [0u8; Signatures::ROW];
        row[0] = 1;
        assert_eq!(Signatures::decode(&row[1..]).err(), Some(FormatError::Length(Part::Signatures)));
        row[0] = 2;
        assert_eq!(Signatures::decode(&row).err(), Some(FormatError::UnknownKind(Part::Signatures)));
        row[0] = 1;
        row[2] = 1;
        assert_eq!(Signatures::decode(&row).err(), Some(FormatError::UnknownFlag(Part::Signatures)));
        row[2] = 0;
        assert_eq!(Signatures::decode(&row).map(|s| s.iter().count()), Ok(1));
    }

    fn row(key: u8) -> Signature {
        Signature { algorithm: Algorithm::Ed25519, public_key: [key; 32], bytes: [9; 64] }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let (first, second) = (row(1), row(2));
        let mut both = [0; 2 * Signatures::ROW];
        let rows = [first.encode(), second.encode()];
        both.iter_mut().zip(rows.as_flattened()).for_each(|(to, from)| *to = *from);
        let read = Signatures::decode(&both).map(|rows| rows.iter().eq([first, second]));
        assert_eq!(read, Ok(true));
        let signed = Signature::message(&Digest([7; 32]));
        assert!(signed.starts_with(b"unibin-manifest-v1\0\x07") && signed.ends_with(&[7; 32]));
    }

    #[test]
    fn rows_out_of_order_and_two_by_one_key_are_refused() {
        for keys in [[2, 1], [1, 1]] {
            let rows = keys.map(|key| row(key).encode());
            assert_eq!(Signatures::decode(rows.as_flattened()).err(), Some(FormatError::Order), "{keys:?}");
        }
        assert_eq!(Signatures::decode(&[]).map(|rows| rows.iter().count()), Ok(0));
    }
}
