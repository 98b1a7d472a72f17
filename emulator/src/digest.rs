//! Hashes files and streams as they pass by. The only file that touches `sha2`; the digest itself is `bundle`'s.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use bundle::Digest;
use serde::{Deserialize, Deserializer, Serializer};
use sha2::Digest as _;

/// The digest of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// The digest of the file at `path`, and its size in bytes.
pub(crate) fn of_file(path: &Path) -> io::Result<(Digest, u64)> {
    copy(&mut File::open(path)?, &mut io::sink())
}

/// Copies all of `from` to `to` and gives the digest and the number of bytes.
pub(crate) fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<(Digest, u64)> {
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0u64;
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok((Digest(hasher.finalize().into()), total)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        to.write_all(bytes)?;
        total = total.saturating_add(count as u64);
    }
}

/// serde: a digest as 64 hexadecimal digits.
pub(crate) mod hex {
    use super::{Deserialize, Deserializer, Digest, Serializer};
    use serde::de::Error as _;

    pub(crate) fn serialize<S: Serializer>(digest: &Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(from)?;
        Digest::from_hex(&text).ok_or_else(|| {
            D::Error::custom(format!("`{text}` is not a SHA-256 digest of 64 hexadecimal digits"))
        })
    }
}

/// serde: a CPU by the project's own name for it.
pub(crate) mod arch {
    use super::{Deserialize, Deserializer, Serializer, arch_named};
    use bundle::Arch;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    pub(crate) fn serialize<S: Serializer>(arch: &Arch, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(arch.name())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arch, D::Error> {
        arch_named(&String::deserialize(from)?)
    }
}

/// The CPU with exactly the project's own name `name`: aliases are for people, not for files.
pub(crate) fn arch_named<E: serde::de::Error>(name: &str) -> Result<bundle::Arch, E> {
    bundle::Arch::ALL
        .iter()
        .copied()
        .find(|arch| arch.name() == name)
        .ok_or_else(|| E::custom(format!("`{name}` is not a known architecture")))
}
