//! The program of this checkout, built for a task.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use end_to_end::cargo;

use crate::workspace::target_directory;

/// As README's first command builds it, so that there is one build for all tasks: with the features that it
/// has among all packages.
pub(crate) fn unibin() -> Result<PathBuf> {
    build(&[], "debug")
}

/// As users install it, for what is measured. `UNIBIN` names another program in its place.
pub(crate) fn released() -> Result<PathBuf> {
    match std::env::var_os("UNIBIN") {
        Some(program) => Ok(program.into()),
        None => build(&["--release"], "release"),
    }
}

fn build(profile: &[&str], directory: &str) -> Result<PathBuf> {
    let built = cargo().args(["build", "--quiet", "--workspace", "--bin", "unibin"]).args(profile).status();
    ensure!(built.context("cannot run cargo")?.success(), "`unibin` does not build");
    Ok(target_directory().join(directory).join("unibin"))
}
