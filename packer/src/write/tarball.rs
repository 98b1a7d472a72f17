//! The tar stream of an app tree, with crate `tar`, which is touched here only: old GNU headers, `L` and `K`
//! records for names over 100 bytes, entry types `0`, `1`, `2`, `5`, every field that could differ between
//! machines fixed.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::error::Error;
use crate::system::system_tree::{self, Named, SystemTree};
use crate::tree::app_tree::{App, Node};

/// The length of a header's fields for a name and a link's target.
const FIELD: usize = 100;

/// Writes `app` as one tar stream, end mark included.
pub(crate) fn write(app: &App, to: &mut dyn Write) -> io::Result<()> {
    let mut tar = Builder::new(to);
    for (path, node) in app.nodes() {
        let path = as_path(path);
        match node {
            Node::Directory => {
                tar.append_data(&mut header(EntryType::Directory, 0o755, 0), path, io::empty())?;
            }
            Node::File { executable, content } => {
                let mode = if *executable { 0o755 } else { 0o644 };
                let mut header = header(EntryType::Regular, mode, content.len());
                if let Some(loader) = app.loader_of(as_bytes(path)) {
                    header.set_link_name(as_path(loader))?;
                }
                tar.append_data(&mut header, path, content.reader())?;
            }
            Node::Symlink(target) => {
                tar.append_link(&mut header(EntryType::Symlink, 0o777, 0), path, as_path(target))?;
            }
            Node::HardLink(target) => {
                tar.append_link(&mut header(EntryType::Link, 0o755, 0), path, as_path(target))?;
            }
        }
    }
    tar.into_inner()?.flush()
}

/// Writes `system` as one tar stream, end mark included: a root (FORMAT.md, blob encoding 3). Its links'
/// targets stay as they are, byte for byte.
pub(crate) fn write_root(system: &SystemTree, to: &mut dyn Write) -> io::Result<()> {
    let mut tar = Builder::new(to);
    for Named { path, inode, first } in system.iter() {
        let mode = u32::from(inode.mode & 0o7777);
        let (mut header, link) = match (&inode.kind, first) {
            (_, Some(first)) => (header(EntryType::Link, mode, 0), first),
            (system_tree::Kind::Directory, None) => (header(EntryType::Directory, mode, 0), &b""[..]),
            (system_tree::Kind::File(content), None) => {
                (header(EntryType::Regular, mode, content.len()), &b""[..])
            }
            (system_tree::Kind::Symlink(target), None) => {
                (header(EntryType::Symlink, 0o777, 0), target.as_slice())
            }
        };
        header.set_uid(inode.uid.into());
        header.set_gid(inode.gid.into());
        let name = long(&mut tar, EntryType::GNULongName, path)?;
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_link_name_literal(long(&mut tar, EntryType::GNULongLink, link)?)?;
        header.set_cksum();
        match (&inode.kind, first) {
            (system_tree::Kind::File(content), None) => tar.append(&header, content.reader())?,
            _ => tar.append(&header, io::empty())?,
        }
    }
    tar.into_inner()?.flush()
}

/// Whose a member is.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
}

impl Member {
    /// Of root's.
    pub(crate) fn new(mode: u32) -> Self {
        Self { mode, uid: 0, gid: 0 }
    }
}

/// A tar stream that is written member by member: names and targets of links as they are, byte for byte.
pub(crate) struct Members<'w>(Builder<&'w mut dyn Write>);

impl<'w> Members<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        Self(Builder::new(to))
    }

    pub(crate) fn directory(&mut self, path: &[u8], member: Member) -> io::Result<()> {
        self.append(header(EntryType::Directory, member.mode, 0), path, b"", member, &mut io::empty())
    }

    /// A file of exactly `size` bytes.
    pub(crate) fn file(
        &mut self,
        path: &[u8],
        member: Member,
        size: u64,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        let mut content = Counted { from: content, left: size };
        self.append(header(EntryType::Regular, member.mode, size), path, b"", member, &mut content)?;
        if content.left == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    pub(crate) fn symlink(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        let member = Member::new(0o777);
        self.append(header(EntryType::Symlink, member.mode, 0), path, target, member, &mut io::empty())
    }

    pub(crate) fn hard_link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        let member = Member::new(0o755);
        self.append(header(EntryType::Link, member.mode, 0), path, target, member, &mut io::empty())
    }

    /// Writes the end mark.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.0.into_inner()?.flush()
    }

    fn append(
        &mut self,
        mut header: Header,
        path: &[u8],
        link: &[u8],
        Member { uid, gid, .. }: Member,
        content: &mut dyn Read,
    ) -> io::Result<()> {
        header.set_uid(uid);
        header.set_gid(gid);
        let name = long(&mut self.0, EntryType::GNULongName, path)?;
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_link_name_literal(long(&mut self.0, EntryType::GNULongLink, link)?)?;
        header.set_cksum();
        self.0.append(&header, content)
    }
}

