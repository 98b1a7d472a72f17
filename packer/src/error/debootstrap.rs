//! Why a system cannot be made out of packages.

use std::path::PathBuf;

use debian::SelectionError;
use thiserror::Error;

use crate::error::code::Code;

/// What `--debootstrap` refuses or cannot do.
#[derive(Debug, Error)]
pub(crate) enum DebianError {
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error("suite `{suite}` has no essential package, so no system can be made of it")]
    NothingEssential { suite: String },
    #[error(
        "packages `{first}` and `{second}` both have `{path}`, and neither says that it replaces the other's"
    )]
    SameFile { path: String, first: String, second: String },
    #[error("`{}` is of an overlay that this cannot read: {why}", path.display())]
    Overlay { path: PathBuf, why: &'static str },
    #[error("the packages could not be configured: the system's script ended with {status}{text}")]
    Configure { status: String, text: String },
    #[error(
        "this machine allows no namespace of users, and without one root's scripts would have all rights here"
    )]
    NoUsers,
    #[error("after configuration, package `{package}` is `{status}`")]
    NotInstalled { package: String, status: String },
}

impl DebianError {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Selection(_)
            | Self::NothingEssential { .. }
            | Self::SameFile { .. }
            | Self::Overlay { .. } => Code::Input,
            Self::NoUsers | Self::Configure { .. } | Self::NotInstalled { .. } => Code::Failure,
        }
    }

    /// What would have worked.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Selection(SelectionError::Conflict { .. }) => {
                "leave one of them out, or name another package that meets the dependency with `--include`"
            }
            Self::Selection(SelectionError::Unsatisfied(_)) => {
                "use another `--suite` or mirror: this one is between two updates"
            }
            Self::NothingEssential { .. } => "use a suite that is complete, such as `trixie`",
            Self::SameFile { .. } => "leave one of them out",
            Self::Overlay { .. } => "mount it without `redirect_dir` and `metacopy`",
            Self::NoUsers => "allow some (`sysctl user.max_user_namespaces`), or use `--no-scripts`",
            Self::Configure { .. } | Self::NotInstalled { .. } => {
                "with `--no-scripts` the system is configured when it is started; the report names the command"
            }
        }
    }
}
