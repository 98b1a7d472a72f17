//! Whether a key may sign, which rPGP leaves to its caller: certificates and signatures made here, each with
//! one thing wrong. Every refusal stands beside the same document without that one thing, which is accepted.
//! `gpgv` must agree, save where this crate is stricter; where the machine has none, that comparison says NOT
//! RUN.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use debian::signature::{SignatureError, verify};
use debian::{Keyring, KeyringError};
use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, Deserializable, SignedKeyDetails, SignedPublicKey,
    SignedPublicSubKey, SignedSecretKey,
};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PacketHeaderVersion, Password, SignedUser, SigningKey, Tag, Timestamp};

mod oracle;

use oracle::{Finding, findings};

/// When the keys of the test data were made: 2025-01-01.
const MADE: u32 = 1_735_689_600;
const DAY: u32 = 86_400;
const TEXT: &str = "Suite: test\n- dashed\n";

/// A primary key and one subkey, both able to sign. RSA, since other algorithms refuse to sign weak digests.
fn key() -> &'static SignedSecretKey {
    static KEY: OnceLock<SignedSecretKey> = OnceLock::new();
    KEY.get_or_init(|| secret("standing.key"))
}

/// Somebody else's.
fn stranger() -> &'static SignedSecretKey {
    static KEY: OnceLock<SignedSecretKey> = OnceLock::new();
    KEY.get_or_init(|| secret("stranger.key"))
}

fn secret(name: &str) -> SignedSecretKey {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/data/signatures", name].iter().collect();
    let bytes = std::fs::read(path).expect("test data");
    SignedSecretKey::from_bytes(bytes.as_slice()).expect("a key")
}

/// A signature's frame: by `signer`, made `after` the keys, with what else it says.
struct Frame {
    kind: SignatureType,
    digest: HashAlgorithm,
    after: u32,
    says: Vec<SubpacketData>,
}

impl Frame {
    fn new(kind: SignatureType) -> Self {
        Self { kind, digest: HashAlgorithm::Sha256, after: DAY, says: Vec::new() }
    }

    fn digest(mut self, digest: HashAlgorithm) -> Self {
        self.digest = digest;
        self
    }

    fn says(mut self, data: SubpacketData) -> Self {
        self.says.push(data);
        self
    }

    fn may_sign(self, may: bool) -> Self {
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(may);
        self.says(SubpacketData::KeyFlags(flags))
    }

    fn by(self, signer: &impl SigningKey) -> SignatureConfig {
        let mut config = SignatureConfig::v4(self.kind, signer.algorithm(), self.digest);
        let created = SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE + self.after));
        let issuer = SubpacketData::IssuerFingerprint(signer.fingerprint());
        let packets = self.says.into_iter().chain([created, issuer]);
        config.hashed_subpackets = packets.map(|data| Subpacket::regular(data).expect("a packet")).collect();
        // `gpgv` finds the key by its ID.
        let id = SubpacketData::IssuerKeyId(signer.legacy_key_id());
        config.unhashed_subpackets = vec![Subpacket::regular(id).expect("a packet")];
        config
    }
}

fn password() -> Password {
    Password::empty()
}

/// What the owner says of the primary key.
fn self_signature(frame: Frame) -> Signature {
    let primary = &key().primary_key;
    let config = frame.by(primary);
    config
        .sign_certification(primary, primary.public_key(), &password(), Tag::UserId, &user())
        .expect("a self-signature")
}

fn user() -> UserId {
    UserId::from_str(PacketHeaderVersion::New, "test <test@example.org>").expect("a name")
}

/// The subkey's consent to be the primary key's.
fn consent() -> Signature {
    let (primary, subkey) = (&key().primary_key, &key().secret_subkeys[0].key);
    let config = Frame::new(SignatureType::KeyBinding).by(subkey);
    config
        .sign_primary_key_binding(subkey, subkey.public_key(), &password(), primary.public_key())
        .expect("consent")
}

