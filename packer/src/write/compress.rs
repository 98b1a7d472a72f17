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

/// A frame of one file unpacks to at most so many bytes: 64 MiB, which a launcher needs as memory.
pub(crate) const FRAME: u64 = 1 << 26;

/// What is shorter, or compressed at a lower level, is compressed sooner than found.
const KEPT_MIN: u64 = 256 << 10;
const KEPT_LEVEL: i32 = 3;

/// So many files of the store stay open, of all blobs together; a process may have few (`ulimit -n`).
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
    /// Of one that the store is told about.
    pub(crate) remembered: Option<Remembered>,
}

/// What the store has of a blob, and is told once the blob was read back.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    store: Store,
    /// Of all that decides about the blob's bytes and about how they are read.
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

/// What a blob will hold, cut into what its frames will hold.
#[derive(Debug)]
pub(crate) struct Uncompressed {
    /// Of the blob.
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

/// How to compress what may be long.
#[derive(Clone, Copy)]
pub(crate) struct How<'h> {
    pub(crate) level: i32,
    /// Where the result is kept for the next time.
    pub(crate) store: Option<&'h Store>,
    /// Shows how far it is.
    pub(crate) bar: Option<&'h Bar>,
}

/// Compresses `input`, which is short: what comes of it keeps no file open.
pub(crate) fn frame(input: &Content, level: i32) -> io::Result<Frame> {
    let mut frame = blob(&Uncompressed::file(input), How { level, store: None, bar: None })?;
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
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt as _;
    use std::sync::Arc;

    use super::*;

    /// Texts of a megabyte, each with numbers of its own.
    fn input() -> Uncompressed {
        let text = |seed: u32| -> Vec<u8> {
            let line =
                |at: u32| (seed.wrapping_add(at).wrapping_mul(2_654_435_761)).to_string() + " of many\n";
            (0..60_000).flat_map(|at| line(at).into_bytes()).collect()
        };
        let frames = (0..5).map(|seed| text(seed * 7_000).into()).collect();
        Uncompressed { encoding: Encoding::TarZstd, frames, directories: 1, links: 1 }
    }

    fn of(frames: &[Content]) -> Digest {
        Content::of_parts(frames.iter().cloned()).digest().expect("memory is read")
    }

    fn bytes(input: &Uncompressed, store: Option<&Store>, threads: usize) -> Vec<u8> {
        let turns = Turns::new(threads, 1 << 30);
        let made = blob_by(input, How { level: 9, store, bar: None }, &turns).expect("it is compressed");
        assert_eq!(made.digest, of(&input.frames));
        made.stored.bytes().expect("a file is read")
    }

    #[test]
    fn one_two_and_four_threads_make_the_same_bytes() {
        let input = input();
        let one = bytes(&input, None, 1);
        for threads in [2, 4] {
            assert!(bytes(&input, None, threads) == one, "{threads} threads");
        }
    }

    #[test]
    fn what_is_remembered_is_what_would_be_made_and_what_is_damaged_is_made_again() {
        let input = input();
        let fresh = bytes(&input, None, 2);
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        assert!(bytes(&input, Some(&store), 2) == fresh);
        let files = || -> Vec<_> {
            let entries = fs::read_dir(directory.path().join("compressed")).expect("it was made");
            entries.map(|entry| entry.expect("it is read").path()).collect()
        };
        assert_eq!(files().len(), input.frames.len());
        let modified = |path| fs::metadata(path).and_then(|found| found.modified()).expect("it is there");
        let written: Vec<_> = files().into_iter().map(modified).collect();
        assert!(bytes(&input, Some(&store), 2) == fresh);
        assert!(files().into_iter().map(modified).ne(written), "each was used");
        for (number, path) in files().into_iter().enumerate() {
            let mut frame = fs::read(&path).expect("it is read");
            let at = frame.len() * number / input.frames.len();
            frame[at] ^= 1;
            fs::write(&path, &frame).expect("tampered");
            assert!(bytes(&input, Some(&store), 2) == fresh, "byte {at}");
            assert!(fs::read(&path).expect("it is there again") != frame);
        }
    }

    #[test]
    fn what_was_read_back_is_known_the_next_time_as_the_same_blob_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let turns = Turns::new(2, 1 << 30);
        let known = |input: &Uncompressed, level| {
            let made = blob_by(input, How { level, store: Some(&store), bar: None }, &turns);
            let made = made.expect("it is compressed");
            assert_eq!(made.digest, of(&input.frames));
            made.remembered.expect("there is a store")
        };
        let (app, root) = (Encoding::TarZstd, Encoding::Root);
        let first = known(&input(), 9);
        assert!(!first.was_read_back(app));
        first.note(root);
        assert!(!known(&input(), 9).was_read_back(app), "it was read back as something else");
        first.note(app);
        let again = known(&input(), 9);
        assert!(again.was_read_back(app) && !again.was_read_back(root));
        let mut others = [0, 1, 2, 3].map(|_| input());
        others[0].encoding = root;
        others[1].links = 0;
        others[2].frames.swap(1, 2);
        others[3].frames[2] = Content::from(b"other".to_vec());
        for (number, other) in others.iter().enumerate() {
            let other = known(other, 9);
            assert!(!other.was_read_back(app) && !other.was_read_back(root), "{number}");
        }
        assert!(!known(&input(), 8).was_read_back(app));
        again.forget();
        let frames = || store.kept().expect("it is read").len();
        let before = frames();
        assert!(!known(&input(), 9).was_read_back(app), "what is made again is read back again");
        assert_eq!(frames(), before + input().frames.len());
        let other = [Digest([1; 32]), Digest([2; 32])];
        store.put_read_back(first.key, other).expect("it is noted");
        assert!(!known(&input(), 9).was_read_back(app), "of another table, with another digest");
    }

    #[test]
    fn what_changes_while_it_is_read_is_kept_as_it_was_read() {
        // Whoever reads it twice finds something else.
        let file = Arc::new(File::open("/dev/urandom").expect("there is one"));
        let frames = vec![Content::File { file, offset: 0, length: KEPT_MIN }];
        let input = Uncompressed { frames, encoding: Encoding::Zstd, directories: 0, links: 0 };
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let made = blob(&input, How { level: 3, store: Some(&store), bar: None }).expect("it is compressed");
        let [kept] = &store.kept().expect("it is read")[..] else { panic!("one frame is kept") };
        let name = kept.path.file_name().and_then(|name| name.to_str()).expect("a name");
        let mut unpacked = Hashing::new(io::sink());
        let mut frame = zstd_frame::decoder(File::open(&kept.path).expect("it is there")).expect("a decoder");
        io::copy(&mut frame, &mut unpacked).expect("it is whole");
        assert_eq!(unpacked.finish().2, made.digest);
        assert!(name.starts_with(&made.digest.to_string()), "{name}");
    }

    #[test]
    fn of_what_cannot_be_read_the_cause_is_told_and_nothing_is_done_after_it() {
        let file = |name: &str| Arc::new(File::open(name).expect("it is there"));
        let shorter = Content::File { file: file("/dev/null"), offset: 0, length: 1 };
        let long = || Content::File { file: file("/dev/zero"), offset: 0, length: 32 << 20 };
        let frames = vec![long(), shorter, long(), long()];
        let input = Uncompressed { frames, ..input() };
        for threads in [1, 4] {
            let turns = Turns::new(threads, 1 << 30);
            let error = blob_by(&input, How { level: 1, store: None, bar: None }, &turns);
            let kind = error.expect_err("it is shorter than it was").kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{threads} threads");
        }
    }

    #[test]
    fn a_thousand_frames_need_few_descriptors() {
        const INSIDE: &str = "UNIBIN_TEST_FEW_DESCRIPTORS";
        if std::env::var_os(INSIDE).is_none() {
            let mut limited = std::process::Command::new("sh");
            limited.args(["-c", "ulimit -n 128; exec \"$0\" --exact \"$1\""]);
            limited.arg(std::env::current_exe().expect("this program"));
            limited.arg("write::compress::tests::a_thousand_frames_need_few_descriptors").env(INSIDE, "1");
            return assert!(limited.status().expect("it is run").success());
        }
        let file = Arc::new(atomic_file::nameless().expect("a file"));
        let frames = (0..1000u64).map(|number| {
            let (file, offset, length) = (Arc::clone(&file), number * KEPT_MIN, KEPT_MIN);
            file.write_all_at(&number.to_le_bytes(), offset + length - 8).expect("it grows");
            Content::File { file, offset, length }
        });
        let input = Uncompressed { frames: frames.collect(), ..input() };
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        // All are new; then all are there.
        let first = bytes(&input, Some(&store), 2);
        assert_eq!(store.kept().expect("it is read").len(), input.frames.len());
        assert!(bytes(&input, Some(&store), 2) == first);
    }

    #[test]
    fn what_is_short_is_not_kept_and_what_is_empty_is_a_blob() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        for input in [Content::from(Vec::new()), Content::from(vec![1; 1000])] {
            let made = blob(&Uncompressed::file(&input), How { level: 3, store: Some(&store), bar: None });
            assert_eq!(made.expect("it is compressed").digest, input.digest().expect("memory is read"));
        }
        assert!(!directory.path().join("compressed").exists());
    }
}
