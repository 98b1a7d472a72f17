//! Installs the C compiler of the end-to-end tests into `target/tools`: `zig cc` out of the Python package
//! `ziglang`, which compiles for every CPU without anything else. Nothing of it gets into what users run.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Package and version. The tests compile with this one only: another makes other programs.
const PACKAGE: &str = "ziglang==0.17.1";
/// Written last, so that half an installation counts as none.
const MARK: &str = "ziglang-0.17.1";

pub(crate) fn run() -> Result<()> {
    let target = crate::workspace().join("target");
    let tools = target.join("tools");
    if tools.join(MARK).exists() {
        println!("{PACKAGE} is installed in `{}`", tools.display());
        return Ok(());
    }
    fs::create_dir_all(&target).with_context(|| format!("cannot make `{}`", target.display()))?;
    // Beside its final place and renamed: an interrupted run leaves nothing that looks whole.
    let new = tempfile::tempdir_in(&target)?;
    install(new.path())?;
    fs::write(new.path().join(MARK), "")?;
    if tools.exists() {
        fs::remove_dir_all(&tools).with_context(|| format!("cannot remove `{}`", tools.display()))?;
    }
    fs::rename(new.keep(), &tools).with_context(|| format!("cannot make `{}`", tools.display()))?;
    println!("{PACKAGE} installed into `{}`", tools.display());
    Ok(())
}

fn install(directory: &Path) -> Result<()> {
    let status = Command::new("python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
        ])
        .arg("--target")
        .arg(directory)
        .arg(PACKAGE)
        .status()
        .context("cannot run python3")?;
    ensure!(status.success(), "`pip install {PACKAGE}` failed");
    Ok(())
}
