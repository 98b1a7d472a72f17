//! Why `SOURCE_DATE_EPOCH` gives no time.

use std::ffi::OsString;

use thiserror::Error as ThisError;

use crate::error::code::Code;

/// A value of `SOURCE_DATE_EPOCH` that is no time.
#[derive(Debug, ThisError)]
#[error("SOURCE_DATE_EPOCH is `{}`, which is no time", value.display())]
pub(crate) struct SourceDateError {
    pub(crate) value: OsString,
}

impl SourceDateError {
    /// The exit code, whatever the value is.
    pub(super) const CODE: Code = Code::Input;

    /// What would have worked.
    pub(super) const HINT: &str =
        "give seconds since 1970 in decimal digits, such as `git log -1 --format=%ct` prints, or unset it";
}
