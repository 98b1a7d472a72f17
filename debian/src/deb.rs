//! Reads a `.deb` (deb(5)): its control files and, one by one, the entries of its file tree. The only file
//! that uses `tar`. Never unpacks: the caller decides what happens to an entry. Refuses entries
//! that would leave the tree or pass through a symbolic link, device nodes, FIFOs and sparse files.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bundle::Digest;
use tar::EntryType;

use crate::ar::{HEADER, MAGIC, Member};
use crate::bound::{Bound, ENTRIES_MAX, MORE, TIMES, inside, passes_through};
use crate::packages::{Package, PackageIndex};
use crate::{xz, zst};

/// The largest control file that is read, in bytes; Debian's longest scripts are a tenth of that.
const CONTROL_MAX: u64 = 4 << 20;

/// An open `.deb`. Whoever fetched it has checked its bytes.
#[derive(Debug)]
pub struct Deb {
    path: PathBuf,
    control: Member,
    data: Member,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DebKind {
    /// A file; its bytes are read from [`DebEntry::reader`].
    File,
    /// A directory.
    Dir,
    /// A symbolic link; its target may be anywhere.
    Symlink {
        /// The target, as stored.
        target: Vec<u8>,
    },
    /// A hard link to an earlier file.
    Hardlink {
        /// That file's path, in the form of [`DebEntry::path`].
        target: Vec<u8>,
    },
}

/// One file of a package's control archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// Its name: `control`, `conffiles`, `postinst`…
    pub name: String,
    /// Permission bits.
    pub mode: u32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// One entry of a package's file tree, in the package's order.
pub struct DebEntry<'a> {
    /// Its path relative to the root of the tree, without a leading `./`: `usr/bin/busybox`. Paths are bytes.
    pub path: Vec<u8>,
    /// Its kind.
    pub kind: DebKind,
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u32,
    /// The owner's user ID, one of those that Debian assigns statically.
    pub uid: u32,
    /// The group ID, likewise.
    pub gid: u32,
    /// Length in bytes; 0 for all but files.
    pub size: u64,
    /// The file's bytes.
    pub reader: &'a mut dyn Read,
}

/// A `.deb` that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// The file cannot be read.
    #[error("cannot read `{path}`", path = path.display())]
    Io {
        /// The package file.
        path: PathBuf,
        /// The error of the system or of a decoder.
        source: io::Error,
    },
    /// Not a `.deb`, or of an unsupported form.
    #[error("`{path}` is not a Debian package that can be read: {reason}", path = path.display())]
    Form {
        /// The package file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An entry that is unsafe to unpack.
    #[error("`{path}` holds `{entry}`, which is refused: {reason}", path = path.display())]
    Entry {
        /// The package file.
        path: PathBuf,
        /// The entry's path as stored.
        entry: String,
        /// The reason.
        reason: &'static str,
    },
}

impl DebError {
    /// A hint for the user. The file has the digest that the archive signed, so only another file can help.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } | Self::Form { .. } => {
                "the file may be truncated or damaged: remove it, and it will be fetched again"
            }
            Self::Entry { .. } => "use another version of the package, with `--suite`",
        }
    }
}

impl Deb {
    /// Opens the package at `path` and finds its parts.
    pub fn open(path: &Path) -> Result<Self, DebError> {
        let wrap = |source| DebError::Io { path: path.to_owned(), source };
        let form = |reason: &str| DebError::Form { path: path.to_owned(), reason: reason.into() };
        let mut file = File::open(path).map_err(wrap)?;
        let length = file.metadata().map_err(wrap)?.len();
        let mut magic = [0; 8];
        if length < 8 || file.read_exact(&mut magic).is_err() || magic != *MAGIC {
            return Err(form("it is not an `ar` archive"));
        }
        let (mut control, mut data) = (None, None);
        let mut offset = MAGIC.len() as u64;
        while offset < length {
            let mut header = Vec::new();
            file.seek(SeekFrom::Start(offset)).map_err(wrap)?;
            (&mut file).take(HEADER).read_to_end(&mut header).map_err(wrap)?;
            let member = Member::parse(&header, offset).map_err(form)?;
            if member.bytes.end > length {
                return Err(form("it is truncated"));
            }
            offset = member.next();
            match member.name.split_once('.') {
                Some(("control", _)) if control.is_none() => control = Some(member),
                Some(("data", _)) if data.is_none() => data = Some(member),
                _ => {}
            }
        }
        Ok(Self {
            path: path.to_owned(),
            control: control.ok_or_else(|| form("it has no control archive"))?,
            data: data.ok_or_else(|| form("it has no data archive"))?,
        })
    }

    /// The package's control file: the fields `Package`, `Version`, `Depends`… as text.
    pub fn control(&self) -> Result<String, DebError> {
        let text = self.control_file("control")?;
        text.ok_or_else(|| self.form("it has no control file"))
    }

