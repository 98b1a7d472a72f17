//! Blobs into a slot: hashed while they are written, synced before the slot is published.

use core::ffi::CStr;

use bundle::{Blob, Digest, Encoding, OWNER_ATTRIBUTE, Owner, PATH_MAX};

use crate::absolute::absolute;
use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::{c_string, join, zeroed};
use crate::cache::{Cache, Slot};
use crate::error::Error;
use crate::hash::Sha256;
use crate::log::Log;
use crate::progress::Progress;
use crate::sys::{self, Errno, Fd, Follow, OFlags};
use crate::tar::{Kind, ROOTS, TarReader};

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

/// The slot of `blob`, and of what is shared with others, unpacked where it is not there yet. `placed`: files
/// of it may hold their own path, so that the slot serves at this path only.
pub fn ensure(
    cache: &Cache,
    file: &BundleFile<'_>,
    blob: Blob<'_>,
    shared: Option<Blob<'_>>,
    placed: bool,
    afresh: bool,
    log: Log,
) -> Result<Slot, Error> {
    let digest = slot_name(cache, blob, shared, placed);
    cache.ensure(&digest, afresh, log, |dir| {
        log.step("unpacking the {} into {}", &[blob.kind.name().as_bytes(), cache.path()]);
        if matches!(blob.encoding, Encoding::TarZstd | Encoding::Root) {
            sys::mkdirat(dir.at(), TREE, 0o700)?;
            let tree = sys::openat(dir.at(), TREE, OFlags::DIRECTORY, 0)?;
            let place = place_of(cache, &digest);
            let progress = Progress::start(dir);
            if !write_trees(file, [Some(blob), shared], &tree, place, progress)? && ROOTS {
                log.step("owners are lost: this file system takes no user attributes", &[]);
            }
            progress.announce();
            // One call for all files: after a power cut the slot is whole or not there.
            return Ok(tree.syncfs()?);
        }
        let out = sys::openat(dir.at(), FILE, create_flags(), 0o500)?;
        let progress = Progress::unseen(dir);
        write_file(&mut BlobReader::open(file, blob)?.shown(progress), &out)?;
        progress.announce();
        Ok(out.fdatasync()?)
    })
}

/// What names the slot of `blob`, as [`ensure`] takes it.
pub fn slot_name(cache: &Cache, blob: Blob<'_>, shared: Option<Blob<'_>>, placed: bool) -> Digest {
    let digest = blob.digest();
    if !placed && shared.is_none() {
        return digest;
    }
    let shared = shared.map(|shared| shared.digest().0);
    // A tree that knows its place is another one elsewhere: a home can be mounted here and there.
    let place = if placed { absolute(cache.path()) } else { b"" };
    Sha256::of(join(&[&digest.0, shared.as_ref().map_or(b"", |digest| digest), place]))
}

/// Where the tree of a slot is.
pub fn place_of(cache: &Cache, name: &Digest) -> &'static [u8] {
    join(&[absolute(cache.path()), b"/", &name.to_hex(), b"/", TREE.to_bytes()])
}

/// The trees of these blobs into one directory, which will be at `place`. Whether all files have the owners
/// that a system's root gives them.
pub fn write_trees(
    file: &BundleFile<'_>,
    blobs: [Option<Blob<'_>>; 2],
    tree: &Fd,
    place: &[u8],
    progress: &'static Progress,
) -> Result<bool, Error> {
    let mut owned = true;
    let written = blobs.into_iter().flatten().try_for_each(|blob| {
        let members = TarReader::new(BlobReader::open(file, blob)?.shown(progress));
        write_tree(members, tree, place, &mut owned)
    });
    progress.end();
    written.map(|()| owned)
}

/// A whole blob into an empty file.
pub fn write_file(bytes: &mut BlobReader<'_>, out: &Fd) -> Result<(), Error> {
    copy(&mut |piece| bytes.read(piece), out, zeroed(PIECE))?;
    bytes.finish()
}

/// The content of the member that `members` stands at into an empty file, by way of `piece`; its length.
pub fn write_content(members: &mut TarReader<'_>, out: &Fd, piece: &mut [u8]) -> Result<u64, Error> {
    copy(&mut |piece| members.content(piece), out, piece)
}

/// Where there are only zeros, the file gets a hole: disk images and databases are mostly that.
fn copy(
    read: &mut dyn FnMut(&mut [u8]) -> Result<usize, Error>,
    out: &Fd,
    piece: &mut [u8],
) -> Result<u64, Error> {
    let mut end = 0;
    loop {
        let read = read(piece)?;
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            // It may end in a hole.
            out.truncate(end)?;
            return Ok(end);
        }
        if bytes.iter().any(|byte| *byte != 0) {
            out.pwrite_all(bytes, end)?;
        }
        end = end.saturating_add(read as u64);
    }
}

/// A whole tar stream into a directory, which will be at `place`.
fn write_tree(mut members: TarReader<'_>, tree: &Fd, place: &[u8], owned: &mut bool) -> Result<(), Error> {
    let piece = zeroed(PIECE);
    while let Some(member) = members.next_member()? {
        let path = c_string(&[member.path]);
        match member.kind {
            Kind::Directory => {
                match sys::mkdirat(tree.at(), path, 0o755) {
                    // The shared blob's directories are the own one's too.
                    Err(Errno::EEXIST) if sys::statat(tree.at(), path, Follow::No)?.is_dir() => {}
                    made => made?,
                }
                if let Some(owner) = member.owner.filter(|_| ROOTS) {
                    let made = sys::openat(tree.at(), path, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)?;
                    *owned &= give_to(&made, owner, true)?;
                }
            }
            Kind::Symlink(target) => sys::symlinkat(c_string(&[target]), tree.at(), path)?,
            Kind::Hardlink(target) => {
                let target = c_string(&[target]);
                // A link to a link would be followed by some file systems and not by others.
                if !sys::statat(tree.at(), target, Follow::No)?.is_file() {
                    return Err(Errno::EINVAL.into());
                }
                sys::linkat(tree.at(), target, tree.at(), path)?;
            }
            Kind::File { executable, loader, .. } => {
                let out = sys::openat(tree.at(), path, create_flags(), 0o600)?;
                let end = write_content(&mut members, &out, piece)?;
                if !loader.is_empty() {
                    // The kernel wants a whole path for PT_INTERP, and looks for it where the packer has let
                    // it point: here.
                    let path = join(&[place, b"/", loader]);
                    let field = zeroed(PATH_MAX);
                    field.get_mut(..path.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(path);
                    out.pwrite_all(field, end)?;
                }
                match member.owner.filter(|_| ROOTS) {
                    Some(owner) => *owned &= give_to(&out, owner, false)?,
                    // The app may look at its own files' modes, so these are the ones that the packer stored.
                    None => out.chmod(if executable { 0o755 } else { 0o644 })?,
                }
            }
        }
    }
    members.finish()
}

/// Gives a file of a system the mode that it can have, and the attribute that says the rest. Whether that is
/// said: not every file system has such attributes.
fn give_to(file: &Fd, owner: Owner, is_directory: bool) -> Result<bool, Errno> {
    file.chmod(u32::from(owner.real_mode(is_directory)))?;
    if !owner.needs_attribute(is_directory) {
        return Ok(true);
    }
    match file.set_attribute(OWNER_ATTRIBUTE, owner.text(&mut [0; Owner::TEXT_MAX])) {
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => Ok(false),
        other => other.map(|()| true),
    }
}
