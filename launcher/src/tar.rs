//! The tar subset of FORMAT.md: members of a tree, out of frames in memory. It refuses everything that
//! FORMAT.md does not name: devices, FIFOs, sparse files, PAX headers, absolute or escaping names, names out
//! of order, members in a part of the tree that is not theirs.

use alloc::vec::Vec;
use core::ops::Range;

use bundle::{Blob, Encoding, Owner, PATH_MAX, TreePath, has};

use crate::bundle_file::BundleFile;
use crate::bytes::join;
use crate::error::Error;
use crate::frames::{Frames, Unpacker, damaged};
use crate::hash::Sha256;

pub use crate::frames::Part;

/// Everything in a tar stream is padded to this (POSIX ustar).
const BLOCK: usize = 512;

/// Whether roots of systems are read: launchers leave them to their brokers, and have less code.
pub const ROOTS: bool = cfg!(any(feature = "children", not(feature = "bare")));

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'f> {
    /// A regular file, or the announcement of one whose content comes in pieces.
    File {
        /// Length in bytes.
        size: u64,
        /// Whether it may be executed.
        executable: bool,
        /// The file of the tree whose path this one ends in once it is in its place; empty for most.
        loader: &'f [u8],
    },
    /// A piece of a file that was announced.
    Piece {
        /// The file's place among those that were announced.
        file: usize,
        /// Where in the file it begins.
        offset: u64,
        /// Whether the file ends with it.
        last: bool,
    },
    /// A directory.
    Directory,
    /// A symbolic link: `..` only at the start and never out of the tree.
    Symlink(&'f [u8]),
    /// Another name of a file.
    Hardlink(&'f [u8]),
}

/// One member of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'f> {
    /// Relative to the tree, no `.` or `..`, no trailing slash.
    pub path: &'f [u8],
    /// What it is.
    pub kind: Kind<'f>,
    /// Whose it is, in the root of a system.
    pub owner: Option<Owner>,
    /// What there is of a file's content.
    pub content: &'f [u8],
}

/// What is known of a tree while its members are read: by this, members are checked.
pub struct Tree<'a> {
    /// The bundle's path, for messages.
    name: &'a [u8],
    blob: Blob<'a>,
    /// Whether it is the root of a system.
    root: bool,
    part: Part,
    /// The part's last directory, announcement or link.
    last_path: &'static [u8],
    /// All directories, in ascending order.
    directories: Vec<&'static [u8]>,
    /// Files that come in pieces, likewise.
    announced: Vec<Member<'static>>,
}

impl<'a> Tree<'a> {
    /// Of which nothing is known yet.
    pub fn new(name: &'a [u8], blob: Blob<'a>) -> Self {
        let root = ROOTS && blob.encoding == Encoding::Root;
        let (directories, announced) = (Vec::new(), Vec::new());
        Self { name, blob, root, part: Part::Directories, last_path: b"", directories, announced }
    }

