//! What can go wrong while bytes are fetched, each case with the location it happened at.

use std::io;
use std::path::{Path, PathBuf};

use bundle::Digest;

/// A fetch that failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server answered 404 or 410, or the file does not exist: another mirror may have it.
    #[error("`{location}` does not exist")]
    NotFound {
        /// URL or path.
        location: String,
    },
    /// Any other HTTP status that is no success.
    #[error("`{location}` answered with HTTP status {status}")]
    Status {
        /// URL.
        location: String,
        /// The HTTP status code.
        status: u16,
    },
    /// The server could not be reached, or the connection broke, at every attempt.
    #[error("`{location}` cannot be reached: {reason}")]
    Unreachable {
        /// URL.
        location: String,
        /// What the last attempt met.
        reason: String,
    },
    /// The same by way of a proxy, which may be what cannot be reached.
    #[error("`{location}` cannot be reached through the proxy `{proxy}`: {reason}")]
    BehindProxy {
        /// URL.
        location: String,
        /// The proxy's host and port.
        proxy: String,
        /// What the last attempt met.
        reason: String,
    },
    /// The connection ended before the body did, at every attempt.
    #[error("`{location}` ended after {received} of {expected} bytes")]
    ShortBody {
        /// URL.
        location: String,
        /// Bytes announced or pinned.
        expected: u64,
        /// Bytes received.
        received: u64,
    },
    /// The network was needed although it is switched off.
    #[error("`{location}` has not been fetched yet, and network access is disabled")]
    Offline {
        /// URL.
        location: String,
    },
    /// The server sends whole files only, so a part of one cannot be read.
    #[error("`{location}` does not support ranged requests")]
    RangesIgnored {
        /// URL.
        location: String,
    },
    /// More bytes came than were asked for or are allowed.
    #[error("`{location}` is longer than the expected {limit} bytes")]
    TooLong {
        /// URL or path.
        location: String,
        /// The pinned size, or the most that the caller takes.
        limit: u64,
    },
    /// The bytes are not the ones that were promised.
    #[error(
        "`{location}` is not the file that was expected\n  expected sha256 {expected}\n  computed sha256 {computed}"
    )]
    Mismatch {
        /// URL or path.
        location: String,
        /// The pinned digest.
        expected: Digest,
        /// The digest of what arrived.
        computed: Digest,
    },
    /// The disk is full (or a quota is reached).
    #[error("no space left to write `{path}`", path = path.display())]
    DiskFull {
        /// The file being written.
        path: PathBuf,
    },
    /// A local file could not be read or written.
    #[error("cannot read or write `{path}`", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither an `http`, `https` or `file` URL nor a path.
    #[error("`{location}` is neither an `http`, `https` or `file` URL nor a path")]
    BadLocation {
        /// What was given.
        location: String,
    },
}

impl FetchError {
    /// What would have worked.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Offline { .. } => "run once without `--offline`: what is fetched is kept".into(),
            Self::Unreachable { .. } => {
                "use a mirror that this machine can reach, or set `https_proxy` and `http_proxy`".into()
            }
            Self::BehindProxy { .. } => {
                "`http_proxy`, `https_proxy` and `all_proxy` set the proxy, `no_proxy` lists hosts to reach without one"
                    .into()
            }
            Self::NotFound { .. } | Self::ShortBody { .. } => {
                "the mirror may be in the middle of an update: try again later, or use another mirror".into()
            }
            Self::Mismatch { .. } => {
                "a proxy may have altered it, or the mirror is in the middle of an update: try another mirror"
                    .into()
            }
            Self::DiskFull { path } => format!("free some space in `{}`", directory(path).display()),
            Self::BadLocation { .. } => "give a directory as an absolute path".into(),
            _ => return None,
        })
    }

    /// Whether the same bytes may well be had from another mirror.
    pub(crate) fn is_the_mirrors_fault(&self) -> bool {
        !matches!(self, Self::DiskFull { .. } | Self::Io { .. })
    }

    /// `error` while the file at `path` was read or written.
    pub(crate) fn from_io(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.to_owned() }
            }
            _ => Self::Io { path: path.to_owned(), source: error },
        }
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
