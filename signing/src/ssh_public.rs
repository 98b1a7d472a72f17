//! Public keys of OpenSSH that a signature can be checked by: Ed25519, ECDSA, RSA, and the first two in a
//! FIDO token; and their signatures. Certificates and DSA are not known here.

use crate::digest;
use crate::ecdsa::Curve;
use crate::ed25519::PublicKey;
use crate::encoding;
use crate::error::SigningError;
use crate::rsa::{Hash, RsaKey};
use crate::wire::{Reader, Writer};

const FORM: SigningError = SigningError::SSH_KEY;

/// A public key.
#[derive(Clone, Debug)]
pub struct SshKey {
    /// The key in SSH's wire format, of which each key has exactly one.
    wire: Vec<u8>,
    kind: String,
    numbers: Numbers,
    /// The application that the key was made for, if it is in a FIDO token: `ssh:`.
    application: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Numbers {
    Ed25519(PublicKey),
    Ecdsa(Curve, Vec<u8>),
    Rsa(RsaKey),
}

impl PartialEq for SshKey {
    fn eq(&self, other: &Self) -> bool {
        self.wire == other.wire
    }
}

impl Eq for SshKey {}

impl From<PublicKey> for SshKey {
    fn from(key: PublicKey) -> Self {
        let (wire, kind) = (key.wire(), "ssh-ed25519".to_owned());
        Self { wire, kind, numbers: Numbers::Ed25519(key), application: None }
    }
}

impl SshKey {
    /// Reads a key in SSH's wire format.
    pub(crate) fn of_wire(wire: &[u8]) -> Result<Self, SigningError> {
        let mut reader = Reader(wire);
        let kind = String::from_utf8_lossy(reader.string().ok_or(FORM)?).into_owned();
        let (numbers, in_token) = match kind.as_str() {
            "ssh-ed25519" => (ed25519(&mut reader).ok_or(FORM)?, false),
            "sk-ssh-ed25519@openssh.com" => (ed25519(&mut reader).ok_or(FORM)?, true),
            "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => {
                (ecdsa(&mut reader, kind.strip_prefix("ecdsa-sha2-")).ok_or(FORM)?, false)
            }
            "sk-ecdsa-sha2-nistp256@openssh.com" => (ecdsa(&mut reader, Some("nistp256")).ok_or(FORM)?, true),
            "ssh-rsa" => {
                let (exponent, modulus) = (reader.positive(), reader.positive());
                let (exponent, modulus) = exponent.zip(modulus).ok_or(FORM)?;
                (Numbers::Rsa(RsaKey::new(exponent, modulus)?), false)
            }
            _ => return Err(SigningError::KeyType(kind)),
        };
        let application = if in_token { Some(reader.string().ok_or(FORM)?.to_vec()) } else { None };
        reader.end().ok_or(FORM)?;
        Ok(Self { wire: wire.to_vec(), kind, numbers, application })
    }

    /// `TYPE AAAA... comment`; only the first line counts.
    pub(crate) fn of_line(text: &str) -> Result<Self, SigningError> {
        let line = text.trim_start().lines().next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let kind = words.next().ok_or(FORM)?;
        let key = words.next().and_then(encoding::decode).ok_or(FORM).and_then(|wire| Self::of_wire(&wire));
        match key {
            Ok(key) if key.kind != kind => Err(FORM),
            // Its first word says more than what does not follow.
            Err(SigningError::Malformed(_)) if !is_known(kind) => Err(SigningError::KeyType(kind.to_owned())),
            other => other,
        }
    }

    /// The key in SSH's wire format.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The name of its type, such as `ssh-rsa`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The Ed25519 key that it is, or `None` for other types, which only check signatures here.
    pub fn ed25519(&self) -> Option<PublicKey> {
        match &self.numbers {
            Numbers::Ed25519(key) if self.application.is_none() => Some(*key),
            _ => None,
        }
    }

