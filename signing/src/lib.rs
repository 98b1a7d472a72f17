//! Ed25519 signatures in the forms that other tools read and write: SSHSIG (`ssh-keygen -Y`), minisig, and
//! the rows of a bundle; SSHSIG by keys of OpenSSH's other types, checked, or made by an agent; key files,
//! `allowed_signers`, and the keys of an agent. Text and bytes come from the caller: nothing here opens a
//! file. What it does not know it refuses, and it decides about nobody's trust.
#![forbid(unsafe_code)]

mod agent;
mod allowed_signers;
mod date;
mod digest;
mod ecdsa;
mod ed25519;
mod encoding;
mod error;
mod key_file;
mod minisign;
mod pattern;
mod rsa;
mod ssh_key;
mod ssh_public;
mod sshsig;
mod wire;

pub use agent::{AgentKey, keys, sign};
pub use allowed_signers::{Allowed, AllowedSigners, LineError};
pub use digest::{Prehash, prehash};
pub use ed25519::{PublicKey, SecretKey};
pub use error::SigningError;
pub use key_file::{KeyFile, LockedKey};
pub use minisign::{KeyId, Minisig, MinisignKey};
pub use ssh_public::{SshBytes, SshKey};
pub use sshsig::{Signer, SshSignature};
