//! RSA as SSH has it (RFC 8332: PKCS #1 version 1.5 with SHA-2), checked only. The only file that uses `rsa`.
//! SHA-1 is refused, and so is a modulus of less than 2048 bits, which OpenSSH takes.

use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};

use crate::digest;
use crate::error::SigningError;

/// What can be broken is no signature.
const FEWEST_BITS: usize = 2048;

/// OpenSSH's own limit for a number.
const MOST_BITS: usize = 16384;

/// The hash function of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    /// By SSH's name for a signature. `ssh-rsa` is the one with SHA-1.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"rsa-sha2-256" => Some(Self::Sha256),
            b"rsa-sha2-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// The digest, and what stands before it (RFC 8017, section 9.2, note 1).
    fn of(self, message: &[u8]) -> (&'static [u8], Vec<u8>) {
        match self {
            Self::Sha256 => (
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
                digest::sha256(message).to_vec(),
            ),
            Self::Sha512 => (
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
                digest::sha512(message).to_vec(),
            ),
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RsaKey(RsaPublicKey);

impl RsaKey {
    /// The key of these numbers.
    pub(crate) fn new(exponent: &[u8], modulus: &[u8]) -> Result<Self, SigningError> {
        let (exponent, modulus) = (BigUint::from_bytes_be(exponent), BigUint::from_bytes_be(modulus));
        // An even exponent has no secret one.
        let is_odd = exponent.to_bytes_le().first().is_some_and(|byte| byte & 1 == 1);
        if modulus.bits() < FEWEST_BITS {
            return Err(SigningError::Weak);
        }
        let key = RsaPublicKey::new_with_max_size(modulus, exponent, MOST_BITS).ok();
        key.filter(|_| is_odd).map(Self).ok_or(SigningError::SSH_KEY)
    }

    /// Whether `signature` is one of `message` by this key.
    pub(crate) fn signed(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        use rsa::traits::PublicKeyParts as _;
        // Some leave out zeros in front; OpenSSH puts them back.
        let Some(missing) = self.0.size().checked_sub(signature.len()) else { return false };
        let signature = [&vec![0; missing][..], signature].concat();
        let (prefix, digest) = hash.of(message);
        let form = Pkcs1v15Sign { hash_len: Some(digest.len()), prefix: prefix.into() };
        self.0.verify(form, &digest, &signature).is_ok()
    }
}
