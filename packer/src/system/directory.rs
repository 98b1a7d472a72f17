//! A directory of this machine as a root: owners and modes as stat(2) gives them, or as the attribute says
//! that unpacked systems have. Links stay as they are; none is followed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, FileType, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bundle::{OWNER_ATTRIBUTE, Owner, join};
use inputs::Special;
use rustix::io::Errno;

use crate::error::{Error, SystemError, shown};
use crate::request::system::SystemRequest;
use crate::system::gathered::{Collector, Gathered, OF_SYSTEMS};
use crate::system::system_tree::{Inode, Kind};

/// What one walk through a directory knows.
struct Walk<'a> {
    into: Collector<'a>,
    root: PathBuf,
    /// The first name of each file that has several.
    names: BTreeMap<(u64, u64), Vec<u8>>,
    /// The bundle that will be replaced.
    output: Option<(u64, u64)>,
    /// The ordinary user who packs, whose files become root's; `None` for root.
    user: Option<u32>,
    /// How many files became root's that way.
    own: u64,
}

/// Takes everything in `directory`.
pub(crate) fn take(directory: &Path, request: &SystemRequest) -> Result<Gathered, Error> {
    let root = directory.canonicalize().map_err(|source| Error::io("open", directory, source))?;
    let into = Collector::new(shown(directory), &request.excludes, OF_SYSTEMS)?;
    let output = fs::metadata(&request.output).ok().map(|file| (file.dev(), file.ino()));
    let user = Some(rustix::process::geteuid().as_raw()).filter(|user| *user != 0);
    let mut walk = Walk { into, root, names: BTreeMap::new(), output, user, own: 0 };
    walk.directory(b"")?;
    let Walk { mut into, own, .. } = walk;
    if own > 0 {
        into.gathered.notes.push(format!(
            "{own} files and directories of yours are root's inside; as root, `unibin pack` keeps all owners"
        ));
    }
    Ok(into.gathered)
}

fn special(kind: FileType) -> Special {
    match kind {
        kind if kind.is_fifo() => Special::Fifo,
        kind if kind.is_socket() => Special::Socket,
        _ => Special::Device,
    }
}

impl Walk<'_> {
    fn place(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    fn directory(&mut self, path: &[u8]) -> Result<(), Error> {
        let place = self.place(path);
        let failed = |source| Error::io("read", &place, source);
        let names = fs::read_dir(&place).map_err(failed)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.collect::<Result<Vec<_>, io::Error>>().map_err(failed)?;
        names.sort();
        for name in names {
            let path = join(path, name.as_bytes());
            if !self.into.leaves_out(&path) {
                self.one(&path)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, path: &[u8]) -> Result<(), Error> {
        let place = self.place(path);
        let failed = |source| Error::io("read", &place, source);
        let found = fs::symlink_metadata(&place).map_err(failed)?;
        let identity = (found.dev(), found.ino());
        if self.output == Some(identity) {
            return Ok(());
        }
        if let Some(first) = self.names.get(&identity) {
            return self.into.gathered.tree.link(path, first);
        }
        let kind = found.file_type();
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            Kind::Symlink(fs::read_link(&place).map_err(failed)?.into_os_string().into_vec())
        } else if kind.is_file() {
            if rustix::fs::lgetxattr(&place, "security.capability", &mut [0; 64][..]).is_ok() {
                self.into.gathered.dropped.capabilities += 1;
            }
            Kind::File(self.into.spool.append(&mut File::open(&place).map_err(failed)?)?)
        } else {
            self.into.special(path, special(kind));
            return Ok(());
        };
        let is_directory = matches!(kind, Kind::Directory);
        let Owner { uid, gid, mode } = self.owner(&place, &found)?;
        self.into.add(path, Inode { kind, mode, uid, gid })?;
        if found.nlink() > 1 && !is_directory {
            self.names.insert(identity, path.to_vec());
        }
        if is_directory { self.directory(path) } else { Ok(()) }
    }

    /// Whose it is.
    fn owner(&mut self, place: &Path, found: &Metadata) -> Result<Owner, Error> {
        let mode = u16::try_from(found.mode() & 0o7777).unwrap_or_default();
        // Whoever unpacks a system owns its files: on another's the attribute is that user's own claim.
        let is_ours = found.uid() == self.user.unwrap_or(0);
        if is_ours && !found.file_type().is_symlink() {
            let mut value = [0; Owner::TEXT_MAX + 1];
            let damaged = || Error::from(SystemError::OwnerAttribute { path: place.to_owned() });
            match rustix::fs::lgetxattr(place, OWNER_ATTRIBUTE, &mut value[..]) {
                Ok(length) => return value.get(..length).and_then(Owner::parse).ok_or_else(damaged),
                Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
                // Longer than any value.
                Err(Errno::RANGE) => return Err(damaged()),
                Err(error) => return Err(Error::io("read", place, error.into())),
            }
        }
        if self.user == Some(found.uid()) {
            self.own += 1;
            return Ok(Owner { uid: 0, gid: 0, mode });
        }
        let owner = Owner::new(found.uid(), found.gid(), mode);
        owner
            .ok_or_else(|| Error::tree(place.as_os_str().as_bytes(), "it has an owner that no file can have"))
    }
}