fn of_subkey(frame: Frame) -> Signature {
    let (primary, subkey) = (&key().primary_key, &key().secret_subkeys[0].key);
    let config = frame.by(primary);
    config
        .sign_subkey_binding(primary, primary.public_key(), &password(), subkey.public_key())
        .expect("a binding")
}

fn binding() -> Frame {
    Frame::new(SignatureType::SubkeyBinding)
        .may_sign(true)
        .says(SubpacketData::EmbeddedSignature(Box::new(consent())))
}

fn certificate(of_user: Vec<Signature>, revocations: Vec<Signature>, of_subkey: Vec<Signature>) -> Vec<u8> {
    let users = vec![SignedUser::new(user(), of_user)];
    let details = SignedKeyDetails::new(revocations, Vec::new(), users, Vec::new());
    let subkey = key().secret_subkeys[0].key.public_key().clone();
    let subkeys = vec![SignedPublicSubKey { key: subkey, signatures: of_subkey }];
    let primary_key = key().primary_key.public_key().clone();
    SignedPublicKey { primary_key, details, public_subkeys: subkeys }.to_bytes().expect("a certificate")
}

fn positive() -> Frame {
    Frame::new(SignatureType::CertPositive).may_sign(true)
}

/// The certificate with nothing wrong.
fn whole() -> Vec<u8> {
    certificate(vec![self_signature(positive())], Vec::new(), vec![of_subkey(binding())])
}

/// A document signed in each of these ways.
fn document(signers: &[&dyn Fn(&str) -> Signature]) -> Vec<u8> {
    let sign = |text: &str| Ok(signers.iter().map(|signer| signer(text)).collect());
    let message = CleartextSignedMessage::new_many(TEXT, sign).expect("a document");
    message.to_armored_bytes(ArmorOptions::default()).expect("armor")
}

fn signed(frame: Frame, signer: &impl SigningKey, text: &str) -> Signature {
    frame.by(signer).sign(signer, &password(), text.as_bytes()).expect("a signature")
}

fn text() -> Frame {
    Frame::new(SignatureType::Text)
}

fn by_primary() -> Vec<u8> {
    document(&[&|words| signed(text(), &key().primary_key, words)])
}

fn by_subkey() -> Vec<u8> {
    document(&[&|words| signed(text(), &key().secret_subkeys[0].key, words)])
}

fn keyring(certificates: &[u8]) -> Result<Keyring, KeyringError> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), certificates).expect("written");
    Keyring::from_file(file.path())
}

fn fingerprint() -> String {
    format!("{:X}", key().primary_key.fingerprint())
}

fn verified(document: &[u8], certificates: &[u8]) -> Result<Vec<String>, SignatureError> {
    let now = SystemTime::now();
    verify(document, &keyring(certificates).expect("a keyring"), now).map(|signed| signed.fingerprints)
}

/// Accepted, by `gpgv` too.
fn accepted(document: &[u8], certificates: &[u8]) {
    assert_eq!(verified(document, certificates).expect("nothing is wrong"), [fingerprint()]);
    if let Some(found) = findings(document, certificates) {
        assert!(found.contains(&Finding::Good), "gpgv: {found:?}");
    }
}

/// Refused, by `gpgv` too where it looks at that.
fn refused(document: &[u8], certificates: &[u8]) -> SignatureError {
    if let Some(found) = findings(document, certificates) {
        assert!(!found.contains(&Finding::Good), "gpgv: {found:?}");
    }
    stricter(document, certificates)
}

/// Refused, whatever `gpgv` says.
fn stricter(document: &[u8], certificates: &[u8]) -> SignatureError {
    verified(document, certificates).expect_err("something is wrong")
}

fn days(days: u32) -> pgp::types::Duration {
    pgp::types::Duration::from_secs(days * DAY)
}

