//! `UNIBIN_DO=verify` of what earlier starts have unpacked: is it still what the bundle holds.

use core::ffi::CStr;

use bundle::{Blob, OWNER_ATTRIBUTE, Owner, PATH_MAX};

use crate::attempt::Run;
use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::{c_string, join, zeroed};
use crate::cache::{Cache, Slot};
use crate::candidates::candidates;
use crate::error::Error;
use crate::route::{HOST, Route};
use crate::sys::{self, Errno, Fd, Follow, OFlags};
use crate::tar::{Kind, Member, ROOTS, TarReader};
use crate::tasks::print;
use crate::unpack::{FILE, PIECE, TREE, place_of, slot_name};

/// Compares every cache entry that a start of this app would use. The first difference is an error.
pub fn with_caches(run: &Run<'_>) -> Result<(), Error> {
    for candidate in candidates(run.start, run.controls) {
        let Some(cache) = Cache::existing(candidate, HOST) else { continue };
        let variant = run.route.variant();
        let mut blobs = alloc::vec![(variant.app, variant.shared, !variant.loader.is_empty())];
        if let Route::Emulated(_, translators) = &run.route {
            blobs.extend(translators.iter().map(|translator| (translator.blob, None, false)));
        }
        let mut found = false;
        for (blob, shared, placed) in blobs {
            let name = slot_name(&cache, blob, shared, placed);
            if let Ok(Some(slot)) = cache.ready(&name) {
                found = true;
                let place = place_of(&cache, &name);
                if let Some(file) = difference(run.file, [Some(blob), shared], &slot, place)? {
                    return Err(Error::changed(slot.path, file));
                }
            }
        }
        if found {
            print(join(&[b"unibin: what is unpacked in `", cache.path(), b"` matches the bundle\n"]))?;
        }
    }
    Ok(())
}

/// Whether the attribute of a file of a root says what was packed, where the file system has attributes.
fn has_owner(slot: &Slot, path: &CStr, owner: Owner, is_directory: bool) -> bool {
    let flags = OFlags::READ | OFlags::NO_FOLLOW | OFlags::NON_BLOCK;
    let Ok(file) = sys::openat(slot.dir.at(), path, flags, 0) else { return false };
    let mut there = [0; Owner::TEXT_MAX];
    match file.attribute(OWNER_ATTRIBUTE, &mut there) {
        Ok(length) => {
            let wanted = owner.text(&mut [0; Owner::TEXT_MAX]) == there.get(..length).unwrap_or_default();
            wanted && owner.needs_attribute(is_directory)
        }
        Err(Errno::ENODATA) => !owner.needs_attribute(is_directory),
        Err(errno) => matches!(errno, Errno::EOPNOTSUPP | Errno::ENOSYS),
    }
}

/// The first file of a slot that is not what these blobs hold.
fn difference(
    file: &BundleFile<'_>,
    blobs: [Option<Blob<'_>>; 2],
    slot: &Slot,
    place: &[u8],
) -> Result<Option<&'static [u8]>, Error> {
    for blob in blobs.into_iter().flatten() {
        if !blob.encoding.is_tree() {
            let there = sys::openat(slot.dir.at(), FILE, OFlags::READ | OFlags::NO_FOLLOW, 0);
            let mut bytes = BlobReader::open(file, blob)?;
            let (mut end, mut same) = (0u64, there.is_ok());
            bytes.each(None, &mut |piece| {
                same = same && there.as_ref().is_ok_and(|there| has_content(there, piece, end));
                end = end.saturating_add(piece.len() as u64);
                Ok(())
            })?;
            if !same {
                return Ok(Some(FILE.to_bytes()));
            }
            continue;
        }
        let mut members = TarReader::open(file, blob)?;
        while let Some(member) = members.next_member()? {
            let path = join(&[TREE.to_bytes(), b"/", member.path]);
            if !same_member(&mut members, &member, slot, path, place)? {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

fn same_member(
    members: &mut TarReader<'_>,
    member: &Member<'_>,
    slot: &Slot,
    path: &[u8],
    place: &[u8],
) -> Result<bool, Error> {
    let (at, path) = (slot.dir.at(), c_string(&[path]));
    let Ok(stat) = sys::statat(at, path, Follow::No) else { return Ok(false) };
    // A system's programs see the modes.
    let other_mode = |owner: Owner| stat.permissions() != u32::from(owner.real_mode(stat.is_dir()));
    let owner =
        member.owner.filter(|_| ROOTS && !matches!(member.kind, Kind::Symlink(_) | Kind::Hardlink(_)));
    if let Some(owner) = owner
        && (other_mode(owner) || !has_owner(slot, path, owner, stat.is_dir()))
    {
        return Ok(false);
    }
    match &member.kind {
        Kind::Directory => Ok(stat.is_dir()),
        Kind::Symlink(target) => Ok(sys::readlinkat(at, path).is_ok_and(|there| there.to_bytes() == *target)),
        // Its content is that of a member that came before, and so is all else.
        Kind::Hardlink(target) => {
            let target = c_string(&[TREE.to_bytes(), b"/", target]);
            Ok(stat.is_file() && sys::statat(at, target, Follow::No).is_ok_and(|one| one.same_file(&stat)))
        }
        // A reader gives files as wholes.
        Kind::Piece { .. } => Ok(false),
        Kind::File { executable, loader, .. } => {
            let flags = OFlags::READ | OFlags::NO_FOLLOW | OFlags::NON_BLOCK;
            let Ok(there) = sys::openat(at, path, flags, 0) else { return Ok(false) };
            let mut end = 0u64;
            loop {
                let bytes = members.content(PIECE)?;
                if bytes.is_empty() {
                    break;
                }
                if !has_content(&there, bytes, end) {
                    return Ok(false);
                }
                end = end.saturating_add(bytes.len() as u64);
            }
            let mut length = end;
            if !loader.is_empty() {
                length = end.saturating_add(PATH_MAX as u64);
                let wanted = join(&[place, b"/", loader, b"\0"]);
                let field = zeroed(wanted.len());
                if there.pread_exact(field, end).is_err() || field != wanted {
                    return Ok(false);
                }
            }
            let executes = stat.permissions() & 0o100 != 0;
            Ok(stat.is_file() && stat.size == length && executes == *executable)
        }
    }
}

/// Whether a file has these bytes at an offset.
fn has_content(there: &Fd, bytes: &[u8], offset: u64) -> bool {
    let mut found = [0; 4096];
    let mut at = offset;
    bytes.chunks(found.len()).all(|wanted| {
        let found = found.get_mut(..wanted.len()).unwrap_or_default();
        let same = there.pread_exact(found, at).is_ok() && *found == *wanted;
        at = at.saturating_add(wanted.len() as u64);
        same
    })
}
