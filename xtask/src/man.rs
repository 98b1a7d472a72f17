//! `cargo xtask man`: man pages and shell completions into `target/dist`, by `unibin` itself.

use anyhow::{Context as _, Result, ensure};
use end_to_end::cargo;

pub(crate) fn run() -> Result<()> {
    let status = cargo()
        .args(["run", "--quiet", "--package", "unibin", "--", "generate", "target/dist"])
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "`unibin generate` failed");
    Ok(())
}
