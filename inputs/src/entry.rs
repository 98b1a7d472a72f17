//! What an archive's entry is for whoever reads it.

use std::io::Read;

/// The kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file; its bytes are read from [`Entry::reader`].
    File,
    /// A directory.
    Directory,
    /// A symbolic link; its target may be anywhere.
    Symlink(Vec<u8>),
    /// Another name of the file with this path, which came before or, in rpm packages, comes later.
    HardLink(Vec<u8>),
}

/// One entry, in the archive's order.
pub struct Entry<'a> {
    /// Its path relative to the top of the archive: no empty, `.` or `..` components.
    pub path: Vec<u8>,
    /// Its kind.
    pub kind: Kind,
    /// Permission bits (`0o7777`); `None` where the archive has none.
    pub mode: Option<u32>,
    /// The file's bytes.
    pub reader: &'a mut dyn Read,
}

/// What a caller does with an entry.
pub type Visit<'v, E> = &'v mut dyn FnMut(Entry<'_>) -> Result<(), E>;
