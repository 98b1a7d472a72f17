//! SHA-256, used here only: of whole slices, and of streams as they pass.

use std::io::{self, Read, Write};

use bundle::Digest;
use sha2::{Digest as _, Sha256};

/// The digest of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Passes bytes through, hashing and counting them. Reads where `T` reads, writes where `T` writes.
pub(crate) struct Hashing<T> {
    inner: T,
    state: Sha256,
    count: u64,
}

impl<T> Hashing<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self { inner, state: Sha256::new(), count: 0 }
    }

    /// The inner reader or writer, the number of bytes that passed, and their digest.
    pub(crate) fn finish(self) -> (T, u64, Digest) {
        (self.inner, self.count, Digest(self.state.finalize().into()))
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.count += bytes.len() as u64;
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.passed(&buffer[..length]);
        Ok(length)
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.passed(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_hashes_as_its_bytes_do() {
        let mut reader = Hashing::new(&b"abc"[..]);
        io::copy(&mut reader, &mut io::sink()).expect("memory reads");
        let (_, count, digest) = reader.finish();
        assert_eq!((count, digest), (3, of(b"abc")));
        // FIPS 180-4's own example.
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of(b"abc").to_string(), hex);
    }
}
