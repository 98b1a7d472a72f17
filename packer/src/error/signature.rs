//! Why a bundle cannot be signed, or its signatures do not count.

use std::path::PathBuf;

use signing::{LineError, SigningError};
use thiserror::Error as ThisError;

use crate::error::code::Code;
use crate::error::shown::{readable, shown};

/// What `unibin sign` and `verify` refuse.
#[derive(Clone, Debug, ThisError)]
pub(crate) enum SignatureError {
    #[error("`{}` has a signature that is not by the key it names, {signer}", shown(path))]
    Row { path: PathBuf, signer: String },
    #[error("`{}` does not sign `{}`", shown(path), shown(of))]
    Detached { path: PathBuf, of: PathBuf, source: SigningError },
    #[error("`{}` is not signed{}", shown(path), listed(unchecked))]
    Unsigned { path: PathBuf, unchecked: Vec<String> },
    #[error("`{}` is signed by none of the given keys{}", shown(path), listed(signers))]
    Foreign { path: PathBuf, signers: Vec<String> },
    #[error("`{}` gives `{}` no key that may sign files now{}", shown(path), readable(name.as_bytes()), listed(why))]
    NotAllowed { path: PathBuf, name: String, why: Vec<String> },
    #[error("`{}` cannot be read", shown(path))]
    AllowedSigners { path: PathBuf, source: LineError },
    #[error("`{}` cannot be used as a key", shown(path))]
    Key { path: PathBuf, source: SigningError },
    #[error("`{}` is a secret key", shown(path))]
    Secret { path: PathBuf },
    #[error("`{}` has a passphrase, and there is nobody to ask for it", shown(path))]
    NoPassphrase { path: PathBuf },
    #[error("there is no agent: SSH_AUTH_SOCK is not set")]
    NoAgent,
    #[error("there is no agent at `{}`: {why}", shown(socket))]
    DeadAgent { socket: PathBuf, why: String },
    #[error("the agent cannot sign")]
    Agent(#[source] SigningError),
    #[error("the key {fingerprint} is of type {kind}, which signs beside a file only")]
    OtherType { fingerprint: String, kind: String },
    #[error("{}", which(chosen.as_deref(), keys))]
    WhichKey { chosen: Option<String>, keys: Vec<String> },
    #[error("`--agent-key` chooses among the keys of an agent, and `{}` is not one", shown(path))]
    NotTheAgent { path: PathBuf },
    #[error("`{}` is there and is not such a signature", shown(path))]
    Occupied { path: PathBuf },
    #[error("`{}` has 1024 signatures already", shown(path))]
    TooMany { path: PathBuf },
}

impl SignatureError {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Row { .. }
            | Self::Detached { .. }
            | Self::Unsigned { .. }
            | Self::Foreign { .. }
            | Self::NotAllowed { .. } => Code::Verification,
            Self::NoAgent | Self::DeadAgent { .. } | Self::Agent(_) => Code::Failure,
            _ => Code::Input,
        }
    }

    /// What would have worked.
    pub(super) fn hint(&self) -> String {
        let text = match self {
            Self::Row { .. } => "do not trust the file: copy it again, or pack and sign it again",
            Self::Detached { source: SigningError::Namespace(_), .. } => {
                "sign files with `unibin sign --detach ssh`, or `ssh-keygen -Y sign -n file`"
            }
            Self::Detached { .. } => {
                "copy both again; whoever signs does so last, after `unibin sign` without `--detach`"
            }
            Self::Unsigned { .. } => "`unibin sign FILE --key KEY` signs it",
            Self::Foreign { .. } => {
                "is it the file of whoever these keys belong to? do not trust it otherwise"
            }
            Self::NotAllowed { .. } => "ssh-keygen(1), ALLOWED SIGNERS, describes that file",
            Self::AllowedSigners { .. } => "each line is `NAMES [OPTIONS] TYPE KEY`, as in ssh-keygen(1)",
            Self::Key { source: SigningError::Cipher(..) | SigningError::Costly(_), .. } => {
                "add it to an agent with ssh-add, and sign with `--key FILE.pub`"
            }
            Self::Key { source: SigningError::Passphrase, .. } => {
                "type it again, or correct UNIBIN_PASSPHRASE"
            }
            Self::Key { source: SigningError::CannotSign(_), .. } => {
                "`ssh-add KEY`, and sign beside the file: `--key KEY.pub --detach ssh`"
            }
            Self::Key { source: SigningError::KeyType(_), .. } => {
                "Ed25519, ECDSA and RSA keys are known, also those of FIDO tokens"
            }
            Self::Key { source: SigningError::Weak, .. } => "use a longer one, or another type",
            Self::Key { .. } => "`ssh-keygen -t ed25519` and `minisign -G` make keys",
            Self::Secret { .. } => "a signature is checked by the public key: FILE.pub",
            Self::NoPassphrase { .. } => "set UNIBIN_PASSPHRASE, or use an agent: `--key ssh-agent`",
            Self::NoAgent => "start one: `eval $(ssh-agent)`, then `ssh-add KEY`",
            Self::DeadAgent { .. } => "SSH_AUTH_SOCK is left from one that has ended? `ssh-add -l` shows it",
            Self::Agent(SigningError::AgentRefuses) => {
                "was it confirmed, or the token touched? an agent may also take back a key after a time"
            }
            Self::Agent(SigningError::Wrong) => {
                "do not use this agent: what it returns is no signature by the key"
            }
            Self::Agent(SigningError::AgentForm(_)) => "use a newer agent, or another key",
            Self::Agent(_) => "`ssh-add -l` shows whether it answers",
            Self::OtherType { .. } => {
                "`--detach ssh` signs beside it; inside and for minisign it must be ssh-ed25519"
            }
            Self::WhichKey { keys, .. } if keys.is_empty() => {
                "add one with `ssh-add KEY`; an agent that is locked shows none: `ssh-add -X`"
            }
            Self::WhichKey { .. } => {
                "choose one with `--key FILE.pub`, or with `--key ssh-agent -K SHA256:...`"
            }
            Self::NotTheAgent { .. } => "use `--key ssh-agent`",
            Self::Occupied { .. } => "move it away",
            Self::TooMany { .. } => "sign it beside: `--detach ssh`",
        };
        text.to_owned()
    }
}

fn listed(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |text, line| format!("{text}\n  {}", readable(line.as_bytes())))
}

fn which(chosen: Option<&str>, keys: &[String]) -> String {
    let chosen = chosen.map(|chosen| readable(chosen.as_bytes()));
    match chosen {
        Some(chosen) => format!("the agent does not have one key `{chosen}`{}", listed(keys)),
        None if keys.is_empty() => "the agent has no key".to_owned(),
        None => format!("the agent has several keys{}", listed(keys)),
    }
}
