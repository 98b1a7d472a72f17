//! rustc as cargo calls it for a launcher (`RUSTC_WRAPPER`): without what cargo tells it of this machine's
//! directories.
//!
//! Cargo's `-C metadata` is a hash of, among others, the flags and the path of rust-src. It ends up in every
//! symbol's name, and the order of symbols decides the order of constants: the same source gave other bytes
//! in another directory. And the flags cannot name the directories to forget, since they are hashed: so they
//! are added here.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::compiler;

/// Set for the wrapper's runs only: `--remap-path-prefix` flags, one per line.
pub(super) const REMAP: &str = "XTASK_LAUNCHER_REMAP";

/// Runs the compiler if this process is cargo's wrapper.
pub(crate) fn stand_in() -> Option<Result<ExitCode>> {
    let remap = std::env::var(REMAP).ok()?;
    Some(compile(&remap))
}

fn compile(remap: &str) -> Result<ExitCode> {
    let (mut compiler, arguments) = compiler::called()?;
    let package = |name| std::env::var(name).unwrap_or_default();
    let identity = format!("{}-{}", package("CARGO_PKG_NAME"), package("CARGO_PKG_VERSION"));
    let arguments = arguments.into_iter().map(|argument| match argument.to_str() {
        Some(text) if text.starts_with("metadata=") => OsString::from(format!("metadata={identity}")),
        _ => argument,
    });
    compiler.args(arguments).args(remap.lines());
    compiler::run(compiler)
}