    /// The package as an index would list it, given the file's length and digest. The file's name stands in
    /// for its path in an archive.
    pub fn package(&self, size: u64, sha256: Digest) -> Result<Package, DebError> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().replace(['\n', '\r'], "?");
        let of_index = format!("Filename: {name}\nSize: {size}\nSHA256: {sha256}\n");
        // One paragraph: what follows an empty line would be another package.
        let control = self.control()?;
        let paragraph = control.trim_start().split("\n\n").next().unwrap_or_default().trim_end().to_owned();
        let text = format!("{paragraph}\n{of_index}");
        let index =
            PackageIndex::read(text.as_bytes(), sha256).map_err(|error| self.form(&error.to_string()))?;
        index.into_only().ok_or_else(|| self.form("its control file is no description of a package"))
    }

    /// The text of one of the package's control files: `control`, `conffiles`, `postinst`…
    pub fn control_file(&self, name: &str) -> Result<Option<String>, DebError> {
        let mut text = None;
        self.walk(&self.control, |entry: DebEntry<'_>| {
            if entry.path != name.as_bytes() {
                return Ok(ControlFlow::Continue(()));
            }
            let mut bytes = Vec::new();
            entry.reader.take(CONTROL_MAX).read_to_end(&mut bytes).map_err(|error| self.io(error))?;
            text = Some(String::from_utf8_lossy(&bytes).into_owned());
            Ok::<_, DebError>(ControlFlow::Break(()))
        })?;
        Ok(text)
    }

    /// All control files, in the order of the archive: name, permission bits and bytes.
    pub fn control_files(&self) -> Result<Vec<ControlFile>, DebError> {
        let mut files = Vec::new();
        self.walk(&self.control, |entry: DebEntry<'_>| {
            let DebEntry { path, kind, mode, size, reader, .. } = entry;
            let refuse = |reason| self.entry(&path, reason);
            match kind {
                DebKind::File if size <= CONTROL_MAX => {}
                DebKind::File => return Err(refuse("it is larger than expected")),
                _ => return Err(refuse("it is no file among the control files")),
            }
            let name = str::from_utf8(&path).ok().filter(|name| !name.contains('/'));
            let name = name.ok_or_else(|| refuse("no control file has such a name"))?.to_owned();
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).map_err(|error| self.io(error))?;
            files.push(ControlFile { name, mode, bytes });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(files)
    }

    /// Calls `visit` with each entry of the file tree except the root itself, until it returns
    /// [`ControlFlow::Break`].
    pub fn entries<E: From<DebError>>(
        &self,
        visit: impl FnMut(DebEntry<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        self.walk(&self.data, visit)
    }

    /// The bytes of the file `path` (`usr/bin/busybox`), or `None` if there is no such file. Reads at most
    /// `max` bytes and refuses longer files.
    pub fn read(&self, path: &str, max: u64) -> Result<Option<Vec<u8>>, DebError> {
        let mut bytes = None;
        self.entries(|entry| {
            if entry.path != path.as_bytes() || entry.kind != DebKind::File {
                return Ok(ControlFlow::Continue(()));
            }
            if entry.size > max {
                return Err(self.entry(path.as_bytes(), "it is larger than expected"));
            }
            let mut content = Vec::new();
            entry.reader.read_to_end(&mut content).map_err(|error| self.io(error))?;
            bytes = Some(content);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(bytes)
    }

    fn walk<E: From<DebError>>(
        &self,
        member: &Member,
        mut visit: impl FnMut(DebEntry<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let stored = member.bytes.end - member.bytes.start;
        let mut left = stored.saturating_mul(TIMES).saturating_add(MORE);
        let too_much = || self.form(&format!("it unpacks to more than {TIMES} times its size"));
        // What is passed over is decoded too.
        let (bound, decoded) = Bound::of(self.decoded(member)?.take(left.saturating_mul(2)));
        let mut archive = tar::Archive::new(decoded);
        let mut symlinks = HashSet::new();
        let mut entries = 0;
        let mut all = archive.entries().map_err(|error| self.io(error))?;
        loop {
            bound.headers();
            let Some(entry) = all.next() else { break };
            bound.content();
            let mut entry = entry.map_err(|error| self.io(error))?;
            let stored = entry.path_bytes().into_owned();
            let refuse = |reason| self.entry(&stored, reason);
            let path = inside(&stored).map_err(refuse)?;
            if passes_through(&path, &symlinks) {
                return Err(refuse("its path leads through a symlink of the same package").into());
            }
            let kind = self.kind(&mut entry, &stored)?;
            if let DebKind::Symlink { .. } = kind {
                symlinks.insert(path.clone());
            }
            entries += 1;
            if entries > ENTRIES_MAX {
                return Err(self.form(&format!("it has more than {ENTRIES_MAX} entries")).into());
            }
            left = left.checked_sub(entry.size()).ok_or_else(too_much)?;
            if path.is_empty() {
                self.pass(&mut entry)?;
                continue;
            }
            let mode = entry.header().mode().map_err(|error| self.io(error))? & 0o7777;
            let id = |id: io::Result<u64>| {
                let id = id.map_err(|error| self.io(error))?;
                u32::try_from(id).map_err(|_| refuse("its owner has no possible number"))
            };
            let (uid, gid) = (id(entry.header().uid())?, id(entry.header().gid())?);
            let size = if kind == DebKind::File { entry.size() } else { 0 };
            let flow = visit(DebEntry { path, kind, mode, uid, gid, size, reader: &mut entry })?;
            if flow.is_break() {
                break;
            }
            self.pass(&mut entry)?;
        }
        Ok(())
    }

    /// Reads what nobody has read of an entry: no header of the next one.
    fn pass(&self, entry: &mut impl Read) -> Result<(), DebError> {
        io::copy(entry, &mut io::sink()).map(drop).map_err(|error| self.io(error))
    }

    fn kind<R: Read>(&self, entry: &mut tar::Entry<'_, R>, stored: &[u8]) -> Result<DebKind, DebError> {
        let refuse = |reason| self.entry(stored, reason);
        let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
        let target = target.ok_or("the link has no target");
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                // The other way to store a sparse file (GNU tar manual, "PAX Format, Versions 0.0 to 1.0").
                let extensions = entry.pax_extensions().map_err(|error| self.io(error))?;
                let mut keys = extensions.into_iter().flatten().flatten();
                if keys.any(|extension| extension.key_bytes().starts_with(b"GNU.sparse")) {
                    return Err(refuse("it is a sparse file"));
                }
                Ok(DebKind::File)
            }
            EntryType::Directory => Ok(DebKind::Dir),
            EntryType::Symlink => Ok(DebKind::Symlink { target: target.map_err(refuse)? }),
            EntryType::Link => {
                Ok(DebKind::Hardlink { target: inside(&target.map_err(refuse)?).map_err(refuse)? })
            }
            EntryType::Char | EntryType::Block => Err(refuse("it is a device node")),
            EntryType::Fifo => Err(refuse("it is a FIFO")),
            EntryType::GNUSparse => Err(refuse("it is a sparse file")),
            _ => Err(refuse("it is of an unknown type")),
        }
    }

    fn decoded(&self, member: &Member) -> Result<Box<dyn Read>, DebError> {
        let mut file = File::open(&self.path).map_err(|error| self.io(error))?;
        file.seek(SeekFrom::Start(member.bytes.start)).map_err(|error| self.io(error))?;
        let stored = BufReader::with_capacity(128 * 1024, file).take(member.bytes.end - member.bytes.start);
        match member.name.split_once(".tar") {
            Some((_, ".xz")) => Ok(Box::new(xz::decode(stored).map_err(|error| self.io(error))?)),
            Some((_, ".zst")) => Ok(Box::new(zst::decode(stored).map_err(|error| self.io(error))?)),
            Some((_, "")) => Ok(Box::new(stored)),
            _ => Err(self.form(&format!("`{}` uses an unknown compression", member.name))),
        }
    }

    fn io(&self, source: io::Error) -> DebError {
        DebError::Io { path: self.path.clone(), source }
    }

    fn form(&self, reason: &str) -> DebError {
        DebError::Form { path: self.path.clone(), reason: reason.to_owned() }
    }

    fn entry(&self, stored: &[u8], reason: &'static str) -> DebError {
        let entry = bundle::Shown(stored).to_string();
        DebError::Entry { path: self.path.clone(), entry, reason }
    }
}

/// An entry's header, as [`tar_header`] reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TarHeader {
    pub(crate) path: Vec<u8>,
    pub(crate) is_file: bool,
    pub(crate) is_link: bool,
    pub(crate) size: u64,
}

