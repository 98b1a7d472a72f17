//! The files of a package: laid out for packaging, and checked after installation.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use bundle::Arch;
use inputs::elf::{self, Elf, Kind};

use super::metadata::Asset;
use crate::workspace::workspace;

/// What a package is made of.
pub(super) struct Content {
    pub(super) arch: Arch,
    /// Whether the program needs nothing of the system.
    pub(super) is_static: bool,
    program: PathBuf,
    /// The time of all files.
    pub(super) epoch: u64,
}

impl Content {
    /// What there is to say of this program.
    pub(super) fn of(program: PathBuf) -> Result<Self> {
        let (arch, is_static) = described(&program)?;
        Ok(Self { arch, is_static, program, epoch: epoch()? })
    }
}

/// Its architecture, and whether it is static.
fn described(program: &Path) -> Result<(Arch, bool)> {
    let failed = || format!("cannot read `{}`", program.display());
    match elf::read(&mut fs::File::open(program).with_context(failed)?).with_context(failed)? {
        Ok(Elf { arch, kind: Kind::Static, .. }) if arch.is_host() => Ok((arch, true)),
        Ok(Elf { arch, kind: Kind::Dynamic, .. }) if arch.is_host() => Ok((arch, false)),
        _ => bail!("`{}` is no program of a host", program.display()),
    }
}

/// `SOURCE_DATE_EPOCH`, else the commit's time: so the same commit gives the same packages.
fn epoch() -> Result<u64> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given.parse().context("SOURCE_DATE_EPOCH is no number");
    }
    let told = said(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(workspace()))?;
    told.trim().parse().context("git tells no time")
}

/// Lays the files out as they are installed, all with the same modes and time. Gives their paths.
pub(super) fn stage(content: &Content, assets: &[Asset], root: &Path) -> Result<Vec<PathBuf>> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(content.epoch);
    let mut placed = Vec::new();
    for asset in assets {
        for (from, to) in asset.files(&content.program)? {
            let to = root.join(to);
            fs::create_dir_all(to.parent().context("a file has a directory")?)?;
            fs::copy(&from, &to).with_context(|| format!("cannot copy `{}`", from.display()))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(asset.mode))?;
            fs::File::options().write(true).open(&to)?.set_modified(time)?;
            placed.push(to.strip_prefix(root)?.to_owned());
        }
    }
    placed.sort();
    ensure!(!placed.is_empty(), "the package is empty");
    set_directories(root, time)?;
    Ok(placed)
}

/// Writes a file of the package.
pub(super) fn write(content: &Content, path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(content.epoch);
    Ok(fs::File::options().write(true).open(path)?.set_modified(time)?)
}

fn set_directories(directory: &Path, time: SystemTime) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            set_directories(&path, time)?;
        }
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    fs::File::open(directory)?.set_modified(time)?;
    Ok(())
}

/// Looks at what a package manager has installed below `root`: all files are there, and the program runs if
/// it is one of this machine's.
pub(super) fn installed(content: &Content, root: &Path, placed: &[PathBuf]) -> Result<()> {
    for path in placed {
        ensure!(root.join(path).is_file(), "`{}` is not installed", path.display());
    }
    for wanted in
        ["usr/share/man/man1/unibin-pack.1", "usr/share/bash-completion/completions/unibin", "usr/bin/unibin"]
    {
        ensure!(placed.iter().any(|path| path == Path::new(wanted)), "no `{wanted}` in the package");
    }
    if Some(content.arch) == Arch::from_name(std::env::consts::ARCH) {
        let told = said(Command::new(root.join("usr/bin/unibin")).arg("--version"))?;
        ensure!(told.trim() == concat!("unibin ", env!("CARGO_PKG_VERSION")), "it says `{}`", told.trim());
    }
    Ok(())
}

/// Runs a command, and gives what it prints.
pub(super) fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot run `{}`", program.display()))?;
    let Output { status, stdout, stderr } = output;
    ensure!(
        status.success(),
        "`{}` ends with {status}: {}{}",
        program.display(),
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
