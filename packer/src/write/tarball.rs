//! The tar stream of an app tree, by crate `tar` (`member`): old GNU headers, `L` and `K` records for names
//! over 100 bytes, entry types `0`, `1`, `2`, `5`, `M`, every field that could differ between machines fixed.

mod member;
mod stream;

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bundle::Encoding;
use inputs::Bound;

use crate::error::Error;
use crate::system::system_tree::{self, Named, SystemTree};
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::write::compress::Uncompressed;
use crate::write::similar::By;
use crate::write::tarball::member::{Archive, BLOCK, EntryType, Header, header, put};
use crate::write::tarball::stream::{File, Stream};

/// `app` as a stream (FORMAT.md, section 6).
pub(crate) fn write(app: &App, by: By) -> io::Result<Uncompressed> {
    let mut stream = Stream::new()?;
    let nothing = Content::from(Vec::new());
    let file = |path: &Path, executable: bool, content: &Content| {
        let mode = if executable { 0o755 } else { 0o644 };
        let loader = app.loader_of(as_bytes(path)).unwrap_or_default().to_vec();
        (header(EntryType::Regular, mode, content.len()), loader)
    };
    for (path, node) in app.nodes() {
        match node {
            Node::Directory => {
                stream.member(header(EntryType::Directory, 0o755, 0), path, b"", &nothing)?;
            }
            Node::File { executable, content } => {
                let (header, loader) = file(as_path(path), *executable, content);
                stream.announce(header, path, &loader, content.len())?;
            }
            Node::Symlink(_) | Node::HardLink(_) => {}
        }
    }
    stream.end_directories();
    let files = app.nodes().filter_map(|(path, node)| match node {
        Node::File { executable, content } => {
            let (header, loader) = file(as_path(path), *executable, content);
            Some(File { header, path, loader, content })
        }
        _ => None,
    });
    stream.files(&files.collect::<Vec<_>>(), by)?;
    let before_links = stream.frames();
    for (path, node) in app.nodes() {
        let (kind, mode, target) = match node {
            Node::Symlink(target) => (EntryType::Symlink, 0o777, target),
            Node::HardLink(target) => (EntryType::Link, 0o755, target),
            Node::Directory | Node::File { .. } => continue,
        };
        stream.member(header(kind, mode, 0), path, target, &nothing)?;
    }
    stream.finish(Encoding::TarZstd, before_links)
}

/// `system` as a stream: a root (FORMAT.md, blob encoding 3). Its links' targets stay as they are, byte for
/// byte.
pub(crate) fn write_root(system: &SystemTree, by: By) -> io::Result<Uncompressed> {
    use system_tree::Kind;
    let mut stream = Stream::new()?;
    let nothing = Content::from(Vec::new());
    let owned = |kind, named: &Named<'_>, size| {
        let mut header = header(kind, u32::from(named.inode.mode & 0o7777), size);
        header.set_uid(named.inode.uid.into());
        header.set_gid(named.inode.gid.into());
        header
    };
    for named in system.iter() {
        match (&named.inode.kind, named.first) {
            (Kind::Directory, None) => {
                let header = owned(EntryType::Directory, &named, 0);
                stream.member(header, named.path, b"", &nothing)?;
            }
            (Kind::File(content), None) => {
                let header = owned(EntryType::Regular, &named, content.len());
                stream.announce(header, named.path, b"", content.len())?;
            }
            _ => {}
        }
    }
    stream.end_directories();
    let files = system.iter().filter_map(|named| match (&named.inode.kind, named.first) {
        (Kind::File(content), None) => {
            let header = owned(EntryType::Regular, &named, content.len());
            Some(File { header, path: named.path, loader: Vec::new(), content })
        }
        _ => None,
    });
    stream.files(&files.collect::<Vec<_>>(), by)?;
    let before_links = stream.frames();
    for named in system.iter() {
        let (mut header, target) = match (&named.inode.kind, named.first) {
            (_, Some(first)) => (owned(EntryType::Link, &named, 0), first),
            (Kind::Symlink(target), None) => (owned(EntryType::Symlink, &named, 0), target.as_slice()),
            _ => continue,
        };
        if named.first.is_none() {
            header.set_mode(0o777);
        }
        stream.member(header, named.path, target, &nothing)?;
    }
    stream.finish(Encoding::Root, before_links)
}

