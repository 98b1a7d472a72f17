//! Runs every example as its reader would, `examples/NAME/run.sh`, with the `unibin` of this checkout and the
//! compiler of the tests. An example that ends with another code than 0, or that has no README, is an error.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::unibin::unibin;

pub(crate) fn run() -> Result<()> {
    crate::tools::run()?;
    let workspace = crate::workspace();
    let unibin = unibin()?;
    let target = workspace.join("target");
    for directory in directories()? {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(directory.join("README.md").is_file(), "example `{name}` has no README.md");
        println!("== example {name}");
        let status = Command::new(directory.join("run.sh"))
            .env("UNIBIN", &unibin)
            .env("PYTHONPATH", target.join("tools"))
            // What the compiler keeps belongs to the target directory, and so does what the tests have
            // fetched already.
            .env("ZIG_GLOBAL_CACHE_DIR", target.join("end-to-end").join("zig"))
            .env("UNIBIN_STORE", target.join("end-to-end").join("store"))
            .status()
            .with_context(|| format!("cannot run `{}`", directory.join("run.sh").display()))?;
        ensure!(status.success(), "example `{name}` ended with {status}");
    }
    Ok(())
}

/// The examples' directories, by name.
fn directories() -> Result<Vec<PathBuf>> {
    let all = crate::workspace().join("examples");
    let entries = fs::read_dir(&all).with_context(|| format!("cannot read `{}`", all.display()))?;
    let mut directories: Vec<PathBuf> =
        entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    directories.retain(|path| path.is_dir());
    directories.sort();
    ensure!(!directories.is_empty(), "there are no examples in `{}`", all.display());
    Ok(directories)
}
