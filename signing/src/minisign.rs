//! minisign's keys and signatures, as its manual and `minisign.h` describe them. The only file that uses
//! `scrypt`.

use std::fmt;

use crate::digest::{self, Prehash};
use crate::ed25519::{PublicKey, SecretKey};
use crate::encoding;
use crate::error::SigningError;
use crate::wire::Reader;

const FORM_PUBLIC: SigningError = SigningError::Malformed("public key of minisign");
const FORM_SECRET: SigningError = SigningError::Malformed("secret key of minisign");
const FORM: SigningError = SigningError::Malformed("minisign signature");

const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";

/// The most memory that unlocking a key may take, in bytes; minisign's own keys take 1 GiB.
const MOST_MEMORY: u64 = 1 << 31;

/// The number by which minisign finds the key of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 8]);

impl KeyId {
    /// A number derived from `key`, for keys that minisign did not make.
    pub fn of(key: &PublicKey) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&digest::sha256(&key.0)[..8]);
        Self(id)
    }
}

impl fmt::Display for KeyId {
    /// As minisign prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// A public key with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinisignKey {
    /// The key.
    pub key: PublicKey,
    /// Its number.
    pub id: KeyId,
}

impl MinisignKey {
    /// Reads a public key: the 56 characters that minisign prints, or a file with them.
    pub fn parse(text: &str) -> Result<Self, SigningError> {
        let text = text.trim();
        let text = if text.starts_with(UNTRUSTED) { text.lines().nth(1).unwrap_or_default() } else { text };
        let bytes = encoding::decode(text.trim()).ok_or(FORM_PUBLIC)?;
        let mut reader = Reader(&bytes);
        if reader.bytes(2) != Some(b"Ed") {
            return Err(FORM_PUBLIC);
        }
        let id = reader.array().ok_or(FORM_PUBLIC)?;
        let key = reader.array().ok_or(FORM_PUBLIC)?;
        reader.end().ok_or(FORM_PUBLIC)?;
        Ok(Self { key: PublicKey(key), id: KeyId(id) })
    }

    /// The public key as minisign prints it: 56 characters.
    pub fn text(&self) -> String {
        encoding::encode(&[&b"Ed"[..], &self.id.0, &self.key.0].concat())
    }
}

/// A secret key file, perhaps still locked.
#[derive(Debug)]
pub(crate) struct SecretFile {
    /// Salt and costs, if it is encrypted.
    kdf: Option<([u8; 32], u64, u64)>,
    section: [u8; 104],
}

