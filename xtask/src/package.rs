//! `cargo xtask package`: what would be published is complete. Packs every crate, builds and installs
//! `unibin` from the packed sources alone, and packs and runs a program with it. Uses no network: the crates
//! of others must be there already, as after any build.
//!
//! Instead of cargo's own verification, which would compile the crates of others anew: the packed sources
//! become a workspace with this one's profiles and lock file, and its builds share the target directory.

mod calls;
mod unpacked;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bundle::Arch;
use end_to_end::{CODE_OF_ENDING, SAYS, smallest};

use crate::launchers::committed::{DIRECTORY, SUMS, sha256};
use crate::workflows::pinned_channel;
use calls::{Check as _, LAUNCHERS, cargo};
use unpacked::Unpacked;

/// What the registry takes, in bytes (<https://doc.rust-lang.org/cargo/reference/publishing.html>).
const LARGEST: u64 = 10 * 1024 * 1024;
/// The crates that say `publish = false`, being of use in this repository only. Cargo would pack them too.
const UNPUBLISHED: [&str; 3] = ["end-to-end", "fuzz", "xtask"];

pub(crate) fn run() -> Result<()> {
    let workspace = crate::workspace::workspace();
    same_compiler(&workspace)?;
    let packed = pack(&workspace)?;
    // Inside the target directory and always the same: the paths of sources are in cargo's names for what it
    // has built.
    let unpacked = Unpacked::new(&workspace, &workspace.join("target/packed"), &packed)?;
    unpacked.cargo(&["build", "--offline", "--package=unibin-launcher"]).check()?;
    let away = tempfile::tempdir()?;
    let unibin = unpacked.install(away.path())?;
    // Nothing that it needs may be there by chance.
    fs::rename(&unpacked.directory, workspace.join("target/packed-aside"))?;
    let ran = runs(&unibin, away.path());
    fs::rename(workspace.join("target/packed-aside"), &unpacked.directory)?;
    let bundle = ran?;
    println!("unibin, installed from what was packed, packs a program that runs");
    other_launchers(&workspace, &unpacked, away.path(), &bundle)
}

/// The pinned compiler is the one that every crate says it needs: no other is tested.
fn same_compiler(workspace: &Path) -> Result<()> {
    let toolchain = fs::read_to_string(workspace.join("rust-toolchain.toml"))?;
    let pinned = pinned_channel(&toolchain).context("rust-toolchain.toml names no channel")?;
    let wanted = env!("CARGO_PKG_RUST_VERSION");
    let same = pinned == wanted || pinned.strip_suffix(".0") == Some(wanted);
    ensure!(same, "rust-version is {wanted}, but rust-toolchain.toml pins {pinned}");
    Ok(())
}

/// Packs the crates that are published; gives the files.
fn pack(workspace: &Path) -> Result<Vec<PathBuf>> {
    let mut command = cargo(workspace);
    command.args(["package", "--quiet", "--workspace", "--no-verify", "--allow-dirty", "--offline"]);
    command.args(UNPUBLISHED.map(|name| format!("--exclude={name}"))).check()?;
    let version = env!("CARGO_PKG_VERSION");
    let mut packed = Vec::new();
    for entry in fs::read_dir(workspace.join("target/package"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // Of an earlier version, or by hand.
        let ours = !UNPUBLISHED.iter().any(|other| name.starts_with(other));
        if !ours || !name.ends_with(&format!("-{version}.crate")) {
            continue;
        }
        let length = fs::metadata(&path)?.len();
        ensure!(length <= LARGEST, "`{name}` has {length} bytes, the registry takes {LARGEST}");
        packed.push(path);
    }
    packed.sort();
    println!("{} crates are packed", packed.len());
    Ok(packed)
}

/// Packs a program for this machine without an emulator, and runs it, far from any checkout. Gives the
/// bundle.
fn runs(unibin: &Path, away: &Path) -> Result<Vec<u8>> {
    let here = Arch::from_name(std::env::consts::ARCH).filter(|arch| arch.is_host());
    let here = here.context("this machine's architecture is no host")?;
    let program = away.join("program");
    fs::write(&program, smallest(here).elf())?;
    let bundle = away.join("program.bundle");
    let alone = |program: &Path| {
        let mut command = Command::new(program);
        command.current_dir(away).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", away);
        command
    };
    let mut pack = alone(unibin);
    pack.args(["pack", "--offline", "--hosts", here.name(), "-o"]).arg(&bundle).arg(&program);
    let output = pack.output().context("cannot run the installed `unibin`")?;
    ensure!(output.status.success(), "`unibin pack` fails: {}", String::from_utf8_lossy(&output.stderr));
    let output = alone(&bundle).output().context("cannot run the bundle")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let ran = said == SAYS && output.status.code() == Some(CODE_OF_ENDING);
    ensure!(ran, "the bundle ends with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(fs::read(bundle)?)
}

/// A distribution's launchers are embedded if they are what their list says, and only then.
fn other_launchers(workspace: &Path, unpacked: &Unpacked, away: &Path, usual: &[u8]) -> Result<()> {
    let directory = away.join("launchers");
    fs::create_dir(&directory)?;
    let mark = b"launchers of a distribution";
    let mut sums = String::new();
    for entry in fs::read_dir(workspace.join(DIRECTORY))? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.starts_with("launcher-") || name.starts_with("broker-") {
            // A static program does not care what stands behind it.
            let other = [fs::read(entry.path())?.as_slice(), mark].concat();
            writeln!(sums, "{}  {name}", sha256(&other))?;
            fs::write(directory.join(name), other)?;
        }
    }
    let build = || {
        let mut command = unpacked.cargo(&["build", "--offline", "--package=unibin"]);
        command.env(LAUNCHERS, &directory);
        command
    };
    let list = directory.join(SUMS);
    let (first, rest) = sums.split_at(1);
    let other_digit = if first == "0" { "1" } else { "0" };
    fs::write(&list, format!("{other_digit}{rest}"))?;
    let refused = build().output().context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(!refused.status.success() && said.contains("has another SHA-256 sum"), "not refused: {said}");
    fs::write(&list, sums)?;
    build().check()?;
    let bundle = runs(&unpacked.program(), away)?;
    let holds = |bundle: &[u8]| bundle.windows(mark.len()).any(|window| window == mark);
    ensure!(holds(&bundle) && !holds(usual), "`{LAUNCHERS}` does not decide what is embedded");
    println!("unibin, built with the launchers of a distribution, packs them");
    Ok(())
}
