//! Whoever signs: a key file, or a key that an agent has.

use std::cell::RefCell;
use std::env;
use std::os::unix::net::UnixStream;
use std::path::Path;

use signing::{AgentKey, KeyFile, KeyId, PublicKey, SecretKey, SigningError};

use crate::error::{Error, SignatureError, readable};
use crate::signatures::passphrase;

/// The word for `--key` that means the agent.
const AGENT: &str = "ssh-agent";

/// A key to sign with.
pub(crate) struct Signer {
    pub(crate) public: PublicKey,
    /// By which minisign finds the key.
    pub(crate) id: KeyId,
    hand: Hand,
}

enum Hand {
    Key(Box<SecretKey>),
    Agent(RefCell<UnixStream>),
}

impl Signer {
    /// What `--key` and `--agent-key` name.
    pub(crate) fn open(key: &Path, agent_key: Option<&str>) -> Result<Self, Error> {
        if key == Path::new(AGENT) {
            return Self::of_agent(agent_key);
        }
        if agent_key.is_some() {
            return Err(SignatureError::NotTheAgent { path: key.to_owned() }.into());
        }
        let text = std::fs::read(key).map_err(|source| Error::io("read", key, source))?;
        let failed = |source| SignatureError::Key { path: key.to_owned(), source };
        match KeyFile::parse(&text).map_err(failed)? {
            KeyFile::Public(public) => {
                let cannot = || SigningError::CannotSign(public.kind().to_owned());
                let public = public.ed25519().ok_or_else(cannot).map_err(failed)?;
                Self::of_agent_for(public, KeyId::of(&public))
            }
            KeyFile::Minisign(minisign) => Self::of_agent_for(minisign.key, minisign.id),
            KeyFile::Secret(locked) => {
                let phrase = if locked.is_locked() { passphrase::of(key)? } else { Vec::new() };
                let (secret, id) = locked.unlock(&phrase).map_err(failed)?;
                Ok(Self { public: secret.public(), id, hand: Hand::Key(Box::new(secret)) })
            }
        }
    }

    fn of_agent(chosen: Option<&str>) -> Result<Self, Error> {
        let mut agent = connect()?;
        let mut keys = signing::keys(&mut agent).map_err(SignatureError::Agent)?;
        let all = named(&keys);
        if let Some(chosen) = chosen {
            keys.retain(|key| key.comment == chosen || key.key.fingerprint() == chosen);
        }
        match &keys[..] {
            [key] => {
                let (public, id) = (key.key, KeyId::of(&key.key));
                Ok(Self { public, id, hand: Hand::Agent(RefCell::new(agent)) })
            }
            _ => Err(SignatureError::WhichKey { chosen: chosen.map(str::to_owned), keys: all }.into()),
        }
    }

    fn of_agent_for(public: PublicKey, id: KeyId) -> Result<Self, Error> {
        let mut agent = connect()?;
        let keys = signing::keys(&mut agent).map_err(SignatureError::Agent)?;
        if keys.iter().any(|key| key.key == public) {
            return Ok(Self { public, id, hand: Hand::Agent(RefCell::new(agent)) });
        }
        Err(SignatureError::WhichKey { chosen: Some(public.fingerprint()), keys: named(&keys) }.into())
    }

    /// A signature of `message`, always the same for the same key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], Error> {
        match &self.hand {
            Hand::Key(key) => Ok(key.sign(message)),
            Hand::Agent(agent) => {
                let signed = signing::sign(&mut *agent.borrow_mut(), &self.public, message);
                Ok(signed.map_err(SignatureError::Agent)?)
            }
        }
    }
}

fn connect() -> Result<UnixStream, Error> {
    let socket = env::var_os("SSH_AUTH_SOCK").ok_or(SignatureError::NoAgent)?;
    let failed = |source: std::io::Error| SignatureError::Agent(SigningError::Agent(source.to_string()));
    Ok(UnixStream::connect(socket).map_err(failed)?)
}

fn named(keys: &[AgentKey]) -> Vec<String> {
    let name = |key: &AgentKey| format!("{} {}", key.key.fingerprint(), readable(key.comment.as_bytes()));
    keys.iter().map(name).collect()
}