    /// Takes the first member off a frame of this part of the tree; `None` where the frame ends.
    pub fn next_member<'f>(&mut self, frame: &mut &'f [u8], part: Part) -> Result<Option<Member<'f>>, Error> {
        let (mut long_path, mut long_target) = (None, None);
        while !frame.is_empty() {
            let (header, content) = take_record(frame).ok_or_else(|| self.damaged())?;
            match header.kind() {
                // GNU's long name and long link name records: the content is the name of the next member.
                b'L' if long_path.is_none() => long_path = Some(self.long_name(content)?),
                b'K' if long_target.is_none() => long_target = Some(self.long_name(content)?),
                _ => {
                    let mut path = long_path.unwrap_or_else(|| header.text(0, 100));
                    let target = long_target.unwrap_or_else(|| header.text(157, 100));
                    if header.kind() == b'5' {
                        path = path.strip_suffix(b"/").unwrap_or(path);
                    }
                    let member = self.member(part, &header, path, target, content);
                    return member.map(Some).map_err(|why| Error::bad_tree(self.name, path, why));
                }
            }
        }
        // A long name is followed by whose it is.
        if long_path.is_none() && long_target.is_none() { Ok(None) } else { Err(self.damaged()) }
    }

    /// How many files come in pieces.
    pub fn announced(&self) -> usize {
        self.announced.len()
    }

    /// The error that says which part is damaged.
    pub fn damaged(&self) -> Error {
        damaged(self.name, self.blob)
    }

    fn long_name<'f>(&self, content: &'f [u8]) -> Result<&'f [u8], Error> {
        // GNU tar writes the terminating NUL as part of the record.
        let name = if content.len() <= PATH_MAX { content.strip_suffix(b"\0") } else { None };
        name.ok_or_else(|| self.damaged())
    }

    /// A member, or why it is none.
    fn member<'f>(
        &mut self,
        part: Part,
        header: &Header<'f>,
        path: &'f [u8],
        target: &'f [u8],
        content: &'f [u8],
    ) -> Result<Member<'f>, &'static str> {
        let place = TreePath::new(path).ok_or("its name is absolute or leaves the tree")?;
        if !self.has_directory_of(path) {
            return Err("its directory does not come before it");
        }
        let kind = header.kind();
        if part == Part::Files && kind == b'M' {
            let kind = self.piece(header, path, content)?;
            return Ok(Member { path, kind, owner: None, content });
        }
        if part != self.part {
            // Links are ordered anew.
            (self.part, self.last_path) = (part, b"");
        }
        if part != Part::Files && path <= self.last_path {
            return Err("it is out of order");
        }
        let (mode, root) = (header.mode(), ROOTS && self.root);
        let owner = if root { header.owner() } else { None };
        if root && owner.is_none() {
            return Err("it has no owner that the kernel knows");
        }
        if !root && mode & 0o7000 != 0 {
            return Err("it has a set-user-ID, set-group-ID or sticky bit");
        }
        if part != Part::Files && !content.is_empty() {
            return Err("it has content but is not a file");
        }
        let executable = mode & 0o100 != 0;
        let mut size = content.len() as u64;
        let kind = match (part, kind) {
            (Part::Files, b'0') | (Part::Directories, b'M') => {
                if !target.is_empty() && (root || TreePath::new(target).is_none()) {
                    return Err("its loader is not in the tree");
                }
                if part == Part::Directories {
                    size = header.whole().filter(|size| *size != 0).ok_or(PIECES)?;
                }
                Kind::File { size, executable, loader: target }
            }
            (Part::Directories, b'5') => Kind::Directory,
            (Part::Links, b'2') => {
                let fits = !target.is_empty() && target.len() < PATH_MAX && !has(target, 0);
                if !(root && fits || !root && place.may_link_to(target)) {
                    return Err("it is a link out of the tree");
                }
                Kind::Symlink(target)
            }
            // In a directory of the tree: in a root, a link among its directories could lead anywhere.
            (Part::Links, b'1') if TreePath::new(target).is_some() && self.has_directory_of(target) => {
                Kind::Hardlink(target)
            }
            (Part::Links, b'1') => return Err(NO_FILE),
            (_, b'0' | b'1' | b'2' | b'5' | b'M') => return Err("it is in another part of the tree"),
            _ => return Err("it is neither a file, a directory nor a link"),
        };
        if part != Part::Files {
            self.last_path = join(&[path]);
        }
        let member = Member { path, kind, owner, content };
        match kind {
            Kind::Directory => self.directories.push(self.last_path),
            Kind::File { .. } if part == Part::Directories => self.announced.push(member.kept()),
            _ => {}
        }
        Ok(member)
    }

    /// A piece of a file that was announced with the same length.
    fn piece(&self, header: &Header<'_>, path: &[u8], content: &[u8]) -> Result<Kind<'static>, &'static str> {
        let file = self.announced.binary_search_by(|file| file.path.cmp(path)).map_err(|_| PIECES)?;
        let whole = match self.announced.get(file).map(|file| file.kind) {
            Some(Kind::File { size, .. }) if header.whole() == Some(size) => size,
            _ => return Err(PIECES),
        };
        let offset = header.offset().ok_or(PIECES)?;
        match offset.checked_add(content.len() as u64) {
            Some(end) if end <= whole && !content.is_empty() => {
                Ok(Kind::Piece { file, offset, last: end == whole })
            }
            _ => Err(PIECES),
        }
    }

    /// The error of a member that cannot stay.
    fn refuse<T>(&self, path: &[u8], why: &str) -> Result<T, Error> {
        Err(Error::bad_tree(self.name, path, why))
    }

    /// Whether what a path lies in is the tree's top, or a directory of the tree.
    fn has_directory_of(&self, path: &[u8]) -> bool {
        let Some(place) = TreePath::new(path) else { return false };
        let above = place.parent();
        above.is_none_or(|directory| self.directories.binary_search(&directory.bytes()).is_ok())
    }
}