/// Reads what is left, and nothing behind it.
struct Counted<'r> {
    from: &'r mut dyn Read,
    left: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let length = self.from.read(&mut buffer[..most])?;
        self.left -= length as u64;
        Ok(length)
    }
}

/// What the header's field can hold of `name`, with a record of all of it before the header if that is less.
fn long<'n>(tar: &mut Builder<&mut dyn Write>, kind: EntryType, name: &'n [u8]) -> io::Result<&'n [u8]> {
    let Some((short, _)) = name.split_at_checked(FIELD).filter(|(_, rest)| !rest.is_empty()) else {
        return Ok(name);
    };
    let mut record = header(kind, 0o644, name.len() as u64 + 1);
    let mark = b"././@LongLink";
    record.as_old_mut().name[..mark.len()].copy_from_slice(mark);
    record.set_cksum();
    tar.append(&record, name.chain(&b"\0"[..]))?;
    Ok(short)
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn as_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A stream of one empty file, or of what its type byte says in place of a file.
#[cfg(test)]
pub(crate) fn one_of_type(kind: u8, path: &str) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    tar.append_data(&mut header(EntryType::new(kind), 0o755, 0), path, io::empty())?;
    tar.into_inner()
}

/// What a tar stream holds, one entry.
pub(crate) enum TarEntry<'a> {
    Directory,
    File { executable: bool, size: u64, content: &'a mut dyn Read, loader: Option<Vec<u8>> },
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
}

