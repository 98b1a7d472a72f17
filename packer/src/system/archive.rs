//! A tar archive of a root file system: owners, modes and hard links as it has them.

use std::fs::File;
use std::path::Path;

use inputs::{Compression, Entry, Reading};

use crate::error::{Error, shown};
use crate::request::system::SystemRequest;
use crate::system::gathered::{Collector, Gathered, OF_SYSTEMS};
use crate::system::system_tree::{Inode, Kind};

/// Takes everything in the archive.
pub(crate) fn take(
    file: &File,
    path: &Path,
    compression: Compression,
    request: &SystemRequest,
) -> Result<Gathered, Error> {
    let mut into = Collector::new(shown(path), &request.excludes, OF_SYSTEMS)?;
    inputs::read_tar(file, path, compression, Reading::Root, &mut |entry| {
        let at = into.gathered.tree.real(&entry.path)?;
        if at.is_empty() || into.leaves_out(&at) {
            return Ok(());
        }
        put(&mut into, &at, entry)
    })?;
    Ok(into.gathered)
}

/// Puts an entry of an archive at `at`, where links among its directories have been resolved.
pub(crate) fn put(into: &mut Collector<'_>, at: &[u8], entry: Entry<'_>) -> Result<(), Error> {
    let Entry { path, kind, owner, capabilities, reader, .. } = entry;
    let kind = match kind {
        inputs::Kind::Special(special) => {
            into.special(at, special);
            return Ok(());
        }
        inputs::Kind::HardLink(target) => {
            let target = into.gathered.tree.real(&target)?;
            return into.link(at, &target);
        }
        inputs::Kind::Directory => Kind::Directory,
        inputs::Kind::Symlink(target) => Kind::Symlink(target),
        inputs::Kind::File => {
            into.gathered.dropped.capabilities += u64::from(capabilities);
            Kind::File(into.spool.append(reader)?)
        }
    };
    let owner = owner.ok_or_else(|| Error::tree(&path, "it has an owner that no file can have"))?;
    into.add(at, Inode { kind, mode: owner.mode, uid: owner.uid, gid: owner.gid })
}
