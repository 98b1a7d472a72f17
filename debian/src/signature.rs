//! Who signed an `InRelease`: by `gpgv` where the machine has it, else by our own OpenPGP code, with the same answer.
//! Returns only the text that a signature covers. Refuses a document with any bad signature, and one without a good
//! signature of a known key that is neither expired nor revoked, over a digest no weaker than SHA-256.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::clearsign::Clearsigned;
use crate::{gpgv, openpgp};

/// Debian's archive keys; `keys/README.md` says where they are from.
const DEBIAN_KEYS: &[u8] = include_bytes!("../keys/debian-archive-keyring.gpg");

/// The public keys that are believed: OpenPGP certificates, one after another, not armored.
#[derive(Debug, Clone)]
pub struct Keyring {
    pub(crate) certificates: Vec<u8>,
}

impl Keyring {
    /// Debian's own archive keys.
    pub fn debian() -> Self {
        Self { certificates: DEBIAN_KEYS.to_vec() }
    }

    /// The keys of the file at `path`, armored or not, and no others.
    pub fn from_file(path: &Path) -> Result<Self, SignatureError> {
        let unreadable = |source| SignatureError::Keyring { path: path.to_owned(), source };
        let bytes = fs::read(path).map_err(unreadable)?;
        let certificates = openpgp::dearmored(bytes).map_err(unreadable)?;
        if openpgp::certificates(&certificates).is_empty() {
            let empty = io::Error::new(io::ErrorKind::InvalidData, "it contains no OpenPGP certificate");
            return Err(unreadable(empty));
        }
        Ok(Self { certificates })
    }

    /// These keys and those of the file at `path`.
    pub fn with_file(mut self, path: &Path) -> Result<Self, SignatureError> {
        self.certificates.extend(Self::from_file(path)?.certificates);
        Ok(self)
    }
}

/// What checks signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verifier {
    /// `gpgv` where the machine has it, else our own code.
    #[default]
    Auto,
    /// `gpgv`, or an error where there is none.
    Gpgv,
    /// Our own code, whatever the machine has.
    BuiltIn,
}

/// A text and who vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signed text, and nothing else of the document.
    pub text: String,
    /// Fingerprints of the primary keys with a good signature, upper-case hexadecimal, in the document's order.
    pub fingerprints: Vec<String>,
}

/// A document whose text cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Something stands outside the signed text.
    #[error("not a clear-signed document: {reason}")]
    Frame {
        /// What does not belong there.
        reason: &'static str,
    },
    /// A signature does not fit the text.
    #[error("the signature by key `{key}` is bad: the text was changed or the signature damaged")]
    Bad {
        /// Key ID or fingerprint.
        key: String,
    },
    /// The only signatures are by keys that have expired.
    #[error("signed by key `{key}`, which has expired")]
    KeyExpired {
        /// Key ID or fingerprint.
        key: String,
    },
    /// The only signatures are by keys that their owners revoked.
    #[error("signed by key `{key}`, which was revoked")]
    KeyRevoked {
        /// Key ID or fingerprint.
        key: String,
    },
    /// The signature itself was made for a time that is over.
    #[error("the signature by key `{key}` has expired")]
    SignatureExpired {
        /// Key ID or fingerprint.
        key: String,
    },
    /// The only signatures are over digests that can be forged.
    #[error("the signature by key `{key}` uses a digest weaker than SHA-256")]
    WeakDigest {
        /// Key ID or fingerprint.
        key: String,
    },
    /// No signature is by a key of the keyring.
    #[error("signed only by keys that are not in the keyring: `{keys}`")]
    UnknownKey {
        /// Key IDs or fingerprints, separated by blanks.
        keys: String,
    },
    /// There is no signature that could be read.
    #[error("there is no readable signature")]
    NoSignature,
    /// A keyring file cannot be used.
    #[error("cannot use the keyring `{path}`", path = path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `gpgv` could not be run.
    #[error("cannot run `gpgv`")]
    Gpgv(#[source] io::Error),
}

impl SignatureError {
    /// What would have worked.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Bad { .. } | Self::Frame { .. } | Self::NoSignature => {
                "the mirror may be in the middle of an update, or a proxy alters the data: try another mirror"
            }
            Self::UnknownKey { .. } => "an archive other than Debian's needs its own keyring file",
            Self::KeyExpired { .. } | Self::SignatureExpired { .. } => {
                "check this machine's clock; a newer keyring may hold the key with a later date"
            }
            Self::Gpgv(_) => "the built-in verifier does not need `gpgv`",
            _ => return None,
        }
        .to_owned())
    }
}

/// What one signature of a document turned out to be; the text names the key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Good(String),
    Bad(String),
    KeyExpired(String),
    KeyRevoked(String),
    SignatureExpired(String),
    WeakDigest(String),
    UnknownKey(String),
}

/// Checks the clear-signed `document` against `keyring`, at the time `now` (`gpgv` goes by the machine's clock).
pub fn verify(
    document: &[u8],
    keyring: &Keyring,
    verifier: Verifier,
    now: SystemTime,
) -> Result<Signed, SignatureError> {
    let framed = Clearsigned::parse(document).map_err(|reason| SignatureError::Frame { reason })?;
    let with_gpgv = match verifier {
        Verifier::Gpgv => true,
        Verifier::BuiltIn => false,
        Verifier::Auto => gpgv::is_present(),
    };
    let (findings, checked) = if with_gpgv {
        gpgv::check(document, keyring).map_err(SignatureError::Gpgv)?
    } else {
        openpgp::check(document, keyring, now)?
    };
    let fingerprints = judge(findings)?;
    // Two readers of one format may differ in what they take for the signed text; then neither is believed.
    if !framed.is_text(&checked) {
        return Err(SignatureError::Frame { reason: "its signed text can be read in two ways" });
    }
    Ok(Signed { text: framed.text, fingerprints })
}

/// One good signature is enough (archives sign with the keys of several releases, and not all are known
/// everywhere), but a bad one spoils all. Where none is good, the gravest reason is told.
fn judge(findings: Vec<Finding>) -> Result<Vec<String>, SignatureError> {
    let (mut good, mut unknown, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for finding in findings {
        match finding {
            Finding::Good(key) => good.push(key),
            Finding::UnknownKey(key) => unknown.push(key),
            Finding::Bad(key) => return Err(SignatureError::Bad { key }),
            Finding::KeyRevoked(key) => faults.push((0, SignatureError::KeyRevoked { key })),
            Finding::KeyExpired(key) => faults.push((1, SignatureError::KeyExpired { key })),
            Finding::SignatureExpired(key) => faults.push((2, SignatureError::SignatureExpired { key })),
            Finding::WeakDigest(key) => faults.push((3, SignatureError::WeakDigest { key })),
        }
    }
    if !good.is_empty() {
        return Ok(good);
    }
    faults.sort_by_key(|(gravity, _)| *gravity);
    match faults.into_iter().next() {
        Some((_, fault)) => Err(fault),
        None if unknown.is_empty() => Err(SignatureError::NoSignature),
        None => Err(SignatureError::UnknownKey { keys: unknown.join(" ") }),
    }
}
