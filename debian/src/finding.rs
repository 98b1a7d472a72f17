//! What one signature of a document turned out to be.

/// The result of checking one signature. The text names the key: its fingerprint, or its key ID where only
/// that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It is valid for the text, and its key may sign.
    Good(String),
    /// It is not valid for the text.
    Bad(String),
    /// Its key has expired.
    KeyExpired(String),
    /// Its key was revoked.
    KeyRevoked(String),
    /// Its key is not meant for signing, or does not belong to the certificate that lists it.
    NotForSigning(String),
    /// It has expired.
    SignatureExpired(String),
    /// Its digest algorithm can be forged.
    WeakDigest(String),
    /// Its key is not in the keyring.
    UnknownKey(String),
}
