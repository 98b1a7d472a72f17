//! The compiler as cargo calls it through a wrapper (`RUSTC_WRAPPER`), which this program is for some builds.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// The compiler that cargo names, and the arguments for it.
pub(crate) fn called() -> Result<(Command, Vec<OsString>)> {
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next().context("cargo names no compiler")?;
    Ok((Command::new(compiler), arguments.collect()))
}

/// Runs it; succeeds where it does.
pub(crate) fn run(mut compiler: Command) -> Result<ExitCode> {
    let program = compiler.get_program().to_owned();
    let status = compiler.status().with_context(|| format!("cannot run `{}`", program.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
