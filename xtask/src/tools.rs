//! Installs the C compiler of the end-to-end tests into `target/tools`: `zig cc` out of the Python package
//! `ziglang`, which compiles for every CPU without anything else; and their scanner for vulnerabilities into
//! `target/pip`. Nothing of these gets into what users run.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use end_to_end::{TRIVY_INSIDE, TRIVY_PACKAGE};

use crate::pip_tool::Tool;

/// Package and version. The tests compile with this one only: another makes other programs.
const PACKAGE: &str = "ziglang==0.17.1";
/// Written last, so that half an installation counts as none.
const MARK: &str = "ziglang-0.17.1";

/// Its project publishes no package; this one of another author has the program of its release 0.59.1.
const TRIVY: Tool = Tool {
    name: "trivy",
    package: TRIVY_PACKAGE,
    inside: TRIVY_INSIDE,
    sha256: Some("8342100e712c6625b7e6605b5ff24bd41275e5293cf0c209761f1103cd5908d1"),
};

/// All that the tests use.
pub(crate) fn all() -> Result<()> {
    run()?;
    if cfg!(target_arch = "x86_64") {
        match TRIVY.find() {
            Some(program) => println!("{TRIVY_PACKAGE} is `{}`", program.display()),
            None => println!("{TRIVY_PACKAGE} is not to be had: no scanner reads bills of materials"),
        }
    }
    Ok(())
}

/// The C compiler.
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
