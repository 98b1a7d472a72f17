//! Signatures and keys: rows of a bundle, SSHSIG, minisig, key files, allowed signers, answers of an agent.

use std::io::{self, Read, Write};

use bundle::{Digest, Signature, Signatures};
use signing::{AllowedSigners, KeyFile, Minisig, PublicKey, SigningError, SshSignature};

/// All of these read the same bytes. Nothing in them is a signature of what nobody has signed.
pub(crate) fn signatures(input: &[u8]) {
    rows(input);
    if let Ok(signature) = SshSignature::parse(input) {
        assert!(!signature.holds(&[0; 64]), "nobody has signed this");
    }
    if let Ok(signature) = Minisig::parse(input) {
        assert!(!signature.holds(&PublicKey([0; 32]), &[0; 64]), "a key of small order signs nothing");
    }
    match KeyFile::parse(input) {
        Ok(KeyFile::Public(key)) => {
            let line = key.line();
            assert!(matches!(KeyFile::parse(line.as_bytes()), Ok(KeyFile::Public(again)) if again == key));
        }
        Ok(KeyFile::Minisign(key)) => {
            let text = key.text();
            assert!(matches!(KeyFile::parse(text.as_bytes()), Ok(KeyFile::Minisign(again)) if again == key));
        }
        // Locked ones are slow on purpose.
        Ok(KeyFile::Secret(secret)) if !secret.is_locked() => drop(secret.unlock(b"")),
        Ok(KeyFile::Secret(_)) | Err(_) => {}
    }
    if let Ok(signers) = AllowedSigners::parse(input) {
        for now in [0, 1_700_000_000, i64::MAX] {
            let _ = signers.of("ann@example.org", SshSignature::NAMESPACE, now);
        }
    }
    agent(input);
}

/// Whatever is taken is written back identically.
fn rows(input: &[u8]) {
    let Ok(rows) = Signatures::decode(input) else { return };
    let back: Vec<u8> = rows.iter().flat_map(|row| row.encode()).collect();
    assert_eq!(back, input);
    let message = Signature::message(&Digest([7; 32]));
    for row in rows.iter() {
        let _ = PublicKey(row.public_key).signed(&message, &row.bytes);
    }
    assert!(rows.iter().is_sorted_by(|one, other| one.public_key < other.public_key));
}

/// An agent that answers with these bytes, whatever it is asked.
struct Agent<'a>(&'a [u8]);

impl Read for Agent<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Agent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn agent(input: &[u8]) {
    let _: Result<_, SigningError> = signing::keys(&mut Agent(input));
    let _ = signing::sign(&mut Agent(input), &PublicKey([1; 32]).into(), b"message");
}
