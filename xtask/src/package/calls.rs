//! The commands that a check of the packages runs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Where `templates/build.rs` looks for the launchers of a distribution.
pub(super) const LAUNCHERS: &str = "UNIBIN_BUILD_LAUNCHERS";

/// Cargo in `directory`, without launchers of a distribution.
pub(super) fn cargo(directory: &Path) -> Command {
    let mut command = end_to_end::cargo();
    command.current_dir(directory).env_remove(LAUNCHERS);
    command
}

/// A command that must succeed.
pub(super) trait Check {
    fn check(&mut self) -> Result<()>;
}

impl Check for Command {
    fn check(&mut self) -> Result<()> {
        let status = self.status().with_context(|| format!("cannot run {self:?}"))?;
        ensure!(status.success(), "{self:?} failed");
        Ok(())
    }
}
