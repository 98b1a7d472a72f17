//! The packed crates, unpacked side by side as a workspace: what the registry would hold, in the place of the
//! registry.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::calls::{Check as _, cargo};
use crate::workspace::target_directory;

/// A workspace of unpacked crates.
pub(super) struct Unpacked {
    pub(super) directory: PathBuf,
    target: PathBuf,
}

impl Unpacked {
    /// Unpacks `packed` into `directory`, with the profiles and the lock file of `workspace`.
    pub(super) fn new(workspace: &Path, directory: &Path, packed: &[PathBuf]) -> Result<Self> {
        if directory.exists() {
            fs::remove_dir_all(directory)
                .with_context(|| format!("cannot remove `{}`", directory.display()))?;
        }
        fs::create_dir_all(directory)?;
        let mut members = String::new();
        let mut patches = String::new();
        for file in packed {
            // `-m`: packed files are all of one day in 2006, by which cargo would take changed ones for those
            // it has built already.
            Command::new("tar").arg("-xzmf").arg(file).arg("-C").arg(directory).check()?;
            let member =
                file.file_stem().and_then(|stem| stem.to_str()).context("a name that is not UTF-8")?;
            let name = member.rsplit_once('-').map_or(member, |(name, _)| name);
            write!(members, "{member:?}, ")?;
            writeln!(patches, "{name} = {{ path = {member:?} }}")?;
            for wanted in ["Cargo.toml", "LICENSE-MIT", "LICENSE-APACHE"] {
                ensure!(directory.join(member).join(wanted).is_file(), "`{member}` has no `{wanted}`");
            }
        }
        let manifest = fs::read_to_string(workspace.join("Cargo.toml"))?;
        let profiles = manifest.find("[profile.").map_or("", |at| &manifest[at..]);
        let text = format!(
            "[workspace]\nresolver = \"3\"\nmembers = [{members}]\n\n[patch.crates-io]\n{patches}\n{profiles}"
        );
        fs::write(directory.join("Cargo.toml"), text)?;
        fs::copy(workspace.join("Cargo.lock"), directory.join("Cargo.lock"))?;
        Ok(Self { directory: directory.to_owned(), target: target_directory() })
    }

    /// Cargo in this workspace, with the target directory of the checkout.
    pub(super) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = cargo(&self.directory);
        command.args(arguments).arg("--quiet").arg("--target-dir").arg(&self.target);
        command
    }

    /// Installs `unibin` below `root`; gives its path.
    pub(super) fn install(&self, root: &Path) -> Result<PathBuf> {
        let package = format!("unibin-{}", env!("CARGO_PKG_VERSION"));
        // `--locked`: without it the newest versions of everything are looked for.
        self.cargo(&["install", "--offline", "--locked", "--no-track", "--profile=dev", "--path", &package])
            .arg("--root")
            .arg(root)
            .check()?;
        Ok(root.join("bin/unibin"))
    }

    /// The `unibin` that a build leaves.
    pub(super) fn program(&self) -> PathBuf {
        self.target.join("debug/unibin")
    }
}
