//! Bundles read by the launcher's own decoders: what was written, before it gets its name, and what `verify`
//! and `extract` are given. So all readers give one answer about a tree: what a launcher refuses, `unibin`
//! refuses. Frames are checked several at once. The one file that names crate `launcher`.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Sink, Write as _};
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use bundle::{Blob, Frame, Owner};
use launcher::bundle_file::BundleFile as LaunchedFile;
use launcher::frames::{Frames, damaged, has_frames};
use launcher::tar::{Kind, Member, Part, TarReader, Tree};
use launcher::zstd::{BEHIND, Decoder};

use crate::error::{Error, readable};
use crate::hash::{self, Hashing};
use crate::write::bundle_file::{BundleFile, blob_name};
use crate::write::names::{Listing, Named, Names};
use crate::write::tarball::TarEntry;
use crate::write::turns::{InOrder, Place, Turn, Turns};

/// Hands every member of a tree's blob to `each`, as a launcher sees them, with its owner in the root of a
/// system, and compares length and digest.
pub(crate) fn members(
    file: &File,
    path: &Path,
    part: &str,
    blob: &Blob<'_>,
    mut each: impl FnMut(&[u8], Option<Owner>, TarEntry<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |error: launcher::error::Error| {
        Error::damaged(path, part, &format!("the launcher cannot unpack it: {}", told(error)))
    };
    let link = link_to(file);
    let bundle = LaunchedFile::open(&link).map_err(failed)?;
    let mut members = TarReader::open(bundle, *blob).map_err(failed)?;
    let mut names = Names::default();
    while let Some(member) = members.next_member().map_err(failed)? {
        add(&mut names, &member).map_err(|why| Error::damaged(path, part, &why))?;
        let entry = match member.kind {
            Kind::Directory => TarEntry::Directory,
            Kind::Symlink(target) => TarEntry::Symlink(target.to_vec()),
            Kind::Hardlink(target) => TarEntry::HardLink(target.to_vec()),
            Kind::File { size, executable, loader } => TarEntry::File {
                executable,
                size,
                content: &mut Contents(&mut members),
                loader: Some(loader.to_vec()).filter(|loader| !loader.is_empty()),
            },
            // The reader puts them together.
            Kind::Piece { .. } => continue,
        };
        each(member.path, member.owner, entry)?;
    }
    members.finish().map_err(failed)
}

/// The contents of the file that the reader stands at.
struct Contents<'m, 'b>(&'m mut TarReader<'b>);

impl Read for Contents<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.content(buffer.len()).map_err(|error| io::Error::other(told(error)))?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

/// What is wrong, without the launcher's hint.
fn told(error: launcher::error::Error) -> String {
    readable(error.text().split(|byte| *byte == b'\n').next().unwrap_or_default())
}

/// A name for a file that has none.
fn link_to(file: &File) -> CString {
    CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default()
}

/// Compares every byte of the blobs of `bundle` with the digests that the manifest and their tables have, and
/// unpacks those of which `unpack` says so, as a launcher would. The first in the file that is damaged is
/// named.
/// Nothing is kept but names: as many frames at once as there is memory for.
pub(crate) fn check(bundle: &BundleFile, unpack: impl Fn(&Blob<'_>) -> bool) -> Result<(), Error> {
    check_by(bundle, unpack, Turns::of_machine())
}

fn check_by(bundle: &BundleFile, unpack: impl Fn(&Blob<'_>) -> bool, turns: &Turns) -> Result<(), Error> {
    let path = bundle.path();
    let link = link_to(bundle.file());
    let unreadable =
        |text: String| Error::damaged(path, "bundle", &format!("the launcher cannot read it: {text}"));
    let launched = LaunchedFile::open(&link).map_err(told).map_err(unreadable)?;
    let manifest = launched.manifest().map_err(told).map_err(unreadable)?;
    let blobs = manifest.blobs().map(|blob| {
        let name = blob_name(&manifest, &blob);
        Checked::open(bundle, launched, blob, name, unpack(&blob))
    });
    let blobs: Vec<Checked<'_>> = blobs.collect::<Result<_, _>>()?;
    let jobs = blobs
        .iter()
        .enumerate()
        .flat_map(|(number, blob)| blob.jobs().into_iter().map(move |frames| (number, frames)));
    in_turn(&blobs, jobs.collect(), turns)?;
    blobs.iter().try_for_each(Checked::finish)
}

/// Does all jobs, up to the first in the file that fails. They begin in their order, each with its memory: so
/// whoever waits for the one before it waits for one that has what it needs.
fn in_turn(blobs: &[Checked<'_>], jobs: Vec<(usize, Range<usize>)>, turns: &Turns) -> Result<(), Error> {
    let memory =
        |number: usize, frames: &Range<usize>| blobs.get(number).map_or(0, |blob| blob.memory(frames));
    // A thread keeps its buffers, the largest that it has needed.
    let most = jobs.iter().map(|(number, frames)| memory(*number, frames)).max().unwrap_or(0);
    let threads = turns.threads_with(most).min(jobs.len());
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let failed: Mutex<BTreeMap<usize, Error>> = Mutex::default();
    let take = || -> Option<(usize, usize, Range<usize>, Turn<'_>)> {
        let mut queue = queue.lock().ok()?;
        // All that come before one that has failed have begun.
        if failed.lock().is_ok_and(|failed| !failed.is_empty()) {
            return None;
        }
        let (job, (number, frames)) = queue.next()?;
        let turn = turns.take(memory(number, &frames));
        Some((job, number, frames, turn))
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut worker = Worker::default();
                while let Some((job, number, frames, _turn)) = take() {
                    let Some(blob) = blobs.get(number) else { continue };
                    if let Err(error) = worker.job(number, blob, frames)
                        && let Ok(mut failed) = failed.lock()
                    {
                        failed.insert(job, error);
                    }
                }
            });
        }
    });
    let first = failed.into_inner().unwrap_or_default().pop_first();
    first.map_or(Ok(()), |(_, error)| Err(error))
}

