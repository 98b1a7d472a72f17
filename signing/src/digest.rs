//! The hash functions of the forms: SHA-2, and `BLAKE2b` for minisign. The only file that uses `sha2` and
//! `blake2`.

use std::io::{self, Read};

use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// Files are hashed in pieces of this size.
const PIECE: usize = 128 * 1024;

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn sha384(bytes: &[u8]) -> [u8; 48] {
    Sha384::digest(bytes).into()
}

pub(crate) fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
}

/// The checksum in minisign's secret keys.
pub(crate) fn blake2b_256(bytes: &[u8]) -> [u8; 32] {
    <Blake2b<U32> as blake2::Digest>::digest(bytes).into()
}

/// The hash function that is applied to a file before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prehash {
    /// SSHSIG: `sha256`.
    Sha256,
    /// SSHSIG: `sha512`, as `ssh-keygen` makes it and we do.
    Sha512,
    /// minisig.
    Blake2b512,
    /// minisig of the old kind, which signs the file itself.
    None,
}

/// The bytes to sign in place of a file: its digest, or its contents for [`Prehash::None`].
pub fn prehash(mut file: impl Read, by: Prehash) -> io::Result<Vec<u8>> {
    Ok(match by {
        Prehash::Sha256 => {
            pieces(file, Sha256::new(), |state, bytes| state.update(bytes))?.finalize().to_vec()
        }
        Prehash::Sha512 => {
            pieces(file, Sha512::new(), |state, bytes| state.update(bytes))?.finalize().to_vec()
        }
        Prehash::Blake2b512 => {
            let state = <Blake2b512 as blake2::Digest>::new();
            blake2::Digest::finalize(pieces(file, state, |state, bytes| {
                blake2::Digest::update(state, bytes);
            })?)
            .to_vec()
        }
        Prehash::None => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            bytes
        }
    })
}

fn pieces<S>(mut file: impl Read, mut state: S, add: impl Fn(&mut S, &[u8])) -> io::Result<S> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            return Ok(state);
        }
        add(&mut state, &piece[..length]);
    }
}
