//! SSHSIG, OpenSSH's signatures of files (its `PROTOCOL.sshsig`): read and written. The namespace is `file`,
//! which ssh-keygen(1) recommends for them.

use crate::digest::Prehash;
use crate::encoding;
use crate::error::SigningError;
use crate::ssh_public::{SshBytes, SshKey};
use crate::wire::{Reader, Writer};

const LABEL: &str = "SSH SIGNATURE";
const MAGIC: &[u8] = b"SSHSIG";
const FORM: SigningError = SigningError::Malformed("SSH signature");

/// Who made a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A key that can be checked here.
    Known(SshKey),
    /// A key of this type, which only `ssh-keygen` can check.
    Other(String),
}

/// A signature of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshSignature {
    /// The claimed signer.
    pub signer: Signer,
    /// How the file is hashed.
    pub prehash: Prehash,
    /// `None` if keys of the signer's type cannot be checked here.
    bytes: Option<SshBytes>,
}

impl SshSignature {
    /// The namespace of signatures of files.
    pub const NAMESPACE: &str = "file";

    /// Whether a file begins like an SSH signature.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(b"-----BEGIN SSH SIGNATURE-----")
    }

    /// Reads a signature; it must be in [`Self::NAMESPACE`].
    pub fn parse(text: &[u8]) -> Result<Self, SigningError> {
        let text = str::from_utf8(text).map_err(|_| FORM)?;
        let bytes = encoding::between(text, LABEL).ok_or(FORM)?;
        let mut reader = Reader(&bytes);
        if reader.bytes(MAGIC.len()) != Some(MAGIC) || reader.number() != Some(1) {
            return Err(FORM);
        }
        let key = reader.string().ok_or(FORM)?;
        let namespace = reader.string().ok_or(FORM)?;
        let reserved = reader.string().ok_or(FORM)?;
        let prehash = match reader.string() {
            Some(b"sha512") => Prehash::Sha512,
            Some(b"sha256") => Prehash::Sha256,
            _ => return Err(FORM),
        };
        let signature = reader.string().ok_or(FORM)?;
        reader.end().ok_or(FORM)?;
        if !reserved.is_empty() {
            return Err(FORM);
        }
        if namespace != Self::NAMESPACE.as_bytes() {
            return Err(SigningError::Namespace(String::from_utf8_lossy(namespace).into_owned()));
        }
        match SshKey::of_wire(key) {
            Ok(key) => {
                if let Some(kind) = key.unchecked(signature) {
                    return Ok(Self { signer: Signer::Other(kind.to_owned()), prehash, bytes: None });
                }
                let bytes = Some(key.signature(signature).ok_or(FORM)?);
                Ok(Self { signer: Signer::Known(key), prehash, bytes })
            }
            Err(SigningError::KeyType(kind)) => {
                Ok(Self { signer: Signer::Other(kind), prehash, bytes: None })
            }
            Err(SigningError::Weak) => {
                let kind = "ssh-rsa with less than 2048 bits".to_owned();
                Ok(Self { signer: Signer::Other(kind), prehash, bytes: None })
            }
            Err(_) => Err(FORM),
        }
    }

    /// Whether the signer that it names has made it, for the file whose [`Self::prehash`] is `hash`.
    pub fn holds(&self, hash: &[u8]) -> bool {
        match (&self.signer, &self.bytes) {
            (Signer::Known(key), Some(bytes)) => key.signed(&message(self.prehash, hash), bytes),
            _ => false,
        }
    }

    /// The message to sign for a file with the SHA-512 `hash`.
    pub fn message(hash: &[u8]) -> Vec<u8> {
        message(Prehash::Sha512, hash)
    }

    /// The text of a `.sig` file, with a signature of [`Self::message`].
    pub fn text(key: &SshKey, bytes: &SshBytes) -> String {
        let all = Writer::default()
            .bytes(MAGIC)
            .number(1)
            .string(key.wire())
            .string(Self::NAMESPACE.as_bytes())
            .string(b"")
            .string(b"sha512")
            .string(bytes.blob());
        encoding::wrapped(&all.done(), LABEL)
    }
}

fn message(prehash: Prehash, hash: &[u8]) -> Vec<u8> {
    let name: &[u8] = if prehash == Prehash::Sha256 { b"sha256" } else { b"sha512" };
    let namespace = SshSignature::NAMESPACE.as_bytes();
    Writer::default().bytes(MAGIC).string(namespace).string(b"").string(name).string(hash).done()
}