#[test]
fn a_key_that_has_expired_does_not_count_nor_do_its_subkeys() {
    let expiring = self_signature(positive().says(SubpacketData::KeyExpirationTime(days(10))));
    let certificates = certificate(vec![expiring.clone()], Vec::new(), vec![of_subkey(binding())]);
    for document in [by_primary(), by_subkey()] {
        assert!(matches!(refused(&document, &certificates), SignatureError::KeyExpired { .. }));
        accepted(&document, &whole());
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(MADE + 9 * DAY));
        assert!(verify(&document, &keyring(&certificates).expect("a keyring"), then).is_ok(), "not yet");
    }
    let mut later = positive();
    later.after = 5 * DAY;
    let renewed = certificate(vec![expiring, self_signature(later)], Vec::new(), Vec::new());
    accepted(&by_primary(), &renewed);
}

#[test]
fn a_subkey_that_has_expired_or_was_revoked_does_not_count() {
    let fine = || vec![self_signature(positive())];
    let expiring = of_subkey(binding().says(SubpacketData::KeyExpirationTime(days(10))));
    let expired = certificate(fine(), Vec::new(), vec![expiring]);
    assert!(matches!(refused(&by_subkey(), &expired), SignatureError::KeyExpired { .. }));
    let revocation = of_subkey(Frame::new(SignatureType::SubkeyRevocation));
    let revoked = certificate(fine(), Vec::new(), vec![of_subkey(binding()), revocation]);
    assert!(matches!(refused(&by_subkey(), &revoked), SignatureError::KeyRevoked { .. }));
    for certificates in [expired, revoked] {
        accepted(&by_primary(), &certificates);
    }
    accepted(&by_subkey(), &whole());
}

#[test]
fn a_revoked_key_does_not_count_whatever_digest_the_revocation_has() {
    for digest in [HashAlgorithm::Sha256, HashAlgorithm::Sha1] {
        let primary = &key().primary_key;
        let config = Frame::new(SignatureType::KeyRevocation).digest(digest).by(primary);
        let revocation = config.sign_key(primary, &password(), primary.public_key()).expect("a revocation");
        let of_user = vec![self_signature(positive())];
        let certificates = certificate(of_user, vec![revocation], vec![of_subkey(binding())]);
        for document in [by_primary(), by_subkey()] {
            assert!(matches!(stricter(&document, &certificates), SignatureError::KeyRevoked { .. }));
        }
    }
    accepted(&by_primary(), &whole());
}

#[test]
fn a_revocation_by_somebody_else_is_none() {
    let (primary, other) = (&key().primary_key, &stranger().primary_key);
    let config = Frame::new(SignatureType::KeyRevocation).by(other);
    let revocation = config.sign_key(other, &password(), primary.public_key()).expect("a revocation");
    accepted(&by_primary(), &certificate(vec![self_signature(positive())], vec![revocation], Vec::new()));
}

#[test]
fn a_key_that_is_not_for_signing_does_not_count() {
    let only_certifies = vec![self_signature(Frame::new(SignatureType::CertPositive).may_sign(false))];
    let certificates = certificate(only_certifies, Vec::new(), vec![of_subkey(binding())]);
    assert!(matches!(refused(&by_primary(), &certificates), SignatureError::NotForSigning { .. }));
    accepted(&by_subkey(), &certificates);
    let encrypts = Frame::new(SignatureType::SubkeyBinding).may_sign(false);
    let certificates = certificate(vec![self_signature(positive())], Vec::new(), vec![of_subkey(encrypts)]);
    assert!(matches!(refused(&by_subkey(), &certificates), SignatureError::NotForSigning { .. }));
}

#[test]
fn a_certificate_without_a_strong_self_signature_says_nothing() {
    let weak = vec![self_signature(positive().digest(HashAlgorithm::Sha1))];
    let (primary, other) = (&key().primary_key, &stranger().primary_key);
    let config = positive().by(other);
    let by_other = config
        .sign_certification_third_party(other, &password(), primary.public_key(), Tag::UserId, &user())
        .expect("a certification");
    for of_user in [weak, vec![by_other], Vec::new()] {
        let certificates = certificate(of_user, Vec::new(), Vec::new());
        assert!(matches!(stricter(&by_primary(), &certificates), SignatureError::NotForSigning { .. }));
    }
    accepted(&by_primary(), &whole());
}

