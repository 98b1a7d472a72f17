//! Errors of programs that `pack` itself executes.

/// Why such a program has not done its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HostProgramError {
    #[error("Debian has no programs for this machine's architecture")]
    NoArchitecture,
    #[error("`{program}` failed: {why}")]
    Failed { program: String, why: String },
}

impl HostProgramError {
    /// What would have worked.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NoArchitecture => "use unibin on one of the hosts that `unibin hosts` lists",
            Self::Failed { .. } => "check the free memory, and the free space where packages are kept",
        }
    }
}
