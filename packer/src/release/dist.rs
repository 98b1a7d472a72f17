//! The directory of a release: it appears complete or not at all, with the same modes for everybody, and
//! takes the place of an earlier release only.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bundle::Digest;

use crate::error::{Error, ProjectError};
use crate::hash::Hashing;
use crate::release::contents::ARTIFACTS;
use crate::tree::content::Content;

/// The list of checksums, as sha256sum(1) writes and reads it.
pub(super) const SUMS: &str = "SHA256SUMS";

/// A file of a release.
#[derive(Debug)]
pub(super) struct DistFile {
    /// Its path in the directory.
    pub(super) name: String,
    pub(super) length: u64,
    pub(super) digest: Digest,
}

/// An error if something is at `dist` that no release has written.
pub(super) fn check_replaceable(dist: &Path) -> Result<(), Error> {
    let not_ours = |file: PathBuf| ProjectError::NotOurs { dist: dist.to_owned(), file }.into();
    match dist.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", dist, error)),
        Ok(found) if !found.is_dir() => {
            return Err(Error::io("write", dist, io::ErrorKind::NotADirectory.into()));
        }
        Ok(_) => {}
    }
    let listed = fs::read_to_string(dist.join(SUMS)).unwrap_or_default();
    // 64 digits, a space, a space or an asterisk, the name.
    let listed: BTreeMap<&str, &str> =
        listed.lines().filter_map(|line| Some((line.get(66..)?, line.get(..64)?))).collect();
    let names = names(dist)?;
    // Other tools write lists of checksums too; none writes this beside it.
    if !names.is_empty() && !listed.contains_key(ARTIFACTS) {
        return Err(not_ours(PathBuf::from(&names[0])));
    }
    for name in names {
        let is_signature =
            name.strip_prefix(SUMS).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if is_signature {
            continue;
        }
        let path = dist.join(&name);
        let failed = |source| Error::io("read", &path, source);
        let digest =
            File::open(&path).and_then(Content::whole).and_then(|file| file.digest()).map_err(failed)?;
        // Neither a file of somebody else's, nor one that was changed since.
        if listed.get(name.as_str()).is_none_or(|sum| *sum != digest.to_string()) {
            return Err(not_ours(PathBuf::from(name)));
        }
    }
    Ok(())
}

/// The files below `directory`, with their paths in it, in byte order.
fn names(directory: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    let mut waiting = vec![String::new()];
    while let Some(prefix) = waiting.pop() {
        let path = directory.join(&prefix);
        let failed = |source| Error::io("read", &path, source);
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = prefix.clone() + &entry.file_name().to_string_lossy();
            if entry.file_type().map_err(failed)?.is_dir() {
                waiting.push(name + "/");
            } else {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Its files with their digests, in byte order.
pub(super) fn files(directory: &Path) -> Result<Vec<DistFile>, Error> {
    names(directory)?.into_iter().map(|name| described(directory, name)).collect()
}

fn described(directory: &Path, name: String) -> Result<DistFile, Error> {
    let path = directory.join(&name);
    let (length, digest) = digest(&path)?;
    Ok(DistFile { name, length, digest })
}

/// Length and digest of the file at `path`.
pub(super) fn digest(path: &Path) -> Result<(u64, Digest), Error> {
    let failed = |source| Error::io("read", path, source);
    let mut reader = Hashing::new(fs::File::open(path).map_err(failed)?);
    io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
    let (_, length, digest) = reader.finish();
    Ok((length, digest))
}

/// Writes `text` as the file `name`.
pub(super) fn write(directory: &Path, name: &str, text: &str) -> Result<(), Error> {
    let path = directory.join(name);
    fs::write(&path, text).map_err(|source| Error::io("write", &path, source))
}

/// Writes the checksums of all that is there.
pub(super) fn write_sums(directory: &Path) -> Result<(), Error> {
    let row = |file: &DistFile| format!("{}  {}\n", file.digest, file.name);
    let rows: Vec<String> = files(directory)?.iter().map(row).collect();
    write(directory, SUMS, &rows.concat())
}

/// The same modes whatever the umask: what its owner can execute, everybody can; nobody else can write.
pub(super) fn set_modes(directory: &Path) -> Result<(), Error> {
    let set = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode))
            .map_err(|source| Error::io("write", path, source))
    };
    let mut directories = BTreeSet::from([directory.to_owned()]);
    for name in names(directory)? {
        let path = directory.join(&name);
        let found = fs::metadata(&path).map_err(|source| Error::io("read", &path, source))?;
        set(&path, if found.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 })?;
        let above = path.ancestors().skip(1).take_while(|above| above.starts_with(directory));
        directories.extend(above.map(Path::to_owned));
    }
    directories.iter().try_for_each(|path| set(path, 0o755))
}
