//! The tar subset of FORMAT.md as a stream of members. It refuses everything that FORMAT.md does not name:
//! devices, FIFOs, sparse files, PAX headers, absolute or escaping names, names out of order.

use alloc::vec::Vec;

use bundle::{Encoding, Owner, PATH_MAX, TreePath, has};

use crate::blob_reader::BlobReader;
use crate::bytes::{join, zeroed};
use crate::error::Error;

/// Everything in a tar stream is padded to this (POSIX ustar).
const BLOCK: usize = 512;

/// Whether roots of systems are read: launchers leave them to their brokers, and have less code.
pub const ROOTS: bool = cfg!(any(feature = "children", not(feature = "bare")));

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of `size` bytes, which must be read with [`TarReader::content`] before the next member.
    File {
        /// Length in bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
        /// The file of the tree whose path this one ends in once it is in its place; empty for most.
        loader: &'static [u8],
    },
    /// A directory.
    Directory,
    /// A symbolic link: `..` only at the start and never out of the tree.
    Symlink(&'static [u8]),
    /// Another name of a file that came before.
    Hardlink(&'static [u8]),
}

/// One member of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Relative to the tree, no `.` or `..`, no trailing slash.
    pub path: &'static [u8],
    /// What it is.
    pub kind: Kind,
    /// Whose it is, in the root of a system.
    pub owner: Option<Owner>,
}

/// Reads members one after the other.
pub struct TarReader<'a> {
    bytes: BlobReader<'a>,
    /// Whether the tree is the root of a system.
    root: bool,
    /// Bytes of the current file that have not been read, and the padding behind it.
    left: u64,
    padding: usize,
    last_path: &'static [u8],
    /// Directories seen so far, in ascending order.
    directories: Vec<&'static [u8]>,
}

impl<'a> TarReader<'a> {
    /// Starts at the first member.
    pub fn new(bytes: BlobReader<'a>) -> Self {
        let root = ROOTS && bytes.encoding() == Encoding::Root;
        Self { bytes, root, left: 0, padding: 0, last_path: b"", directories: Vec::new() }
    }

    /// The next member, or `None` at the end of the archive.
    pub fn next_member(&mut self) -> Result<Option<Member>, Error> {
        self.skip_content()?;
        let mut long_path = None;
        let mut long_target = None;
        loop {
            let mut header = [0; BLOCK];
            self.bytes.read_exact(&mut header)?;
            if header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let header = Header(&header);
            let size = header.checked_size().ok_or_else(|| self.bytes.damaged())?;
            match header.kind() {
                // GNU's long name and long link name records: the content is the name of the next member.
                b'L' if long_path.is_none() => long_path = Some(self.long_name(size)?),
                b'K' if long_target.is_none() => long_target = Some(self.long_name(size)?),
                kind => {
                    let path = long_path.unwrap_or_else(|| header.path());
                    let target = long_target.unwrap_or_else(|| header.link_target());
                    return self.member(kind, path, target, size, &header).map(Some);
                }
            }
        }
    }

    /// Reads the current file's content; 0 at its end.
    pub fn content(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let read = self.bytes.read(out.get_mut(..length).unwrap_or_default())?;
        if read == 0 && length != 0 {
            return Err(self.bytes.damaged());
        }
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }

    /// Checks the digest of the whole stream.
    pub fn finish(mut self) -> Result<(), Error> {
        self.bytes.finish()
    }

    fn skip_content(&mut self) -> Result<(), Error> {
        let mut rest = [0; BLOCK];
        while self.content(&mut rest)? != 0 {}
        let padding = core::mem::take(&mut self.padding);
        self.bytes.read_exact(rest.get_mut(..padding).unwrap_or_default())
    }

