//! Blobs into a slot: hashed while they are written, synced before the slot is published.

use core::ffi::CStr;

use bundle::{Blob, Encoding};

use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::{c_string, zeroed};
use crate::cache::{Cache, Slot};
use crate::error::Error;
use crate::log::Log;
use crate::sys::{self, Errno, Fd, Follow, OFlags};
use crate::tar::{Kind, TarReader};

/// The name of a blob that is one file, in its slot.
pub const FILE: &CStr = c"emulator";
/// The name of a blob that is a tree, in its slot.
pub const TREE: &CStr = c"tree";

/// Files are copied in pieces of this size.
pub const PIECE: usize = 128 * 1024;

/// New files: never through a link, never over something that is there.
fn create_flags() -> OFlags {
    OFlags::WRITE | OFlags::CREATE | OFlags::EXCLUSIVE | OFlags::NO_FOLLOW
}

/// The slot of `blob`, unpacked where it is not there yet.
pub fn ensure(
    cache: &Cache,
    file: &BundleFile<'_>,
    blob: Blob<'_>,
    afresh: bool,
    log: Log,
) -> Result<Slot, Error> {
    cache.ensure(&blob.digest(), afresh, log, |dir| {
        log.step("unpacking the {} into {}", &[blob.kind.name().as_bytes(), cache.path()]);
        let bytes = BlobReader::open(file, blob)?;
        match blob.encoding {
            Encoding::TarZstd => {
                sys::mkdirat(dir.at(), TREE, 0o700)?;
                let tree = sys::openat(dir.at(), TREE, OFlags::DIRECTORY, 0)?;
                write_tree(TarReader::new(bytes), &tree)?;
                // One call for all files: after a power cut the slot is whole or not there.
                Ok(tree.syncfs()?)
            }
            Encoding::Raw | Encoding::Zstd => {
                let out = sys::openat(dir.at(), FILE, create_flags(), 0o500)?;
                write_file(bytes, &out)?;
                Ok(out.fdatasync()?)
            }
        }
    })
}

/// A whole blob into an open file.
pub fn write_file(bytes: &mut BlobReader<'_>, out: &Fd) -> Result<(), Error> {
    let piece = zeroed(PIECE);
    loop {
        let read = bytes.read(piece)?;
        if read == 0 {
            return bytes.finish();
        }
        out.write_all(piece.get(..read).unwrap_or_default())?;
    }
}

/// The content of the member that `members` stands at, by way of `piece`.
pub fn write_content(members: &mut TarReader<'_>, out: &Fd, piece: &mut [u8]) -> Result<(), Error> {
    loop {
        let read = members.content(piece)?;
        if read == 0 {
            return Ok(());
        }
        out.write_all(piece.get(..read).unwrap_or_default())?;
    }
}

/// A whole tar stream into a folder.
pub fn write_tree(mut members: TarReader<'_>, tree: &Fd) -> Result<(), Error> {
    let piece = zeroed(PIECE);
    while let Some(member) = members.next_member()? {
        let path = c_string(&[member.path]);
        match member.kind {
            Kind::Directory => sys::mkdirat(tree.at(), path, 0o755)?,
            Kind::Symlink(target) => sys::symlinkat(c_string(&[target]), tree.at(), path)?,
            Kind::Hardlink(target) => {
                let target = c_string(&[target]);
                // A link to a link would be followed by some file systems and not by others.
                if !sys::statat(tree.at(), target, Follow::No)?.is_file() {
                    return Err(Errno::EINVAL.into());
                }
                sys::linkat(tree.at(), target, tree.at(), path)?;
            }
            Kind::File { executable, .. } => {
                let out = sys::openat(tree.at(), path, create_flags(), 0o600)?;
                write_content(&mut members, &out, piece)?;
                // The app may look at its own files' modes, so these are the ones that the packer stored.
                out.chmod(if executable { 0o755 } else { 0o644 })?;
            }
        }
    }
    members.finish()
}
