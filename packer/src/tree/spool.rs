//! One nameless file for the bytes of many: a package or a system may have more files than a process may
//! open.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::atomic_file;
use crate::error::{self, Error};
use crate::say;
use crate::tree::app_tree::Node;
use crate::tree::content::Content;

/// The file, and its length so far.
#[derive(Debug)]
pub(crate) struct Spool {
    file: Arc<File>,
    at: u64,
}

impl Spool {
    /// An empty one, in the directory for temporary files.
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { file: Arc::new(atomic_file::nameless().map_err(Error::Temporary)?), at: 0 })
    }

    /// Adds a file of this machine.
    pub(crate) fn file(&mut self, path: &Path) -> Result<Node, Error> {
        let failed = |source| Error::io("read", path, source);
        // An ordinary user's file cannot have them, so they cannot be kept.
        if rustix::fs::getxattr(path, "security.capability", &mut [0; 64][..]).is_ok() {
            say::warning(&format!("`{}`: file capabilities are dropped", error::shown(path)));
        }
        let executable = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o111 != 0;
        let content = self.append(&mut File::open(path).map_err(failed)?)?;
        Ok(Node::File { executable, content })
    }

    /// Appends all of `from`.
    pub(crate) fn append(&mut self, from: &mut dyn Read) -> Result<Content, Error> {
        let mut to = &*self.file;
        let length = io::copy(from, &mut to).and_then(|length| to.flush().map(|()| length));
        let length = length.map_err(Error::Temporary)?;
        let content = Content::File { file: Arc::clone(&self.file), offset: self.at, length };
        self.at += length;
        Ok(content)
    }
}
