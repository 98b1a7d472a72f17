//! What one signature of a document turned out to be.

/// The result of checking one signature. The text names the key: its fingerprint, or its key ID where only
/// that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It fits the text, and its key may sign.
    Good(String),
    /// It does not fit the text.
    Bad(String),
    /// Its key has expired.
    KeyExpired(String),
    /// Its key was revoked.
    KeyRevoked(String),
    /// Its key is not one for signing, or does not belong to the certificate that lists it.
    NotForSigning(String),
    /// It was made for a time that is over.
    SignatureExpired(String),
    /// It is over a digest that can be forged.
    WeakDigest(String),
    /// Its key is not in the keyring.
    UnknownKey(String),
}
