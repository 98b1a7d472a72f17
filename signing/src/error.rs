//! Why a key, a signature or an agent's answer is refused.

use thiserror::Error;

/// What is wrong with it. The caller names the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SigningError {
    /// None of the known forms.
    #[error("it is neither a key of OpenSSH nor of minisign")]
    NotAKey,
    /// The form is known, the contents are not of that form.
    #[error("it is not a well-formed {0}")]
    Malformed(&'static str),
    /// Not known here at all.
    #[error("keys of type `{0}` are not supported")]
    KeyType(String),
    /// Known, and for checking signatures alone.
    #[error("its key type is `{0}`, and only ssh-ed25519 signs here")]
    CannotSign(String),
    /// Of numbers that prove nothing.
    #[error("it is an RSA key of less than 2048 bits")]
    Weak,
    /// A way of encrypting that is not known here.
    #[error("it is encrypted with `{0}`, and only {1} is supported")]
    Cipher(String, &'static str),
    /// The passphrase does not open it.
    #[error("the passphrase is wrong")]
    Passphrase,
    /// Its own parameters ask for more than is reasonable.
    #[error("opening it would take more than {0}")]
    Costly(&'static str),
    /// The public key does not belong to the secret one.
    #[error("its public and its secret key do not belong together")]
    Halves,
    /// Not made for files.
    #[error("its namespace is `{0}`, not `file`")]
    Namespace(String),
    /// The signature is over other bytes, or by another key.
    #[error("it is not a signature of this file by that key")]
    Wrong,
    /// The agent cannot be talked to.
    #[error("the agent does not answer: {0}")]
    Agent(String),
    /// The agent does not want to.
    #[error("the agent refuses to sign with that key")]
    AgentRefuses,
}

impl SigningError {
    /// What is no public key.
    pub(crate) const SSH_KEY: Self = Self::Malformed("public key of OpenSSH");
}
