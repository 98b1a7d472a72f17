//! Why a bundle does not become container images.

use std::path::PathBuf;

use bundle::Arch;
use thiserror::Error as ThisError;

use crate::error::code::Code;
use crate::error::shown::shown;

/// What `unibin oci` refuses.
#[derive(Debug, ThisError)]
pub(crate) enum ImageError {
    #[error("`{}` has no entry `{name}` for {target}", shown(path))]
    NoSuchEntry { path: PathBuf, name: String, target: Arch, names: Vec<String> },
    #[error("`{}` runs on no host", shown(path))]
    NoHost { path: PathBuf },
    #[error("`{}` has files in `/{name}`, where an image has what is not the app's", shown(path))]
    Reserved { path: PathBuf, name: &'static str },
    #[error("`{what}` is no text, and an image is described in text")]
    NotText { what: String },
    #[error("the emulator for {host} cannot run what a system's programs start")]
    NoChildren { host: Arch },
    #[error("the system has no `/bin/sh`, by which {host} hosts start what is emulated")]
    NoShell { host: Arch },
    #[error(transparent)]
    Oci(#[from] oci::OciError),
}

impl ImageError {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Oci(error) if error.is_damage() => Code::Verification,
            Self::Oci(error) if error.is_failure() => Code::Failure,
            Self::NoChildren { .. } | Self::NoHost { .. } => Code::NoEmulator,
            _ => Code::Input,
        }
    }

    /// What would have worked.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::NoSuchEntry { names, .. } => format!("its entries are {}", names.join(", ")),
            Self::NoHost { .. } => "`unibin inspect` shows what is inside".to_owned(),
            Self::Reserved { .. } => "pack it without them: `--exclude '.unibin/**'`".to_owned(),
            Self::NotText { .. } => "pack it with names and arguments in UTF-8".to_owned(),
            Self::NoChildren { .. } => {
                "leave the host out with `--hosts`; `unibin hosts` shows which emulators can".to_owned()
            }
            Self::NoShell { host } => format!("leave {host} out with `--hosts`"),
            Self::Oci(error) => error.hint().to_owned(),
        }
    }
}
