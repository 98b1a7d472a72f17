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
    /// Bytes could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The table of contents is not signed as it should be.
    #[error("the signature of `{location}` was rejected")]
    Signature {
        /// URL or path of the `InRelease`.
        location: String,
        /// Why.
        source: SignatureError,
    },
    /// The table of contents cannot be used.
    #[error("`{location}` cannot be used")]
    Release {
        /// URL or path of the `InRelease`.
        location: String,
        /// Why.
        source: ReleaseError,
    },
    /// An index cannot be read.
    #[error("the packages of `{architecture}` cannot be read")]
    Packages {
        /// Debian's name of the CPU.
        architecture: String,
        /// Why.
        source: PackagesError,
    },
    /// The index of files cannot be read.
    #[error("the index of files of `{architecture}` cannot be read")]
    Contents {
        /// Debian's name of the CPU.
        architecture: String,
        /// Why.
        source: io::Error,
    },
    /// A package cannot be read.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// A member of a package is not as pinned.
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
        /// What was asked for.
        architecture: String,
        /// What there is, separated by blanks.
        available: String,
    },
    /// A text that cannot be a suite's name.
    #[error("`{0}` is not a suite name")]
    BadSuite(String),
    /// There is no mirror to ask.
    #[error("no mirror is known for suite `{0}`")]
    NoMirror(String),
    /// No mirror would do; one line for each, with its reason.
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
    /// Why.
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
    /// What would have worked.
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
                // That one mirror lacks the file says less than what another one answered.
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
