//! rustc as cargo calls it for a launcher (`RUSTC_WRAPPER`): without what cargo tells it of this machine's
//! directories.
//!
//! Cargo's `-C metadata` is a hash of, among others, the flags and the path of rust-src. It ends up in every
//! symbol's name, and the order of symbols decides the order of constants: the same source gave other bytes
//! in another directory. And the flags cannot name the directories to forget, since they are hashed: so they
//! are added here.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Set for the wrapper's runs only: `--remap-path-prefix` flags, one per line.
pub(super) const REMAP: &str = "XTASK_LAUNCHER_REMAP";

/// Runs the compiler if this process is cargo's wrapper.
pub(crate) fn stand_in() -> Option<Result<ExitCode>> {
    let remap = std::env::var(REMAP).ok()?;
    Some(compile(&remap))
}

fn compile(remap: &str) -> Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next().context("cargo names no compiler")?;
    let package = |name| std::env::var(name).unwrap_or_default();
    let identity = format!("{}-{}", package("CARGO_PKG_NAME"), package("CARGO_PKG_VERSION"));
    let arguments = arguments.map(|argument| match argument.to_str() {
        Some(text) if text.starts_with("metadata=") => OsString::from(format!("metadata={identity}")),
        _ => argument,
    });
    let status = Command::new(&compiler)
        .args(arguments)
        .args(remap.lines())
        .status()
        .with_context(|| format!("cannot run `{}`", compiler.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
