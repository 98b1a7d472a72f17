//! Signatures beside a bundle: `FILE.sig` of OpenSSH, `FILE.minisig` of minisign. Both are of the whole
//! file, the signatures inside it too.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bundle::file_name_of;
use signing::{KeyId, Minisig, Prehash, PublicKey, SigningError, SshKey, SshSignature};

use crate::atomic_file::NewFile;
use crate::cli::sign::Detach;
use crate::error::{Error, SignatureError, readable};
use crate::signatures::signer::Signer;

/// The longest signature file that is read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The result of checking a signature beside a bundle.
pub(crate) enum Beside {
    /// It is a valid signature of this file by that key.
    Holds(SshKey),
    /// It cannot be checked, for this reason.
    Unchecked(String),
}

/// The name of the file that it is kept in.
pub(crate) fn beside(path: &Path, detach: Detach) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(match detach {
        Detach::Ssh => ".sig",
        Detach::Minisign => ".minisig",
    });
    name.into()
}

/// Signs the file `path`, whose bytes are in `file`, and writes the signature beside it.
pub(crate) fn write(path: &Path, file: &File, signer: &Signer, detach: Detach) -> Result<PathBuf, Error> {
    let to = beside(path, detach);
    let is_one: fn(&[u8]) -> bool = match detach {
        Detach::Ssh => SshSignature::is_one,
        Detach::Minisign => |bytes| Minisig::parse(bytes).is_ok(),
    };
    if read(&to)?.is_some_and(|bytes| !is_one(&bytes)) {
        return Err(SignatureError::Occupied { path: to }.into());
    }
    let text = match detach {
        Detach::Ssh => {
            let hash = hashed(path, file, Prehash::Sha512)?;
            SshSignature::text(&signer.key, &signer.sign_as_ssh(&SshSignature::message(&hash))?)
        }
        Detach::Minisign => {
            let (_, id) = signer.ed25519()?;
            let hash = hashed(path, file, Prehash::Blake2b512)?;
            let name = readable(file_name_of(path.as_os_str().as_bytes()));
            let comment = format!("file:{name}\thashed");
            Minisig::text(id, &hash, &comment, |message| signer.sign(message))?
        }
    };
    let failed = |source| Error::io("write", &to, source);
    let mut new = NewFile::beside(&to).map_err(failed)?;
    new.file.write_all(text.as_bytes()).map_err(failed)?;
    let mode = new.file.metadata().map_err(failed)?.permissions().mode();
    new.file.set_permissions(Permissions::from_mode(mode & 0o666)).map_err(failed)?;
    new.settle().map_err(failed)?;
    Ok(to)
}

/// Checks what is beside the file `path`, whose bytes are in `file`. `known` are keys that a minisig, which
/// does not contain its key, may be by.
pub(crate) fn check(
    path: &Path,
    file: &File,
    known: &[(PublicKey, KeyId)],
) -> Result<Vec<(PathBuf, Beside)>, Error> {
    let mut all = Vec::new();
    for detach in [Detach::Ssh, Detach::Minisign] {
        let at = beside(path, detach);
        let Some(bytes) = read(&at)? else { continue };
        let of = path.to_owned();
        let bad = |source| SignatureError::Detached { path: at.clone(), of, source };
        let found = match detach {
            Detach::Ssh if !SshSignature::is_one(&bytes) => {
                Beside::Unchecked("it is not an SSH signature".to_owned())
            }
            Detach::Ssh => {
                let signature = SshSignature::parse(&bytes).map_err(bad.clone())?;
                match &signature.signer {
                    signing::Signer::Other(kind) => Beside::Unchecked(format!(
                        "its key is of type {}; `ssh-keygen -Y verify` checks it",
                        readable(kind.as_bytes())
                    )),
                    signing::Signer::Known(_)
                        if !signature.holds(&hashed(path, file, signature.prehash)?) =>
                    {
                        return Err(bad(SigningError::Wrong).into());
                    }
                    signing::Signer::Known(key) => Beside::Holds(key.clone()),
                }
            }
            Detach::Minisign => {
                let signature = Minisig::parse(&bytes).map_err(bad.clone())?;
                let hash = hashed(path, file, signature.prehash)?;
                match known.iter().find(|(key, _)| signature.holds(key, &hash)) {
                    Some((key, _)) => Beside::Holds((*key).into()),
                    None if known.iter().any(|(_, id)| *id == signature.id) => {
                        return Err(bad(SigningError::Wrong).into());
                    }
                    None => Beside::Unchecked(format!(
                        "it is by minisign's key {}, which was not given",
                        signature.id
                    )),
                }
            }
        };
        all.push((at, found));
    }
    Ok(all)
}

/// A signature's file; `None` if there is none, or no file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let failed = |source| Error::io("read", path, source);
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(found) if !found.is_file() => return Ok(None),
        other => other.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)).map_err(failed)?;
    Ok(Some(bytes))
}

fn hashed(path: &Path, file: &File, by: Prehash) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::io("read", path, source);
    let mut file = file.try_clone().map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    signing::prehash(file, by).map_err(failed)
}
