//! What a failure means for the caller: the exit codes of `--help`, and which of them errors of other crates
//! get.

use debian::{ArchiveError, FetchError};
use emulator::{EmulatorError, FailureCause, LockError, StoreError, TranslatorsError};

/// What a failure means for the caller; the exit codes of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Network, disk, permissions.
    Failure = 1,
    /// The input cannot be packed or read.
    Input = 3,
    /// No emulator exists for a requested pair.
    NoEmulator = 4,
    /// A signature, a digest or a bundle is not what it must be.
    Verification = 5,
}

impl From<&ArchiveError> for Code {
    fn from(error: &ArchiveError) -> Self {
        match error {
            ArchiveError::Signature { .. }
            | ArchiveError::Member(_)
            | ArchiveError::Fetch(FetchError::Mismatch { .. }) => Self::Verification,
            ArchiveError::NoArchitecture { .. } | ArchiveError::BadSuite(_) => Self::Input,
            ArchiveError::AllMirrorsFailed { failures, .. } => {
                let refused = failures.iter().any(|failure| Self::from(&failure.error) == Self::Verification);
                if refused { Self::Verification } else { Self::Failure }
            }
            _ => Self::Failure,
        }
    }
}

impl From<&EmulatorError> for Code {
    fn from(error: &EmulatorError) -> Self {
        match error {
            EmulatorError::None(_) => Self::NoEmulator,
            EmulatorError::Store(StoreError::Corrupt { .. } | StoreError::Unexpected { .. })
            | EmulatorError::NotLocked { .. }
            | EmulatorError::OwnNotLocked { .. }
            | EmulatorError::OtherThanLocked { .. }
            | EmulatorError::Lock(LockError::Downgrade { .. } | LockError::Contradicts { .. })
            | EmulatorError::Translators(TranslatorsError::Digest { .. }) => Self::Verification,
            EmulatorError::Given { .. }
            | EmulatorError::Store(StoreError::Refused { .. })
            | EmulatorError::Translators(_)
            | EmulatorError::Lock(LockError::Form { .. }) => Self::Input,
            EmulatorError::Fetch { failures, .. }
                if failures.iter().any(|failure| is_forged(&failure.source)) =>
            {
                Self::Verification
            }
            _ => Self::Failure,
        }
    }
}

/// Whether an error says that a signature or a digest did not match.
fn is_forged(error: &FailureCause) -> bool {
    match error {
        FailureCause::Archive(error) => Code::from(error) == Code::Verification,
        FailureCause::Fetch(error) => {
            matches!(error, FetchError::Mismatch { .. } | FetchError::TooLong { .. })
        }
    }
}
