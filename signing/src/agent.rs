//! What is asked of an `ssh-agent` (draft-ietf-sshm-ssh-agent): which keys it has, and a signature by one.

use std::io::{Read, Write};

use crate::error::SigningError;
use crate::ssh_public::{SshBytes, SshKey};
use crate::wire::{Reader, Writer};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// Failure; the other two are of older agents.
const FAILURES: [u8; 3] = [5, 30, 102];
/// Asks for a signature with SHA-512 by an RSA key; other keys do not look at it.
const RSA_SHA2_512: u32 = 4;

/// OpenSSH's own limit for a message.
const LONGEST: u32 = 256 * 1024;

/// A key that an agent has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentKey {
    /// The public key.
    pub key: SshKey,
    /// Its comment, which its owner has chosen.
    pub comment: String,
}

/// The agent's keys of types that are known here, in its order.
pub fn keys(agent: &mut (impl Read + Write)) -> Result<Vec<AgentKey>, SigningError> {
    let answer = ask(agent, &[REQUEST_IDENTITIES])?;
    if answer.first().is_some_and(|kind| FAILURES.contains(kind)) {
        return Err(SigningError::Agent("it refuses to list its keys".to_owned()));
    }
    let found = (|| {
        let mut reader = Reader(&answer);
        if reader.byte()? != IDENTITIES_ANSWER {
            return None;
        }
        let count = reader.number()?;
        let mut keys = Vec::new();
        for _ in 0..count {
            let (blob, comment) = (reader.string()?, reader.string()?);
            if let Ok(key) = SshKey::of_wire(blob) {
                keys.push(AgentKey { key, comment: String::from_utf8_lossy(comment).into_owned() });
            }
        }
        Some(keys)
    })();
    found.ok_or_else(|| SigningError::Agent("it does not list its keys".to_owned()))
}

/// Has the agent sign `message`, and checks the signature that it returns.
pub fn sign(agent: &mut (impl Read + Write), key: &SshKey, message: &[u8]) -> Result<SshBytes, SigningError> {
    let request = Writer::default().bytes(&[SIGN_REQUEST]).string(key.wire()).string(message);
    let answer = ask(agent, &request.number(RSA_SHA2_512).done())?;
    if answer.first().is_some_and(|kind| FAILURES.contains(kind)) {
        return Err(SigningError::AgentRefuses);
    }
    let blob = (|| {
        let mut reader = Reader(&answer);
        let blob = (reader.byte()? == SIGN_RESPONSE).then(|| reader.string())??;
        reader.end().map(|()| blob)
    })();
    let blob = blob.ok_or_else(|| SigningError::Agent("it does not return a signature".to_owned()))?;
    if let Some(kind) = key.unchecked(blob) {
        return Err(SigningError::AgentForm(kind));
    }
    let signature = key.signature(blob).ok_or(SigningError::Wrong)?;
    if key.signed(message, &signature) { Ok(signature) } else { Err(SigningError::Wrong) }
}

fn ask(agent: &mut (impl Read + Write), request: &[u8]) -> Result<Vec<u8>, SigningError> {
    let failed = |error: std::io::Error| SigningError::Agent(error.to_string());
    agent.write_all(&Writer::default().string(request).done()).map_err(failed)?;
    let mut length = [0; 4];
    agent.read_exact(&mut length).map_err(failed)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(SigningError::Agent("its answer is too long".to_owned()));
    }
    let mut answer = vec![0; usize::try_from(length).unwrap_or_default()];
    agent.read_exact(&mut answer).map_err(failed)?;
    Ok(answer)
}
