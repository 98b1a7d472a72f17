//! rustc as cargo calls it for the fuzzers (`RUSTC_WRAPPER`, `RUSTC_WORKSPACE_WRAPPER`): with what guides
//! libFuzzer, for the crates whose paths it shall find. All others are compiled as they are elsewhere, which
//! takes a fraction of the time.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::compiler;

/// Set for the wrapper's runs only: the triple of what is fuzzed. What cargo compiles for another target, or
/// names none for, are build scripts and macros.
pub(super) const TRIPLE: &str = "XTASK_FUZZ_TRIPLE";

/// Set for the runs of a wrapper that cargo calls for the crates of the workspace alone.
pub(super) const OURS: &str = "XTASK_FUZZ_OURS";

/// What cargo calls the crate of a build script.
const BUILD_SCRIPT: &str = "build_script_build";

/// The profile of the tests does not optimise them. Of two such options rustc takes the last.
const OPTIMISED: &str = "-Copt-level=2";

/// Counters at every edge and every compared number told to libFuzzer, as `cargo-fuzz` has it.
const GUIDED: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];

/// The linker would take what only libFuzzer looks for to be of no use to anybody.
const LINKED: &str = "-Clink-dead-code";

/// Crates of others that read what a stranger wrote: their paths count like ours.
const READERS: [&str; 12] = [
    "deb822_fast",
    "debversion",
    "flate2",
    "object",
    "pgp",
    "serde_json",
    "tar",
    "toml",
    "toml_parser",
    "winnow",
    "zlib_rs",
    "zstd",
];

/// Runs the compiler if this process is cargo's wrapper.
pub(crate) fn stand_in() -> Option<Result<ExitCode>> {
    if std::env::var_os(OURS).is_some() {
        return Some(compile_ours());
    }
    let triple = std::env::var(TRIPLE).ok()?;
    Some(compile(&triple))
}

fn compile(triple: &str) -> Result<ExitCode> {
    let (mut compiler, arguments) = compiler::called()?;
    compiler.args(&arguments);
    if behind(&arguments, "--target").is_some_and(|target| target == triple) {
        let directory = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let is_ours = directory.is_some_and(|directory| directory.starts_with(crate::workspace()));
        let is_reader = behind(&arguments, "--crate-name")
            .is_some_and(|name| READERS.iter().any(|reader| name == *reader));
        guide(&mut compiler, is_ours || is_reader);
    }
    compiler::run(compiler)
}

/// What cargo compiles here is of the workspace. Its build scripts run without libFuzzer.
fn compile_ours() -> Result<ExitCode> {
    let (mut compiler, arguments) = compiler::called()?;
    compiler.args(&arguments);
    if behind(&arguments, "--crate-name").is_some_and(|name| name != BUILD_SCRIPT) {
        guide(&mut compiler, true);
        compiler.arg(OPTIMISED);
    }
    compiler::run(compiler)
}

fn guide(compiler: &mut Command, is_guided: bool) {
    compiler.arg("--cfg=fuzzing");
    if std::env::var_os("CARGO_PRIMARY_PACKAGE").is_some() {
        compiler.arg(LINKED);
    }
    if is_guided {
        compiler.args(GUIDED);
    }
}

/// The word after an option.
fn behind<'a>(arguments: &'a [OsString], option: &str) -> Option<&'a OsStr> {
    arguments.iter().skip_while(|word| *word != option).nth(1).map(OsString::as_os_str)
}
