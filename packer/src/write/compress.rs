//! From what a blob will hold to the blob: its frames, compressed several at once, and their table
//! (FORMAT.md, 5.1.1). What was compressed before is taken from the store, after it has been compared with
//! its digest. The bytes are the same for any number of threads, and whatever the store has.

use std::fs::File;
use std::io::{self, Seek as _, Sink, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bundle::{Blob, Digest, Encoding, FrameTable};
use emulator::{Compressed, Store, StoreError};

use crate::atomic_file;
use crate::hash::{self, Hashing};
use crate::progress::{Bar, Shown};
use crate::say;
use crate::tree::content::Content;
use crate::write::room::Rooms;
use crate::write::turns::{self, InOrder, Place, Turns};
use crate::write::zstd_frame;

/// The largest frame of a blob that is one file, unpacked: 64 MiB, which a launcher needs as memory.
pub(crate) const FRAME: u64 = 1 << 26;

/// Frames that are shorter, or compressed at a lower level, are not kept in the store: compressing them again
/// is faster than finding them.
const KEPT_MIN: u64 = 64 << 10;
const KEPT_LEVEL: i32 = 3;

/// How many files of the store stay open, for all blobs together; a process may have few (`ulimit -n`).
const OPEN_MAX: usize = 64;

/// A compressed blob, in a file without a name: the table of its frames, and the frames.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// The table and the compressed bytes.
    pub(crate) stored: Content,
    /// SHA-256 of the table.
    pub(crate) stored_digest: Digest,
    /// Length unpacked, in bytes.
    pub(crate) length: u64,
    /// SHA-256 of the unpacked bytes.
    pub(crate) digest: Digest,
    /// What the store notes about it once it was read back.
    pub(crate) remembered: Option<Remembered>,
}

/// What the store has of a blob, and notes about it once it was read back.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    store: Store,
    /// The digest of everything that determines the blob's bytes and how they are read.
    key: Digest,
    level: i32,
    /// What each frame holds.
    frames: Vec<Digest>,
    encoding: Encoding,
    table: Digest,
    digest: Digest,
    was_read_back: bool,
}

impl Remembered {
    /// Whether the same bytes were unpacked before, as a blob with this encoding, by the same reader.
    pub(crate) fn was_read_back(&self, encoding: Encoding) -> bool {
        self.was_read_back && self.encoding == encoding
    }

    /// Whether this is of `blob`.
    pub(crate) fn is_of(&self, blob: &Blob<'_>) -> bool {
        (blob.stored_digest(), blob.digest()) == (self.table, self.digest)
    }

    /// The blob was read back, as a blob with this encoding: next time, its bytes are compared with their
    /// digests and need not be unpacked.
    pub(crate) fn note(&self, encoding: Encoding) {
        if self.encoding == encoding
            && !self.was_read_back
            && let Err(error) = self.store.put_read_back(self.key, [self.table, self.digest])
        {
            not_kept(&error);
        }
    }

    /// Something is wrong with the blob: its frames are made again next time.
    pub(crate) fn forget(&self) {
        for frame in &self.frames {
            let _ = self.store.forget_compressed(*frame, &zstd_frame::compressor(), self.level);
        }
        let _ = self.store.forget_read_back(self.key);
    }
}

/// A store that is not writable costs time at the next pack, nothing else.
fn not_kept(error: &StoreError) {
    say::warning(&format!("cannot keep what was compressed for the next time: {error}"));
}

/// The contents of a blob, cut into the contents of its frames.
#[derive(Debug)]
pub(crate) struct Uncompressed {
    /// The blob's encoding.
    pub(crate) encoding: Encoding,
    pub(crate) frames: Vec<Content>,
    /// Of a tree: how many frames, from the first, hold directories.
    pub(crate) directories: u32,
    /// Of a tree: how many frames, up to the last, hold links.
    pub(crate) links: u32,
}

impl Uncompressed {
    /// A file, in as few frames as may be.
    pub(crate) fn file(input: &Content) -> Self {
        let (mut frames, mut start) = (Vec::new(), 0);
        while start < input.len() || frames.is_empty() {
            let length = FRAME.min(input.len() - start);
            frames.push(input.range(start, length));
            start += length;
        }
        Self { encoding: Encoding::Zstd, frames, directories: 0, links: 0 }
    }
}

/// Options for compressing a blob.
#[derive(Clone, Copy)]
pub(crate) struct How<'h> {
    pub(crate) level: i32,
    /// Where the result is kept for the next time.
    pub(crate) store: Option<&'h Store>,
    /// Shows the progress.
    pub(crate) bar: Option<&'h Bar>,
}

/// Compresses `input`, which is short. The result keeps no file open.
pub(crate) fn frame(input: &Content, level: i32, store: Option<&Store>) -> io::Result<Frame> {
    let mut frame = blob(&Uncompressed::file(input), How { level, store, bar: None })?;
    frame.stored = frame.stored.bytes()?.into();
    Ok(frame)
}

