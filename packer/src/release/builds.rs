//! The commands of a project's builds: the only thing that a release executes.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, ProjectError};
use crate::project::file::Project;

/// Runs each command once, in the order of the file; what they print goes to standard error.
pub(super) fn run(project: &Project) -> Result<(), Error> {
    let here = Path::new(".");
    let directory = if project.directory.as_os_str().is_empty() { here } else { &project.directory };
    let mut done: Vec<&str> = Vec::new();
    for command in project.builds.iter().filter_map(|build| build.command.as_deref()) {
        if done.contains(&command) {
            continue;
        }
        done.push(command);
        let status = Command::new("sh")
            .args(["-e", "-c", command])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::from(io::stderr()))
            .status()
            .map_err(|source| Error::io("run", Path::new("sh"), source))?;
        if !status.success() {
            return Err(ProjectError::Command { command: command.to_owned(), status }.into());
        }
    }
    Ok(())
}
