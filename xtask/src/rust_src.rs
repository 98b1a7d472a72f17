//! The source of `core` and `alloc` that belongs to the compiler in use.
//!
//! rustup's component `rust-src` if it is installed; else Debian's package of that name, of exactly the
//! compiler's version, unpacked under `target/`. Another version is refused: it would not compile, or worse.

use anyhow::{Context, Result, bail, ensure};
use debian::{Archive, ArchiveOptions, Deb, DebKind, Silent};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// The directory `library` of the Rust source.
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
    fetch(workspace, &version)
}

/// The toolchain's directory.
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

/// Suites that may have the package, the first one with the right version wins.
const SUITES: [&str; 3] = ["trixie-backports", "sid", "trixie"];

/// Brings Debian's `rust-src` of this version, signature and digests checked, and unpacks its `library`.
fn fetch(workspace: &Path, version: &str) -> Result<PathBuf> {
    let mut reasons = Vec::new();
    for suite in SUITES {
        match fetch_from(workspace, suite, version) {
            Ok(library) => return Ok(library),
            Err(error) => reasons.push(format!("{suite}: {error:#}")),
        }
    }
    bail!(
        "the Rust source of version {version} is missing: install it with `rustup component add rust-src`, or unpack \
         `library` of Debian's package `rust-src` {version} to `target/rust-src-{version}/library`; what Debian's \
         archive said: {}",
        reasons.join("; ")
    )
}

fn fetch_from(workspace: &Path, suite: &str, version: &str) -> Result<PathBuf> {
    let target = workspace.join("target");
    let options = ArchiveOptions::new(target.join("debian"), &Silent);
    let archive = Archive::open(options, suite)?;
    let index = archive.packages("amd64")?;
    let package = index
        .versions("rust-src")
        .iter()
        .find(|package| {
            package.version.strip_prefix(version).is_some_and(|rest| rest.starts_with(['+', '-']))
        })
        .context("it has no `rust-src` of this version")?;
    let deb = Deb::open(&archive.download(package)?)?;
    // Beside its final place, so that the rename cannot cross file systems; half a library is never used.
    let scratch = tempfile::tempdir_in(&target)?;
    unpack(&deb, &format!("usr/src/rustc-{version}/library/"), &scratch.path().join("library"))?;
    ensure!(
        scratch.path().join("library/core/src/lib.rs").is_file(),
        "its `rust-src` is laid out in another way"
    );
    let home = target.join(format!("rust-src-{version}"));
    if !home.join("library").exists() {
        fs::create_dir_all(&home)?;
        fs::rename(scratch.path().join("library"), home.join("library"))?;
    }
    Ok(home.join("library"))
}

/// Writes the plain files below `from` to `to`; the library has no links.
fn unpack(deb: &Deb, from: &str, to: &Path) -> Result<()> {
    deb.entries(|entry| {
        let path = std::str::from_utf8(&entry.path)?;
        if let Some(inside) = path.strip_prefix(from)
            && entry.kind == DebKind::File
        {
            let plain = Path::new(inside).components().all(|part| matches!(part, Component::Normal(_)));
            ensure!(plain, "`{path}` leads out of its directory");
            let path = to.join(inside);
            fs::create_dir_all(path.parent().context("a file lies in a directory")?)?;
            io::copy(entry.reader, &mut fs::File::create(&path)?)?;
        }
        Ok::<_, anyhow::Error>(ControlFlow::Continue(()))
    })
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
