//! A directory of this machine as a layer. Follows no symbolic links itself: the tree does that, so that an
//! absolute link cannot lead out of the directory.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::tree::{Kind, Layer, Open};

/// A directory mounted at some path of the tree.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
    mount: Vec<u8>,
}

impl Directory {
    /// The directory `root`, seen at `mount`: a path of the tree, empty for its top.
    pub fn new(root: &Path, mount: &[u8]) -> Self {
        Self { root: root.to_owned(), mount: mount.to_vec() }
    }

    /// The path on this machine of a path of the tree; `None` outside the mount.
    pub fn path(&self, path: &[u8]) -> Option<PathBuf> {
        let rest = path.strip_prefix(self.mount.as_slice())?;
        let rest = match (self.mount.is_empty(), rest) {
            (true, rest) => rest,
            (false, []) => rest,
            (false, rest) => rest.strip_prefix(b"/")?,
        };
        Some(if rest.is_empty() { self.root.clone() } else { self.root.join(OsStr::from_bytes(rest)) })
    }

    /// Whether `path` is a directory on the way to the mount.
    fn leads_to_mount(&self, path: &[u8]) -> bool {
        self.mount.strip_prefix(path).is_some_and(|rest| path.is_empty() || rest.starts_with(b"/"))
    }
}

impl Layer for Directory {
    fn kind(&self, path: &[u8]) -> io::Result<Option<Kind>> {
        let Some(real) = self.path(path) else {
            return Ok(self.leads_to_mount(path).then_some(Kind::Directory));
        };
        // The root of the mount may itself be a symbolic link of this machine.
        let found = if path == self.mount { fs::metadata(&real) } else { fs::symlink_metadata(&real) };
        let kind = match found {
            Ok(found) => found.file_type(),
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(if kind.is_symlink() {
            Some(Kind::Symlink(fs::read_link(&real)?.into_os_string().into_vec()))
        } else if kind.is_dir() {
            Some(Kind::Directory)
        } else {
            kind.is_file().then_some(Kind::File)
        })
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Open + '_>> {
        let real = self.path(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(File::open(real)?))
    }

    fn names(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let Some(real) = self.path(path) else {
            let next = self.mount.get(path.len()..).filter(|_| self.leads_to_mount(path));
            return Ok(next
                .and_then(|rest| bundle::components_of(rest).next())
                .into_iter()
                .map(<[u8]>::to_vec)
                .collect());
        };
        match fs::read_dir(real) {
            Ok(entries) => entries.map(|entry| Ok(entry?.file_name().into_vec())).collect(),
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
