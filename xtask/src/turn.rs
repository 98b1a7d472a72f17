//! Whose turn it is where continuous integration does a part of the work with each commit.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The number of this commit: one commit's is not the next one's.
pub(crate) fn turn() -> Result<usize> {
    let counted = Command::new("git")
        .args(["rev-list", "--no-merges", "--count", "HEAD"])
        .current_dir(crate::workspace())
        .output();
    let counted = counted.context("cannot run git")?;
    ensure!(counted.status.success(), "`git rev-list` failed");
    Ok(String::from_utf8_lossy(&counted.stdout).trim().parse::<usize>()?)
}
