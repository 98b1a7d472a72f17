//! Reads one file of a remote `.deb` by a few ranged reads. `dpkg-deb` compresses with several threads, so
//! `data.tar.xz` consists of independent blocks; its entries are sorted by name, links last, so the right
//! block is found by reading a few. Neither is guaranteed: any other layout gives
//! [`RangedError::RangesUnsupported`], and the caller must fetch the whole package. The package's own digest
//! cannot be checked this way; the caller pins the member's digest, and nothing that does not match it is
//! returned.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::atomic::{self, AtomicU64};
use std::thread;

use bundle::Digest;

use crate::ar::{HEADER, MAGIC, Member as ArMember};
use crate::deb::{TarHeader, tar_header};
use crate::digest;
use crate::fetch::{Fetcher, Parts};
use crate::fetch_error::FetchError;
use crate::xz::BlockDecoder;
use crate::xz_index::{self, Block, EDGE};

/// Length in bytes of the first and of the last read: the headers, and the index of a stream of some hundred
/// blocks.
const EDGE_READ: u64 = 4096;
/// The smallest part of a block that is fetched at a time, in bytes: about what arrives in the time that a
/// request costs.
const LEAST_READ: u64 = 256 * 1024;
/// The largest accepted index and decoded block, in bytes; Debian's blocks decode to 24 MiB.
const MAX_INDEX: u64 = 1 << 20;
const MAX_BLOCK: u64 = 512 << 20;
/// The size of a tar block, in bytes.
const RECORD: u64 = 512;

/// A file in a package, with its pinned size and digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path, without a leading `./`: `usr/bin/qemu-riscv64`.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
    /// The offset of its header in the decoded `data.tar`, if known from an earlier read: that saves the
    /// search. A wrong value costs one read and does no harm.
    pub tar_offset: Option<u64>,
}

/// A member that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberBytes {
    /// Its bytes, which match the pin.
    pub bytes: Vec<u8>,
    /// Where its header is in the decoded `data.tar`, to be kept for [`Member::tar_offset`]; unknown after a
    /// read of the whole package.
    pub tar_offset: Option<u64>,
    /// How many bytes were fetched to read it.
    pub fetched: u64,
}

/// A ranged read that failed.
#[derive(Debug, thiserror::Error)]
pub enum RangedError {
    /// The package must be fetched as a whole.
    #[error("`{location}` cannot be read in parts: {reason}")]
    RangesUnsupported {
        /// URL or path of the package.
        location: String,
        /// The reason.
        reason: String,
    },
    /// The member does not match the pinned digest.
    #[error(
        "`{member}` in `{location}` is not the file that was expected\n  expected sha256 {expected}\n  computed sha256 {computed}"
    )]
    Mismatch {
        /// URL or path of the package.
        location: String,
        /// Path of the member.
        member: String,
        /// The pinned digest.
        expected: Digest,
        /// The digest of what was read.
        computed: Digest,
    },
    /// The member does not have the pinned size.
    #[error("`{member}` in `{location}` has {size} bytes, not the {expected} expected")]
    Size {
        /// URL or path of the package.
        location: String,
        /// Path of the member.
        member: String,
        /// The pinned size in bytes.
        expected: u64,
        /// The size in the package.
        size: u64,
    },
    /// A part could not be fetched.
    #[error(transparent)]
    Fetch(FetchError),
}

impl RangedError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::RangesUnsupported { .. } => Some("fetch the whole package".into()),
            Self::Mismatch { .. } | Self::Size { .. } => {
                Some("the digest was pinned for another version of the package".into())
            }
            Self::Fetch(error) => error.hint(),
        }
    }
}

impl From<FetchError> for RangedError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::RangesIgnored { location } => {
                Self::RangesUnsupported { location, reason: "the server sends only whole files".into() }
            }
            error => Self::Fetch(error),
        }
    }
}

/// Reads `member` of the package of `size` bytes at `url`.
pub fn read_member(
    fetcher: &Fetcher<'_>,
    url: &str,
    size: u64,
    member: &Member,
) -> Result<MemberBytes, RangedError> {
    let remote = Remote { parts: fetcher.parts(url), fetched: AtomicU64::new(0) };
    let mut tree = Tree::open(&remote, size)?;
    let hinted = match member.tar_offset {
        Some(offset) => tree.header_at(offset)?.filter(|header| header.path == member.path.as_bytes()),
        None => None,
    };
    let (offset, header) = match (member.tar_offset, hinted) {
        (Some(offset), Some(header)) => (offset, header),
        _ => tree.search(&member.path)?,
    };
    if header.size != member.size || !header.is_file {
        let (location, expected) = (url.to_owned(), member.size);
        return Err(RangedError::Size { location, member: member.path.clone(), expected, size: header.size });
    }
    let start = offset + RECORD;
    let bytes = tree.bytes(start..start + header.size)?;
    let computed = digest::of(&bytes);
    if computed != member.sha256 {
        let (location, expected) = (url.to_owned(), member.sha256);
        return Err(RangedError::Mismatch { location, member: member.path.clone(), expected, computed });
    }
    Ok(MemberBytes { bytes, tar_offset: Some(offset), fetched: remote.fetched.into_inner() })
}

