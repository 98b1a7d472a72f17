//! What can be wrong with an archive.

use std::io;
use std::path::{Path, PathBuf};

use bundle::Shown;

/// An archive that cannot be read, or whose contents are refused.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file cannot be read or decoded.
    #[error("cannot read `{}`", shown(path))]
    Io {
        /// The archive.
        path: PathBuf,
        /// The error of the system or of a decoder.
        source: io::Error,
    },
    /// The archive is damaged, or of an unsupported form.
    #[error("`{}` cannot be read: {reason}", shown(path))]
    Form {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An entry that is refused.
    #[error("`{}` holds `{entry}`, which is refused: {reason}", shown(path))]
    Entry {
        /// The archive.
        path: PathBuf,
        /// The entry's path as stored.
        entry: String,
        /// The reason.
        reason: &'static str,
    },
    /// It unpacks to more than is plausible.
    #[error("`{}` unpacks to more than {most}, which is not plausible for its {stored} bytes", shown(path))]
    Bomb {
        /// The archive.
        path: PathBuf,
        /// Its length in bytes.
        stored: u64,
        /// The limit, as text.
        most: String,
    },
}

impl InputError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn form(path: &Path, reason: impl Into<String>) -> Self {
        Self::Form { path: path.to_owned(), reason: reason.into() }
    }

    /// What would have worked.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "it may be truncated or damaged: copy it again",
            Self::Form { .. } => "unpack it with the program that made it, and pack the directory",
            Self::Entry { .. } => "if you trust it, unpack it, remove that, and pack the directory",
            Self::Bomb { .. } => "if you trust it, unpack it, and pack the directory",
        }
    }
}

fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    Shown(path.as_os_str().as_bytes()).to_string()
}
