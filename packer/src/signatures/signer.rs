//! Whoever signs: a key file, or a key that an agent has. A key file's key is Ed25519; an agent's may be of
//! another type where the signature is one of OpenSSH, beside the file.

use std::cell::RefCell;
use std::path::Path;

use signing::{AgentKey, KeyFile, KeyId, PublicKey, SecretKey, SigningError, SshBytes, SshKey};

use crate::cli::sign::Detach;
use crate::error::{Error, SignatureError, readable};
use crate::signatures::agent::Agent;
use crate::signatures::passphrase;

/// The word for `--key` that means the agent.
const AGENT: &str = "ssh-agent";

/// A key to sign with.
pub(crate) struct Signer {
    pub(crate) key: SshKey,
    /// By which minisign finds the key.
    id: Option<KeyId>,
    hand: Hand,
}

enum Hand {
    Key(Box<SecretKey>),
    Agent(RefCell<Agent>),
}

impl Signer {
    /// What `--key` and `--agent-key` name, to sign beside a file, or inside one.
    pub(crate) fn open(key: &Path, agent_key: Option<&str>, detach: Option<Detach>) -> Result<Self, Error> {
        // Rows and minisigs are of Ed25519.
        let any_type = detach == Some(Detach::Ssh);
        if key == Path::new(AGENT) {
            return Self::of_agent(agent_key, any_type);
        }
        if agent_key.is_some() {
            return Err(SignatureError::NotTheAgent { path: key.to_owned() }.into());
        }
        let text = std::fs::read(key).map_err(|source| Error::io("read", key, source))?;
        let failed = |source| SignatureError::Key { path: key.to_owned(), source };
        match KeyFile::parse(&text).map_err(failed)? {
            KeyFile::Public(public) if !any_type => Self::of_agent_for(ed25519(&public)?.into(), None),
            KeyFile::Public(public) => Self::of_agent_for(public, None),
            KeyFile::Minisign(minisign) => Self::of_agent_for(minisign.key.into(), Some(minisign.id)),
            KeyFile::Secret(locked) => {
                let phrase = if locked.is_locked() { passphrase::of(key)? } else { Vec::new() };
                let (secret, id) = locked.unlock(&phrase).map_err(failed)?;
                Ok(Self { key: secret.public().into(), id: Some(id), hand: Hand::Key(Box::new(secret)) })
            }
        }
    }

    /// The agent's key that was chosen; without a choice its only one, or its only one of Ed25519.
    fn of_agent(chosen: Option<&str>, any_type: bool) -> Result<Self, Error> {
        let mut agent = Agent::connect()?;
        let mut keys = agent.keys()?;
        let all = named(&keys);
        if let Some(chosen) = chosen {
            keys.retain(|key| key.comment == chosen || key.key.fingerprint() == chosen);
        }
        let which =
            |chosen: Option<&str>| SignatureError::WhichKey { chosen: chosen.map(str::to_owned), keys: all };
        let ed25519: Vec<_> = keys.iter().filter(|key| key.key.ed25519().is_some()).collect();
        let key = match (&keys[..], &ed25519[..]) {
            (_, [key]) => key.key.clone(),
            ([key], _) => key.key.clone(),
            _ => return Err(which(chosen).into()),
        };
        if !any_type {
            self::ed25519(&key)?;
        }
        Ok(Self { key, id: None, hand: Hand::Agent(RefCell::new(agent)) })
    }

    fn of_agent_for(key: SshKey, id: Option<KeyId>) -> Result<Self, Error> {
        let mut agent = Agent::connect()?;
        let keys = agent.keys()?;
        if keys.iter().any(|other| other.key == key) {
            return Ok(Self { key, id, hand: Hand::Agent(RefCell::new(agent)) });
        }
        Err(SignatureError::WhichKey { chosen: Some(key.fingerprint()), keys: named(&keys) }.into())
    }

    /// The key, where it is one of Ed25519, and by which minisign finds it.
    pub(crate) fn ed25519(&self) -> Result<(PublicKey, KeyId), Error> {
        let key = ed25519(&self.key)?;
        Ok((key, self.id.unwrap_or_else(|| KeyId::of(&key))))
    }

    /// A signature of `message` by Ed25519, always the same for the same key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        ed25519(&self.key)?;
        let signed = self.sign_as_ssh(message)?.ed25519();
        Ok(signed.ok_or(SignatureError::Agent(SigningError::Wrong))?)
    }

    /// A signature of `message` as keys of this type make it.
    pub(crate) fn sign_as_ssh(&self, message: &[u8]) -> Result<SshBytes, Error> {
        match &self.hand {
            Hand::Key(key) => Ok(key.sign(message).into()),
            Hand::Agent(agent) => agent.borrow_mut().sign(&self.key, message),
        }
    }
}

fn ed25519(key: &SshKey) -> Result<PublicKey, Error> {
    let other = || SignatureError::OtherType { fingerprint: key.fingerprint(), kind: key.kind().to_owned() };
    Ok(key.ed25519().ok_or_else(other)?)
}

fn named(keys: &[AgentKey]) -> Vec<String> {
    let name = |AgentKey { key, comment }: &AgentKey| {
        format!("{} {} ({})", key.fingerprint(), readable(comment.as_bytes()), key.kind())
    };
    keys.iter().map(name).collect()
}