/// What is collected of a blob, frame by frame: the digest of what comes out, and the names of a tree.
struct Sum {
    hashing: Hashing<Sink>,
    names: Listing,
}

impl Sum {
    fn new() -> Self {
        Self { hashing: Hashing::new(io::sink()), names: Listing::default() }
    }
}

/// A blob that several threads check.
struct Checked<'b> {
    bundle: &'b BundleFile,
    launched: &'b LaunchedFile<'b>,
    blob: Blob<'b>,
    /// What messages call it.
    name: String,
    /// None of a raw blob.
    frames: Vec<Frame>,
    /// The launcher's own view of them, if they are to be unpacked.
    unpacked: Option<Frames<'b>>,
    sum: InOrder<Sum>,
}

impl<'b> Checked<'b> {
    /// Compares the digest of the table.
    fn open(
        bundle: &'b BundleFile,
        launched: &'b LaunchedFile<'b>,
        blob: Blob<'b>,
        name: String,
        unpack: bool,
    ) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::damaged(bundle.path(), &name, &source);
        let framed = has_frames(blob);
        let mut frames = Vec::new();
        if framed {
            let digest = bundle.table(&blob).and_then(|table| table.digest()).map_err(failed)?;
            compare(bundle, &name, blob.stored_digest(), digest)?;
            frames = bundle.frames(&blob).map_err(failed)?;
        }
        let unpacked = (framed && unpack).then(|| Frames::open(launched, blob)).transpose();
        let unpacked = unpacked.map_err(|error| refused(bundle, &name, &told(error)))?;
        let sum = InOrder::new(Sum::new());
        Ok(Self { bundle, launched, blob, name, frames, unpacked, sum })
    }

    /// What a thread does by itself: mostly one frame. Directories, and links, are in an order.
    fn jobs(&self) -> Vec<Range<usize>> {
        let all = 0..self.frames.len();
        let Some(frames) = self.unpacked.as_ref().filter(|_| self.blob.encoding.is_tree()) else {
            // A raw blob has no frame, and one job.
            return if all.is_empty() { vec![all] } else { all.map(|frame| frame..frame + 1).collect() };
        };
        let together = [Part::Directories, Part::Links].map(|part| frames.of(part));
        let [directories, links] = together.map(|frames| Some(frames).filter(|frames| !frames.is_empty()));
        let files = frames.of(Part::Files).map(|frame| frame..frame + 1);
        directories.into_iter().chain(files).chain(links).collect()
    }

    /// The memory that a job takes: a frame, packed and unpacked.
    fn memory(&self, frames: &Range<usize>) -> u64 {
        let Some(unpacked) = &self.unpacked else { return 0 };
        // Whoever reads files reads the directories before.
        let all = unpacked.of(Part::Directories).chain(frames.clone());
        let frames = all.filter_map(|frame| self.frames.get(frame));
        frames.map(|frame| frame.stored.saturating_add(frame.length)).max().unwrap_or(0)
    }

    fn refused(&self, why: &str) -> Error {
        refused(self.bundle, &self.name, why)
    }

    /// A launcher's error for bytes that do not match their digest.
    fn damaged(&self) -> Error {
        self.refused(&told(damaged(self.launched.name(), self.blob)))
    }

    /// After all jobs: compares what came out with the manifest.
    fn finish(&self) -> Result<(), Error> {
        if self.unpacked.is_none() {
            return Ok(());
        }
        let Sum { hashing, names } = self.sum.take(Sum::new());
        names.finish().map_err(|why| self.refused(&why))?;
        let (_, length, digest) = hashing.finish();
        if (length, digest) == (self.blob.length(), self.blob.digest()) {
            Ok(())
        } else {
            Err(self.damaged())
        }
    }
}