/// Compresses a blob.
pub(crate) fn blob(input: &Uncompressed, how: How<'_>) -> io::Result<Frame> {
    blob_by(input, how, Turns::of_machine())
}

fn blob_by(input: &Uncompressed, how: How<'_>, turns: &Turns) -> io::Result<Frame> {
    let length = input.frames.iter().map(Content::len).sum();
    let shown = Shown::begin(how.bar, "compressing", length);
    let store = how.store.filter(|_| length >= KEPT_MIN && how.level >= KEPT_LEVEL);
    let work = Work {
        how: How { store, ..how },
        shown: &shown,
        rooms: Rooms::new()?,
        whole: InOrder::new(Whole::of(&input.frames, store.is_none())),
        has_failed: AtomicBool::new(false),
    };
    let memory = |content: &Content| zstd_frame::memory(how.level, content.len());
    let jobs = input.frames.iter().enumerate().map(|(number, content)| (memory(content), (number, content)));
    let (reader, made) = turns::both(
        || store.and_then(|_| reader()),
        || turns::each_in_order(turns, jobs.collect(), |(number, content)| work.frame(number, content)),
    );
    // What gave up says nothing; the one that it gave up for does.
    let made = made.into_iter().filter_map(Result::transpose).collect::<io::Result<Vec<Packed>>>();
    let mut made = made?;
    if let Some(error) = made.iter_mut().find_map(|packed| packed.not_kept.take()) {
        not_kept(&error);
    }
    if made.iter().any(|packed| packed.kept) {
        // Whatever cannot be removed now can be next time.
        let _ = store.map(Store::prune);
    }
    let rows: Vec<bundle::Frame> = made.iter().map(|packed| packed.row).collect();
    let table = FrameTable::encode(&rows, input.directories, input.links);
    let stored_digest = hash::of(&table);
    let frames: Vec<Digest> = made.iter().map(|packed| packed.digest).collect();
    let noted = store.zip(reader).map(|(store, reader)| (store, key(input, &frames, how.level, reader)));
    // What is noted of another blob says nothing about this one.
    let known =
        noted.and_then(|(store, key)| store.read_back(key)).filter(|[table, _]| *table == stored_digest);
    let digest = match (known, &frames[..]) {
        (Some([_, digest]), _) => digest,
        (None, [only]) => *only,
        (None, _) => work.whole.finish().digest()?,
    };
    let remembered = noted.map(|(store, key)| Remembered {
        store: store.clone(),
        key,
        level: how.level,
        frames,
        encoding: input.encoding,
        table: stored_digest,
        digest,
        was_read_back: known.is_some(),
    });
    let frames = made.into_iter().map(|packed| packed.stored);
    let stored = Content::of_parts([table.into()].into_iter().chain(frames));
    Ok(Frame { stored, stored_digest, length, digest, remembered })
}

/// SHA-256 of all that decides about a blob's bytes, and about how they are read.
fn key(input: &Uncompressed, frames: &[Digest], level: i32, reader: Digest) -> Digest {
    let Uncompressed { encoding, directories, links, .. } = input;
    let compressor = zstd_frame::compressor();
    let text = format!(
        "{compressor} {level} {reader} {encoding:?} {directories} {links} {count}\n",
        count = frames.len()
    );
    hash::of(
        &[text.as_bytes(), frames.iter().flat_map(|frame| frame.0).collect::<Vec<_>>().as_slice()].concat(),
    )
}

/// Stands for whatever reads bundles: this very program, in which the launcher's decoders are compiled. Its
/// version is the same for many builds, and the launchers inside it may be older than they are. `None` where
/// it cannot be read: then nothing is noted.
fn reader() -> Option<Digest> {
    static READER: OnceLock<Option<Digest>> = OnceLock::new();
    *READER.get_or_init(|| File::open("/proc/self/exe").and_then(Content::whole).ok()?.digest().ok())
}

/// What the threads that compress a blob share.
struct Work<'w> {
    how: How<'w>,
    shown: &'w Shown<'w>,
    rooms: Rooms,
    whole: InOrder<Whole<'w>>,
    /// Whether one of them could not do its part: then there is nothing to be done by the others.
    has_failed: AtomicBool,
}

/// A frame, and its row in the table.
struct Packed {
    row: bundle::Frame,
    stored: Content,
    /// SHA-256 of what it holds.
    digest: Digest,
    /// Whether it is new in the store, or why it is not in it.
    kept: bool,
    not_kept: Option<StoreError>,
}