/// `app` as a tar archive for other programs, end mark included, in the order of its names.
pub(crate) fn archive(app: &App, to: &mut dyn Write) -> io::Result<()> {
    let mut members = Members::new(to);
    for (path, node) in app.nodes() {
        match node {
            Node::Directory => members.directory(path, Member::new(0o755))?,
            Node::File { executable, content } => {
                let member = Member::new(if *executable { 0o755 } else { 0o644 });
                members.file(path, member, content.len(), &mut content.reader())?;
            }
            Node::Symlink(target) => members.symlink(path, target)?,
            Node::HardLink(target) => members.hard_link(path, target)?,
        }
    }
    members.finish()
}

/// A root as a tar archive for other programs: owners, modes and links as they are, and all of `time`.
pub(crate) fn root_archive(system: &SystemTree, time: u64, to: &mut dyn Write) -> io::Result<()> {
    use system_tree::Kind;
    let mut members = Members { to, time };
    for named in system.iter() {
        let (mode, uid, gid) = (named.inode.mode.into(), named.inode.uid.into(), named.inode.gid.into());
        let member = Member { mode, uid, gid };
        match (&named.inode.kind, named.first) {
            (_, Some(first)) => members.link(named.path, first, false, member)?,
            (Kind::Directory, None) => members.directory(named.path, member)?,
            (Kind::File(content), None) => {
                members.file(named.path, member, content.len(), &mut content.reader())?;
            }
            (Kind::Symlink(target), None) => members.link(named.path, target, true, member)?,
        }
    }
    members.finish()
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
pub(crate) struct Members<'w> {
    to: &'w mut dyn Write,
    /// Of every member.
    time: u64,
}

impl<'w> Members<'w> {
    pub(crate) fn new(to: &'w mut dyn Write) -> Self {
        Self { to, time: 0 }
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
        self.link(path, target, true, Member::new(0o777))
    }

    pub(crate) fn hard_link(&mut self, path: &[u8], target: &[u8]) -> io::Result<()> {
        self.link(path, target, false, Member::new(0o755))
    }

    /// A symbolic or a hard link.
    pub(crate) fn link(
        &mut self,
        path: &[u8],
        target: &[u8],
        symbolic: bool,
        member: Member,
    ) -> io::Result<()> {
        let kind = if symbolic { EntryType::Symlink } else { EntryType::Link };
        self.append(header(kind, member.mode, 0), path, target, member, &mut io::empty())
    }

    /// Writes the end mark.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        self.to.flush()
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
        header.set_mtime(self.time);
        put(&mut self.to, header, path, link, content).map(drop)
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

fn as_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A stream of one empty file, or of what its type byte says in place of a file.
#[cfg(test)]
pub(crate) fn one_of_type(kind: u8, path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let header = header(EntryType::new(kind), 0o755, 0);
    put(&mut bytes, header, path.as_bytes(), b"", &mut io::empty())?;
    Ok(bytes)
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
    let (bound, from) = Bound::of(from);
    let mut tar = Archive::new(from);
    let mut all = tar.entries().map_err(&damaged)?;
    loop {
        bound.headers();
        let Some(entry) = all.next() else { return Ok(()) };
        bound.content();
        let mut entry = entry.map_err(&damaged)?;
        let path = entry.path_bytes().into_owned();
        let mode = entry.header().mode().map_err(&damaged)?;
        let link = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let described = match (entry.header().entry_type(), link) {
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
        each(&path, described)?;
        // What nobody has read is no header of the next one.
        io::copy(&mut entry, &mut io::sink()).map_err(&damaged)?;
    }
}

#[cfg(test)]
mod tests;
