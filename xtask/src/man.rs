//! `cargo xtask man`: man pages and shell completions into `target/dist`, by `unibin` itself.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

pub(crate) fn run() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(crate::workspace::workspace())
        .args(["run", "--quiet", "--package", "unibin", "--", "generate", "target/dist"])
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "`unibin generate` failed");
    Ok(())
}
