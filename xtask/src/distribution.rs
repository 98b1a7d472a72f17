//! `cargo xtask packages`: a .deb and an .rpm of a `unibin` program, by `dpkg-deb` and `rpmbuild`, with what
//! `packer/Cargo.toml` lists for cargo-deb and cargo-generate-rpm; then each is installed in an empty root and
//! looked at. Nothing is signed or sent.

mod deb;
mod metadata;
mod rpm;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use bundle::Arch;

use crate::workspace::{target_directory, workspace};
use metadata::Asset;

/// What a package is made of.
struct Content {
    arch: Arch,
    /// Whether the program needs nothing of the system.
    is_static: bool,
    program: PathBuf,
    /// The time of all files.
    epoch: u64,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (mut program, mut out) = (None, target_directory().join("packages"));
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = || format!("`{argument}` wants a path");
        match argument.as_str() {
            "--program" => program = Some(PathBuf::from(rest.next().with_context(value)?)),
            "--out" => out = PathBuf::from(rest.next().with_context(value)?),
            other => bail!("unknown option `{other}` of `packages`"),
        }
    }
    let program = match program {
        Some(program) => fs::canonicalize(&program).with_context(|| format!("no `{}`", program.display()))?,
        None => crate::unibin::released()?,
    };
    let (arch, is_static) = described(&program)?;
    crate::man::run()?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make `{}`", out.display()))?;
    let out = fs::canonicalize(out)?;
    let content = Content { arch, is_static, program, epoch: epoch()? };
    let manifest = metadata::read(&workspace())?;
    for (tool, make) in [("dpkg-deb", deb::make as Make), ("rpmbuild", rpm::make)] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("NOT RUN: there is no `{tool}`");
            continue;
        }
        let package = make(&content, &manifest, &out)?;
        println!("`{}`: {} bytes", package.display(), fs::metadata(&package)?.len());
    }
    Ok(())
}

type Make = fn(&Content, &toml::Table, &Path) -> Result<PathBuf>;

/// Its architecture, and whether it is static.
fn described(program: &Path) -> Result<(Arch, bool)> {
    use object::{Object as _, ObjectKind};
    let bytes = fs::read(program).with_context(|| format!("cannot read `{}`", program.display()))?;
    let file =
        object::File::parse(&*bytes).with_context(|| format!("`{}` is no program", program.display()))?;
    ensure!(matches!(file.kind(), ObjectKind::Executable | ObjectKind::Dynamic), "it is no program");
    let order =
        |pair: [u8; 2]| if bytes[5] == 1 { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
    let machine = order([bytes[18], bytes[19]]);
    let flags = match file.flags() {
        object::FileFlags::Elf { e_flags, .. } => e_flags.0,
        _ => bail!("`{}` is no ELF program", program.display()),
    };
    let arch = Arch::from_elf(bytes[4], bytes[5], machine, flags).filter(|arch| arch.is_host());
    let is_static = file.section_by_name(".interp").is_none();
    Ok((arch.context("its architecture is no host")?, is_static))
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
fn stage(content: &Content, assets: &[Asset], root: &Path) -> Result<Vec<PathBuf>> {
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
fn write(content: &Content, path: &Path, text: &str) -> Result<()> {
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

/// Looks at what a package manager has installed below `root`: all files are there, and the program runs if it
/// is one of this machine's.
fn installed(content: &Content, root: &Path, placed: &[PathBuf]) -> Result<()> {
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
fn said(command: &mut Command) -> Result<String> {
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
