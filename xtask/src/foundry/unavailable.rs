//! That something outside the project is lacking, so that a build cannot be tried here: said apart from
//! failures, since continuous integration goes on without it.

use std::fmt;

/// What is lacking, and a hint.
#[derive(Debug)]
pub(crate) struct Unavailable {
    pub(crate) what: String,
    pub(crate) hint: &'static str,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.what, self.hint)
    }
}

impl std::error::Error for Unavailable {}
