//! Where the bytes of a bundle come from: a file descriptor in the launcher, a `File` in the packer, a slice
//! in tests.

use crate::FormatError;

/// Random access to a bundle's bytes.
pub trait Source {
    /// What reading can fail with; a decoder's own errors must fit into it.
    type Error: From<FormatError>;

    /// Length of the whole file in bytes.
    fn len(&self) -> Result<u64, Self::Error>;

    /// Fills `buffer` from `offset`; a short read is an error.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Self::Error>;

    /// Whether the file has no bytes at all.
    fn is_empty(&self) -> Result<bool, Self::Error> {
        Ok(self.len()? == 0)
    }
}

impl Source for &[u8] {
    type Error = FormatError;

    fn len(&self) -> Result<u64, FormatError> {
        Ok(<[u8]>::len(self) as u64)
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        let start = usize::try_from(offset).map_err(|_| FormatError::FileLength)?;
        let end = start.checked_add(buffer.len()).ok_or(FormatError::FileLength)?;
        buffer.copy_from_slice(self.get(start..end).ok_or(FormatError::FileLength)?);
        Ok(())
    }
}
