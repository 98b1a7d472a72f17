//! A disk with a file system of the tree's files, with their owners, modes and links: made by `mke2fs` of
//! Debian's packages for this machine, which takes a tar stream and needs no root for it. It is run as it is
//! unpacked, by its own loader, and sees its own configuration, so that every machine of one
//! architecture gives the same bytes.

use std::fs::File;
use std::io::{BufWriter, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use crate::cli::ArchiveArgs;
use crate::error::{Error, MachineError};
use crate::hash;
use crate::host_program::{HostProgram, temporary};
use crate::system::system_tree::{Kind, SystemTree};
use crate::write::tarball;

/// It loads the reader of archives itself.
const PROGRAM: HostProgram<'static> = HostProgram {
    packages: &["e2fsprogs", "libarchive13t64"],
    path: "usr/sbin/mke2fs",
    files: &["usr/lib/*/libarchive.so.13", "usr/lib/*/libarchive.so.13.*", CONFIGURATION],
};
const CONFIGURATION: &str = "etc/mke2fs.conf";

/// What a machine has room for if nobody says otherwise, in bytes. Nothing is stored of what is empty.
pub(super) const SIZE: u64 = 16 << 30;
/// What must stay for the file system's own tables and its journal, and for a first start.
pub(super) const ROOM: u64 = 512 << 20;
const BLOCK: u64 = 4096;

/// The name of a file system, and the number that its directories are hashed with.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) uuid: String,
    seed: String,
}

/// Names that are made from what the tree has: paths, modes, owners, lengths, and dpkg's database.
pub(super) fn names(tree: &SystemTree) -> Result<Names, Error> {
    let mut text = Vec::new();
    for named in tree.iter() {
        let inode = named.inode;
        let (length, target) = match &inode.kind {
            Kind::File(content) => (content.len(), &[][..]),
            Kind::Symlink(target) => (0, target.as_slice()),
            Kind::Directory => (0, &[][..]),
        };
        text.extend(named.path);
        text.extend(format!("\0{:o} {} {} {length} ", inode.mode, inode.uid, inode.gid).into_bytes());
        text.extend(target);
        text.push(0);
    }
    if let Some(Kind::File(status)) = tree.get(b"var/lib/dpkg/status").map(|inode| &inode.kind) {
        text.extend(status.bytes().map_err(Error::Temporary)?);
    }
    let digest = hash::of(&text).to_string();
    // Of version 8, that of one's own making (RFC 9562).
    let uuid = |from: usize| {
        let part = |at: usize, length: usize| digest.get(from + at..from + at + length).unwrap_or_default();
        format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 4), part(13, 3), part(17, 3), part(20, 12))
    };
    Ok(Names { uuid: uuid(0), seed: uuid(32) })
}

/// The disk's raw image of `size` bytes, with holes. `epoch` is the time of all files.
pub(super) fn disk(
    tree: &SystemTree,
    names: &Names,
    size: u64,
    epoch: u64,
    archive: &ArchiveArgs,
) -> Result<File, Error> {
    let needed = tree.iter().filter(|named| named.first.is_none()).map(|named| match &named.inode.kind {
        Kind::File(content) => content.len().next_multiple_of(BLOCK),
        Kind::Directory => BLOCK,
        Kind::Symlink(_) => 0,
    });
    let needed = needed.sum::<u64>() + ROOM;
    if size < needed {
        return Err(MachineError::DiskTooSmall { wanted: size, needed }.into());
    }
    let place = temporary()?;
    let unpacked = place.path().join("tree");
    let mut command = PROGRAM.unpacked(&unpacked, archive)?;
    command.env("MKE2FS_CONFIG", unpacked.join(CONFIGURATION));
    let image = place.path().join("disk");
    command.args(["-q", "-F", "-t", "ext4", "-b"]).arg(BLOCK.to_string()).args(["-L", "root", "-U"]);
    command.arg(&names.uuid).arg("-E");
    // A file's holes are zeros: neither it nor a kernel that mounts it need write them.
    command.arg(format!("hash_seed={},root_owner=0:0,assume_storage_prezeroed=1", names.seed));
    command.args(["-d", "-"]).arg(&image).arg(format!("{}k", size / 1024));
    command.env("E2FSPROGS_FAKE_TIME", epoch.to_string()).env("SOURCE_DATE_EPOCH", epoch.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let failed = |source| Error::io("execute", Path::new(PROGRAM.path), source);
    let mut child = command.spawn().map_err(failed)?;
    let (to, from) = (child.stdin.take(), child.stderr.take());
    let said = thread::spawn(move || {
        let mut said = Vec::new();
        from.map(|mut from| from.read_to_end(&mut said)).transpose().map(|_| said)
    });
    let written = to.map_or(Ok(()), |to| {
        let mut to = BufWriter::with_capacity(1 << 20, to);
        tarball::root_archive(tree, epoch, &mut to)
    });
    let status = child.wait().map_err(failed)?;
    let said = said.join().ok().and_then(Result::ok).unwrap_or_default();
    if !status.success() {
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        return Err(MachineError::FileSystem { status: status.to_string(), said }.into());
    }
    written.map_err(Error::Temporary)?;
    File::open(&image).map_err(|source| Error::io("read", &image, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::system_tree::Inode;

    #[test]
    fn names_are_numbers_of_the_content_and_of_a_form_that_tools_know() {
        let mut tree = SystemTree::default();
        let file = |text: &str, uid| Inode {
            kind: Kind::File(text.as_bytes().to_vec().into()),
            mode: 0o644,
            uid,
            gid: 0,
        };
        tree.add(b"etc/a", file("text", 0)).expect("added");
        let first = names(&tree).expect("names");
        assert_eq!(first.uuid, names(&tree.clone()).expect("names").uuid, "the same again");
        for name in [&first.uuid, &first.seed] {
            let lengths: Vec<usize> = name.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{name}");
        }
        assert_ne!(first.uuid, first.seed);
        tree.add(b"etc/a", file("text", 1)).expect("added");
        assert_ne!(first.uuid, names(&tree).expect("names").uuid, "another owner");
    }
}