#[test]
fn a_subkey_counts_only_where_it_and_the_primary_key_vouch_for_each_other() {
    let without_consent = of_subkey(Frame::new(SignatureType::SubkeyBinding).may_sign(true));
    let weak = of_subkey(binding().digest(HashAlgorithm::Sha1));
    let (primary, other) = (&key().primary_key, &stranger().primary_key);
    let subkey = &key().secret_subkeys[0].key;
    let by_other = binding()
        .by(other)
        .sign_subkey_binding(other, primary.public_key(), &password(), subkey.public_key())
        .expect("a binding");
    // The stranger's consent does not bind this subkey.
    let theirs = &stranger().secret_subkeys[0].key;
    let consent = Frame::new(SignatureType::KeyBinding)
        .by(theirs)
        .sign_primary_key_binding(theirs, theirs.public_key(), &password(), primary.public_key())
        .expect("consent");
    let adopted = of_subkey(
        Frame::new(SignatureType::SubkeyBinding)
            .may_sign(true)
            .says(SubpacketData::EmbeddedSignature(Box::new(consent))),
    );
    for bindings in [vec![without_consent], vec![weak], vec![by_other], vec![adopted], Vec::new()] {
        let certificates = certificate(vec![self_signature(positive())], Vec::new(), bindings);
        let error = stricter(&by_subkey(), &certificates);
        // A subkey without any binding is not even read as one.
        let unknown = matches!(error, SignatureError::UnknownKey { .. });
        assert!(unknown || matches!(error, SignatureError::NotForSigning { .. }), "{error}");
    }
    accepted(&by_subkey(), &whole());
}

#[test]
fn a_signature_that_has_expired_or_has_a_weak_digest_does_not_count() {
    let expires = || text().says(SubpacketData::SignatureExpirationTime(days(10)));
    let expired = document(&[&|words| signed(expires(), &key().primary_key, words)]);
    assert!(matches!(refused(&expired, &whole()), SignatureError::SignatureExpired { .. }));
    let weak = document(&[&|words| signed(text().digest(HashAlgorithm::Sha1), &key().primary_key, words)]);
    assert!(matches!(refused(&weak, &whole()), SignatureError::WeakDigest { .. }));
    accepted(&by_primary(), &whole());
}

#[test]
fn a_signature_older_than_its_key_is_bad() {
    let before = SubpacketData::SignatureCreationTime(Timestamp::from_secs(MADE - DAY));
    let older = document(&[&|words| {
        let mut config = text().by(&key().primary_key);
        let creation = config.hashed_subpackets.first_mut().expect("the time of creation");
        *creation = Subpacket::regular(before.clone()).expect("a packet");
        config.sign(&key().primary_key, &password(), words.as_bytes()).expect("a signature")
    }]);
    assert!(matches!(refused(&older, &whole()), SignatureError::Bad { .. }));
}

#[test]
fn one_good_signature_is_enough_beside_unknown_ones_and_a_bad_one_spoils_it() {
    let good = |words: &str| signed(text(), &key().primary_key, words);
    let unknown = |words: &str| signed(text(), &stranger().primary_key, words);
    let bad = |_: &str| signed(text(), &key().primary_key, "another text");
    assert!(matches!(refused(&document(&[&unknown]), &whole()), SignatureError::UnknownKey { .. }));
    assert!(matches!(stricter(&document(&[&good, &bad]), &whole()), SignatureError::Bad { .. }));
    accepted(&document(&[&unknown, &good]), &whole());
    let subkey = |words: &str| signed(text(), &key().secret_subkeys[0].key, words);
    accepted(&document(&[&good, &subkey]), &whole());
}