fn refused(bundle: &BundleFile, part: &str, why: &str) -> Error {
    Error::damaged(bundle.path(), part, &format!("the launcher cannot unpack it: {why}"))
}

fn compare(
    bundle: &BundleFile,
    part: &str,
    expected: bundle::Digest,
    found: bundle::Digest,
) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::digest(bundle.path(), part, expected, found)) }
}

/// A thread's buffers and state, for one job after the other.
#[derive(Default)]
struct Worker<'b> {
    /// A frame as it is stored, and what comes out of it.
    stored: Vec<u8>,
    out: Vec<u8>,
    decoder: Option<Box<Decoder>>,
    /// What is known of the tree that it reads, and of which blob that is.
    tree: Option<(usize, Tree<'b>)>,
}

impl<'b> Worker<'b> {
    fn job(&mut self, number: usize, blob: &'b Checked<'b>, frames: Range<usize>) -> Result<(), Error> {
        let Some(unpacked) = &blob.unpacked else { return stored(blob, frames) };
        for frame in frames {
            let place = blob.sum.place(frame);
            let part = unpacked.part(frame);
            if blob.blob.encoding.is_tree() {
                self.begin(number, blob, unpacked, part)?;
            }
            let bytes = unpack(&mut self.stored, &mut self.out, &mut self.decoder, blob, frame)?;
            let mut members = None;
            if let Some((_, tree)) = self.tree.as_mut().filter(|(of, _)| *of == number) {
                let found = members.insert(Vec::new());
                list(tree, bytes, part, found).map_err(|why| blob.refused(&why))?;
            }
            pass(place, bytes, members).map_err(|why| blob.refused(&why))?;
        }
        Ok(())
    }

    /// Makes sure that the directories are known where something in them comes.
    fn begin(
        &mut self,
        number: usize,
        blob: &'b Checked<'b>,
        unpacked: &Frames<'b>,
        part: Part,
    ) -> Result<(), Error> {
        if self.tree.as_ref().is_some_and(|(of, _)| *of == number) {
            return Ok(());
        }
        let mut tree = Tree::new(blob.launched.name(), blob.blob);
        if part != Part::Directories {
            for frame in unpacked.of(Part::Directories) {
                let bytes = unpack(&mut self.stored, &mut self.out, &mut self.decoder, blob, frame)?;
                list(&mut tree, bytes, Part::Directories, &mut Vec::new())
                    .map_err(|why| blob.refused(&why))?;
            }
        }
        self.tree = Some((number, tree));
        Ok(())
    }
}

