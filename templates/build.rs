//! Embeds the launchers and brokers: those that are committed, or those that a distribution has built itself and names by
//! `UNIBIN_BUILD_LAUNCHERS`. Either must agree with the sums beside them.

#[path = "build/table.rs"]
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

/// Names a directory with `launcher-HOST` and `broker-HOST` and their `SHA256SUMS`, as `cargo xtask launchers --out DIR` writes it.
const INSTEAD: &str = "UNIBIN_BUILD_LAUNCHERS";

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/table.rs");
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
    // Of the directory, which changes when a file is added or taken away; the compiler tells of changes in those that are embedded.
    println!("cargo::rerun-if-changed={}", directory.display());
    let out = of("OUT_DIR")?.join("launchers.rs");
    fs::write(&out, table::table(&directory)?)
        .map_err(|error| format!("cannot write `{}`: {error}", out.display()))
}
