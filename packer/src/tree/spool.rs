//! One nameless file for the bytes of many: a package or a system may have more files than a process may
//! open.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use crate::atomic_file;
use crate::error::Error;
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