impl Work<'_> {
    /// Takes a frame from the store, or makes it and keeps it there. `content` is read once: what is kept
    /// under its digest is of the same bytes, whoever writes to the file meanwhile.
    /// `None` where another thread has failed.
    fn frame(&self, number: usize, content: &Content) -> io::Result<Option<Packed>> {
        let place = self.whole.place(number);
        if self.has_failed.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let packed = self.packed(number, content, place);
        if packed.is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        packed
    }

    fn packed(
        &self,
        number: usize,
        content: &Content,
        place: Place<'_, Whole<'_>>,
    ) -> io::Result<Option<Packed>> {
        let How { level, store, .. } = self.how;
        let input = content.in_memory()?;
        let length = input.len() as u64;
        let digest = hash::of(&input);
        let compressor = zstd_frame::compressor();
        let store = store.filter(|_| length >= KEPT_MIN);
        // One that can't be read is made again.
        let found = store.and_then(|store| store.compressed(digest, &compressor, level).ok()?);
        let is_new = store.is_some() && found.is_none();
        let passed = place.pass(|whole| whole.pass(number, &input, is_new));
        let Some(passed) = passed else { return Ok(None) };
        passed?;
        let row = |stored, digest| bundle::Frame { offset: 0, stored, length, digest };
        if let Some(Compressed { file, length: stored, digest: of_stored }) = found {
            self.shown.advance(length);
            let (row, stored) = (row(stored, of_stored), self.held(file, stored)?);
            return Ok(Some(Packed { row, stored, digest, kept: false, not_kept: None }));
        }
        let room = self.rooms.room(zstd_frame::longest(input.len()));
        let (room, of_stored) = zstd_frame::made(&input, level, self.shown, room)?;
        let stored = room.content();
        let kept = store
            .map(|store| store.put_compressed(digest, &compressor, level, &mut stored.reader(), of_stored));
        let row = row(stored.len(), of_stored);
        let is_kept = kept.is_some();
        Ok(Some(Packed { row, stored, digest, kept: is_kept, not_kept: kept.and_then(Result::err) }))
    }

    /// The first `length` bytes of a file of the store. It may be removed, so it is kept open, or copied
    /// where many are.
    fn held(&self, file: File, length: u64) -> io::Result<Content> {
        static OPEN: AtomicUsize = AtomicUsize::new(0);
        let content = Content::whole(file)?.range(0, length);
        if OPEN.fetch_add(1, Ordering::Relaxed) < OPEN_MAX {
            return Ok(content);
        }
        let mut room = self.rooms.room(length);
        content.each_piece(|piece| room.write_all(piece))?;
        Ok(room.content())
    }
}

/// SHA-256 of all that a blob will hold. It may be noted in the store, if that has all frames, and of a
/// single one it is known: so it is computed from the first new one on. Frames come from the largest to the
/// smallest, and those before it are read again.
struct Whole<'w> {
    frames: &'w [Content],
    hashing: Hashing<Sink>,
    /// How many frames are in it.
    passed: usize,
    wanted: bool,
}

impl<'w> Whole<'w> {
    fn of(frames: &'w [Content], wanted: bool) -> Self {
        Self { frames, hashing: Hashing::new(io::sink()), passed: 0, wanted }
    }

    /// The frame with this number holds `input`.
    fn pass(&mut self, number: usize, input: &[u8], is_new: bool) -> io::Result<()> {
        self.wanted |= is_new;
        if self.wanted && self.frames.len() > 1 {
            self.catch_up(number)?;
            self.hashing.write_all(input)?;
            self.passed = number + 1;
        }
        Ok(())
    }

    fn catch_up(&mut self, number: usize) -> io::Result<()> {
        let frames = self.frames.get(self.passed..number).unwrap_or_default();
        frames.iter().try_for_each(|frame| frame.each_piece(|piece| self.hashing.write_all(piece)))
    }

    fn digest(mut self) -> io::Result<Digest> {
        self.catch_up(self.frames.len())?;
        Ok(self.hashing.finish().2)
    }
}

/// Writes through `fill` into a nameless file and gives it back as content.
pub(crate) fn spool(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Content> {
    let mut file = io::BufWriter::new(atomic_file::nameless()?);
    fill(&mut file)?;
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Content::whole(file)
}

/// A blob of one frame with a window of `1 << window` bytes, whatever the launcher takes, and its table's
/// digest.
#[cfg(test)]
pub(crate) fn blob_with_window(input: &[u8], window: u32, directories: u32) -> io::Result<(Vec<u8>, Digest)> {
    let frame = zstd_frame::with_window(input, window)?;
    let (stored, length) = (frame.len() as u64, input.len() as u64);
    let row = bundle::Frame { offset: 0, stored, length, digest: hash::of(&frame) };
    let table = FrameTable::encode(&[row], directories, 0);
    Ok(([&table[..], &frame].concat(), hash::of(&table)))
}

#[cfg(test)]
mod tests;