/// Takes a header and the content behind it off a frame, where both are whole.
fn take_record<'f>(frame: &mut &'f [u8]) -> Option<(Header<'f>, &'f [u8])> {
    let (header, behind) = frame.split_first_chunk()?;
    let header = Header(header);
    let size = usize::try_from(header.checked_size()?).ok()?;
    let content = behind.get(..size)?;
    *frame = behind.get(size.checked_next_multiple_of(BLOCK)?..)?;
    Some((header, content))
}

/// Reads a tree member after member, and compares all of it with its digest at the end. A file that comes in
/// pieces is one member here, where its first piece is.
pub struct TarReader<'a> {
    frames: Frames<'a>,
    unpacker: Unpacker,
    tree: Tree<'a>,
    hasher: Sha256,
    /// How many frames have been begun, and how much of the last one has been taken.
    begun: usize,
    taken: usize,
    /// The part of that frame that is the current file's content and has not been given out.
    ready: Range<usize>,
    /// The current file, if it comes in pieces and is not whole yet, and where it goes on.
    file: Option<(&'static [u8], u64)>,
    /// How many files that come in pieces have begun.
    cut: usize,
    /// Whether the end was reached, and all was right.
    ended: bool,
}

impl<'a> TarReader<'a> {
    /// Starts at the first member of a tree.
    pub fn open(file: &'a BundleFile<'a>, blob: Blob<'a>) -> Result<Self, Error> {
        let frames = Frames::open(file, blob)?;
        let (unpacker, tree) = (Unpacker::new(&frames)?, Tree::new(file.name(), blob));
        let hasher = Sha256::begin();
        Ok(Self {
            frames,
            unpacker,
            tree,
            hasher,
            begun: 0,
            taken: 0,
            ready: 0..0,
            file: None,
            cut: 0,
            ended: false,
        })
    }

    /// The next member, or `None` at the end, where all bytes have had their digest. Files are in no order:
    /// whoever reads a tree without writing it refuses a name that is there twice himself.
    pub fn next_member(&mut self) -> Result<Option<Member<'static>>, Error> {
        while !self.content(usize::MAX)?.is_empty() {}
        while !self.ended {
            let Some((member, part)) = self.take()? else {
                if self.begun < self.frames.count() {
                    self.next_frame()?;
                    continue;
                }
                if self.cut != self.tree.announced.len() || self.hasher.digest() != self.tree.blob.digest() {
                    return Err(self.tree.damaged());
                }
                self.ended = true;
                break;
            };
            let member = match member.kind {
                // It comes later.
                Kind::File { .. } if part == Part::Directories => continue,
                Kind::Piece { file, offset: 0, .. } => {
                    self.cut = self.cut.saturating_add(1);
                    self.tree.announced.get(file).copied().unwrap_or(member)
                }
                Kind::Piece { .. } => return self.tree.refuse(member.path, PIECES),
                _ => member,
            };
            return Ok(Some(member));
        }
        Ok(None)
    }

    /// More of the current file's content, at most `most` bytes; none at its end.
    pub fn content(&mut self, most: usize) -> Result<&[u8], Error> {
        if self.ready.is_empty()
            && let Some((path, at)) = self.file
        {
            if self.taken == self.unpacker.bytes().len() && self.begun < self.frames.count() {
                self.next_frame()?;
            }
            match self.take()? {
                Some((Member { path: next, kind: Kind::Piece { offset, .. }, .. }, _))
                    if (next, offset) == (path, at) => {}
                _ => return self.tree.refuse(path, PIECES),
            }
        }
        let end = self.ready.start.saturating_add(most).min(self.ready.end);
        let given = self.ready.start..end;
        self.ready.start = end;
        Ok(self.unpacker.bytes().get(given).unwrap_or_default())
    }

    /// Checks all that is left, and the digest.
    pub fn finish(mut self) -> Result<(), Error> {
        while self.next_member()?.is_some() {}
        Ok(())
    }

    fn next_frame(&mut self) -> Result<(), Error> {
        let bytes = self.unpacker.frame(&self.frames, self.begun, None)?;
        self.hasher.update(bytes);
        (self.begun, self.taken) = (self.begun.saturating_add(1), 0);
        Ok(())
    }

    /// The next member of the current frame, and the part of the tree that it is of.
    fn take(&mut self) -> Result<Option<(Member<'static>, Part)>, Error> {
        let bytes = self.unpacker.bytes();
        let mut rest = bytes.get(self.taken..).unwrap_or_default();
        let part = self.frames.part(self.begun.saturating_sub(1));
        let is_first = self.taken == 0;
        let Some(member) = self.tree.next_member(&mut rest, part)? else { return Ok(None) };
        self.taken = bytes.len().saturating_sub(rest.len());
        let length = member.content.len();
        let start = self.taken.saturating_sub(length.checked_next_multiple_of(BLOCK).unwrap_or(0));
        self.ready = start..start.saturating_add(length);
        let kept = member.kept();
        self.file = None;
        if let Kind::Piece { .. } = member.kind {
            if !member.fits(is_first, rest.is_empty()) {
                return self.tree.refuse(kept.path, PIECES);
            }
            self.file = member.goes_on().map(|end| (kept.path, end));
        }
        Ok(Some((kept, part)))
    }
}

