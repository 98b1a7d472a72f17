//! SHA-256, used here only: of whole slices, and of streams as they pass. SHA-1 too, which SPDX and Java's
//! lists of certificates ask for, and by which nothing is decided.

use std::io::{self, Read, Write};

use bundle::Digest;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// The digest of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// SHA-256 and SHA-1 of a stream, in hexadecimal.
pub(crate) fn both(mut from: impl Read) -> io::Result<(String, String)> {
    let mut sha1 = Sha1::default();
    let mut passing = Hashing::new(&mut from);
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = passing.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        sha1::Digest::update(&mut sha1, &buffer[..length]);
    }
    Ok((passing.finish().2.to_string(), hex(&sha1::Digest::finalize(sha1))))
}

/// SHA-1 of `bytes`.
pub(crate) fn sha1(bytes: &[u8]) -> [u8; 20] {
    <Sha1 as sha1::Digest>::digest(bytes).into()
}

/// SHA-1 of `bytes`, in hexadecimal.
pub(crate) fn sha1_of(bytes: &[u8]) -> String {
    hex(&sha1(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
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
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(both(&b"abc"[..]).expect("memory reads"), (hex.to_owned(), sha1.to_owned()));
        assert_eq!(sha1_of(b"abc"), sha1);
    }
}
