//! Whose signatures count: the keys of `--key`, and those that `--allowed-signers` gives to a name.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use signing::{AllowedSigners, KeyFile, KeyId, LockedKey, SigningError, SshKey, SshSignature};

use crate::cli::sign::VerifyArgs;
use crate::error::{Error, SignatureError};

/// A key that counts.
pub(crate) struct Trusted {
    pub(crate) key: SshKey,
    /// By which minisign finds it, if it is one that minisign knows.
    pub(crate) id: Option<KeyId>,
    /// Whose it is, if that was said.
    pub(crate) name: Option<String>,
}

impl Trusted {
    fn new(key: SshKey, name: Option<String>) -> Self {
        let id = key.ed25519().map(|key| KeyId::of(&key));
        Self { key, id, name }
    }
}

/// All of them; `None` if nobody was named.
pub(crate) fn of(args: &VerifyArgs) -> Result<Option<Vec<Trusted>>, Error> {
    if args.key.is_empty() && args.allowed_signers.is_none() {
        return Ok(None);
    }
    let mut all = args.key.iter().map(|text| given(text)).collect::<Result<Vec<_>, _>>()?;
    if let (Some(path), Some(name)) = (&args.allowed_signers, &args.identity) {
        all.extend(allowed(path, name)?);
    }
    Ok(Some(all))
}

/// A public key: its text, or a file of it.
fn given(text: &str) -> Result<Trusted, Error> {
    let path = Path::new(text);
    // A file that somebody gave a key's text as its name is not asked.
    let is_text = text.contains(' ') && ["ssh-", "ecdsa-", "sk-"].iter().any(|start| text.starts_with(start));
    let in_words = is_text || !path.exists();
    let parsed = match KeyFile::parse(text.as_bytes()) {
        Ok(KeyFile::Secret(_)) | Err(SigningError::NotAKey) => None,
        other if in_words => Some(other),
        _ => None,
    };
    let failed = |source| SignatureError::Key { path: path.to_owned(), source };
    let parsed = match parsed {
        Some(parsed) => parsed,
        None => KeyFile::parse(&std::fs::read(path).map_err(|source| Error::io("read", path, source))?),
    };
    match parsed.map_err(failed)? {
        KeyFile::Public(key) => Ok(Trusted::new(key, None)),
        KeyFile::Minisign(minisign) => {
            Ok(Trusted { key: minisign.key.into(), id: Some(minisign.id), name: None })
        }
        KeyFile::Secret(LockedKey { .. }) => Err(SignatureError::Secret { path: path.to_owned() }.into()),
    }
}

/// The keys of `name` in an `allowed_signers` file.
fn allowed(path: &Path, name: &str) -> Result<Vec<Trusted>, Error> {
    let text = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
    let failed = |source| SignatureError::AllowedSigners { path: path.to_owned(), source };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let signers = AllowedSigners::parse(&text).map_err(failed)?;
    let allowed = signers.of(name, SshSignature::NAMESPACE, now).map_err(failed)?;
    if allowed.keys.is_empty() {
        let (path, name, why) = (path.to_owned(), name.to_owned(), allowed.passed_over);
        return Err(SignatureError::NotAllowed { path, name, why }.into());
    }
    Ok(allowed.keys.into_iter().map(|key| Trusted::new(key, Some(name.to_owned()))).collect())
}