/// Reads a tar stream that people may have made by other tools, entry by entry; trees of bundles have a
/// stricter reader, `read_back.rs`. What cannot be read, and kinds that [`write`] does not write, are what
/// `damaged` makes of them.
pub(crate) fn read(
    from: impl Read,
    damaged: impl Fn(io::Error) -> Error,
    mut each: impl FnMut(&[u8], TarEntry<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut tar = tar::Archive::new(from);
    for entry in tar.entries().map_err(&damaged)? {
        let mut entry = entry.map_err(&damaged)?;
        let path = entry.path_bytes().into_owned();
        let mode = entry.header().mode().map_err(&damaged)?;
        let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let entry = match (entry.header().entry_type(), link) {
            (EntryType::Directory, _) => TarEntry::Directory,
            (EntryType::Regular, loader) => {
                let size = entry.size();
                TarEntry::File { executable: mode & 0o111 != 0, size, content: &mut entry, loader }
            }
            (EntryType::Symlink, Some(target)) => TarEntry::Symlink(target),
            (EntryType::Link, Some(target)) => TarEntry::HardLink(target),
            (kind, _) => {
                let text = format!("`{}` is an entry of type {kind:?}", path.escape_ascii());
                return Err(damaged(io::Error::new(io::ErrorKind::InvalidData, text)));
            }
        };
        each(&path, entry)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> App {
        let mut app = App::default();
        let long = [&[b'd'; 200][..], b"/", &[0xff; 200][..]].concat();
        app.add(&long, Node::File { executable: false, content: vec![1; 700].into() }).expect("added");
        app.add(b"bin/a", Node::File { executable: true, content: b"x".to_vec().into() }).expect("added");
        app.add(b"bin/b", Node::HardLink(b"bin/a".to_vec())).expect("added");
        app.add(b"bin/c", Node::Symlink(vec![b't'; 300])).expect("added");
        app.add(b"bin/d", Node::HardLink(long)).expect("added");
        app.settle().expect("links lead to files");
        app
    }

    fn bytes() -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&tree(), &mut bytes).expect("memory can be written");
        bytes
    }

    #[test]
    fn only_the_entry_types_of_the_format_are_written_and_no_field_tells_of_this_machine() {
        let bytes = bytes();
        assert_eq!(bytes.len() % 512, 0);
        assert!(bytes.ends_with(&[0; 1024]));
        let mut at = 0;
        let mut kinds = Vec::new();
        while bytes[at..at + 512] != [0; 512] {
            let block = &bytes[at..at + 512];
            kinds.push(block[156]);
            assert_eq!(&block[257..265], b"ustar  \0", "old GNU magic");
            assert_eq!(&block[345..500], [0; 155], "no prefix, no GNU times");
            assert_eq!(&block[265..329], [0; 64], "no user or group name");
            for field in [&block[108..116], &block[116..124], &block[136..148]] {
                assert!(field.iter().all(|byte| matches!(byte, b'0' | b' ' | 0)), "uid, gid and mtime are 0");
            }
            let size = std::str::from_utf8(&block[124..135]).expect("octal digits");
            let size = usize::from_str_radix(size.trim_matches([' ', '\0']), 8).expect("octal digits");
            at += 512 + size.div_ceil(512) * 512;
        }
        assert_eq!(kinds, b"501K20L5L1");
    }

    #[test]
    fn a_root_has_owners_modes_and_links_as_they_are() {
        use system_tree::{Inode, Kind};
        let mut system = SystemTree::default();
        let long = [&[0xff; 200][..], b"/", &[b'n'; 100][..]].concat();
        let target = [&b"/"[..], &[b't'; 300], b"//./../"].concat();
        let link =
            |target: &[u8]| Inode { kind: Kind::Symlink(target.to_vec()), mode: 0o777, uid: 5, gid: 6 };
        let file = Inode { kind: Kind::File(vec![1; 700].into()), mode: 0o4755, uid: 4_000_000_000, gid: 33 };
        system.add(b"a", link(&target)).expect("added");
        system.add(b"b", link(b"../..//x/")).expect("added");
        system.add(&long, file).expect("added");
        system.link(b"z", &long).expect("linked");
        system.add(b"tmp", Inode::of_root(Kind::Directory, 0o1777)).expect("added");
        let mut bytes = Vec::new();
        write_root(&system, &mut bytes).expect("memory can be written");
        let mut seen = Vec::new();
        for entry in tar::Archive::new(&bytes[..]).entries().expect("a stream") {
            let mut entry = entry.expect("an entry");
            let header = entry.header().clone();
            let numbers = (
                header.mode().expect("octal"),
                header.uid().expect("a number"),
                header.gid().expect("a number"),
            );
            let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default();
            let path = entry.path_bytes().into_owned();
            let length = io::copy(&mut entry, &mut io::sink()).expect("its bytes");
            seen.push((path, header.entry_type().as_byte(), numbers, link, length));
        }
        let expected = [
            (b"a".to_vec(), b'2', (0o777, 5, 6), target, 0),
            (b"b".to_vec(), b'2', (0o777, 5, 6), b"../..//x/".to_vec(), 0),
            (b"tmp".to_vec(), b'5', (0o1777, 0, 0), Vec::new(), 0),
            (b"z".to_vec(), b'0', (0o4755, 4_000_000_000, 33), Vec::new(), 700),
            (vec![0xff; 200], b'5', (0o755, 0, 0), Vec::new(), 0),
            (long, b'1', (0o4755, 4_000_000_000, 33), b"z".to_vec(), 0),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut seen = Vec::new();
        read(&bytes()[..], Error::Temporary, |path, entry| {
            let kind = match entry {
                TarEntry::Directory => "directory".to_owned(),
                TarEntry::File { executable, content, .. } => {
                    format!("{executable} {}", io::copy(content, &mut io::sink()).map_err(Error::Temporary)?)
                }
                TarEntry::Symlink(to) => format!("-> {}", to.len()),
                TarEntry::HardLink(to) => format!("= {}", to.len()),
            };
            seen.push((path.len(), kind));
            Ok(())
        })
        .expect("it is read");
        let expected = [
            (3, "directory"),
            (5, "true 1"),
            (5, "= 5"),
            (5, "-> 300"),
            (5, "false 700"),
            (200, "directory"),
            (401, "= 5"),
        ];
        assert_eq!(seen, expected.map(|(length, kind)| (length, kind.to_owned())));
    }
}