/// The remote package.
struct Remote<'a> {
    parts: Parts<'a>,
    fetched: AtomicU64,
}

impl Remote<'_> {
    fn get(&self, range: Range<u64>) -> Result<Vec<u8>, RangedError> {
        let bytes = self.parts.fetch(range)?;
        self.fetched.fetch_add(bytes.len() as u64, atomic::Ordering::Relaxed);
        Ok(bytes)
    }

    fn unsupported(&self, reason: impl Into<String>) -> RangedError {
        RangedError::RangesUnsupported { location: self.parts.url().to_owned(), reason: reason.into() }
    }

    fn undecodable(&self, error: &io::Error) -> RangedError {
        self.unsupported(format!("a block cannot be decoded: {error}"))
    }
}

/// The package's decoded `data.tar`, of which only the requested parts are fetched.
struct Tree<'r, 'a> {
    remote: &'r Remote<'a>,
    stream: Range<u64>,
    header: [u8; 12],
    blocks: Vec<Block>,
    opened: BTreeMap<usize, Opened>,
}

struct Opened {
    decoder: BlockDecoder,
    /// How many of the block's stored bytes the decoder has consumed.
    fed: u64,
}

impl<'r, 'a> Tree<'r, 'a> {
    fn open(remote: &'r Remote<'a>, size: u64) -> Result<Self, RangedError> {
        let head = remote.get(0..size.min(EDGE_READ))?;
        let stream = find_data(remote, &head, size)?;
        let header = match within(&head, 0, stream.start..stream.start + EDGE) {
            Some(header) => header.to_vec(),
            None => remote.get(stream.start..stream.start + EDGE)?,
        };
        let header: [u8; 12] =
            header.try_into().map_err(|_| remote.unsupported("the stream's header is truncated"))?;

        let tail_start = stream.end.saturating_sub(EDGE_READ).max(stream.start);
        let tail = remote.get(tail_start..stream.end)?;
        let footer = &tail[tail.len().saturating_sub(12)..];
        let index_length = xz_index::index_length(footer).map_err(|reason| remote.unsupported(reason))?;
        let index_end = stream.end - EDGE;
        if index_length > MAX_INDEX || index_end - stream.start < index_length + EDGE {
            return Err(remote.unsupported("the xz index is too large"));
        }
        let range = index_end - index_length..index_end;
        let index = match within(&tail, tail_start, range.clone()) {
            Some(index) => index.to_vec(),
            None => remote.get(range)?,
        };
        let blocks = xz_index::blocks(&header, &index, stream.end - stream.start)
            .map_err(|reason| remote.unsupported(reason))?;
        if blocks.iter().any(|block| block.decoded.end - block.decoded.start > MAX_BLOCK) {
            return Err(remote.unsupported("a block is too large to decode in memory"));
        }
        Ok(Self { remote, stream, header, blocks, opened: BTreeMap::new() })
    }

    fn end(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.decoded.end)
    }

    /// The header at `offset`, if there is one.
    fn header_at(&mut self, offset: u64) -> Result<Option<TarHeader>, RangedError> {
        if !offset.is_multiple_of(RECORD) || offset.checked_add(RECORD).is_none_or(|end| end > self.end()) {
            return Ok(None);
        }
        let bytes = self.bytes(offset..offset + RECORD)?;
        Ok(bytes.first_chunk().and_then(tar_header))
    }

    /// The first header at or after `offset`.
    fn first_header_from(&mut self, offset: u64) -> Result<Option<(u64, TarHeader)>, RangedError> {
        let mut at = offset.next_multiple_of(RECORD);
        while at + RECORD <= self.end() {
            if let Some(header) = self.header_at(at)? {
                return Ok(Some((at, header)));
            }
            at += RECORD;
        }
        Ok(None)
    }

    /// Finds the file `path` by the order of names: first the last block that starts before it, then entry by
    /// entry in that block.
    fn search(&mut self, path: &str) -> Result<(u64, TarHeader), RangedError> {
        let (mut low, mut high) = (0, self.blocks.len());
        let mut from = 0;
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            let first = self.first_header_from(self.blocks[middle].decoded.start)?;
            match first {
                Some((at, header)) if !header.is_link && order(&header.path, path) != Ordering::Greater => {
                    low = middle;
                    from = at;
                }
                _ => high = middle,
            }
        }
        let mut at = from;
        while let Some(header) = self.header_at(at)? {
            match order(&header.path, path) {
                Ordering::Equal => return Ok((at, header)),
                Ordering::Greater => break,
                Ordering::Less => {}
            }
            let length =
                header.size.checked_next_multiple_of(RECORD).and_then(|size| size.checked_add(RECORD));
            let Some(next) = length.and_then(|length| at.checked_add(length)) else { break };
            at = next;
        }
        Err(self.remote.unsupported(format!("`{path}` is not in the place that the order of names requires")))
    }

    /// The decoded bytes `range`.
    fn bytes(&mut self, range: Range<u64>) -> Result<Vec<u8>, RangedError> {
        if range.end > self.end() {
            return Err(self.remote.unsupported("an entry is longer than the archive"));
        }
        let first = self.blocks.partition_point(|block| block.decoded.end <= range.start);
        let mut parts = Vec::new();
        for (number, block) in self.blocks.iter().enumerate().skip(first) {
            let Block { decoded, .. } = block;
            if decoded.start >= range.end {
                break;
            }
            let start = to_usize(range.start.max(decoded.start) - decoded.start);
            let end = to_usize(range.end.min(decoded.end) - decoded.start);
            let opened = match self.opened.remove(&number) {
                Some(opened) => opened,
                None => Opened::new(self.remote, &self.header, block)?,
            };
            parts.push((number, start..end, opened));
        }
        // Blocks are independent, so they are fetched and decoded in parallel; a program spans two or three.
        let (remote, stream, blocks) = (self.remote, self.stream.start, &self.blocks);
        let decode = |(number, part, opened): &mut (usize, Range<usize>, Opened)| {
            opened.decode(remote, stream, &blocks[*number], part.end)
        };
        if let [only] = &mut parts[..] {
            decode(only)?;
        } else {
            thread::scope(|scope| {
                let running: Vec<_> =
                    parts.iter_mut().map(|part| scope.spawn(move || decode(part))).collect();
                let panicked = |panic| std::panic::resume_unwind(panic);
                running.into_iter().try_for_each(|part| part.join().unwrap_or_else(panicked))
            })?;
        }
        let mut bytes = Vec::with_capacity(to_usize(range.end - range.start));
        for (number, part, opened) in parts {
            bytes.extend_from_slice(&opened.decoder.output[part]);
            self.opened.insert(number, opened);
        }
        Ok(bytes)
    }
}

