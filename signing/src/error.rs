//! Why a key, a signature or an agent's answer is refused.

use thiserror::Error;

/// What is wrong with a key, a signature or an agent. The caller names the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SigningError {
    /// Not a key file of any known form.
    #[error("it is neither a key of OpenSSH nor of minisign")]
    NotAKey,
    /// The form is known, but the contents are damaged.
    #[error("it is not a well-formed {0}")]
    Malformed(&'static str),
    /// A key of an unknown type.
    #[error("keys of type `{0}` are not supported")]
    KeyType(String),
    /// A key of this type can only check signatures here, not sign, unless an agent has it.
    #[error("its key type is `{0}`, and only ssh-ed25519 signs from a file")]
    CannotSign(String),
    /// An RSA key so short that its signatures prove nothing.
    #[error("it is an RSA key of less than 2048 bits")]
    Weak,
    /// The key is encrypted in an unknown way.
    #[error("it is encrypted with `{0}`, and only {1} is supported")]
    Cipher(String, &'static str),
    /// The passphrase is wrong.
    #[error("the passphrase is wrong")]
    Passphrase,
    /// Its parameters ask for an unreasonable amount of time or memory.
    #[error("opening it would take more than {0}")]
    Costly(&'static str),
    /// The file's public key does not belong to its secret key.
    #[error("its public and its secret key do not belong together")]
    Halves,
    /// A signature in another namespace than that of files.
    #[error("its namespace is `{0}`, not `file`")]
    Namespace(String),
    /// The signature is over other bytes, or by another key.
    #[error("it is not a signature of this file by that key")]
    Wrong,
    /// The agent cannot be reached, or does not answer as an agent should.
    #[error("the agent does not answer: {0}")]
    Agent(String),
    /// The agent refuses to sign.
    #[error("the agent refuses to sign with that key")]
    AgentRefuses,
    /// The agent signs in a way that is not accepted here.
    #[error("the agent signs with {0}, which is not accepted")]
    AgentForm(&'static str),
}

impl SigningError {
    /// A text that is not a public key.
    pub(crate) const SSH_KEY: Self = Self::Malformed("public key of OpenSSH");
}
