//! Why an emulator could not be had.

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

/// An emulator that could not be had.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// There is none for the pair.
    #[error(transparent)]
    None(#[from] NoEmulator),
    /// The catalogue breaks a rule.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file that the user gave is no emulator for that host.
    #[error("`{path}` cannot be the emulator {key}: {fault}", path = path.display())]
    Given {
        /// The pair.
        key: EmulatorKey,
        /// The file.
        path: PathBuf,
        /// Why not.
        fault: ElfFault,
    },
    /// The network was needed although it is switched off.
    #[error("the emulator {key} is not in the store, and network access is disabled")]
    Offline {
        /// The pair.
        key: EmulatorKey,
    },
    /// The pair must be locked, and is not.
    #[error("the emulator {key} is not in the lock file")]
    NotLocked {
        /// The pair.
        key: EmulatorKey,
    },
    /// A translator of the user's must be locked or pinned, and is neither.
    #[error("your emulator `{name}` for {key} is neither in the lock file nor pinned")]
    OwnNotLocked {
        /// The pair.
        key: EmulatorKey,
        /// The translator.
        name: String,
    },
    /// What is offered is not what is locked.
    #[error(
        "the emulator {key} differs from the locked one\n  locked:  {locked}, sha256 {expected}\n  offered: {offered}, \
         sha256 {found}"
    )]
    OtherThanLocked {
        /// The pair.
        key: EmulatorKey,
        /// The locked version.
        locked: String,
        /// The version that is offered.
        offered: String,
        /// The locked digest.
        expected: Digest,
        /// The digest of what is offered.
        found: Digest,
    },
    /// The locked version can be had nowhere any more.
    #[error("the locked version {version} of the emulator {key} could not be fetched:{}", list(failures))]
    LockedGone {
        /// The pair.
        key: EmulatorKey,
        /// The locked version.
        version: String,
        /// Each place and what went wrong there.
        failures: Vec<Failure>,
    },
    /// The user's own translators cannot be used.
    #[error(transparent)]
    Translators(#[from] TranslatorsError),
    /// The lock file cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// No mirror gave the pinned package, or an index that leads to another version.
    #[error("the emulator {key} could not be fetched:{}", list(failures))]
    Fetch {
        /// The pair.
        key: EmulatorKey,
        /// Each place and what went wrong there.
        failures: Vec<Failure>,
    },
}

/// One place that was asked in vain.
#[derive(Debug, thiserror::Error)]
#[error("{place}")]
pub struct Failure {
    /// A mirror, or the archive as a whole.
    pub place: String,
    /// What went wrong.
    pub source: FailureCause,
}

/// Why a place could not give an emulator.
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
    /// What would have worked.
    pub fn hint(&self) -> Option<String> {
        match &self.source {
            FailureCause::Archive(error) => error.hint(),
            FailureCause::Fetch(error) => error.hint(),
        }
    }
}

impl EmulatorError {
    /// What would have worked.
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
            Self::Translators(error) => error.hint(),
            Self::Lock(error) => error.hint(),
            // The last place decides: the ones before it merely lacked the package.
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
