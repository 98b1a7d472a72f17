//! Blobs into a slot: each frame is hashed before it is unpacked, and written by one of several processes.

use core::ffi::CStr;
use core::sync::atomic::Ordering::SeqCst;

use bundle::{Blob, Digest, MTIME, OWNER_ATTRIBUTE, Owner, PATH_MAX};

use crate::absolute::absolute;
use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::{c_str, join, zeroed};
use crate::cache::{Cache, Slot};
use crate::error::Error;
use crate::frames::{Frames, Unpacker};
use crate::hash::Sha256;
use crate::log::Log;
use crate::pieces::Pieces;
use crate::progress::{Progress, UNOWNED};
use crate::sys::{self, Errno, Fd, Follow, OFlags};
use crate::tar::{self, Kind, Member, NO_FILE, Part, ROOTS, TWICE, Tree};
use crate::workers;

/// The name of a blob that is one file, in its slot.
pub const FILE: &CStr = c"emulator";
/// The name of a blob that is a tree, in its slot.
pub const TREE: &CStr = c"tree";

/// Whether trees are unpacked: a launcher unpacks its broker alone. Tests of the library do both.
const TREES: bool = cfg!(any(feature = "children", not(feature = "bare")));

/// Files are compared in pieces of this size, and have holes that are as long.
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
        if TREES && blob.encoding.is_tree() {
            sys::mkdirat(dir.at(), TREE, 0o700)?;
            let tree = sys::openat(dir.at(), TREE, OFlags::DIRECTORY, 0)?;
            let place = place_of(cache, &digest);
            let mut progress = Progress::start(dir)?;
            if !write_trees(file, [Some(blob), shared], &tree, place, &mut progress)? && ROOTS {
                log.step("owners are lost: this file system takes no user attributes", &[]);
            }
            return Ok(None);
        }
        let out = sys::openat(dir.at(), FILE, create_flags(), 0o500)?;
        let progress = Progress::unseen(dir)?;
        write_file(BlobReader::open(file, blob)?, &out, Some(&progress))?;
        Ok(Some(out))
    })
}

/// What names the slot of a variant's tree.
#[cfg(feature = "children")]
pub fn slot_of(cache: &Cache, variant: &bundle::Variant<'_>) -> Digest {
    slot_name(cache, variant.app, variant.shared, !variant.loader.is_empty())
}

/// What names the slot of `blob`, as [`ensure`] takes it: what is compared before it is unpacked. The
/// digest of what comes out is only claimed.
pub fn slot_name(cache: &Cache, blob: Blob<'_>, shared: Option<Blob<'_>>, placed: bool) -> Digest {
    let shared = shared.map(|shared| shared.stored_digest().0);
    // A tree that knows its place is another one elsewhere: a home can be mounted here and there.
    let place = if placed { absolute(cache.path()) } else { b"" };
    let parts: [&[u8]; 4] = [
        // The same frames are something else as a root.
        &[blob.encoding as u8],
        &blob.stored_digest().0,
        shared.as_ref().map_or(b"", |digest| digest),
        place,
    ];
    Sha256::of(join(&parts))
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
    progress: &mut Progress,
) -> Result<bool, Error> {
    let written =
        blobs.into_iter().flatten().try_for_each(|blob| write_tree(file, blob, tree, place, progress));
    progress.end();
    written.map(|()| progress.number(UNOWNED).load(SeqCst) == 0)
}

/// A whole blob into an empty file.
pub fn write_file(mut bytes: BlobReader<'_>, out: &Fd, progress: Option<&Progress>) -> Result<(), Error> {
    let mut end = 0u64;
    bytes.each(progress, &mut |piece| {
        write_at(out, piece, end)?;
        end = end.saturating_add(piece.len() as u64);
        Ok(())
    })?;
    // It may end in a hole.
    Ok(out.truncate(end)?)
}

/// Where there are only zeros, the file gets a hole, or keeps the one that it has: disk images and databases
/// are mostly that. So it may end too early.
pub fn write_at(out: &Fd, bytes: &[u8], offset: u64) -> Result<(), Errno> {
    let (mut written, mut end) = (0, 0usize);
    let write = |from: usize, to: usize| {
        out.pwrite_all(bytes.get(from..to).unwrap_or_default(), offset.saturating_add(from as u64))
    };
    for piece in bytes.chunks(PIECE) {
        let start = end;
        end = start.saturating_add(piece.len());
        if is_zero(piece) {
            write(written, start)?;
            written = end;
        }
    }
    write(written, end)
}

