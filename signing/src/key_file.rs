//! What a key file is: public or secret, of OpenSSH or of minisign, told by its first bytes.

use crate::ed25519::SecretKey;
use crate::error::SigningError;
use crate::minisign::{KeyId, MinisignKey, SecretFile};
use crate::ssh_key::{self, PrivateKey};
use crate::ssh_public::SshKey;

/// A key file's contents.
#[derive(Debug)]
pub enum KeyFile {
    /// A `.pub` file of OpenSSH.
    Public(SshKey),
    /// A public key of minisign.
    Minisign(MinisignKey),
    /// A secret key, locked or not.
    Secret(LockedKey),
}

/// A secret key that may need a passphrase.
#[derive(Debug)]
pub struct LockedKey(Form);

#[derive(Debug)]
enum Form {
    Ssh(PrivateKey),
    Minisign(SecretFile),
}

impl KeyFile {
    /// Reads a key file, or a public key in the words of a command line.
    pub fn parse(text: &[u8]) -> Result<Self, SigningError> {
        let text = str::from_utf8(text).map_err(|_| SigningError::NotAKey)?;
        if ssh_key::is_private(text) {
            return Ok(Self::Secret(LockedKey(Form::Ssh(PrivateKey::parse(text)?))));
        }
        if SecretFile::is_one(text) {
            return Ok(Self::Secret(LockedKey(Form::Minisign(SecretFile::parse(text)?))));
        }
        if ssh_key::is_public(text) {
            return Ok(Self::Public(SshKey::of_line(text)?));
        }
        MinisignKey::parse(text).map(Self::Minisign).map_err(|_| SigningError::NotAKey)
    }
}

impl LockedKey {
    /// Whether a passphrase is needed.
    pub fn is_locked(&self) -> bool {
        match &self.0 {
            Form::Ssh(key) => key.is_locked(),
            Form::Minisign(key) => key.is_locked(),
        }
    }

    /// The key, and the number by which minisign knows it.
    pub fn unlock(&self, passphrase: &[u8]) -> Result<(SecretKey, KeyId), SigningError> {
        match &self.0 {
            Form::Ssh(key) => key.unlock(passphrase).map(|key| {
                let id = KeyId::of(&key.public());
                (key, id)
            }),
            Form::Minisign(key) => key.unlock(passphrase),
        }
    }
}