/// Compares what is stored: all of a raw blob, or some frames.
fn stored(blob: &Checked<'_>, frames: Range<usize>) -> Result<(), Error> {
    let check = |offset, length, expected| {
        let mut passing = Hashing::new(blob.bundle.range(offset, length));
        let copied = io::copy(&mut passing, &mut io::sink());
        copied.map_err(|source| Error::io("read", blob.bundle.path(), source))?;
        compare(blob.bundle, &blob.name, expected, passing.finish().2)
    };
    if blob.frames.is_empty() {
        return check(blob.blob.offset(), blob.blob.stored(), blob.blob.stored_digest());
    }
    let frames = blob.frames.get(frames).unwrap_or_default();
    frames.iter().try_for_each(|frame| check(frame.offset, frame.stored, frame.digest))
}

/// Reads a frame into `stored`, compares it there, and decodes it from there into `out`.
fn unpack<'o>(
    stored: &mut Vec<u8>,
    out: &'o mut Vec<u8>,
    decoder: &mut Option<Box<Decoder>>,
    blob: &Checked<'_>,
    number: usize,
) -> Result<&'o [u8], Error> {
    let damaged = || blob.damaged();
    let frame = blob.frames.get(number).ok_or_else(damaged)?;
    // The table has limited both.
    let length = |length| usize::try_from(length).map_err(|_| damaged());
    let (packed, unpacked) = (length(frame.stored)?, length(frame.length)?);
    for (buffer, length) in [(&mut *stored, packed), (&mut *out, unpacked)] {
        if buffer.len() < length + BEHIND {
            buffer.resize(length + BEHIND, 0);
        }
    }
    let room = stored.get_mut(..packed).ok_or_else(damaged)?;
    let mut from = blob.bundle.range(frame.offset, frame.stored);
    from.read_exact(room).map_err(|source| Error::io("read", blob.bundle.path(), source))?;
    compare(blob.bundle, &blob.name, frame.digest, hash::of(room))?;
    let room = out.get_mut(..unpacked + BEHIND).ok_or_else(damaged)?;
    let decoder = decoder.get_or_insert_with(Decoder::new);
    match decoder.decode(stored, packed, room) {
        Some(length) if length == unpacked => out.get(..length).ok_or_else(damaged),
        _ => Err(damaged()),
    }
}

/// Adds what comes out of a frame to the sum, in its turn, and its members, if it is one of a tree.
fn pass(place: Place<'_, Sum>, bytes: &[u8], members: Option<Vec<Named>>) -> Result<(), String> {
    let add = |sum: &mut Sum| {
        sum.hashing.write_all(bytes).map_err(|error| error.to_string())?;
        members.map_or(Ok(()), |members| sum.names.extend(members))
    };
    // Of one before that has failed, that one tells.
    place.pass(add).unwrap_or(Ok(()))
}

/// The members of a frame of a tree, each as a launcher checks it.
fn list(tree: &mut Tree<'_>, bytes: &[u8], part: Part, to: &mut Vec<Named>) -> Result<(), String> {
    let mut rest = bytes;
    loop {
        let is_first = rest.len() == bytes.len();
        let Some(member) = tree.next_member(&mut rest, part).map_err(told)? else { return Ok(()) };
        let path = member.path.to_vec();
        to.push(match member.kind {
            Kind::File { .. } if part == Part::Directories => Named::Announced,
            Kind::Piece { offset, last, .. } => {
                let end = offset.saturating_add(member.content.len() as u64);
                Named::Piece { path, offset, end, last, fits: member.fits(is_first, rest.is_empty()) }
            }
            Kind::Hardlink(target) => Named::Hardlink { path, target: target.to_vec() },
            Kind::File { .. } => Named::Name { path, is_file: true },
            Kind::Directory | Kind::Symlink(_) => Named::Name { path, is_file: false },
        });
    }
}

/// A member that is whole.
fn add(names: &mut Names, member: &Member<'_>) -> Result<(), String> {
    let path = member.path.to_vec();
    match member.kind {
        Kind::Hardlink(target) => names.link(path, target),
        kind => names.add(path, matches!(kind, Kind::File { .. })),
    }
}

#[cfg(test)]
mod tests;
