//! Disks of the booted machines: one with the bundles on it, one that goes from machine to machine, one whose
//! machine's power is cut. ext4 without what old or small kernels would need more modules for. Machines know
//! them by their labels: in which order a board shows its disks is its own affair.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use debian::digest;

use super::archive::appear;

/// A disk with what is in `directory`, kept by the names and sizes in it.
pub(crate) fn of_directory(directory: &Path, kept: &Path) -> Result<PathBuf> {
    let mut size = 0;
    let key = digest::of(directory.as_os_str().as_encoded_bytes()).to_string();
    let disk = kept.join(format!("bundles-{}.img", &key[..16]));
    if disk.exists() {
        return Ok(disk);
    }
    for named in fs::read_dir(directory)? {
        for bundle in fs::read_dir(named?.path())? {
            size += bundle?.metadata()?.len();
        }
    }
    let mebibytes = size / (1 << 20) * 11 / 10 + 16;
    appear(&disk, |new| make(new, "bundles", mebibytes, "^has_journal", Some(directory)))?;
    Ok(disk)
}

/// An empty disk of so many MiB.
pub(crate) fn empty(disk: PathBuf, mebibytes: u64) -> Result<PathBuf> {
    appear(&disk, |new| make(new, "shared", mebibytes, "^has_journal", None))?;
    Ok(disk)
}

/// An empty one with a journal, for a machine that loses its power. A long one, since ext4 sets room in it
/// aside for all that is being written and may be for long.
pub(crate) fn with_journal(disk: PathBuf) -> Result<PathBuf> {
    appear(&disk, |new| make(new, "power", 256, "has_journal", None))?;
    Ok(disk)
}

fn make(disk: &Path, label: &str, mebibytes: u64, journal: &str, directory: Option<&Path>) -> Result<()> {
    File::create(disk)?.set_len(mebibytes << 20)?;
    let mut command = Command::new("/sbin/mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-L", label]);
    command.args(["-O", &format!("{journal},^metadata_csum,^metadata_csum_seed,^orphan_file")]);
    if let Some(directory) = directory {
        command.arg("-d").arg(directory);
    }
    if journal == "has_journal" {
        command.args(["-J", "size=64", "-E", "lazy_journal_init=1"]);
    }
    let made = command.arg(disk).output().context("cannot run mke2fs: `apt-get install e2fsprogs`")?;
    ensure!(made.status.success(), "mke2fs failed: {}", String::from_utf8_lossy(&made.stderr).trim());
    Ok(())
}
