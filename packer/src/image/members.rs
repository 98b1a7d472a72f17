//! A bundle's blobs as layers: the members of a tree where a runtime needs them. What a launcher would refuse
//! is refused, and nothing is unpacked to a disk.

use std::io::{self, Read, Write};

use bundle::{Blob, PATH_MAX};

use crate::error::{Error, ImageError};
use crate::hash::Hashing;
use crate::image::OWN;
use crate::write::bundle_file::BundleFile;
use crate::write::read_back;
use crate::write::tarball::{Member, Members, TarEntry};

/// The map of a tree, which nobody reads where the tree is the root.
const MAP: &[u8] = b".unibin-view";

fn failed(source: io::Error) -> Error {
    Error::Temporary(source)
}

/// Writes the tree of `blob` as it lies at `/`.
pub(super) fn tree(bundle: &BundleFile, blob: &Blob<'_>, to: &mut Members<'_>) -> Result<(), Error> {
    let part = format!("{} tree", blob.kind.name());
    read_back::members(bundle.file(), bundle.path(), &part, blob, |path, _, entry| {
        if path == MAP {
            return Ok(());
        }
        if path.split(|byte| *byte == b'/').next() == Some(OWN.as_bytes()) {
            return Err(ImageError::Reserved { path: bundle.path().to_owned(), name: OWN }.into());
        }
        match entry {
            TarEntry::Directory => to.directory(path, Member::new(0o755)),
            TarEntry::Symlink(target) => to.symlink(path, &target),
            TarEntry::HardLink(target) => to.hard_link(path, &target),
            TarEntry::File { executable, size, content, loader } => {
                let member = Member::new(if executable { 0o755 } else { 0o644 });
                match loader {
                    None => to.file(path, member, size, content),
                    Some(loader) => {
                        let field = field(&loader)
                            .ok_or_else(|| Error::tree(path, "its loader's path is too long"))?;
                        to.file(path, member, size + field.len() as u64, &mut content.chain(&field[..]))
                    }
                }
            }
        }
        .map_err(failed)
    })
}

/// What follows a program that names its loader by the place where the tree is (FORMAT.md, section 6).
fn field(loader: &[u8]) -> Option<[u8; PATH_MAX]> {
    let path = [b"/", loader].concat();
    let mut field = [0; PATH_MAX];
    let room = field.get_mut(..path.len()).filter(|room| room.len() < PATH_MAX)?;
    room.copy_from_slice(&path);
    Some(field)
}

/// Writes the tar stream of a root as it is.
pub(super) fn root(bundle: &BundleFile, blob: &Blob<'_>, to: &mut dyn Write) -> Result<(), Error> {
    let from = bundle.unpacked(blob).map_err(|source| Error::io("read", bundle.path(), source))?;
    let mut from = Hashing::new(from.take(blob.length()));
    io::copy(&mut from, to).map_err(failed)?;
    let (_, _, digest) = from.finish();
    if digest == blob.digest() {
        Ok(())
    } else {
        Err(Error::digest(bundle.path(), "root", blob.digest(), digest))
    }
}

/// Whether a root has something executable at `path`, which may be, or lead through, symbolic links. `names`
/// are what lies in it.
pub(super) fn names(bundle: &BundleFile, blob: &Blob<'_>) -> Result<Vec<(Vec<u8>, Option<Vec<u8>>)>, Error> {
    let mut names = Vec::new();
    read_back::members(bundle.file(), bundle.path(), "root", blob, |path, _, entry| {
        let leads = match entry {
            TarEntry::Symlink(target) => Some(target),
            _ => None,
        };
        names.push((path.to_vec(), leads));
        Ok(())
    })?;
    Ok(names)
}

/// Hands the emulator `member` of `blob`, and its length, to `each`.
pub(super) fn emulator(
    bundle: &BundleFile,
    blob: &Blob<'_>,
    member: &[u8],
    mut each: impl FnMut(&mut dyn Read, u64) -> io::Result<()>,
) -> Result<(), Error> {
    if member.is_empty() {
        let mut from = bundle.unpacked(blob).map_err(|source| Error::io("read", bundle.path(), source))?;
        return each(&mut from, blob.length()).map_err(failed);
    }
    let mut found = false;
    read_back::members(bundle.file(), bundle.path(), "emulator tree", blob, |path, _, entry| match entry {
        TarEntry::File { content, size, .. } if path == member => {
            found = true;
            each(content, size).map_err(failed)
        }
        _ => Ok(()),
    })?;
    if found { Ok(()) } else { Err(Error::damaged(bundle.path(), "emulator tree", &"it lacks an emulator")) }
}
