//! Why an emulator is not available.

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;

use bundle::{Digest, EmulatorKey};
use debian::{ArchiveError, FetchError};

use crate::catalogue::{CatalogueError, NoEmulator};
use crate::elf_check::ElfFault;
use crate::lock::LockError;
use crate::store::StoreError;
use crate::translators::TranslatorsError;

/// Why an emulator is not available.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// There is none for this host and target.
    #[error(transparent)]
    None(#[from] NoEmulator),
    /// The catalogue breaks a rule.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The user's file is not an emulator for that host.
    #[error("`{path}` cannot be the emulator {key}: {fault}", path = path.display())]
    Given {
        /// The host and target.
        key: EmulatorKey,
        /// The file.
        path: PathBuf,
        /// The reason.
        fault: ElfFault,
    },
    /// Network access is needed, but disabled.
    #[error("the emulator {key} is not in the store, and network access is disabled")]
    Offline {
        /// The host and target.
        key: EmulatorKey,
    },
    /// Only locked emulators are allowed, and this one is not locked.
    #[error("the emulator {key} is not in the lock file")]
    NotLocked {
        /// The host and target.
        key: EmulatorKey,
    },
    /// Only locked or pinned emulators are allowed, and the user's own is neither.
    #[error("your emulator `{name}` for {key} is neither in the lock file nor pinned")]
    OwnNotLocked {
        /// The host and target.
        key: EmulatorKey,
        /// The emulator's name.
        name: String,
    },
    /// The emulator found differs from the locked one.
    #[error(
        "the emulator {key} differs from the locked one\n  locked:  {locked}, sha256 {expected}\n  offered: {offered}, \
         sha256 {found}"
    )]
    OtherThanLocked {
        /// The host and target.
        key: EmulatorKey,
        /// The locked version.
        locked: String,
        /// The version found.
        offered: String,
        /// The locked digest.
        expected: Digest,
        /// The digest of the emulator found.
        found: Digest,
    },
    /// The locked version is no longer available anywhere.
    #[error("the locked version {version} of the emulator {key} could not be fetched:{}", list(failures))]
    LockedGone {
        /// The host and target.
        key: EmulatorKey,
        /// The locked version.
        version: String,
        /// Each source and its error.
        failures: Vec<Failure>,
    },
    /// The locked program was built into another version of unibin.
    #[error("the locked version {version} of the emulator {key} is not in this version of unibin")]
    LockedElsewhere {
        /// The host and target.
        key: EmulatorKey,
        /// The locked version.
        version: String,
    },
    /// The user's own translators cannot be used.
    #[error(transparent)]
    Translators(#[from] TranslatorsError),
    /// The lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No mirror has the pinned package, or an index that leads to another version.
    #[error("the emulator {key} could not be fetched:{}", list(failures))]
    Fetch {
        /// The host and target.
        key: EmulatorKey,
        /// Each source and its error.
        failures: Vec<Failure>,
    },
}

/// A source that could not provide the emulator.
#[derive(Debug, thiserror::Error)]
#[error("{place}")]
pub struct Failure {
    /// A mirror, a directory, or the archive as a whole.
    pub place: String,
    /// The error.
    pub source: FailureCause,
}

/// Why a source could not provide the emulator.
#[derive(Debug, thiserror::Error)]
pub enum FailureCause {
    /// A Debian archive, or the package that it gave.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A copy of a store.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Failure {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        match &self.source {
            FailureCause::Archive(error) => error.hint(),
            FailureCause::Fetch(error) => error.hint(),
        }
    }
}

impl EmulatorError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::None(nothing) => nothing.hint(),
            Self::Catalogue(_) => None,
            Self::Store(error) => error.hint(),
            Self::Given { fault, .. } => fault.hint(),
            Self::Offline { key: EmulatorKey { host, target } } => Some(format!(
                "run `unibin emulator fetch --target {target} --hosts {host}` without `--offline`"
            )),
            Self::NotLocked { key: EmulatorKey { host, target } } => {
                Some(format!("lock it with `unibin emulator lock --target {target} --hosts {host}`"))
            }
            Self::OwnNotLocked { .. } => Some(
                "add a `sha256` to its entry and name the file with `--translators`, or omit it".into(),
            ),
            Self::OtherThanLocked { .. } => {
                Some("`unibin emulator lock` locks the offered version, unless it is older".into())
            }
            Self::LockedGone { .. } => Some(
                "use a mirror that still has it, or a copy of a store with `--emulators`; `unibin emulator lock` moves to the current version"
                    .into(),
            ),
            Self::LockedElsewhere { .. } => Some(
                "use the version of unibin that locked it, or a copy of its store with `--emulators`; `unibin emulator lock` moves to the current version"
                    .into(),
            ),
            Self::Translators(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            // The last source decides: those before it merely lacked the package.
            Self::Fetch { failures, .. } => failures.iter().rev().find_map(Failure::hint),
        }
    }
}

/// One line for each failure, with its causes.
fn list(failures: &[Failure]) -> String {
    failures.iter().fold(String::new(), |mut lines, failure| {
        let _ = write!(lines, "\n  {}", failure.place);
        let mut cause = failure.source();
        while let Some(error) = cause {
            let _ = write!(lines, ": {error}");
            cause = error.source();
        }
        lines
    })
}
