//! Computes SHA-256 digests over slices, files and streams. The only file that uses `sha2`; the digest itself
//! is `bundle`'s, which every crate shares.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use bundle::Digest;
use sha2::Digest as _;

/// A file's size and digest: what it must be, or what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileDigest {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of all its bytes.
    pub sha256: Digest,
}

/// The digest of `bytes`.
pub fn of(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// Size and digest of the file at `path`, read as a stream.
pub fn of_file(path: &Path) -> io::Result<FileDigest> {
    copy(&mut File::open(path)?, &mut io::sink())
}

/// Copies all of `from` to `to`, and gives the size and digest of what was copied.
pub fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<FileDigest> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0u64;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(FileDigest { size, sha256: Digest(hasher.finalize().into()) }),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        to.write_all(bytes)?;
        size = size.saturating_add(count as u64);
    }
}

/// For serde: a digest as 64 hexadecimal digits.
pub mod hex {
    use bundle::Digest;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the digits.
    pub fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    /// Reads the digits; refuses any other text.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        Digest::from_hex(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a SHA-256 digest of 64 hexadecimal digits"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sixty_four_hexadecimal_digits_are_a_digest() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(empty[1..].parse::<Digest>().is_err());
        assert!(format!("g{}", &empty[1..]).parse::<Digest>().is_err());
        assert!(format!("é{}", &empty[2..]).parse::<Digest>().is_err());
        assert_eq!(empty.parse::<Digest>().ok(), Some(of(b"")));
        assert_eq!(of(b"").to_string(), empty);
    }
}
