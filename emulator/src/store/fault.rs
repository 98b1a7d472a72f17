//! The errors of a store, each with the file that it is about.

use std::io;
use std::path::{Path, PathBuf};

use bundle::{Digest, EmulatorKey};

use crate::elf_check::ElfFault;

/// An error of the store, or a program that it refuses.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// None of `UNIBIN_STORE`, `XDG_DATA_HOME` and `HOME` names a directory.
    #[error("no directory for the emulator store: none of `UNIBIN_STORE`, `XDG_DATA_HOME` and `HOME` is set")]
    NoRoot,
    /// The store's path is a file.
    #[error("the store `{path}` is not a directory", path = path.display())]
    NotADirectory {
        /// The store.
        path: PathBuf,
    },
    /// Another user owns the store and could fill it with anything.
    #[error("the store `{path}` belongs to user {owner}, not to user {us}", path = path.display())]
    ForeignOwned {
        /// The store.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The effective user.
        us: u32,
    },
    /// Its group or everyone may write to the store.
    #[error("other users may write to the store `{path}`", path = path.display())]
    WritableByOthers {
        /// The store.
        path: PathBuf,
    },
    /// The disk is full (or a quota is reached).
    #[error("no space left to write `{path}`", path = path.display())]
    DiskFull {
        /// The file being written.
        path: PathBuf,
    },
    /// The store is on a read-only file system or its permissions forbid writing.
    #[error("the store cannot be written: `{path}` is read-only", path = path.display())]
    ReadOnly {
        /// The file or directory that could not be written.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot read or write `{path}`", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A program's bytes are not the ones that were stored. [`Store::get`](super::Store::get) has removed it.
    #[error(
        "`{path}` is damaged\n  expected sha256 {expected}\n  computed sha256 {computed}",
        path = path.display()
    )]
    Corrupt {
        /// The program.
        path: PathBuf,
        /// The digest that names it.
        expected: Digest,
        /// The digest of its bytes.
        computed: Digest,
    },
    /// A record that cannot be read.
    #[error("the record `{path}` cannot be used: {reason}", path = path.display())]
    BadRecord {
        /// The record.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A program that is not the expected one.
    #[error(
        "the emulator {key} is not the one that was expected\n  expected sha256 {expected}\n  computed sha256 {computed}"
    )]
    Unexpected {
        /// The host and target.
        key: EmulatorKey,
        /// The pinned digest.
        expected: Digest,
        /// The digest of the program.
        computed: Digest,
    },
    /// A program that cannot run on the host.
    #[error("this file cannot be the emulator {key}: {fault}")]
    Refused {
        /// The host and target.
        key: EmulatorKey,
        /// The reason.
        fault: ElfFault,
    },
}

impl StoreError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoRoot => "set `UNIBIN_STORE` to a directory".into(),
            Self::NotADirectory { .. } | Self::ForeignOwned { .. } | Self::ReadOnly { .. } => {
                "set `UNIBIN_STORE` to a directory of your own".into()
            }
            Self::WritableByOthers { path } => format!("`chmod go-w {}`", path.display()),
            Self::DiskFull { path } => {
                format!("free some space in `{}`", path.parent().unwrap_or(path).display())
            }
            Self::Corrupt { .. } => "try again: it will be fetched again".into(),
            Self::BadRecord { path, .. } => format!("remove `{}`", path.display()),
            Self::Unexpected { .. } => "a mirror or proxy may have altered it: try another mirror".into(),
            Self::Refused { fault, .. } => return fault.hint(),
            Self::Io { .. } => return None,
        })
    }

    /// `error` while `path` was read.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// `error` while `path` was written.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly { path },
            _ => Self::Io { path, source },
        }
    }
}
