//! Zstandard, touched here only. Each frame single-threaded, content size recorded, no checksum (the
//! manifest has digests): its bytes depend on the input and the level alone. Several blobs are compressed at
//! once instead.

use std::io::{self, Read, Seek, Write};
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

use bundle::{Digest, Encoding, FrameTable};
use zstd::zstd_safe::CParameter;

use crate::atomic_file;
use crate::hash::{self, Hashing};
use crate::progress::{Bar, Watched};
use crate::tree::content::Content;

/// The launcher sets aside at most 1 << 26 bytes (64 MiB) to unpack a frame; zstd's level 22 alone would use
/// 1 << 27.
const WINDOW_LOG_MAX: u32 = 26;

/// To be raised with every change of the parameters in [`plain`] and of a blob's form, so that frames made before are not reused.
const PARAMETERS: u32 = 2;

/// What decides about a frame's bytes beside the input and the level.
pub(crate) fn compressor() -> String {
    format!("zstd{}-{PARAMETERS}", zstd::zstd_safe::version_number())
}

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
}

/// What a blob will hold, cut into what its frames will hold.
#[derive(Debug)]
pub(crate) struct Uncompressed {
    pub(crate) frames: Vec<Content>,
    /// Of a tree: how many frames, from the first, hold directories.
    pub(crate) directories: u32,
    /// Of a tree: how many frames, up to the last, hold links.
    pub(crate) links: u32,
}

impl Uncompressed {
    /// A file, in as few frames as may be.
    pub(crate) fn file(input: &Content) -> Self {
        let starts = (0..input.len().max(1)).step_by(FRAME as usize);
        let frames = starts.map(|start| input.range(start, FRAME.min(input.len() - start))).collect();
        Self { frames, directories: 0, links: 0 }
    }

    /// SHA-256 of all of it.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        let mut all = Hashing::new(io::sink());
        for content in &self.frames {
            io::copy(&mut content.reader(), &mut all)?;
        }
        Ok(all.finish().2)
    }
}

/// A frame unpacks to at most so many bytes: 64 MiB, which a launcher needs as memory.
pub(crate) const FRAME: u64 = 1 << 26;

/// Compresses `input`, which is short.
pub(crate) fn frame(input: &Content, level: i32) -> io::Result<Frame> {
    blob(&Uncompressed::file(input), level, false, None)
}

/// Compresses `input` and shows how far it is.
pub(crate) fn shown_frame(input: &Content, level: i32, bar: &Bar) -> io::Result<Frame> {
    blob(&Uncompressed::file(input), level, false, Some(bar))
}

/// Compresses a tree. `wide`: its parts resemble each other from afar, as emulators of one host do, which take
/// about two thirds in one frame of what they take apart.
pub(crate) fn tree(tree: &Uncompressed, level: i32, wide: bool, bar: &Bar) -> io::Result<Frame> {
    blob(tree, level, wide, Some(bar))
}

fn blob(input: &Uncompressed, level: i32, wide: bool, bar: Option<&Bar>) -> io::Result<Frame> {
    let mut rows = Vec::new();
    let mut all = Hashing::new(io::sink());
    let mut packed = io::BufWriter::new(atomic_file::nameless()?);
    for content in &input.frames {
        let frame = plain(content, level, wide, bar)?;
        io::copy(&mut content.reader(), &mut all)?;
        io::copy(&mut frame.reader(), &mut packed)?;
        rows.push(bundle::Frame {
            offset: 0,
            stored: frame.len(),
            length: content.len(),
            digest: frame.digest()?,
        });
    }
    let table = FrameTable::encode(&rows, input.directories, input.links);
    let mut packed = packed.into_inner().map_err(io::IntoInnerError::into_error)?;
    packed.rewind()?;
    let stored = spool(|to| {
        to.write_all(&table)?;
        io::copy(&mut packed, to).map(drop)
    })?;
    let (_, length, digest) = all.finish();
    Ok(Frame { stored, stored_digest: hash::of(&table), length, digest })
}

/// One frame of Zstandard, without a table.
pub(crate) fn plain(input: &Content, level: i32, wide: bool, bar: Option<&Bar>) -> io::Result<Content> {
    let mut encoder = zstd::Encoder::new(atomic_file::nameless()?, level)?;
    encoder.set_pledged_src_size(Some(input.len()))?;
    if wide {
        let log = input.len().max(1 << 20).next_power_of_two().ilog2().min(WINDOW_LOG_MAX);
        encoder.set_parameter(CParameter::WindowLog(log))?;
        encoder.set_parameter(CParameter::EnableLongDistanceMatching(true))?;
    } else if level >= *zstd::compression_level_range().end() {
        encoder.set_parameter(CParameter::WindowLog(WINDOW_LOG_MAX))?;
    }
    let mut input = Watched::new(input.reader(), "compressing", input.len(), bar);
    io::copy(&mut input, &mut encoder)?;
    Content::whole(encoder.finish()?)
}

