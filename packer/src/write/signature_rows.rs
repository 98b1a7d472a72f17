//! The signatures inside a bundle: read, checked by the keys that they name, and written. Whether such a
//! key is to be trusted is not known here.

use std::fs::{File, Permissions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use bundle::{Algorithm, Footer, Signature, Signatures};
use signing::PublicKey;

use crate::atomic_file::NewFile;
use crate::error::{Error, SignatureError};
use crate::write::bundle_file::BundleFile;
use crate::write::read_back;

/// A row of a bundle.
pub(crate) struct Row {
    pub(crate) key: PublicKey,
    /// Whether it is a signature of this bundle by that key.
    pub(crate) holds: bool,
    signature: Signature,
}

/// All rows, in file order.
pub(crate) fn of(bundle: &BundleFile) -> Result<Vec<Row>, Error> {
    let mut bytes = Vec::new();
    let mut range = bundle.range(bundle.footer.signatures_offset(), bundle.footer.signatures_length);
    range.read_to_end(&mut bytes).map_err(|source| Error::io("read", bundle.path(), source))?;
    let rows =
        Signatures::decode(&bytes).map_err(|error| Error::damaged(bundle.path(), "signatures", &error))?;
    let message = Signature::message(&bundle.footer.manifest_digest);
    let row = |signature: Signature| {
        let key = PublicKey(signature.public_key);
        Row { key, holds: key.signed(&message, &signature.bytes), signature }
    };
    Ok(rows.iter().map(row).collect())
}

/// All rows are signatures by the keys that they name.
pub(crate) fn check(bundle: &BundleFile) -> Result<(), Error> {
    match of(bundle)?.iter().find(|row| !row.holds) {
        Some(row) => {
            let (path, signer) = (bundle.path().to_owned(), row.key.fingerprint());
            Err(SignatureError::Row { path, signer }.into())
        }
        None => Ok(()),
    }
}

/// Writes the bundle anew with this signature, in place of an earlier one by the same key. `path` is no link.
pub(crate) fn add(bundle: &BundleFile, path: &Path, key: PublicKey, bytes: [u8; 64]) -> Result<(), Error> {
    let signature = Signature { algorithm: Algorithm::Ed25519, public_key: key.0, bytes };
    let mut rows: Vec<Signature> = of(bundle)?.into_iter().map(|row| row.signature).collect();
    rows.retain(|row| row.public_key != key.0);
    rows.push(signature);
    rows.sort_by_key(|row| row.public_key);
    let length = (rows.len() * Signatures::ROW) as u64;
    if length > Footer::MAX_SIGNATURES {
        return Err(SignatureError::TooMany { path: path.to_owned() }.into());
    }
    let start = bundle.footer.signatures_offset();
    let file_length = start + length + Footer::LEN as u64;
    let footer = Footer { file_length, signatures_length: length, ..bundle.footer };
    let rows: Vec<u8> = rows.iter().flat_map(Signature::encode).collect();

    let failed = |source| Error::io("write", path, source);
    let mut new = NewFile::beside(path).map_err(failed)?;
    copy(bundle.file(), &mut new.file, start).map_err(failed)?;
    new.file.write_all(&rows).map_err(failed)?;
    new.file.write_all(&footer.encode()).map_err(failed)?;
    let back = BundleFile::of(new.file.try_clone().map_err(failed)?, path)?;
    check(&back)?;
    read_back::check(&back, |_| true)?;
    keep_owner_and_mode(bundle.file(), &new.file).map_err(failed)?;
    new.settle().map_err(failed)
}

fn copy(from: &File, to: &mut File, length: u64) -> io::Result<()> {
    let mut from = from.try_clone()?;
    from.seek(SeekFrom::Start(0))?;
    let copied = io::copy(&mut from.take(length), to)?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The owner only where that is possible: as root. Otherwise the file belongs to whoever signs it.
fn keep_owner_and_mode(old: &File, new: &File) -> io::Result<()> {
    let (was, is) = (old.metadata()?, new.metadata()?);
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        let _ = std::os::unix::fs::fchown(new, Some(was.uid()), Some(was.gid()));
    }
    new.set_permissions(Permissions::from_mode(was.mode() & 0o777))
}
