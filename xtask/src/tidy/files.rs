//! The tracked text files, which all rules read.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A tracked text file.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// One that is not on disk.
    #[cfg(test)]
    pub(crate) fn of(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.ends_in(&["rs"])
    }

    /// Whether its name ends in one of these extensions.
    pub(crate) fn ends_in(&self, extensions: &[&str]) -> bool {
        let extension = Path::new(&self.path).extension();
        extension.is_some_and(|extension| extensions.iter().any(|one| extension == *one))
    }

    /// Its lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(number, line)| (number + 1, line))
    }

    /// Lines of code with their numbers, without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
    }
}

pub(crate) fn tracked(workspace: &Path) -> Result<Vec<File>> {
    let output = Command::new("git").arg("-C").arg(workspace).args(["ls-files", "-z"]).output();
    let output = output.context("cannot run git")?;
    ensure!(output.status.success(), "`git ls-files` failed");
    let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    let paths = paths.map(String::from_utf8_lossy);
    // Binary files (launchers, keys) are not text and have rules of their own.
    Ok(paths
        .filter_map(|path| {
            let text = fs::read_to_string(workspace.join(&*path)).ok()?;
            Some(File { path: path.into_owned(), text })
        })
        .collect())
}
