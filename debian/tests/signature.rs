//! Signatures that `GnuPG` made, and a real `InRelease`: `gpgv` must say the same, for the same reason. Where
//! the machine has no `gpgv`, or no Debian mirror, that says NOT RUN.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use debian::signature::{Signed, verify};
use debian::{FetchOptions, Fetcher, Keyring, MirrorSources, SignatureError, Silent};
use end_to_end::needs;

mod oracle;

use oracle::{Finding, findings};

fn data(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/data/signatures", name].iter().collect()
}

fn document(name: &str) -> Vec<u8> {
    fs::read(data(name)).expect("test data")
}

/// A keyring and its file.
struct Keys {
    ring: Keyring,
    file: PathBuf,
}

fn test_keys() -> Keys {
    let file = data("keyring.gpg");
    Keys { ring: Keyring::from_file(&file).expect("test keyring"), file }
}

fn debian_keys() -> Keys {
    let file = [env!("CARGO_MANIFEST_DIR"), "keys/debian-archive-keyring.gpg"].iter().collect();
    Keys { ring: Keyring::debian(), file }
}

/// Our answer, with which `gpgv` must agree. Documents with a broken frame are not asked of it: it reads less
/// strictly.
fn both(document: &[u8], keyring: &Keys) -> Result<Signed, SignatureError> {
    let answer = verify(document, &keyring.ring, SystemTime::now());
    let ours = match &answer {
        Ok(_) => Finding::Good,
        Err(SignatureError::Bad { .. }) => Finding::Bad,
        Err(SignatureError::KeyRevoked { .. }) => Finding::KeyRevoked,
        Err(SignatureError::KeyExpired { .. }) => Finding::KeyExpired,
        Err(SignatureError::SignatureExpired { .. }) => Finding::SignatureExpired,
        Err(SignatureError::WeakDigest { .. }) => Finding::WeakDigest,
        Err(SignatureError::UnknownKey { .. }) => Finding::UnknownKey,
        Err(_) => return answer,
    };
    if let Some(found) = findings(document, &fs::read(&keyring.file).expect("a keyring")) {
        // As here: a bad one spoils all, a good one is enough, else the gravest reason counts.
        let good = found.contains(&Finding::Good) && !found.contains(&Finding::Bad);
        let theirs = if good { Some(Finding::Good) } else { found.into_iter().min() };
        assert_eq!(theirs, Some(ours), "`gpgv` and we disagree: {answer:?}");
    }
    answer
}

fn inrelease(suite: &str) -> Vec<u8> {
    let mirrors = MirrorSources { snapshot: false, ..MirrorSources::default() }.mirrors();
    let mirror = mirrors.first().expect("this test needs a Debian mirror in the machine's apt sources");
    let fetcher = Fetcher::new(FetchOptions::default(), &Silent);
    let location = mirror.join(&format!("dists/{suite}/InRelease"));
    fetcher.fetch_bytes(&location, 1 << 24).expect("this test needs the machine's Debian mirror")
}

#[test]
fn a_real_inrelease_is_refused_after_any_tampering_and_accepted_when_restored() {
    needs!("apt-mirror");
    let keys = debian_keys();
    let real = inrelease("trixie");
    let text = String::from_utf8(real.clone()).expect("text");

    let mut flipped = real.clone();
    let at = text.find("Codename").expect("a field") + 10;
    flipped[at] ^= 1;
    assert!(matches!(both(&flipped, &keys), Err(SignatureError::Bad { .. })));

    let other = String::from_utf8(inrelease("sid")).expect("text");
    let cut = "-----BEGIN PGP SIGNATURE-----";
    let (body, _) = text.split_once(cut).expect("a signature");
    let (_, signature) = other.split_once(cut).expect("a signature");
    let swapped = format!("{body}{cut}{signature}");
    assert!(matches!(both(swapped.as_bytes(), &keys), Err(SignatureError::Bad { .. })));

    assert!(matches!(both(&real, &test_keys()), Err(SignatureError::UnknownKey { .. })));
    for framed in
        [format!("Suite: evil\n\n{text}"), format!("{text}\nSuite: evil\n"), format!("{text}{text}")]
    {
        assert!(matches!(both(framed.as_bytes(), &keys), Err(SignatureError::Frame { .. })));
    }
    assert!(matches!(both(body.as_bytes(), &keys), Err(SignatureError::Frame { .. })));
    assert!(matches!(both(b"", &keys), Err(SignatureError::Frame { .. })));

    let signed = both(&real, &keys).expect("the untouched InRelease");
    assert!(signed.text.starts_with("Origin: Debian\n") && !signed.text.contains("PGP"));
    // The stable release key of Debian 13, as <https://ftp-master.debian.org/keys.html> lists it.
    assert!(signed.fingerprints.contains(&"41587F7DB8C774BCCF131416762F67A0B2C39DE4".to_owned()));
}

#[test]
fn a_key_that_has_expired_or_was_revoked_vouches_for_nothing() {
    let refused = |name: &str| both(&document(name), &test_keys()).expect_err(name);
    assert!(matches!(refused("signed-by-expired.asc"), SignatureError::KeyExpired { .. }));
    assert!(matches!(refused("signed-by-expired-subkey.asc"), SignatureError::KeyExpired { .. }));
    assert!(matches!(refused("signed-by-revoked.asc"), SignatureError::KeyRevoked { .. }));
    assert!(matches!(refused("signed-by-stranger.asc"), SignatureError::UnknownKey { .. }));
}

#[test]
fn an_expired_signature_and_one_over_a_weak_digest_vouch_for_nothing() {
    let refused = |name: &str| both(&document(name), &test_keys()).expect_err(name);
    assert!(matches!(refused("signature-expired.asc"), SignatureError::SignatureExpired { .. }));
    assert!(matches!(refused("weak-hash.asc"), SignatureError::WeakDigest { .. }));
}

#[test]
fn one_good_signature_is_enough_beside_one_that_says_nothing() {
    for name in ["signed-by-good.asc", "good-and-stranger.asc", "good-and-expired.asc"] {
        let signed = both(&document(name), &test_keys()).expect(name);
        assert_eq!(signed.fingerprints, ["1EE4FC683EECD5B864EECB3411F00E2A7390F9A8"], "{name}");
        assert!(signed.text.contains("\n- dashed line\n"), "{}", signed.text);
    }
}

#[test]
fn a_key_counts_until_the_moment_it_expires() {
    let at = |seconds| {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        verify(&document("signed-by-expired.asc"), &test_keys().ring, now)
    };
    assert!(matches!(at(1_748_779_200), Err(SignatureError::KeyExpired { .. })));
    assert!(at(1_748_779_199).is_ok());
}

#[test]
fn an_armored_keyring_is_as_good_as_a_binary_one_and_an_empty_one_is_refused() {
    assert!(Keyring::from_file(&data("README.md")).is_err());
    assert!(Keyring::from_file(&data("none.gpg")).is_err());
    let armored = Keyring::from_file(&data("good.asc")).expect("armored keyring");
    assert!(verify(&document("signed-by-good.asc"), &armored, SystemTime::now()).is_ok());
}
