//! The last bytes of every bundle: what it is, how long it is, where its manifest lies.

use crate::bytes::{array, u16_at, u32_at, u64_at};
use crate::{Digest, FormatError, Part, Source};

/// The footer; see FORMAT.md, section "Footer". A value of this type that came out of [`Footer::decode`] is
/// consistent: manifest, signatures and footer follow each other and end with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Length of the whole file, this footer included.
    pub file_length: u64,
    /// Where the manifest starts.
    pub manifest_offset: u64,
    /// Length of the manifest in bytes, at most [`Footer::MAX_MANIFEST`].
    pub manifest_length: u64,
    /// Length of the signatures, which start where the manifest ends.
    pub signatures_length: u64,
    /// SHA-256 of the manifest.
    pub manifest_digest: Digest,
}

impl Footer {
    /// Length in bytes.
    pub const LEN: usize = 88;
    /// 0x89 shows 7-bit channels, the line feed shows text-mode copies (the idea of PNG's signature, RFC 2083
    /// §12.11).
    pub const MAGIC: [u8; 8] = *b"\x89UNIBIN\n";
    /// The version that this crate reads and writes.
    pub const VERSION: u16 = 2;
    /// A longer manifest is refused before memory is set aside for it: 1 MiB.
    pub const MAX_MANIFEST: u64 = 1 << 20;
    /// Longer signatures are refused likewise: 1024 rows.
    pub const MAX_SIGNATURES: u64 = 1024 * crate::Signatures::ROW as u64;

    /// Where the signatures start.
    pub fn signatures_offset(&self) -> u64 {
        self.manifest_offset.saturating_add(self.manifest_length)
    }

    /// The bytes of this footer.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let Self { file_length, manifest_offset, manifest_length, signatures_length, manifest_digest } =
            *self;
        let fields: [&[u8]; 10] = [
            &Self::MAGIC,
            &Self::VERSION.to_le_bytes(),
            &0u16.to_le_bytes(),
            &0u32.to_le_bytes(),
            &file_length.to_le_bytes(),
            &manifest_offset.to_le_bytes(),
            &manifest_length.to_le_bytes(),
            &self.signatures_offset().to_le_bytes(),
            &signatures_length.to_le_bytes(),
            &manifest_digest.0,
        ];
        let mut bytes = [0; Self::LEN];
        let all = fields.into_iter().flatten();
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads a footer out of the last [`Footer::LEN`] bytes of a file of `file_length` bytes.
    pub fn decode(bytes: &[u8; Self::LEN], file_length: u64) -> Result<Self, FormatError> {
        if array(bytes, 0) != Some(Self::MAGIC) {
            return Err(FormatError::NoFooter);
        }
        let short = FormatError::NoFooter;
        let version = u16_at(bytes, 8).ok_or(short)?;
        if version != Self::VERSION {
            return Err(FormatError::Version(version));
        }
        if u16_at(bytes, 10) != Some(0) || u32_at(bytes, 12) != Some(0) {
            return Err(FormatError::UnknownFlag(Part::Footer));
        }
        let footer = Self {
            file_length: u64_at(bytes, 16).ok_or(short)?,
            manifest_offset: u64_at(bytes, 24).ok_or(short)?,
            manifest_length: u64_at(bytes, 32).ok_or(short)?,
            signatures_length: u64_at(bytes, 48).ok_or(short)?,
            manifest_digest: Digest(array(bytes, 56).ok_or(short)?),
        };
        if footer.file_length != file_length {
            return Err(FormatError::FileLength);
        }
        footer.check_order(u64_at(bytes, 40).ok_or(short)?)?;
        Ok(footer)
    }

    /// Manifest, signatures and footer must follow each other without a gap, up to the end of the file.
    fn check_order(&self, signatures_offset: u64) -> Result<(), FormatError> {
        if self.manifest_length > Self::MAX_MANIFEST {
            return Err(FormatError::OutOfBounds(Part::Manifest));
        }
        if self.manifest_offset.checked_add(self.manifest_length) != Some(signatures_offset) {
            return Err(FormatError::OutOfBounds(Part::Manifest));
        }
        if self.signatures_length > Self::MAX_SIGNATURES {
            return Err(FormatError::OutOfBounds(Part::Signatures));
        }
        let end = signatures_offset
            .checked_add(self.signatures_length)
            .and_then(|end| end.checked_add(Self::LEN as u64));
        if end != Some(self.file_length) {
            return Err(FormatError::OutOfBounds(Part::Signatures));
        }
        Ok(())
    }

    /// Reads the footer of `source`.
    pub fn read<S: Source>(source: &S) -> Result<Self, S::Error> {
        let length = source.len()?;
        let Some(start) = length.checked_sub(Self::LEN as u64) else {
            return Err(FormatError::NoFooter.into());
        };
        let mut bytes = [0; Self::LEN];
        source.read_exact_at(start, &mut bytes)?;
        Ok(Self::decode(&bytes, length)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer() -> Footer {
        Footer {
            file_length: 4096 + 100 + 88,
            manifest_offset: 4096,
            manifest_length: 100,
            signatures_length: 0,
            manifest_digest: Digest([7; 32]),
        }
    }

    #[test]
    fn every_changed_byte_is_refused_or_changes_the_digest() {
        let good = footer().encode();
        assert_eq!(Footer::decode(&good, footer().file_length), Ok(footer()));
        for at in 0..Footer::LEN {
            let mut bad = good;
            bad[at] ^= 0x40;
            match Footer::decode(&bad, footer().file_length) {
                Ok(read) => assert_ne!(read.manifest_digest, footer().manifest_digest, "byte {at}"),
                Err(_) => assert!(at < 56, "byte {at}"),
            }
        }
    }

    #[test]
    fn a_file_that_grew_or_shrank_is_refused() {
        let bytes = footer().encode();
        for length in [footer().file_length - 1, footer().file_length + 1] {
            assert_eq!(Footer::decode(&bytes, length), Err(FormatError::FileLength));
        }
    }

    #[test]
    fn a_manifest_over_the_limit_is_refused_before_it_is_read() {
        let mut big = footer();
        big.manifest_length = Footer::MAX_MANIFEST + 1;
        big.file_length = big.manifest_offset + big.manifest_length + Footer::LEN as u64;
        assert_eq!(
            Footer::decode(&big.encode(), big.file_length),
            Err(FormatError::OutOfBounds(Part::Manifest))
        );
    }

    #[test]
    fn more_than_1024_signatures_are_refused_before_they_are_read() {
        let mut many = footer();
        for (rows, taken) in [(1024, true), (1025, false)] {
            many.signatures_length = rows * crate::Signatures::ROW as u64;
            many.file_length = 4096 + 100 + many.signatures_length + Footer::LEN as u64;
            assert_eq!(Footer::decode(&many.encode(), many.file_length).is_ok(), taken, "{rows}");
        }
    }
}
