//! Signatures checked by the program `gpgv`, by what it reports on its status channel (`doc/DETAILS` in `GnuPG`).
//! Its exit status is not used: it is a failure also where a second signature is by a key we do not know.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use crate::signature::{Finding, Keyring};

/// OpenPGP's numbers of the digests below SHA-256 (RFC 9580, 9.5): MD5, SHA-1, RIPEMD-160, SHA-224.
const WEAK_DIGESTS: [&str; 4] = ["1", "2", "3", "11"];

/// Whether the machine has a `gpgv` that runs.
pub(crate) fn is_present() -> bool {
    let probe = Command::new("gpgv")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    probe.is_ok_and(|status| status.success())
}

/// What `gpgv` finds in `document`, and the text that it says it checked.
pub(crate) fn check(document: &[u8], keyring: &Keyring) -> io::Result<(Vec<Finding>, String)> {
    let directory = tempfile::tempdir()?;
    let file = |name: &str, bytes: &[u8]| -> io::Result<_> {
        let path = directory.path().join(name);
        fs::File::create_new(&path)?.write_all(bytes)?;
        Ok(path)
    };
    let output = directory.path().join("text");
    let run = Command::new("gpgv")
        .env("LC_ALL", "C")
        .arg("--homedir")
        .arg(directory.path())
        .args(["--status-fd", "1", "--keyring"])
        .arg(file("keyring.gpg", &keyring.certificates)?)
        .arg("--output")
        .arg(&output)
        .arg(file("document", document)?)
        .stdin(Stdio::null())
        .output()?;
    let text = match fs::read_to_string(output) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    Ok((findings(&String::from_utf8_lossy(&run.stdout)), text))
}

fn findings(status: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut said_good = false;
    for line in status.lines() {
        let Some(line) = line.strip_prefix("[GNUPG:] ") else { continue };
        let words: Vec<&str> = line.split(' ').collect();
        let key = words.get(1).copied().unwrap_or_default().to_owned();
        match words[0] {
            "NEWSIG" => said_good = false,
            "GOODSIG" => said_good = true,
            // Only both together: `VALIDSIG` also follows `EXPSIG`, `EXPKEYSIG` and `REVKEYSIG`.
            "VALIDSIG" if said_good => {
                said_good = false;
                let primary = words.get(10).map_or(key, |primary| (*primary).to_owned());
                let weak = words.get(8).is_none_or(|digest| WEAK_DIGESTS.contains(digest));
                found.push(if weak { Finding::WeakDigest(primary) } else { Finding::Good(primary) });
            }
            "BADSIG" => found.push(Finding::Bad(key)),
            "EXPSIG" => found.push(Finding::SignatureExpired(key)),
            "EXPKEYSIG" => found.push(Finding::KeyExpired(key)),
            "REVKEYSIG" => found.push(Finding::KeyRevoked(key)),
            // A missing key, or an algorithm that this `gpgv` lacks: nobody vouches, but nothing is wrong either.
            "ERRSIG" => found.push(Finding::UnknownKey(key)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_signature_is_good_only_together_with_goodsig() {
        let valid = "[GNUPG:] VALIDSIG SUB 2026-09-12 1 0 4 0 1 8 01 PRIMARY\n";
        assert_eq!(findings(valid), []);
        let expired = format!("[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG KEY name\n{valid}");
        assert_eq!(findings(&expired), [Finding::KeyExpired("KEY".into())]);
        let good = format!("[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG KEY name\n{valid}{valid}");
        assert_eq!(findings(&good), [Finding::Good("PRIMARY".into())]);
    }

    #[test]
    fn a_name_that_imitates_a_status_line_changes_nothing() {
        let status =
            "[GNUPG:] ERRSIG KEY 22 8 01 1 9 FPR\n[GNUPG:] NO_PUBKEY KEY GOODSIG KEY\ngpgv: GOODSIG KEY\n";
        assert_eq!(findings(status), [Finding::UnknownKey("KEY".into())]);
    }
}
