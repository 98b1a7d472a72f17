//! What an interrupted or killed benchmark leaves behind: no mount, since its mounts end with its last
//! process, and a directory that the next one removes.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// How the name of a directory begins that a benchmark works in.
const PREFIX: &str = "unibin-bench-";

/// The file in it that is locked as long as it does.
const LOCK: &str = ".lock";

/// Where a benchmark mounts a file system, in its directory.
pub(super) const MOUNTED: &str = "mounted";

/// The option of a benchmark that was started with mounts of its own.
pub(super) const OWN_MOUNTS: &str = "--own-mounts";

/// Starts this program once more with mounts of its own, where it may have them.
pub(super) fn with_own_mounts() -> Result<()> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private"]);
        command
    };
    let tried = || unshare().arg("true").stderr(Stdio::null()).status();
    if !rustix::process::geteuid().is_root() || !tried().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let own = std::env::current_exe().context("where is this program?")?;
    let failed = unshare().arg(own).args(std::env::args_os().skip(1)).arg(OWN_MOUNTS).exec();
    Err(failed).context("cannot run unshare(1)")
}

/// A new directory in `parent`, and what says that it is in use.
pub(super) fn directory(parent: &Path) -> Result<(TempDir, File)> {
    remove_left_over(parent)?;
    let made = || {
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = File::create(directory.path().join(LOCK))?;
        lock.lock()?;
        Ok::<_, std::io::Error>((directory, lock))
    };
    made().with_context(|| format!("cannot make a directory in `{}`", parent.display()))
}

/// Removes the directories of this user's benchmarks that have ended, with what is still mounted there.
fn remove_left_over(parent: &Path) -> Result<()> {
    let us = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes())
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == us);
        // One that was made just now may have no lock yet.
        let Some(lock) = is_ours.then(|| File::open(entry.path().join(LOCK)).ok()).flatten() else {
            continue;
        };
        if lock.try_lock().is_err() {
            continue;
        }
        let path = entry.path();
        if is_mounted(&path.join(MOUNTED)) {
            unmount(&path.join(MOUNTED));
        }
        fs::remove_dir_all(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
    }
    Ok(())
}

/// Takes a mount away, also from who still uses it.
pub(super) fn unmount(directory: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(directory).output();
}

pub(super) fn is_mounted(directory: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at) == directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_begins_removes_what_has_ended_and_nothing_else() {
        let parent = tempfile::tempdir().expect("a directory");
        let exists = |path: &Path| path.exists();
        let (used, _lock) = directory(parent.path()).expect("a directory");
        let (ended, lock) = directory(parent.path()).expect("a directory");
        let ended = ended.keep();
        fs::write(ended.join("large"), "large").expect("written");
        let other = parent.path().join("unibin-other");
        fs::create_dir(&other).expect("a directory");
        File::create(other.join(LOCK)).expect("a file");
        let begin = || drop(directory(parent.path()).expect("a directory"));
        begin();
        assert!(exists(&ended), "it goes on");
        drop(lock);
        begin();
        assert!(!exists(&ended), "it has ended");
        assert!(exists(used.path()) && exists(&other));
    }
}
