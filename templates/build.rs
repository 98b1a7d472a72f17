//! Embeds the launchers and brokers: those that are committed, or those that a distribution has built itself
//! and names by `UNIBIN_BUILD_LAUNCHERS`. Either must agree with the sums beside them.

#[path = "build/checked.rs"]
mod checked;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

/// Names a directory with `launcher-HOST` and `broker-HOST` and their `SHA256SUMS`, as
/// `cargo xtask launchers --out DIR` writes it.
const INSTEAD: &str = "UNIBIN_BUILD_LAUNCHERS";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/checked.rs");
    println!("cargo::rerun-if-env-changed={INSTEAD}");
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), String> {
    let of =
        |name| env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo does not set `{name}`"));
    let instead = env::var_os(INSTEAD).filter(|directory| !directory.is_empty()).map(PathBuf::from);
    if let Some(directory) = instead.as_ref().filter(|directory| directory.is_relative()) {
        return Err(format!("`{INSTEAD}={}` is not an absolute path", directory.display()));
    }
    let directory = match instead {
        Some(directory) => directory,
        None => of("CARGO_MANIFEST_DIR")?.join("launchers"),
    };
    println!("cargo::rerun-if-changed={}", directory.display());
    let out = of("OUT_DIR")?.join("launchers");
    let cannot = |error| format!("cannot write `{}`: {error}", out.display());
    // What an earlier build left would be embedded too.
    if out.exists() {
        fs::remove_dir_all(&out).map_err(cannot)?;
    }
    fs::create_dir(&out).map_err(cannot)?;
    for (name, bytes) in checked::checked(&directory)? {
        fs::write(out.join(name), bytes).map_err(cannot)?;
    }
    Ok(())
}
