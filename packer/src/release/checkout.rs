//! What git says about the project: which commit is released, and whether the files are that commit's. A
//! project that git does not know has no commit; once there is one, a git that fails ends the release.

use std::path::Path;
use std::process::{Command, Output};

use crate::atomic_file::directory_of;
use crate::error::{Error, ProjectError, readable};

/// The commit that the project's file belongs to.
pub(super) fn commit(file: &Path) -> Option<String> {
    // A file that is not tracked may lie in somebody else's repository.
    let name = file.file_name()?.to_str()?;
    let said = |arguments: &[&str]| git(file, arguments).ok();
    said(&["ls-files", "--error-unmatch", "--", name])?;
    let commit = said(&["rev-parse", "--verify", "HEAD"])?;
    Some(commit.trim().to_owned()).filter(|commit| !commit.is_empty())
}

/// An error if tracked files differ from the commit.
pub(super) fn check_unchanged(file: &Path) -> Result<(), Error> {
    let told = git(file, &["status", "--porcelain", "-z", "--untracked-files=no"])?;
    let rows = told.split('\0').filter_map(|row| row.get(3..));
    let files: Vec<_> = rows.map(|name| readable(name.as_bytes())).collect();
    if files.is_empty() { Ok(()) } else { Err(ProjectError::Changed { files }.into()) }
}

/// An error if the commit is tagged, but not with this version.
pub(super) fn check_tag(file: &Path, version: Option<&str>) -> Result<(), Error> {
    let told = git(file, &["tag", "--points-at", "HEAD"])?;
    let tags: Vec<String> = told.lines().map(ToOwned::to_owned).collect();
    let version = version.unwrap_or_default();
    // `v1.2`, or `app-v1.2` and `app/v1.2` where several are released from one repository.
    let is_version = |tag: &String| {
        let rest = tag.strip_suffix(version).unwrap_or("0");
        let rest = rest.strip_suffix('v').unwrap_or(rest);
        rest.is_empty() || rest.ends_with(['-', '/', '_'])
    };
    if tags.is_empty() || tags.iter().any(is_version) {
        return Ok(());
    }
    Err(ProjectError::OtherTag { version: version.to_owned(), tags }.into())
}

/// What git prints in the file's directory. An error if it fails or is not there.
fn git(file: &Path, arguments: &[&str]) -> Result<String, Error> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory_of(file)).args(arguments);
    command.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    let output = command.output().map_err(|source| Error::io("execute", Path::new("git"), source))?;
    let Output { status, stdout, stderr } = output;
    if status.success() {
        return Ok(String::from_utf8_lossy(&stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&stderr);
    let said = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    let (command, said) = (arguments.join(" "), readable(said.as_bytes()));
    Err(ProjectError::Git { command, status, said }.into())
}