    /// The fingerprint, as `ssh-keygen -l` and `ssh-add -l` show it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", encoding::without_padding(&digest::sha256(&self.wire)))
    }

    /// The first two words of its `.pub` file: type and key.
    pub fn line(&self) -> String {
        format!("{} {}", self.kind, encoding::encode(&self.wire))
    }

    /// The algorithm of a signature that such a key may have made, and that is not checked here.
    pub(crate) fn unchecked(&self, signature: &[u8]) -> Option<&'static str> {
        const WEBAUTHN: &str = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com";
        let kind = Reader(signature).string()?;
        match (&self.numbers, &self.application) {
            (Numbers::Rsa(_), _) if kind == b"ssh-rsa" => Some("ssh-rsa with SHA-1"),
            (Numbers::Ecdsa(..), Some(_)) if kind == WEBAUTHN.as_bytes() => Some(WEBAUTHN),
            _ => None,
        }
    }

    /// Reads a signature in SSH's wire format; `None` if keys of this type make no such signatures.
    pub(crate) fn signature(&self, blob: &[u8]) -> Option<SshBytes> {
        let mut reader = Reader(blob);
        let kind = reader.string()?;
        let inner = reader.string()?;
        let bytes = match &self.numbers {
            Numbers::Rsa(_) => Bytes::Rsa(Hash::from_name(kind)?, inner.to_vec()),
            _ if kind != self.kind.as_bytes() => return None,
            Numbers::Ed25519(_) => Bytes::Ed25519(inner.try_into().ok()?),
            Numbers::Ecdsa(curve, _) => {
                let mut both = Reader(inner);
                let numbers =
                    [both.positive()?, both.positive()?].map(|number| padded(number, curve.length()));
                both.end()?;
                let [Some(r), Some(s)] = numbers else { return None };
                Bytes::Ecdsa([r, s].concat())
            }
        };
        let token = match self.application {
            Some(_) => Some(reader.array()?),
            None => None,
        };
        reader.end()?;
        Some(SshBytes { blob: blob.to_vec(), bytes, token })
    }

    /// Whether `signature` is a valid signature of `message` by this key. Like `ssh-keygen -Y verify`, it
    /// does not ask whether somebody has touched the token.
    pub(crate) fn signed(&self, message: &[u8], signature: &SshBytes) -> bool {
        let of_token;
        let message = match (&self.application, &signature.token) {
            (None, None) => message,
            (Some(application), Some(token)) => {
                let [application, message] = [&application[..], message].map(digest::sha256);
                of_token = [&application[..], token, &message].concat();
                &of_token
            }
            _ => return false,
        };
        match (&self.numbers, &signature.bytes) {
            (Numbers::Ed25519(key), Bytes::Ed25519(bytes)) => key.signed(message, bytes),
            (Numbers::Ecdsa(curve, point), Bytes::Ecdsa(numbers)) => curve.signed(point, message, numbers),
            (Numbers::Rsa(key), Bytes::Rsa(hash, bytes)) => key.signed(*hash, message, bytes),
            _ => false,
        }
    }
}

/// A signature by a key of OpenSSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshBytes {
    /// In SSH's wire format, as its signer wrote it.
    blob: Vec<u8>,
    bytes: Bytes,
    /// Flags and counter of a FIDO token, which are signed too.
    token: Option<[u8; 5]>,
}

impl From<[u8; 64]> for SshBytes {
    /// A signature by an Ed25519 key.
    fn from(bytes: [u8; 64]) -> Self {
        let blob = Writer::default().string(b"ssh-ed25519").string(&bytes).done();
        Self { blob, bytes: Bytes::Ed25519(bytes), token: None }
    }
}

impl SshBytes {
    /// The signature in SSH's wire format.
    pub(crate) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The signature of an Ed25519 key; `None` of other types.
    pub fn ed25519(&self) -> Option<[u8; 64]> {
        match &self.bytes {
            Bytes::Ed25519(bytes) if self.token.is_none() => Some(*bytes),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Bytes {
    Ed25519([u8; 64]),
    /// Both numbers, each at its full length.
    Ecdsa(Vec<u8>),
    Rsa(Hash, Vec<u8>),
}

fn is_known(kind: &str) -> bool {
    ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp", "sk-ssh-ed25519@", "sk-ecdsa-sha2-nistp256@"]
        .iter()
        .any(|known| kind.starts_with(known))
        && !kind.contains("-cert-")
}

fn ed25519(reader: &mut Reader<'_>) -> Option<Numbers> {
    let key = reader.string()?.try_into().ok()?;
    Some(Numbers::Ed25519(PublicKey(key)))
}

fn ecdsa(reader: &mut Reader<'_>, name: Option<&str>) -> Option<Numbers> {
    let curve = Curve::from_name(reader.string()?)?;
    let point = reader.string()?;
    (name == Some(curve.name()) && curve.has(point)).then(|| Numbers::Ecdsa(curve, point.to_vec()))
}

/// A number at this length.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let missing = length.checked_sub(number.len())?;
    Some([&vec![0; missing][..], number].concat())
}