fn is_zero(piece: &[u8]) -> bool {
    let (words, rest) = piece.as_chunks();
    words.iter().all(|word| u64::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// A whole tree into a directory, which will be at `place`: its directories, its files by several processes,
/// and its links when there is nobody left who writes.
fn write_tree(
    file: &BundleFile<'_>,
    blob: Blob<'_>,
    to: &Fd,
    place: &[u8],
    progress: &mut Progress,
) -> Result<(), Error> {
    let frames = Frames::open(file, blob)?;
    let mut unpacker = Unpacker::new(&frames)?;
    let mut tree = Tree::new(file.name(), blob);
    let mut paths = [PathRoom::EMPTY, PathRoom::EMPTY];
    let mut write = |tree: &mut Tree<'_>,
                     pieces: Option<&Pieces>,
                     progress: &Progress,
                     unpacker: &mut Unpacker,
                     number| {
        let part = frames.part(number);
        let whole = unpacker.frame(&frames, number, Some(progress))?;
        let mut rest = whole;
        loop {
            let before = rest.len();
            let Some(member) = tree.next_member(&mut rest, part)? else { return Ok(()) };
            if !member.fits(before == whole.len(), rest.is_empty()) {
                return Err(Error::bad_tree(file.name(), member.path, tar::PIECES));
            }
            if let (Kind::Piece { file, offset, .. }, Some(pieces)) = (member.kind, pieces) {
                pieces.put(number, file, offset, member.goes_on());
            }
            write_member(&member, part, to, place, &mut paths, progress).map_err(|failed| match failed {
                Failed::Call(errno) => errno.into(),
                Failed::Tree(why) => Error::bad_tree(file.name(), member.path, why),
            })?;
            progress.advance(blob, before.saturating_sub(rest.len()) as u64);
        }
    };
    progress.begin();
    let mut directories = frames.of(Part::Directories);
    directories.try_for_each(|number| write(&mut tree, None, progress, &mut unpacker, number))?;
    let pieces = Pieces::new(tree.announced(), frames.count())?;
    // Files get the modes that the packer has stored, since the app may look at its own. Nobody else can
    // enter the directory above them.
    let umask = sys::umask(0);
    let files = workers::each(&frames, &mut unpacker, progress, &mut |progress, unpacker, number| {
        write(&mut tree, Some(&pieces), progress, unpacker, number)
    });
    sys::umask(umask);
    files?;
    let mut links = frames.of(Part::Links);
    links.try_for_each(|number| write(&mut tree, None, progress, &mut unpacker, number))?;
    if pieces.make_files() { Ok(()) } else { Err(tree.damaged()) }
}

fn write_member(
    member: &Member<'_>,
    part: Part,
    tree: &Fd,
    place: &[u8],
    [path, other]: &mut [PathRoom; 2],
    progress: &Progress,
) -> Result<(), Failed> {
    let path = path.put(member.path)?;
    let give = |made: &Fd, owner, is_directory| {
        if !give_to(made, owner, is_directory)? {
            progress.number(UNOWNED).store(1, SeqCst);
        }
        Ok(())
    };
    match member.kind {
        Kind::Directory => {
            match sys::mkdirat(tree.at(), path, 0o755) {
                // The shared blob's directories are the own one's too.
                Err(Errno::EEXIST) if sys::statat(tree.at(), path, Follow::No)?.is_dir() => {}
                made => made?,
            }
            if let Some(owner) = member.owner.filter(|_| ROOTS) {
                let made = sys::openat(tree.at(), path, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)?;
                return give(&made, owner, true);
            }
        }
        Kind::Symlink(target) => sys::symlinkat(other.put(target)?, tree.at(), path)?,
        Kind::Hardlink(target) => {
            let target = other.put(target)?;
            // A link to a link would be followed by some file systems and not by others.
            match sys::statat(tree.at(), target, Follow::No) {
                Ok(stat) if stat.is_file() => sys::linkat(tree.at(), target, tree.at(), path)?,
                Ok(_) | Err(Errno::ENOENT) => return Err(Failed::Tree(NO_FILE)),
                Err(errno) => return Err(errno.into()),
            }
        }
        Kind::Piece { offset, .. } => {
            // Its name is taken since it was announced, and no link is there yet.
            let out = sys::openat(tree.at(), path, OFlags::WRITE | OFlags::NO_FOLLOW, 0)?;
            write_at(&out, member.content, offset)?;
            date(&out);
        }
        Kind::File { size, executable, loader } => {
            let mode = if executable { 0o755 } else { 0o644 };
            let out = sys::openat(tree.at(), path, create_flags(), mode)?;
            write_at(&out, member.content, 0)?;
            if member.content.last().is_none_or(|byte| *byte == 0) && size != 0 {
                // It ends in a hole, or comes in pieces.
                out.truncate(size)?;
            }
            if !loader.is_empty() {
                // The kernel wants a whole path for PT_INTERP, and looks for it where the packer has let it
                // point: here.
                let path = join(&[place, b"/", loader]);
                let field = zeroed(PATH_MAX);
                field.get_mut(..path.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(path);
                out.pwrite_all(field, size)?;
            }
            date(&out);
            match member.owner.filter(|_| ROOTS) {
                Some(owner) => return give(&out, owner, false),
                // Lists of rights that are inherited, and file systems without rights, have their own way.
                None if part == Part::Directories || out.stat()?.permissions() != mode => out.chmod(mode)?,
                None => {}
            }
        }
    }
    Ok(())
}

/// Gives a file its time. Without it, it has that of the day.
fn date(file: &Fd) {
    let _ = file.set_mtime(i64::from(MTIME));
}

/// Room for a path that is handed to the kernel, one after another.
struct PathRoom([u8; PATH_MAX]);

impl PathRoom {
    /// For any path that the kernel takes.
    const EMPTY: Self = Self([0; PATH_MAX]);

    /// A path as the kernel takes it. It holds no NUL.
    fn put(&mut self, path: &[u8]) -> Result<&CStr, Errno> {
        let room = self.0.get_mut(..=path.len()).ok_or(Errno::ENAMETOOLONG)?;
        let (end, room) = room.split_last_mut().ok_or(Errno::ENAMETOOLONG)?;
        room.copy_from_slice(path);
        *end = 0;
        Ok(c_str(&self.0))
    }
}

/// Why a member cannot be written.
enum Failed {
    Call(Errno),
    /// The tree is at fault.
    Tree(&'static str),
}

/// Nobody else writes where a tree is made: what is there already is of the tree.
impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        if errno == Errno::EEXIST { Self::Tree(TWICE) } else { Self::Call(errno) }
    }
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