    fn long_name(&mut self, size: u64) -> Result<&'static [u8], Error> {
        let length = usize::try_from(size).ok().filter(|length| (1..=PATH_MAX).contains(length));
        let name = zeroed(length.ok_or_else(|| self.bytes.damaged())?);
        self.bytes.read_exact(name)?;
        let padding = zeroed(padding_of(size));
        self.bytes.read_exact(padding)?;
        // GNU tar writes the terminating NUL as part of the record.
        name.strip_suffix(b"\0").ok_or_else(|| self.bytes.damaged())
    }

    fn member(
        &mut self,
        kind: u8,
        mut path: &'static [u8],
        target: &'static [u8],
        size: u64,
        header: &Header<'_>,
    ) -> Result<Member, Error> {
        if kind == b'5' {
            path = path.strip_suffix(b"/").unwrap_or(path);
        }
        let refuse = |why| Err(Error::bad_tree(self.bytes.bundle_name(), path, why));
        let Some(place) = TreePath::new(path) else {
            return refuse("its name is absolute or leaves the tree");
        };
        if path <= self.last_path {
            return refuse("it is out of order");
        }
        if !self.has_directory_of(path) {
            return refuse("its directory does not come before it");
        }
        let (mode, root) = (header.mode(), ROOTS && self.root);
        let owner = if root { header.owner() } else { None };
        if root && owner.is_none() {
            return refuse("it has no owner that the kernel knows");
        }
        if !root && mode & 0o7000 != 0 {
            return refuse("it has a set-user-ID, set-group-ID or sticky bit");
        }
        let kind = match kind {
            b'0' if !target.is_empty() && (root || TreePath::new(target).is_none()) => {
                return refuse("its loader is not in the tree");
            }
            b'0' => Kind::File { size, executable: mode & 0o100 != 0, loader: target },
            _ if size != 0 => return refuse("it has content but is not a file"),
            b'5' => Kind::Directory,
            b'2' if root && !target.is_empty() && target.len() < PATH_MAX && !has(target, 0) => {
                Kind::Symlink(target)
            }
            b'2' if !root && place.may_link_to(target) => Kind::Symlink(target),
            b'2' => return refuse("it is a link out of the tree"),
            // In a directory that came before: in a root, a link among its directories could lead anywhere.
            b'1' if target < path && self.has_directory_of(target) => Kind::Hardlink(target),
            b'1' => return refuse("it is a link to nothing that came before"),
            _ => return refuse("it is neither a file, a directory nor a link"),
        };
        if kind == Kind::Directory {
            self.directories.push(path);
        }
        if let Kind::File { size, .. } = kind {
            self.left = size;
            self.padding = padding_of(size);
        }
        self.last_path = path;
        Ok(Member { path, kind, owner })
    }

    /// Whether what a path lies in is the tree's top, or a directory that came before.
    fn has_directory_of(&self, path: &[u8]) -> bool {
        let Some(place) = TreePath::new(path) else { return false };
        let above = place.parent();
        above.is_none_or(|directory| self.directories.binary_search(&directory.bytes()).is_ok())
    }
}

fn padding_of(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over == 0 { 0 } else { BLOCK.saturating_sub(over) }
}

/// A ustar header (POSIX.1-2024, pax utility, "ustar Interchange Format").
struct Header<'a>(&'a [u8; BLOCK]);

impl Header<'_> {
    fn field(&self, start: usize, length: usize) -> &[u8] {
        self.0.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    fn text(&self, start: usize, length: usize) -> &[u8] {
        let field = self.field(start, length);
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        field.get(..end).unwrap_or_default()
    }

    /// An octal number, or GNU's base-256 form for numbers that do not fit (high bit set).
    fn number(&self, start: usize, length: usize) -> Option<u64> {
        let field = self.field(start, length);
        if field.first().is_some_and(|byte| byte & 0x80 != 0) {
            let low = u64::from_be_bytes(*field.last_chunk()?);
            // Of an id, whose field is no longer, the mark is a bit of it.
            let high = field.get(1..field.len().checked_sub(8)?).unwrap_or_default();
            let mark = if field.len() == 8 { 1 << 63 } else { 0 };
            return high.iter().all(|byte| *byte == 0).then_some(low & !mark);
        }
        let digits = field.iter().filter(|byte| !matches!(byte, b' ' | 0));
        digits.copied().try_fold(0u64, |value, digit| match digit {
            b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit.wrapping_sub(b'0'))),
            _ => None,
        })
    }

    /// The size, if the header's own checksum fits.
    fn checked_size(&self) -> Option<u64> {
        let outside = |at: &usize| !(148..156).contains(at);
        let bytes = self.0.iter().enumerate().filter(|(at, _)| outside(at));
        let sum = bytes.fold(8 * u64::from(b' '), |sum, (_, byte)| sum.saturating_add(u64::from(*byte)));
        (self.number(148, 8)? == sum).then(|| self.number(124, 12))?
    }

    fn mode(&self) -> u64 {
        self.number(100, 8).unwrap_or(u64::MAX)
    }

    /// Owner, group and mode, if the kernel could have them.
    fn owner(&self) -> Option<Owner> {
        let id = |start| self.number(start, 8).and_then(|id| u32::try_from(id).ok());
        Owner::new(id(108)?, id(116)?, u16::try_from(self.mode()).ok()?)
    }

    fn kind(&self) -> u8 {
        self.field(156, 1).first().copied().unwrap_or(0)
    }

    /// Prefix and name; GNU headers have no prefix and say so in their magic.
    fn path(&self) -> &'static [u8] {
        let name = self.text(0, 100);
        let prefix = if self.field(257, 6) == b"ustar\0" { self.text(345, 155) } else { b"" };
        if prefix.is_empty() { join(&[name]) } else { join(&[prefix, b"/", name]) }
    }

    fn link_target(&self) -> &'static [u8] {
        join(&[self.text(157, 100)])
    }
}
