//! OpenPGP signatures (RFC 9580). The only file that uses `pgp` (rPGP), which does the arithmetic and leaves
//! the rest to its caller. So this file decides whether a key may sign: expiry of key and signature,
//! revocation, usage flags, weak digests, and that a subkey and its primary key vouch for each other.

use std::io::{self, Cursor, Read};
use std::time::SystemTime;

use pgp::armor::Dearmor;
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{Duration, KeyDetails, Tag, Timestamp, VerifyingKey};

use crate::finding::Finding;

const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// `bytes` without their armor, which may have several blocks; unchanged if they have none.
pub(crate) fn dearmored(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let starts = bytes.windows(ARMOR.len()).enumerate().filter(|(_, window)| *window == ARMOR);
    let starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    if starts.is_empty() {
        return Ok(bytes);
    }
    let mut binary = Vec::new();
    for start in starts {
        Dearmor::new(Cursor::new(&bytes[start..])).read_to_end(&mut binary)?;
    }
    Ok(binary)
}

/// The certificates in `bytes` that can be read; others (of newer kinds) vouch for nothing.
pub(crate) fn certificates(bytes: &[u8]) -> Vec<SignedPublicKey> {
    SignedPublicKey::from_bytes_many(bytes)
        .map(|keys| keys.filter_map(Result::ok).collect())
        .unwrap_or_default()
}

/// What was found in a document.
pub(crate) struct Checked {
    /// One for each signature.
    pub(crate) findings: Vec<Finding>,
    /// The text that was checked.
    pub(crate) text: String,
}

/// Checks every signature of `document` against `certificates`, at the time `now`. `None` where there is no
/// signature that can be read.
pub(crate) fn check(document: &[u8], certificates: &[u8], now: SystemTime) -> Option<Checked> {
    let (message, _) = CleartextSignedMessage::from_armor(document).ok()?;
    let text = message.signed_text();
    let certificates = self::certificates(certificates);
    let now = seconds_since_1970(now);
    let examined = message.signatures().iter().map(|signature| examine(signature, &text, &certificates, now));
    let findings = examined.collect();
    Some(Checked { findings, text })
}

fn seconds_since_1970(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A key's right to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    MaySign,
    MayNotSign,
    Expired,
    Revoked,
}

fn examine(signature: &Signature, text: &str, certificates: &[SignedPublicKey], now: u64) -> Finding {
    for certificate in certificates {
        let primary = &certificate.primary_key;
        let name = || format!("{:X}", primary.fingerprint());
        if names(signature, primary) {
            return checked(signature, text, primary, primary_standing(certificate, now), name(), now);
        }
        for subkey in &certificate.public_subkeys {
            if names(signature, &subkey.key) {
                let standing = match primary_standing(certificate, now) {
                    Standing::MaySign | Standing::MayNotSign => subkey_standing(certificate, subkey, now),
                    lost => lost,
                };
                return checked(signature, text, &subkey.key, standing, name(), now);
            }
        }
    }
    Finding::UnknownKey(signer(signature))
}

/// Whether `signature` says that it is by `key`.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    fingerprints.contains(&&key.fingerprint())
}

/// The key that `signature` claims to be by.
fn signer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    let key_id = || signature.issuer_key_id().first().map(|id| format!("{id:?}"));
    fingerprint.or_else(key_id).unwrap_or_else(|| "unnamed".into())
}

fn checked(
    signature: &Signature,
    text: &str,
    key: &impl VerifyingKey,
    standing: Standing,
    name: String,
    now: u64,
) -> Finding {
    let kind_fits = matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary));
    // Asked first: rPGP refuses some of these as it would a forgery.
    if !is_strong(signature) {
        return Finding::WeakDigest(name);
    }
    if !kind_fits || signature.verify(key, text.as_bytes()).is_err() {
        return Finding::Bad(name);
    }
    if signature.created().is_none_or(|created| created < key.created_at()) {
        return Finding::Bad(name);
    }
    let expires = end(signature.created(), signature.signature_expiration_time().map(Duration::as_secs));
    match standing {
        Standing::Revoked => Finding::KeyRevoked(name),
        Standing::Expired => Finding::KeyExpired(name),
        Standing::MayNotSign => Finding::NotForSigning(name),
        Standing::MaySign if expires.is_some_and(|end| end <= now) => Finding::SignatureExpired(name),
        Standing::MaySign => Finding::Good(name),
    }
}

