//! The source of `core` and `alloc` that belongs to the compiler in use.
//!
//! rustup's component `rust-src` if it is installed; else Debian's package of that name, of exactly the
//! compiler's version, unpacked under `target/`. Another version is refused: it would not compile, or worse.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder `library` of the Rust source.
pub(crate) fn library(workspace: &Path) -> Result<PathBuf> {
    let version = version()?;
    let installed = sysroot()?.join("lib/rustlib/src/rust/library");
    let cached = workspace.join(format!("target/rust-src-{version}/library"));
    for library in [installed, cached] {
        // `core` alone would not do: cargo wants the lock file beside it.
        if library.join("core/src/lib.rs").is_file() && library.join("Cargo.lock").is_file() {
            return Ok(library);
        }
    }
    fetch(&version)
}

/// The toolchain's folder.
pub(crate) fn sysroot() -> Result<PathBuf> {
    Ok(rustc(&["--print", "sysroot"])?.into())
}

/// The triple that the compiler itself runs on.
pub(crate) fn compiler_triple() -> Result<String> {
    field("host: ")
}

/// The compiler's version without its date: `1.95.0`.
fn version() -> Result<String> {
    field("release: ")
}

/// Brings Debian's `rust-src` of this version.
fn fetch(version: &str) -> Result<PathBuf> {
    bail!(
        "the Rust source of version {version} is missing; install it with `rustup component add rust-src`, or \
         unpack `library` of Debian's package `rust-src` {version} to `target/rust-src-{version}/library`"
    )
}

fn field(name: &str) -> Result<String> {
    rustc(&["-vV"])?
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::to_owned)
        .with_context(|| format!("`rustc -vV` has no line `{name}`"))
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(arguments)
        .output()
        .with_context(|| format!("cannot run `{}`", rustc.display()))?;
    if !output.status.success() {
        bail!("`{} {}` failed: {}", rustc.display(), arguments.join(" "), output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
