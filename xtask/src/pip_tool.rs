//! Tools of the house that are neither cargo's nor Debian's: from `PATH`, else out of a Python package that
//! ships the program itself.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program and the package that holds it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// Package and version.
    pub(crate) package: &'static str,
    /// Where the program lies in the installed package.
    pub(crate) inside: &'static str,
    /// SHA-256 of the package's file, where it is one for all machines.
    pub(crate) sha256: Option<&'static str>,
}

impl Tool {
    /// The program's path; `None` where it cannot be had, for a check that then says NOT RUN.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        let runs = |path: &PathBuf| {
            Command::new(path).arg("--version").output().is_ok_and(|output| output.status.success())
        };
        let installed = PathBuf::from(self.name);
        if runs(&installed) {
            return Some(installed);
        }
        // Named after the version, so that another one is not taken for it.
        let directory = crate::workspace::workspace().join("target/pip").join(self.package);
        let program = directory.join(self.inside);
        if !runs(&program) {
            self.install(&directory)?;
        }
        Some(program).filter(runs)
    }

    fn install(&self, directory: &Path) -> Option<()> {
        let hash = self.sha256.map(|sha256| format!(" --hash=sha256:{sha256}"));
        // pip takes hashes from a file only.
        let mut list = tempfile::NamedTempFile::new().ok()?;
        writeln!(list, "{}{}", self.package, hash.unwrap_or_default()).ok()?;
        let install =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"];
        let status = Command::new("python3")
            .args(install)
            .args(["--only-binary=:all:", "--target"])
            .arg(directory)
            .arg("--requirement")
            .arg(list.path())
            .status();
        status.is_ok_and(|status| status.success()).then_some(())
    }
}
