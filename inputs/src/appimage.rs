//! AppImages of type 2 (<https://github.com/AppImage/AppImageSpec>): an ELF program, the runtime, and a
//! squashfs right behind it. The only file that uses `backhand`.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;

use backhand::{FilesystemReader, InnerNode};

use crate::error::InputError;
use crate::guard::{DEVICE, FIFO, Guard, SOCKET, Stored, StoredKind};

/// The magic number of a squashfs in little-endian order, the only one of version 4.
const MAGIC: &[u8] = b"hsqs";

pub(crate) fn read<E: From<InputError>>(mut file: &File, guard: &mut Guard<'_, '_, E>) -> Result<(), E> {
    let offset = end_of_elf(&mut file).map_err(|error| guard.io(error))?;
    let mut magic = [0; 4];
    let found = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut magic));
    if found.is_err() || magic != MAGIC {
        return Err(guard.form("no squashfs follows the AppImage's runtime"));
    }
    let mut behind = Behind { file, start: offset };
    behind.seek(SeekFrom::Start(0)).map_err(|error| guard.io(error))?;
    let image = FilesystemReader::from_reader(BufReader::new(behind));
    let image = image.map_err(|error| guard.form(format!("its squashfs is damaged: {error}")))?;
    for node in image.files() {
        let path = node.fullpath.as_os_str().as_bytes();
        let path = path.strip_prefix(b"/").unwrap_or(path).to_vec();
        let mode = Some(u32::from(node.header.permissions) & 0o7777);
        let mut reader: Box<dyn Read> = Box::new(io::empty());
        let kind = match &node.inner {
            InnerNode::File(inner) => {
                reader = Box::new(image.file(inner).reader());
                StoredKind::File
            }
            InnerNode::Dir(_) => StoredKind::Directory,
            InnerNode::Symlink(link) => StoredKind::Symlink(link.link.as_os_str().as_bytes().to_vec()),
            InnerNode::CharacterDevice(_) | InnerNode::BlockDevice(_) => DEVICE,
            InnerNode::NamedPipe => FIFO,
            InnerNode::Socket => SOCKET,
        };
        guard.entry(Stored::new(path, kind, mode), &mut reader)?;
    }
    Ok(())
}

/// What lies behind the runtime. Places in a squashfs may be any numbers, and `backhand` adds them to its
/// offset without a look.
struct Behind<'f> {
    file: &'f File,
    start: u64,
}

impl Read for Behind<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Behind<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let outside = || io::Error::from(io::ErrorKind::InvalidInput);
        let to = match to {
            SeekFrom::Start(at) => SeekFrom::Start(self.start.checked_add(at).ok_or_else(outside)?),
            relative => relative,
        };
        self.file.seek(to)?.checked_sub(self.start).ok_or_else(outside)
    }
}

/// Where an ELF file ends: its table of sections is the last of it, as the specification demands.
fn end_of_elf(file: &mut (impl Read + Seek)) -> io::Result<u64> {
    let mut header = [0; 64];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    let big = header[5] == 2;
    let number = |at: usize, length: usize| {
        let bytes = &header[at..at + length];
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
    };
    // `e_shoff`, `e_shentsize` and `e_shnum` of <elf.h>, by class.
    let (offset, size, count) = match header[4] {
        1 => (number(0x20, 4), number(0x2e, 2), number(0x30, 2)),
        _ => (number(0x28, 8), number(0x3a, 2), number(0x3c, 2)),
    };
    Ok(offset.saturating_add(size * count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_no_file_has_is_an_error_and_no_overflow() {
        let file = tempfile::tempfile().expect("a file");
        let mut behind = Behind { file: &file, start: 64 };
        assert_eq!(behind.seek(SeekFrom::Start(36)).expect("a place"), 36);
        for far in [u64::MAX, u64::MAX - 63, 1 << 63] {
            assert!(behind.seek(SeekFrom::Start(far)).is_err(), "{far}");
        }
        assert!(behind.seek(SeekFrom::Current(-101)).is_err(), "before the squashfs");
    }
}
