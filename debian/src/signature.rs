//! Who signed an `InRelease`. Returns only the text that a signature covers. Refuses a document with any bad
//! signature, and one without a good signature of a known key that is neither expired nor revoked, over a
//! digest no weaker than SHA-256. One implementation decides, on every machine alike: `openpgp`, over the
//! library rPGP.

use std::time::SystemTime;

use crate::clearsign::Clearsigned;
use crate::finding::Finding;
use crate::keyring::Keyring;
use crate::openpgp;

/// A text and the keys that signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signed text, and nothing else of the document.
    pub text: String,
    /// Fingerprints of the primary keys with a good signature, upper-case hexadecimal, in the document's
    /// order.
    pub fingerprints: Vec<String>,
}

/// Why a document's text cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Something stands outside the signed text.
    #[error("not a clear-signed document: {reason}")]
    Frame {
        /// What does not belong there.
        reason: &'static str,
    },
    /// A signature is not valid for the text.
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
    /// The only signatures are by keys that are not meant for signing.
    #[error("signed by key `{key}`, which is not a signing key of its certificate")]
    NotForSigning {
        /// Key ID or fingerprint.
        key: String,
    },
    /// The only signatures have expired.
    #[error("the signature by key `{key}` has expired")]
    SignatureExpired {
        /// Key ID or fingerprint.
        key: String,
    },
    /// The only signatures are over digests of algorithms that can be forged.
    #[error("the signature by key `{key}` uses a digest weaker than SHA-256")]
    WeakDigest {
        /// Key ID or fingerprint.
        key: String,
    },
    /// No signature is by a key of the keyring.
    #[error("signed only by keys that are not in the keyring: `{keys}`")]
    UnknownKey {
        /// Key IDs or fingerprints, separated by spaces.
        keys: String,
    },
    /// There is no signature that could be read.
    #[error("there is no readable signature")]
    NoSignature,
}

impl SignatureError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Bad { .. } | Self::Frame { .. } | Self::NoSignature => {
                "the mirror may be in the middle of an update, or a proxy alters the data: try another mirror"
            }
            Self::UnknownKey { .. } => "an archive other than Debian's needs its own keyring file",
            Self::KeyExpired { .. } | Self::SignatureExpired { .. } => {
                "check this machine's clock; a newer keyring may hold the key with a later date"
            }
            _ => return None,
        }
        .to_owned())
    }
}

/// Checks the clear-signed `document` against `keyring`, at the time `now`.
pub fn verify(document: &[u8], keyring: &Keyring, now: SystemTime) -> Result<Signed, SignatureError> {
    let framed = Clearsigned::parse(document).map_err(|reason| SignatureError::Frame { reason })?;
    let checked = openpgp::check(document, keyring.certificates(), now).ok_or(SignatureError::NoSignature)?;
    let fingerprints = judge(checked.findings)?;
    // Two readers of one format may differ in what they take for the signed text; then neither is believed.
    if !framed.is_text(&checked.text) {
        return Err(SignatureError::Frame { reason: "its signed text can be read in two ways" });
    }
    Ok(Signed { text: framed.text, fingerprints })
}

/// One good signature is enough: archives sign with the keys of several releases, and not every keyring has
/// them all. A bad one refuses the document. If none is good, the most serious reason is given. A key counts
/// once.
fn judge(findings: Vec<Finding>) -> Result<Vec<String>, SignatureError> {
    let (mut good, mut unknown, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for finding in findings {
        match finding {
            Finding::Good(key) if good.contains(&key) => {}
            Finding::Good(key) => good.push(key),
            Finding::UnknownKey(key) => unknown.push(key),
            Finding::Bad(key) => return Err(SignatureError::Bad { key }),
            Finding::KeyRevoked(key) => faults.push((0, SignatureError::KeyRevoked { key })),
            Finding::KeyExpired(key) => faults.push((1, SignatureError::KeyExpired { key })),
            Finding::NotForSigning(key) => faults.push((2, SignatureError::NotForSigning { key })),
            Finding::SignatureExpired(key) => faults.push((3, SignatureError::SignatureExpired { key })),
            Finding::WeakDigest(key) => faults.push((4, SignatureError::WeakDigest { key })),
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
