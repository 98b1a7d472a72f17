//! `gpgv` as an oracle: what it finds in a document, by what it reports on its status channel (`doc/DETAILS`
//! in `GnuPG`). Its exit status is not used: it also fails where a second signature is by a key that is not
//! known.

use std::fs;
use std::process::{Command, Stdio};

/// OpenPGP's numbers of the digests below SHA-256 (RFC 9580, 9.5): MD5, SHA-1, RIPEMD-160, SHA-224.
const WEAK_DIGESTS: [&str; 4] = ["1", "2", "3", "11"];

/// What one signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finding {
    /// Does not fit.
    Bad,
    /// By a key that was revoked.
    KeyRevoked,
    /// By a key that has expired.
    KeyExpired,
    /// Has expired itself.
    SignatureExpired,
    /// Over a digest that can be forged.
    WeakDigest,
    /// By a key that is not there, or by an algorithm that this `gpgv` lacks.
    UnknownKey,
    /// Fits, by a key that may sign.
    Good,
}

/// What `gpgv` finds; `None`, and it says so, where the machine has none.
pub(crate) fn findings(document: &[u8], keyring: &[u8]) -> Option<Vec<Finding>> {
    if !end_to_end::has("gpgv") {
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    let run = Command::new("gpgv")
        .env("LC_ALL", "C")
        .arg("--homedir")
        .arg(directory.path())
        .args(["--status-fd", "1", "--keyring"])
        .arg(file("keyring.gpg", keyring))
        .arg("--output")
        .arg(directory.path().join("text"))
        .arg(file("document", document))
        .stdin(Stdio::null())
        .output();
    Some(read(&String::from_utf8_lossy(&run.expect("gpgv runs").stdout)))
}

fn read(status: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut said_good = false;
    for line in status.lines() {
        let Some(line) = line.strip_prefix("[GNUPG:] ") else { continue };
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "NEWSIG" => said_good = false,
            "GOODSIG" => said_good = true,
            // Only both together: `VALIDSIG` also follows `EXPSIG`, `EXPKEYSIG` and `REVKEYSIG`.
            "VALIDSIG" if said_good => {
                said_good = false;
                let weak = words.get(8).is_none_or(|digest| WEAK_DIGESTS.contains(digest));
                found.push(if weak { Finding::WeakDigest } else { Finding::Good });
            }
            "BADSIG" => found.push(Finding::Bad),
            "EXPSIG" => found.push(Finding::SignatureExpired),
            "EXPKEYSIG" => found.push(Finding::KeyExpired),
            "REVKEYSIG" => found.push(Finding::KeyRevoked),
            "ERRSIG" => found.push(Finding::UnknownKey),
            _ => {}
        }
    }
    found
}

#[test]
fn a_valid_signature_is_good_only_together_with_goodsig() {
    let valid = "[GNUPG:] VALIDSIG SUB 2026-09-12 1 0 4 0 1 8 01 PRIMARY\n";
    assert_eq!(read(valid), []);
    let expired = format!("[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG KEY name\n{valid}");
    assert_eq!(read(&expired), [Finding::KeyExpired]);
    let good = format!("[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG KEY name\n{valid}{valid}");
    assert_eq!(read(&good), [Finding::Good]);
}

#[test]
fn a_name_that_imitates_a_status_line_changes_nothing() {
    let status =
        "[GNUPG:] ERRSIG KEY 22 8 01 1 9 FPR\n[GNUPG:] NO_PUBKEY KEY GOODSIG KEY\ngpgv: GOODSIG KEY\n";
    assert_eq!(read(status), [Finding::UnknownKey]);
}
