//! A bundle's blobs as layers: the members of a tree where a runtime needs them. What a launcher would refuse
//! is refused, and nothing is unpacked to a disk.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use bundle::{Blob, PATH_MAX};

use crate::error::{Error, ImageError};
use crate::image::OWN;
use crate::tree::view_map;
use crate::write::bundle_file::BundleFile;
use crate::write::read_back;
use crate::write::tarball::{Member, Members, TarEntry};

fn failed(source: io::Error) -> Error {
    Error::Temporary(source)
}

/// Writes the tree of `blob` as it lies at `/`.
pub(super) fn tree(bundle: &BundleFile, blob: &Blob<'_>, to: &mut Members<'_>) -> Result<(), Error> {
    let part = format!("{} tree", blob.kind.name());
    read_back::members(bundle.file(), bundle.path(), &part, blob, |path, _, entry| {
        // Nobody reads the map of a tree that is the root.
        if path == view_map::PATH {
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

/// Writes the tree of a root, with its owners and modes.
pub(super) fn root(bundle: &BundleFile, blob: &Blob<'_>, to: &mut dyn Write) -> Result<(), Error> {
    let mut to = Members::new(to);
    read_back::members(bundle.file(), bundle.path(), "root", blob, |path, owner, entry| {
        let owner = owner.ok_or_else(|| Error::tree(path, "it has no owner"))?;
        let member = Member { mode: owner.mode.into(), uid: owner.uid.into(), gid: owner.gid.into() };
        match entry {
            TarEntry::Directory => to.directory(path, member),
            TarEntry::File { size, content, .. } => to.file(path, member, size, content),
            TarEntry::Symlink(target) => to.link(path, &target, true, member),
            TarEntry::HardLink(target) => to.link(path, &target, false, member),
        }
        .map_err(failed)
    })?;
    to.finish().map_err(failed)
}

/// What lies in a root, and whether it is a symbolic link.
pub(super) fn names(bundle: &BundleFile, blob: &Blob<'_>) -> Result<BTreeMap<Vec<u8>, bool>, Error> {
    let mut names = BTreeMap::new();
    read_back::members(bundle.file(), bundle.path(), "root", blob, |path, _, entry| {
        names.insert(path.to_vec(), matches!(entry, TarEntry::Symlink(_)));
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
