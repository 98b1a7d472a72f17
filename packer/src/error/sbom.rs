//! Why a bill of materials cannot be written.

use std::ffi::OsString;

use thiserror::Error as ThisError;

use crate::error::code::Code;

/// What `unibin sbom` refuses.
#[derive(Debug, ThisError)]
pub(crate) enum SbomError {
    #[error("SOURCE_DATE_EPOCH is `{}`, which is no time", value.display())]
    Epoch { value: OsString },
}

impl SbomError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Epoch { .. } => Code::Input,
        }
    }

    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Epoch { .. } => {
                "give seconds since 1970 in decimal digits, such as `git log -1 --format=%ct` prints, or unset it"
            }
        }
        .to_owned()
    }
}
