//! The public keys whose signatures count: Debian's own, or those of a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::openpgp;

/// Debian's archive keys; `keys/README.md` says where they are from.
const DEBIAN_KEYS: &[u8] = include_bytes!("../keys/debian-archive-keyring.gpg");

/// OpenPGP certificates, one after another, not armored.
#[derive(Debug, Clone)]
pub struct Keyring {
    certificates: Vec<u8>,
}

/// A keyring file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the keyring `{path}`", path = path.display())]
pub struct KeyringError {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl Keyring {
    /// Debian's own archive keys.
    pub fn debian() -> Self {
        Self { certificates: DEBIAN_KEYS.to_vec() }
    }

    /// The keys of the file at `path`, armored or not, and no others.
    pub fn from_file(path: &Path) -> Result<Self, KeyringError> {
        let unusable = |source| KeyringError { path: path.to_owned(), source };
        let bytes = fs::read(path).map_err(unusable)?;
        let certificates = openpgp::dearmored(bytes).map_err(unusable)?;
        if openpgp::certificates(&certificates).is_empty() {
            let empty = io::Error::new(io::ErrorKind::InvalidData, "it contains no OpenPGP certificate");
            return Err(unusable(empty));
        }
        Ok(Self { certificates })
    }

    /// The certificates, one after another.
    pub(crate) fn certificates(&self) -> &[u8] {
        &self.certificates
    }
}