impl Opened {
    fn new(remote: &Remote<'_>, header: &[u8; 12], block: &Block) -> Result<Self, RangedError> {
        let decoder = BlockDecoder::new(header, to_usize(block.decoded.end - block.decoded.start));
        Ok(Self { decoder: decoder.map_err(|error| remote.undecodable(&error))?, fed: 0 })
    }

    /// Fetches and decodes until the first `length` bytes, at least, of what `block` decodes to are here.
    /// `stream` is where the stream starts in the package.
    fn decode(
        &mut self,
        remote: &Remote<'_>,
        stream: u64,
        block: &Block,
        length: usize,
    ) -> Result<(), RangedError> {
        while self.decoder.output.len() < length {
            let stored = block.stored.end - block.stored.start;
            if self.fed == stored {
                return Err(remote.unsupported("a block is shorter than its index says"));
            }
            // The missing length at the block's own compression ratio, and an eighth more.
            let missing = (length - self.decoder.output.len()) as u64;
            let decoded = (block.decoded.end - block.decoded.start).max(1);
            let guess = u128::from(missing) * u128::from(stored) / u128::from(decoded) * 9 / 8;
            let guess = u64::try_from(guess).unwrap_or(u64::MAX).max(LEAST_READ);
            let start = stream + block.stored.start + self.fed;
            let count = guess.min(stored - self.fed);
            let bytes = remote.get(start..start + count)?;
            self.decoder.feed(&bytes).map_err(|error| remote.undecodable(&error))?;
            self.fed += count;
        }
        Ok(())
    }
}

/// The range of `data.tar.xz` in the package.
fn find_data(remote: &Remote<'_>, head: &[u8], size: u64) -> Result<Range<u64>, RangedError> {
    if !head.starts_with(MAGIC) {
        return Err(remote.unsupported("it is not an `ar` archive"));
    }
    let mut offset = MAGIC.len() as u64;
    while offset.checked_add(HEADER).is_some_and(|end| end <= size) {
        let header = match within(head, 0, offset..offset + HEADER) {
            Some(header) => header.to_vec(),
            None => remote.get(offset..offset + HEADER)?,
        };
        let member = ArMember::parse(&header, offset).map_err(|reason| remote.unsupported(reason))?;
        let fits = member.bytes.end <= size && member.bytes.end - member.bytes.start > 2 * EDGE;
        match member.name.as_str() {
            "data.tar.xz" if fits => return Ok(member.bytes),
            name if name.starts_with("data.tar") => break,
            _ => offset = member.next(),
        }
    }
    Err(remote.unsupported("it has no `data.tar.xz`"))
}

/// The bytes `range` of a file, if `piece`, which starts at `start`, contains them all.
fn within(piece: &[u8], start: u64, range: Range<u64>) -> Option<&[u8]> {
    let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
    let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
    piece.get(from..to)
}

/// The order in which `dpkg-deb` walks a tree: directory by directory, each by the bytes of its names.
fn order(a: &[u8], b: &str) -> Ordering {
    a.split(|&byte| byte == b'/').cmp(b.as_bytes().split(|&byte| byte == b'/'))
}

/// For lengths within one block, which [`MAX_BLOCK`] bounds.
fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
