//! Signatures over a bundle's manifest digest. They lie outside the manifest, since nothing can sign itself.
//! This crate finds them; checking one takes a key that the reader trusts, and is the reader's job.

use crate::bytes::{array, u16_at, u32_at};
use crate::{FormatError, Part};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032) over `b"unibin-manifest-v1\0"` followed by the 32 bytes of the manifest's SHA-256.
    Ed25519,
}

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

/// The decoded signature part: a whole number of rows, each of a known algorithm.
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
        for row in rows {
            if u16_at(row, 0) != Some(1) {
                return Err(FormatError::UnknownKind(Part::Signatures));
            }
            if u16_at(row, 2) != Some(0) || u32_at(row, 4) != Some(0) {
                return Err(FormatError::UnknownFlag(Part::Signatures));
            }
        }
        Ok(Self(bytes))
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
}