/// Whether its digest algorithm is safe today: SHA-1 and MD5 are not, and others were never common.
fn is_strong(signature: &Signature) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(signature.hash_alg(), Some(Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512))
}

/// When a span of `seconds` that starts at `start` is over; RFC 9580 has 0 for "never".
fn end(start: Option<Timestamp>, seconds: Option<u32>) -> Option<u64> {
    let seconds = seconds.filter(|&seconds| seconds != 0)?;
    Some(u64::from(start?.as_secs()) + u64::from(seconds))
}

/// The newest of `signatures` that states what a key may do. It must be valid, not expired, and not over a
/// weak digest; a revocation counts whatever its digest.
fn newest<'a>(
    signatures: impl Iterator<Item = &'a Signature>,
    now: u64,
    holds: impl Fn(&Signature) -> bool,
) -> Option<&'a Signature> {
    let lasts = |signature: &Signature| {
        end(signature.created(), signature.signature_expiration_time().map(Duration::as_secs))
            .is_none_or(|end| end > now)
    };
    let counts = |signature: &Signature| {
        is_strong(signature) || signature.typ() == Some(SignatureType::CertRevocation)
    };
    signatures
        .filter(|signature| counts(signature) && lasts(signature) && holds(signature))
        .max_by_key(|signature| signature.created())
}

fn primary_standing(certificate: &SignedPublicKey, now: u64) -> Standing {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    if details.revocation_signatures.iter().any(|signature| signature.verify_key(key).is_ok()) {
        return Standing::Revoked;
    }
    let direct = newest(details.direct_signatures.iter(), now, |signature| {
        signature.typ() == Some(SignatureType::Key) && signature.verify_key(key).is_ok()
    });
    let of_users = details.users.iter().filter_map(|user| {
        let holds =
            |signature: &Signature| signature.verify_certification(key, Tag::UserId, &user.id).is_ok();
        // The newest word of the key about this name; where that is a revocation, the name says nothing more.
        newest(user.signatures.iter(), now, holds)
            .filter(|signature| signature.typ() != Some(SignatureType::CertRevocation))
    });
    let word = direct.into_iter().chain(of_users).max_by_key(|signature| signature.created());
    word.map_or(Standing::MayNotSign, |signature| standing(signature, key, now))
}

fn subkey_standing(certificate: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u64) -> Standing {
    let primary = &certificate.primary_key;
    let holds = |signature: &Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let is = |kind| move |signature: &&Signature| signature.typ() == Some(kind);
    if subkey.signatures.iter().filter(is(SignatureType::SubkeyRevocation)).any(holds) {
        return Standing::Revoked;
    }
    let bindings = subkey.signatures.iter().filter(is(SignatureType::SubkeyBinding));
    let Some(binding) = newest(bindings, now, holds) else { return Standing::MayNotSign };
    // Without the subkey's own consent anybody could adopt it, and with it the signatures it made.
    let consents = |back: &Signature| back.verify_primary_key_binding(&subkey.key, primary).is_ok();
    if !binding.embedded_signature().is_some_and(consents) {
        return Standing::MayNotSign;
    }
    standing(binding, &subkey.key, now)
}

/// What `word`, the primary key's newest statement about `key`, allows that key.
fn standing(word: &Signature, key: &impl KeyDetails, now: u64) -> Standing {
    let expires = end(Some(key.created_at()), word.key_expiration_time().map(Duration::as_secs));
    if expires.is_some_and(|end| end <= now) {
        Standing::Expired
    } else if word.key_flags().sign() {
        Standing::MaySign
    } else {
        Standing::MayNotSign
    }
}