/// A blob that was compressed before, checked by unpacking it; `None` when it does not hold `digest`.
pub(crate) fn known_frame(stored: Vec<u8>, encoding: Encoding, digest: Digest) -> Option<Frame> {
    let table = stored.get(..FrameTable::length(stored.first_chunk()?).ok()?)?;
    let read = FrameTable::parse(encoding, 0, table).ok()?;
    let frames = stored.get(table.len()..)?;
    let (end, length) = read.sums();
    if end != stored.len() as u64 {
        return None;
    }
    let mut unpacked = Hashing::new(decoder(frames).ok()?);
    io::copy(&mut unpacked, &mut io::sink()).ok()?;
    let (_, found_length, found) = unpacked.finish();
    let stored_digest = hash::of(table);
    (found == digest && found_length == length).then(|| Frame {
        stored: stored.into(),
        stored_digest,
        length,
        digest,
    })
}

/// Reads what frames hold that follow each other. Those with a larger window than ours are refused by the library.
pub(crate) fn decoder<'a>(stored: impl Read + 'a) -> io::Result<impl Read + 'a> {
    let mut decoder = zstd::Decoder::new(stored)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// A blob of one frame with a window of `1 << window` bytes, whatever the launcher takes, and its table.
#[cfg(test)]
pub(crate) fn blob_with_window(input: &[u8], window: u32, directories: u32) -> io::Result<(Vec<u8>, Digest)> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1)?;
    encoder.set_parameter(CParameter::WindowLog(window))?;
    encoder.write_all(input)?;
    let frame = encoder.finish()?;
    let (stored, length) = (frame.len() as u64, input.len() as u64);
    let row = bundle::Frame { offset: 0, stored, length, digest: hash::of(&frame) };
    let table = FrameTable::encode(&[row], directories, 0);
    Ok(([&table[..], &frame].concat(), hash::of(&table)))
}

/// Writes through `fill` into a nameless file and gives it back as content.
pub(crate) fn spool(fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Content> {
    let mut file = io::BufWriter::new(atomic_file::nameless()?);
    fill(&mut file)?;
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    Content::whole(file)
}

/// Runs both at once.
pub(crate) fn both<A: Send, B>(first: impl FnOnce() -> A + Send, second: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), second)
    })
}

/// Runs `work` on every job, as many at once as there are CPUs; results come in the order of the jobs.
pub(crate) fn each<Job: Send, Done: Send>(jobs: Vec<Job>, work: impl Fn(Job) -> Done + Sync) -> Vec<Done> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(jobs.len());
    let mut results: Vec<Option<Done>> = jobs.iter().map(|_| None).collect();
    let queue = Mutex::new(jobs.into_iter().zip(&mut results));
    let take = || queue.lock().ok().and_then(|mut queue| queue.next());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((job, result)) = take() {
                    *result = Some(work(job));
                }
            });
        }
    });
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(content: &Content) -> Vec<u8> {
        let mut bytes = Vec::new();
        content.reader().read_to_end(&mut bytes).expect("the frame can be read");
        bytes
    }

    #[test]
    fn a_frame_records_its_content_size_has_no_checksum_and_a_window_of_64_mib_at_most() {
        // RFC 8878 3.1.1.1.1: bits 7-6 content size flag, 5 single segment, 2 checksum.
        let input = Content::from(vec![7u8; 300 << 20]);
        for level in [1, *zstd::compression_level_range().end()] {
            let frame = bytes_of(&plain(&input, level, false, None).expect("compresses"));
            assert_eq!(frame[4] & 0b0000_0100, 0, "no checksum");
            assert_ne!(frame[4] & 0b1110_0000, 0, "content size");
            assert_eq!(frame[4] & 0b0010_0000, 0, "has a window descriptor");
            assert!(10 + (frame[5] >> 3) <= 26, "window log of level {level}");
        }
    }

    #[test]
    fn a_damaged_known_frame_is_not_believed_and_the_whole_one_is() {
        let input = Content::from(b"emulator ".repeat(1000));
        let made = frame(&input, 3).expect("compresses");
        let mut bytes = bytes_of(&made.stored);
        let known = |bytes: &[u8]| known_frame(bytes.to_vec(), Encoding::Zstd, made.digest);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(known(&bytes).is_none());
        bytes[middle] ^= 1;
        assert_eq!(known(&bytes).map(|frame| frame.stored_digest), Some(made.stored_digest));
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        assert_eq!(each((0..100).collect(), |job: u32| job * 2), (0..200).step_by(2).collect::<Vec<_>>());
    }
}
