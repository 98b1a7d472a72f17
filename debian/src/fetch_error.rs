//! The errors of fetching, each with its location.

use std::io;
use std::path::{Path, PathBuf};

use bundle::Digest;

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server answered 404 or 410, or the file does not exist: another mirror may have it.
    #[error("`{location}` does not exist")]
    NotFound {
        /// URL or path.
        location: String,
    },
    /// Any other HTTP error status.
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
        /// The error of the last attempt.
        reason: String,
    },
    /// The same through a proxy, which may itself be unreachable.
    #[error("`{location}` cannot be reached through the proxy `{proxy}`: {reason}")]
    BehindProxy {
        /// URL.
        location: String,
        /// The proxy's host and port.
        proxy: String,
        /// The error of the last attempt.
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
    /// Network access is needed, but disabled.
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
    /// The server sent more bytes than requested or allowed.
    #[error("`{location}` is longer than the expected {limit} bytes")]
    TooLong {
        /// URL or path.
        location: String,
        /// The pinned size, or the caller's limit.
        limit: u64,
    },
    /// The bytes do not match the pinned digest.
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
        /// The system's error.
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
    /// A hint for the user: what would work instead.
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

    /// Whether another mirror may have the same bytes.
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