/// Reads 512 bytes as a tar header. `None` if they are not one: the checksum does not match, the `ustar`
/// magic is missing, or it only holds the long name of the next header.
pub(crate) fn tar_header(bytes: &[u8; 512]) -> Option<TarHeader> {
    if !bytes[257..].starts_with(b"ustar") {
        return None;
    }
    let header = tar::Header::from_byte_slice(bytes);
    // The sum of all bytes, with those of the checksum itself counted as spaces (tar(5)).
    let byte = |(at, &byte): (usize, &u8)| if (148..156).contains(&at) { 32 } else { u32::from(byte) };
    if header.cksum().ok()? != bytes.iter().enumerate().map(byte).sum::<u32>() {
        return None;
    }
    let kind = header.entry_type();
    let known = kind.is_file() || kind.is_dir() || kind.is_symlink() || kind.is_hard_link();
    known.then_some(())?;
    Some(TarHeader {
        path: inside(&header.path_bytes()).ok()?,
        is_file: kind.is_file(),
        is_link: kind.is_symlink() || kind.is_hard_link(),
        size: header.entry_size().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package with one control file and the entries that `fill` appends.
    fn deb(fill: impl FnOnce(&mut tar::Builder<Vec<u8>>), zstd: bool) -> tempfile::NamedTempFile {
        let mut data = tar::Builder::new(Vec::new());
        fill(&mut data);
        let data = data.into_inner().expect("tar");
        let (name, data) = if zstd {
            let mut encoded = Vec::new();
            zst::encode(&data, &mut encoded).expect("zstd");
            ("data.tar.zst", encoded)
        } else {
            ("data.tar", data)
        };
        let mut control = tar::Builder::new(Vec::new());
        append(&mut control, b"./control", EntryType::Regular, b"", b"Package: x\n");
        let mut bytes = MAGIC.to_vec();
        let control = control.into_inner().expect("tar");
        for (name, content) in [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), (name, &data)] {
            bytes.extend(
                format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes(),
            );
            bytes.extend(content);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        let file = tempfile::NamedTempFile::new().expect("file");
        std::fs::write(file.path(), bytes).expect("write");
        file
    }

    fn append(tar: &mut tar::Builder<Vec<u8>>, path: &[u8], kind: EntryType, target: &[u8], content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        // Not by `set_path`, which refuses what these tests are about.
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
        header.set_entry_type(kind);
        header.set_mode(0o104_755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        if kind == EntryType::GNUSparse {
            header.as_gnu_mut().expect("a GNU header").set_real_size(0);
        }
        header.set_cksum();
        tar.append(&header, content).expect("append");
    }

    fn refused(entries: &[(&str, EntryType, &str)]) -> bool {
        let fill = |tar: &mut tar::Builder<Vec<u8>>| {
            for (path, kind, target) in entries {
                append(tar, path.as_bytes(), *kind, target.as_bytes(), b"");
            }
        };
        let file = deb(fill, false);
        let walked = Deb::open(file.path())
            .expect("a package")
            .entries(|_| Ok::<_, DebError>(ControlFlow::Continue(())));
        assert!(matches!(walked, Ok(()) | Err(DebError::Entry { .. })), "{walked:?}");
        walked.is_err()
    }

    #[test]
    fn entries_that_leave_the_tree_are_refused() {
        assert!(refused(&[("/etc/passwd", EntryType::Regular, "")]));
        assert!(refused(&[("./a/../../b", EntryType::Regular, "")]));
        assert!(refused(&[("./a", EntryType::Link, "../b")]));
        assert!(refused(&[("./a", EntryType::Symlink, "/tmp"), ("./a/b", EntryType::Regular, "")]));
        assert!(!refused(&[("./a", EntryType::Symlink, "/tmp"), ("./ab/b", EntryType::Regular, "")]));
    }

    #[test]
    fn devices_fifos_and_sparse_files_are_refused() {
        for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::GNUSparse] {
            assert!(refused(&[("./a", kind, "")]), "{kind:?}");
        }
    }

    #[test]
    fn a_cut_package_is_refused_and_a_whole_one_read_with_zstd_too() {
        for zstd in [false, true] {
            let fill = |tar: &mut tar::Builder<Vec<u8>>| {
                append(tar, b"./", EntryType::Directory, b"", b"");
                append(tar, b"./bin/a", EntryType::Regular, b"", b"abc");
                append(tar, b"./bin/b", EntryType::Link, b"./bin/a", b"");
            };
            let file = deb(fill, zstd);
            let whole = std::fs::read(file.path()).expect("read");
            for length in [0, 7, 40, 100, whole.len() - 100] {
                std::fs::write(file.path(), &whole[..length]).expect("write");
                let Err(error) = Deb::open(file.path()) else { panic!("{length} bytes were taken") };
                assert!(error.hint().contains("truncated"), "{error}");
            }
            std::fs::write(file.path(), &whole).expect("write");
            let package = Deb::open(file.path()).expect("a package");
            assert_eq!(package.control().expect("control"), "Package: x\n");
            assert_eq!(package.read("bin/a", 3).expect("readable").as_deref(), Some(&b"abc"[..]));
            let mut seen = Vec::new();
            let visit = |entry: DebEntry<'_>| {
                seen.push((entry.path, entry.kind, entry.mode));
                Ok::<_, DebError>(ControlFlow::Continue(()))
            };
            package.entries(visit).expect("entries");
            let link = DebKind::Hardlink { target: b"bin/a".to_vec() };
            let wanted = [(b"bin/a".to_vec(), DebKind::File, 0o4755), (b"bin/b".to_vec(), link, 0o4755)];
            assert_eq!(seen, wanted);
        }
    }
}
