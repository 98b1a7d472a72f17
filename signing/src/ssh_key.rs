//! Private keys of OpenSSH's own form (`PROTOCOL.key`), plain or encrypted with aes256-ctr under bcrypt, and
//! what tells its keys from others. The only file that uses `aes`, `ctr` and `bcrypt-pbkdf`.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};

use crate::ed25519::{PublicKey, SecretKey};
use crate::encoding;
use crate::error::SigningError;
use crate::ssh_public::SshKey;
use crate::wire::Reader;

const LABEL: &str = "OPENSSH PRIVATE KEY";
const FORM: SigningError = SigningError::Malformed("private key of OpenSSH");

/// `ssh-keygen -a` takes 16 or 24 by default; this many take minutes.
const MOST_ROUNDS: u32 = 10_000;

/// Whether a text is a private key.
pub(crate) fn is_private(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----")
}

/// Whether a line begins as a public key does.
pub(crate) fn is_public(text: &str) -> bool {
    let kind = text.trim_start().split([' ', '\t']).next().unwrap_or_default();
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"].iter().any(|start| kind.starts_with(start))
}

/// The public half of a key that signs, as SSH sends it.
pub(crate) fn signing(wire: &[u8]) -> Result<PublicKey, SigningError> {
    let key = SshKey::of_wire(wire)?;
    key.ed25519().ok_or_else(|| SigningError::CannotSign(key.kind().to_owned()))
}

/// A private key file, perhaps still locked.
#[derive(Debug)]
pub(crate) struct PrivateKey {
    public: PublicKey,
    /// Salt and rounds, if it is encrypted.
    kdf: Option<(Vec<u8>, u32)>,
    section: Vec<u8>,
}

impl PrivateKey {
    pub(crate) fn parse(text: &str) -> Result<Self, SigningError> {
        let bytes = encoding::between(text, LABEL).ok_or(FORM)?;
        let mut reader = Reader(&bytes);
        if reader.bytes(15) != Some(b"openssh-key-v1\0") {
            return Err(FORM);
        }
        let cipher = reader.string().ok_or(FORM)?;
        let kdf = reader.string().ok_or(FORM)?;
        let mut options = Reader(reader.string().ok_or(FORM)?);
        let kdf = match (cipher, kdf) {
            (b"none", b"none") => None,
            (b"aes256-ctr", b"bcrypt") => {
                let salt = options.string().ok_or(FORM)?.to_vec();
                let rounds = options.number().ok_or(FORM)?;
                if rounds > MOST_ROUNDS {
                    return Err(SigningError::Costly("10,000 rounds of bcrypt"));
                }
                Some((salt, rounds))
            }
            _ => {
                let cipher = String::from_utf8_lossy(cipher).into_owned();
                return Err(SigningError::Cipher(cipher, "aes256-ctr, OpenSSH's default,"));
            }
        };
        options.end().ok_or(FORM)?;
        if reader.number() != Some(1) {
            return Err(FORM);
        }
        let public = signing(reader.string().ok_or(FORM)?)?;
        let section = reader.string().ok_or(FORM)?.to_vec();
        reader.end().ok_or(FORM)?;
        Ok(Self { public, kdf, section })
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.kdf.is_some()
    }

    /// The key itself. The passphrase does not matter if it is not locked.
    pub(crate) fn unlock(&self, passphrase: &[u8]) -> Result<SecretKey, SigningError> {
        let mut section = self.section.clone();
        if let Some((salt, rounds)) = &self.kdf {
            let mut derived = [0; 48];
            // It refuses empty passphrases, salts, and no rounds.
            bcrypt_pbkdf::bcrypt_pbkdf(passphrase, salt, *rounds, &mut derived)
                .map_err(|_| SigningError::Passphrase)?;
            let cipher = Ctr128BE::<Aes256>::new_from_slices(&derived[..32], &derived[32..]);
            cipher.map_err(|_| FORM)?.apply_keystream(&mut section);
        }
        let mut reader = Reader(&section);
        if reader.number().is_none_or(|check| reader.number() != Some(check)) {
            return Err(if self.is_locked() { SigningError::Passphrase } else { FORM });
        }
        let secret = secret(&mut reader).ok_or(FORM)?;
        let padding = reader.0;
        if padding.len() >= 16 || !padding.iter().zip(1..).all(|(byte, number)| *byte == number) {
            return Err(FORM);
        }
        let (seed, public) = secret.split_first_chunk().ok_or(FORM)?;
        let key = SecretKey::from_seed(seed);
        if key.public() != self.public || public != self.public.0 {
            return Err(SigningError::Halves);
        }
        Ok(key)
    }
}

/// Seed and public key, out of the encrypted section, and the comment is passed over.
fn secret(reader: &mut Reader<'_>) -> Option<[u8; 64]> {
    if reader.string()? != b"ssh-ed25519" {
        return None;
    }
    let public = reader.string()?;
    let secret: [u8; 64] = reader.string()?.try_into().ok()?;
    reader.string()?;
    (public == &secret[32..]).then_some(secret)
}
