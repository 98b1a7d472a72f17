//! What can go wrong with an archive.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

use crate::deb::DebError;
use crate::fetch_error::FetchError;
use crate::mirror::Mirror;
use crate::packages::PackagesError;
use crate::ranged::RangedError;
use crate::release::ReleaseError;
use crate::signature::SignatureError;

/// What can go wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The signature of the table of contents was rejected.
    #[error("the signature of `{location}` was rejected")]
    Signature {
        /// URL or path of the `InRelease`.
        location: String,
        /// The reason.
        source: SignatureError,
    },
    /// The table of contents cannot be used.
    #[error("`{location}` cannot be used")]
    Release {
        /// URL or path of the `InRelease`.
        location: String,
        /// The reason.
        source: ReleaseError,
    },
    /// An index cannot be read.
    #[error("the packages of `{architecture}` cannot be read")]
    Packages {
        /// Debian's name of the CPU.
        architecture: String,
        /// The reason.
        source: PackagesError,
    },
    /// The index of files cannot be read.
    #[error("the index of files of `{architecture}` cannot be read")]
    Contents {
        /// Debian's name of the CPU.
        architecture: String,
        /// The reason.
        source: io::Error,
    },
    /// A package cannot be read.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// A member of a package does not match its pin.
    #[error(transparent)]
    Member(RangedError),
    /// A package has no file of that path.
    #[error("package `{package}` {version} contains no file `{path}`")]
    NoMember {
        /// The package.
        package: String,
        /// Its version.
        version: String,
        /// The path that was looked for.
        path: String,
    },
    /// The suite has no packages for that CPU.
    #[error("suite `{suite}` has no packages for `{architecture}`, only for `{available}`")]
    NoArchitecture {
        /// The suite.
        suite: String,
        /// What was requested.
        architecture: String,
        /// The architectures that it has, separated by spaces.
        available: String,
    },
    /// A text that is not the name of a suite.
    #[error("`{0}` is not a suite name")]
    BadSuite(String),
    /// No mirror is configured.
    #[error("no mirror is known for suite `{0}`")]
    NoMirror(String),
    /// No mirror is usable; one line for each, with the reason.
    #[error("no mirror has a usable suite `{suite}`:{}", list(failures))]
    AllMirrorsFailed {
        /// The suite.
        suite: String,
        /// Each mirror and why it was refused, in the order tried.
        failures: Vec<MirrorFailure>,
    },
}

/// A mirror that was refused.
#[derive(Debug)]
pub struct MirrorFailure {
    /// The mirror.
    pub mirror: Mirror,
    /// The reason.
    pub error: ArchiveError,
}

fn list(failures: &[MirrorFailure]) -> String {
    failures.iter().fold(String::new(), |mut lines, MirrorFailure { mirror, error }| {
        let _ = write!(lines, "\n  {mirror}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(lines, ": {error}");
            cause = error.source();
        }
        lines
    })
}

impl ArchiveError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Fetch(error) => error.hint(),
            Self::Member(error) => error.hint(),
            Self::NoArchitecture { .. } => {
                Some("these are Debian's names of architectures; newer ones are only in `sid`".into())
            }
            Self::Signature { source, .. } => source.hint(),
            Self::Release { source, .. } => source.hint(),
            Self::BadSuite(_) => Some("use a name such as `trixie` or `sid`".into()),
            Self::NoMirror(_) => Some("give a mirror, or allow the snapshot archive".into()),
            Self::AllMirrorsFailed { failures, .. } => {
                // A mirror that lacks the file says less than another mirror's error.
                let lacks = |error: &Self| matches!(error, Self::Fetch(FetchError::NotFound { .. }));
                let hint = |lacking: bool| {
                    let mut failures = failures.iter().filter(|failure| lacks(&failure.error) == lacking);
                    failures.find_map(|failure| failure.error.hint())
                };
                hint(false).or_else(|| hint(true))
            }
            Self::Deb(error) => Some(error.hint().into()),
            Self::Packages { .. } | Self::Contents { .. } => Some(
                "the archive published it like this: try again after its next update, or use another suite"
                    .into(),
            ),
            Self::NoMember { .. } => None,
        }
    }
}
