//! rpm packages, versions 3 and 4 of the format: a lead, two headers, and a compressed cpio archive (rpm's
//! documentation, "Package format"; cpio(5), "New ASCII Format"). Signatures are not checked: the file is the
//! user's own. Version 6 is refused.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use crate::decode::Compression;
use crate::error::InputError;
use crate::guard::{DEVICE, FIFO, Guard, SOCKET, Stored, StoredKind, UNKNOWN};

/// Length of the lead, in bytes.
const LEAD: u64 = 96;
/// Begins a header.
const HEADER_MAGIC: [u8; 3] = [0x8e, 0xad, 0xe8];
/// Larger headers are refused: that of a package with 100,000 files has 20 MB.
const HEADER_MAX: usize = 256 << 20;
/// `RPMTAG_PAYLOADCOMPRESSOR`.
const COMPRESSOR: u32 = 1125;
/// `RPM_STRING_TYPE`.
const STRING: u32 = 6;

/// Length of the fixed part of an entry of the cpio archive, in bytes.
const CPIO_HEADER: usize = 110;
/// What an uncompressed one begins with.
const CPIO: &[u8] = b"0707";
/// Its last entry.
const TRAILER: &[u8] = b"TRAILER!!!";
/// The longest name or target, in bytes, with its NUL.
const NAME_MAX: u64 = 4097;

pub(crate) fn read<E: From<InputError>>(mut file: &File, guard: &mut Guard<'_, '_, E>) -> Result<(), E> {
    file.seek(SeekFrom::Start(LEAD)).map_err(|error| guard.io(error))?;
    let mut reader = BufReader::with_capacity(128 * 1024, file);
    let signature = header(&mut reader).map_err(|error| guard.io(error))?;
    // The second header is aligned to 8 bytes.
    let padding = signature.length.next_multiple_of(8) - signature.length;
    skip(&mut reader, padding as u64).map_err(|error| guard.io(error))?;
    let header = header(&mut reader).map_err(|error| guard.io(error))?;
    let name = header.string(COMPRESSOR).unwrap_or_default();
    let start = reader.fill_buf().map_err(|error| guard.io(error))?;
    // What it is tells more than what it is called; only LZMA has no magic number.
    let compression = match Compression::of(start) {
        Compression::None if name == "lzma" => Compression::Lzma,
        Compression::None if !start.starts_with(CPIO) => {
            return Err(
                guard.form(format!("its files are compressed in an unknown way (`{}`)", name.escape_debug()))
            );
        }
        known => known,
    };
    let decoded = compression.decode(reader).map_err(|error| guard.io(error))?;
    cpio(BufReader::new(decoded.take(guard.most().saturating_mul(2))), guard)
}

/// One header: its index and its data.
struct Header {
    index: Vec<u8>,
    data: Vec<u8>,
    /// As stored, in bytes.
    length: usize,
}

fn header(reader: &mut impl Read) -> io::Result<Header> {
    let mut start = [0; 16];
    reader.read_exact(&mut start)?;
    let [rows, bytes] = [8, 12].map(|at| number_at(&start, at) as usize);
    let index = rows.saturating_mul(16);
    if start[..3] != HEADER_MAGIC || index.saturating_add(bytes) > HEADER_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a header of the rpm package is damaged"));
    }
    let exactly = |reader: &mut dyn Read, length: usize| {
        let mut all = Vec::new();
        reader.take(length as u64).read_to_end(&mut all)?;
        if all.len() == length { Ok(all) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof)) }
    };
    let (index, data) = (exactly(reader, index)?, exactly(reader, bytes)?);
    let length = start.len() + index.len() + data.len();
    Ok(Header { index, data, length })
}

impl Header {
    /// The string of a tag.
    fn string(&self, tag: u32) -> Option<String> {
        let row = self.index.chunks_exact(16).find(|row| number_at(row, 0) == tag)?;
        let text = self.data.get(number_at(row, 8) as usize..)?;
        let text = text.split(|byte| *byte == 0).next()?;
        (number_at(row, 4) == STRING).then(|| String::from_utf8_lossy(text).into_owned())
    }
}

/// Big-endian, as everything in a header.
fn number_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn cpio<E: From<InputError>>(mut reader: impl BufRead, guard: &mut Guard<'_, '_, E>) -> Result<(), E> {
    // Of several names of a file, all but the last have no bytes: they become links to the one that has.
    let mut waiting: Vec<(u64, Stored)> = Vec::new();
    loop {
        let mut header = [0; CPIO_HEADER];
        reader.read_exact(&mut header).map_err(|error| guard.io(error))?;
        if !matches!(&header[..6], b"070701" | b"070702") {
            return Err(
                guard.form("its files are not in cpio's new ASCII format (rpm 6, or larger than 4 GiB)")
            );
        }
        let field = |number: usize| {
            let text = std::str::from_utf8(&header[6 + number * 8..14 + number * 8]).ok();
            text.and_then(|text| u64::from_str_radix(text, 16).ok())
        };
        let fields = [0, 1, 4, 6, 11].map(field);
        let [Some(inode), Some(mode), Some(names), Some(size), Some(name)] = fields else {
            return Err(guard.form("its cpio archive is damaged"));
        };
        if name == 0 || name > NAME_MAX {
            return Err(guard.form("its cpio archive is damaged"));
        }
        let path = padded(&mut reader, name, CPIO_HEADER as u64).map_err(|error| guard.io(error))?;
        let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
        if path == TRAILER {
            return waiting.into_iter().try_for_each(|(_, stored)| guard.entry(stored, &mut io::empty()));
        }
        // Relative to the root, and usually written with a leading `./`; some builds leave the slash.
        let path = path.strip_prefix(b"/").unwrap_or(path).to_vec();
        #[allow(clippy::cast_possible_truncation, reason = "the bits that are kept are the low ones")]
        let mode = mode as u32;
        let kind = match mode & 0o170_000 {
            0o100_000 => StoredKind::File,
            0o040_000 => StoredKind::Directory,
            0o120_000 if size < NAME_MAX => {
                let target = padded(&mut reader, size, 0).map_err(|error| guard.io(error))?;
                StoredKind::Symlink(target)
            }
            0o010_000 => FIFO,
            0o140_000 => SOCKET,
            0o020_000 | 0o060_000 => DEVICE,
            _ => UNKNOWN,
        };
        let is_file = matches!(kind, StoredKind::File);
        let stored = Stored::new(path, kind, Some(mode & 0o7777));
        if is_file && names > 1 && size == 0 {
            waiting.push((inode, stored));
            continue;
        }
        let target = stored.path.clone();
        let mut bytes = reader.by_ref().take(if is_file { size } else { 0 });
        guard.entry(stored, &mut bytes)?;
        let left = bytes.limit();
        if is_file {
            skip(&mut reader, left + size.next_multiple_of(4) - size).map_err(|error| guard.io(error))?;
        }
        let (own, others) = waiting.into_iter().partition(|(of, _)| is_file && *of == inode);
        waiting = others;
        for (_, mut other) in own {
            other.kind = StoredKind::HardLink(target.clone());
            guard.entry(other, &mut io::empty())?;
        }
    }
}

/// Reads `length` bytes and what aligns them to 4, counted from `before` bytes earlier.
fn padded(reader: &mut impl Read, length: u64, before: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut bytes)?;
    skip(reader, (before + length).next_multiple_of(4) - (before + length))?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
    if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