/// Why a hard link is refused that leads to anything but a file of the tree.
pub const NO_FILE: &str = "it is a link to nothing that came before";

/// Why a piece is refused, or the announcement of a file without any.
pub const PIECES: &str = "its pieces do not make one file";

/// Why a member is refused whose name another one has.
pub const TWICE: &str = "its name is there twice";

impl Member<'_> {
    /// The same for as long as this process lives, without its content.
    fn kept(&self) -> Member<'static> {
        let kind = match self.kind {
            Kind::File { size, executable, loader } => {
                Kind::File { size, executable, loader: join(&[loader]) }
            }
            Kind::Piece { file, offset, last } => Kind::Piece { file, offset, last },
            Kind::Directory => Kind::Directory,
            Kind::Symlink(target) => Kind::Symlink(join(&[target])),
            Kind::Hardlink(target) => Kind::Hardlink(join(&[target])),
        };
        Member { path: join(&[self.path]), kind, owner: self.owner, content: b"" }
    }

    /// Where the next piece of the file begins, if this is one and not the last.
    pub fn goes_on(&self) -> Option<u64> {
        match self.kind {
            Kind::Piece { offset, last: false, .. } => Some(offset.saturating_add(self.content.len() as u64)),
            _ => None,
        }
    }

    /// Whether a piece stands where it may: one that goes on behind it ends its frame, one that goes on from
    /// the frame before begins it.
    pub fn fits(&self, is_first: bool, is_last: bool) -> bool {
        match self.kind {
            Kind::Piece { offset, last, .. } => (offset == 0 || is_first) && (last || is_last),
            _ => true,
        }
    }
}

/// A GNU header: a ustar header (POSIX.1-2024, pax utility, "ustar Interchange Format") whose prefix is not
/// used, with GNU tar's fields of pieces.
struct Header<'a>(&'a [u8; BLOCK]);

impl<'f> Header<'f> {
    fn field(&self, start: usize, length: usize) -> &'f [u8] {
        self.0.get(start..start.saturating_add(length)).unwrap_or_default()
    }

    fn text(&self, start: usize, length: usize) -> &'f [u8] {
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

    /// The size, if the header's own checksum fits and no name goes on in its prefix.
    fn checked_size(&self) -> Option<u64> {
        let outside = |at: &usize| !(148..156).contains(at);
        let bytes = self.0.iter().enumerate().filter(|(at, _)| outside(at));
        let sum = bytes.fold(8 * u64::from(b' '), |sum, (_, byte)| sum.saturating_add(u64::from(*byte)));
        (self.number(148, 8)? == sum && self.0[345] == 0).then(|| self.number(124, 12))?
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

    /// Where in its file a piece begins.
    fn offset(&self) -> Option<u64> {
        self.number(369, 12)
    }

    /// The length of the file of which this is a piece.
    fn whole(&self) -> Option<u64> {
        self.number(483, 12)
    }
}
