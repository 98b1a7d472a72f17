//! What can be wrong with a whole system that is to be packed.

use std::path::PathBuf;

use thiserror::Error;

use crate::error::code::Code;
use crate::error::debootstrap::DebianError;
use crate::error::shown::shown;

/// Why a root cannot be packed, or not be started.
#[derive(Debug, Error)]
pub(crate) enum SystemError {
    #[error("`{}` is neither a directory nor a tar archive", shown(path))]
    NotARoot { path: PathBuf },
    #[error("`{}` has an attribute `user.unibin.owner` that cannot be read", shown(path))]
    OwnerAttribute { path: PathBuf },
    #[error("no bundle runs on this machine's architecture, and so no image")]
    NoImageHost,
    #[error("cannot execute `{}`: {source}", shown(path))]
    ImageStart { path: PathBuf, source: std::io::Error },
    #[error("`{name}` became another image while it was fetched")]
    ImageChanged { name: String },
    #[error("`{from}` has no shell, and nothing else says which program to start")]
    NoShell { from: String },
    #[error("`{from}` has no program `/{path}`")]
    NoSuchProgram { from: String, path: String },
    #[error("`{from}` cannot be started: {what}")]
    ImageConfig { from: String, what: String },
    #[error("every platform that is asked for needs more than the baseline of its architecture")]
    NoBaseline,
    #[error(transparent)]
    Debian(#[from] DebianError),
    #[error(transparent)]
    Image(#[from] oci::OciError),
}

impl SystemError {
    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Debian(error) => error.code(),
            Self::Image(error) if error.is_damage() => Code::Verification,
            Self::Image(error) if error.is_failure() => Code::Failure,
            Self::ImageChanged { .. } => Code::Failure,
            _ => Code::Input,
        }
    }

    /// What would have worked.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NotARoot { .. } => {
                "a root file system is given as a directory, or as a .tar (.gz, .xz, .zst, .bz2) of one"
            }
            Self::OwnerAttribute { .. } => {
                "remove it with `setfattr -x user.unibin.owner`, or unpack the system again"
            }
            Self::NoShell { .. } | Self::NoSuchProgram { .. } => {
                "name a program with `--entry PATH`, by its path in that root"
            }
            Self::ImageConfig { .. } => "name another program with `--entry PATH`, by its path in the image",
            Self::Debian(error) => error.hint(),
            Self::NoBaseline => {
                "add one that runs on all processors of its architecture, such as `linux/amd64`"
            }
            Self::NoImageHost => "`unibin hosts` lists the architectures that bundles run on",
            Self::ImageStart { .. } => "set UNIBIN_STORE to a directory where programs can be executed",
            Self::ImageChanged { .. } => "run it again",
            Self::Image(error) => error.hint(),
        }
    }
}