impl SecretFile {
    /// Whether a text looks like a secret key file.
    pub(crate) fn is_one(text: &str) -> bool {
        let second = text.strip_prefix(UNTRUSTED).and_then(|_| text.lines().nth(1));
        second.is_some_and(|line| line.starts_with("RWRTY0") || line.starts_with("RWQAA"))
            && second.is_some_and(|line| line.trim().len() > 100)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, SigningError> {
        let bytes = text.lines().nth(1).and_then(|line| encoding::decode(line.trim())).ok_or(FORM_SECRET)?;
        let parsed = (|| {
            let mut reader = Reader(&bytes);
            let kinds: [u8; 6] = reader.array()?;
            let salt = reader.array()?;
            let operations = reader.array().map(u64::from_le_bytes)?;
            let memory = reader.array().map(u64::from_le_bytes)?;
            let section = reader.array()?;
            reader.end()?;
            let kdf = match &kinds {
                b"EdScB2" => Some((salt, operations, memory)),
                b"Ed\0\0B2" => None,
                _ => return None,
            };
            Some(Self { kdf, section })
        })();
        parsed.ok_or(FORM_SECRET)
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.kdf.is_some()
    }

    pub(crate) fn unlock(&self, passphrase: &[u8]) -> Result<(SecretKey, KeyId), SigningError> {
        let mut section = self.section;
        if let Some((salt, operations, memory)) = self.kdf {
            let mut stream = [0; 104];
            let params = costs(operations, memory)?;
            scrypt::scrypt(passphrase, &salt, &params, &mut stream).map_err(|_| FORM_SECRET)?;
            section.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
        }
        let mut reader = Reader(&section);
        let fields = (reader.array(), reader.array::<64>(), reader.array::<32>());
        let (Some(id), Some(secret), Some(checksum)) = fields else { return Err(FORM_SECRET) };
        let summed = digest::blake2b_256(&[&b"Ed"[..], &id, &secret].concat());
        // minisign leaves the sum of a key without a passphrase empty in some versions.
        if checksum != summed && (self.is_locked() || checksum != [0; 32]) {
            return Err(if self.is_locked() { SigningError::Passphrase } else { FORM_SECRET });
        }
        let (seed, public) = secret.split_first_chunk().ok_or(FORM_SECRET)?;
        let key = SecretKey::from_seed(seed);
        if public != key.public().0 {
            return Err(SigningError::Halves);
        }
        Ok((key, KeyId(id)))
    }
}

/// libsodium's choice of scrypt's numbers (`crypto_pwhash_scryptsalsa208sha256`).
fn costs(operations: u64, memory: u64) -> Result<scrypt::Params, SigningError> {
    if memory > MOST_MEMORY || operations > 1 << 32 {
        return Err(SigningError::Costly("2 GiB of memory, or an hour"));
    }
    let operations = operations.max(32_768);
    let log = |most: u64| (1..63).find(|log| 1u64 << log > most / 2).unwrap_or(63);
    let (log_n, p) = if operations < memory / 32 {
        (log(operations / 32), 1)
    } else {
        let log_n = log(memory / 1024);
        (log_n, (operations / 4 / (1u64 << log_n)).min(0x3fff_ffff) / 8)
    };
    let p = u32::try_from(p).map_err(|_| FORM_SECRET)?;
    scrypt::Params::new(log_n, 8, p, 32).map_err(|_| FORM_SECRET)
}

/// A signature of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minisig {
    /// The number of the key that made it.
    pub id: KeyId,
    /// How the file is hashed.
    pub prehash: Prehash,
    bytes: [u8; 64],
    /// The trusted comment, which is signed too.
    pub comment: String,
    of_comment: [u8; 64],
}

impl Minisig {
    /// Reads the text of a `.minisig` file.
    pub fn parse(text: &[u8]) -> Result<Self, SigningError> {
        let text = str::from_utf8(text).map_err(|_| FORM)?;
        let lines: Vec<&str> = text.lines().collect();
        let [untrusted, signature, trusted, of_comment] = lines[..] else { return Err(FORM) };
        if !untrusted.starts_with(UNTRUSTED) {
            return Err(FORM);
        }
        let comment = trusted.strip_prefix(TRUSTED).ok_or(FORM)?.to_owned();
        let of_comment = encoding::decode(of_comment).and_then(|bytes| bytes.try_into().ok()).ok_or(FORM)?;
        let signature = encoding::decode(signature).ok_or(FORM)?;
        let mut reader = Reader(&signature);
        let prehash = match reader.bytes(2) {
            Some(b"ED") => Prehash::Blake2b512,
            Some(b"Ed") => Prehash::None,
            _ => return Err(FORM),
        };
        let id = KeyId(reader.array().ok_or(FORM)?);
        let bytes = reader.array().ok_or(FORM)?;
        reader.end().ok_or(FORM)?;
        Ok(Self { id, prehash, bytes, comment, of_comment })
    }

    /// Whether `key` has made it, for the file whose [`Self::prehash`] is `hash`, and for its comment.
    pub fn holds(&self, key: &PublicKey, hash: &[u8]) -> bool {
        key.signed(hash, &self.bytes) && key.signed(&of_comment(&self.bytes, &self.comment), &self.of_comment)
    }

    /// The text of a `.minisig` file. `sign` is asked twice: for the file's BLAKE2b-512, `hash`, and for
    /// the comment.
    pub fn text<E>(
        id: KeyId,
        hash: &[u8],
        comment: &str,
        sign: impl Fn(&[u8]) -> Result<[u8; 64], E>,
    ) -> Result<String, E> {
        let bytes = sign(hash)?;
        let of_comment = sign(&of_comment(&bytes, comment))?;
        let signature = encoding::encode(&[&b"ED"[..], &id.0, &bytes].concat());
        let of_comment = encoding::encode(&of_comment);
        Ok(format!(
            "{UNTRUSTED}signature by unibin, key {id}\n{signature}\n{TRUSTED}{comment}\n{of_comment}\n"
        ))
    }
}

fn of_comment(signature: &[u8; 64], comment: &str) -> Vec<u8> {
    [&signature[..], comment.as_bytes()].concat()
}
