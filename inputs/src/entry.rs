//! Entries of an archive, as callers see them.

use std::io::Read;

use bundle::Owner;

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
    /// A kind that no tree of ours can hold. Never handed over by [`Reading::App`].
    Special(Special),
}

/// An entry that is neither file, directory nor link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A device node.
    Device,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// What an archive contains, which decides what is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The files of an app: special entries are refused, and so are absolute paths and paths through links.
    App,
    /// A root file system: special entries are handed over, and a path's leading slash is dropped. Paths may
    /// lead through links, which the caller resolves inside the root.
    Root,
    /// A layer of a container image: like a root. `..` in paths is resolved in the text alone, and at the top
    /// it stays there, as in image tools.
    Layer,
}

/// One entry, in the archive's order.
pub struct Entry<'a> {
    /// Its path relative to the top of the archive: no empty, `.` or `..` components.
    pub path: Vec<u8>,
    /// Its kind.
    pub kind: Kind,
    /// Permission bits (`0o7777`); `None` where the archive has none.
    pub mode: Option<u32>,
    /// User, group and mode together, where the archive has them.
    pub owner: Option<Owner>,
    /// Whether it has file capabilities.
    pub capabilities: bool,
    /// Where in the archive the file's bytes lie, if they are stored as they are.
    pub position: Option<u64>,
    /// The file's bytes.
    pub reader: &'a mut dyn Read,
}

/// What a caller does with an entry.
pub type Visit<'v, E> = &'v mut dyn FnMut(Entry<'_>) -> Result<(), E>;
