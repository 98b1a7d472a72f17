//! `unibin.toml`: what a project packs and releases. Its keys stand for options of `unibin pack`: they are
//! turned into a command line, which is parsed like any other. Nothing is executed here.

mod command_line;
pub(crate) mod file;
pub(crate) mod init;
mod keys;
mod manifests;
mod nearest;
mod toml_file;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::PackArgs;
use crate::error::{Error, ProjectError};
use crate::project::command_line::{as_pack, nothing_to_pack, words_of_pack};
use crate::project::file::Project;

/// The file's name, which is looked for in the working directory only.
pub(crate) const NAME: &str = "unibin.toml";

/// What `unibin pack` is asked for: `args` if they say what to pack, else what the project's file says,
/// followed by `args`.
pub(crate) fn completed(args: PackArgs) -> Result<PackArgs, Error> {
    if args.names_an_app() {
        return Ok(args);
    }
    let project = match args.project.file {
        Some(path) => Project::read(&path, None)?,
        None if Path::new(NAME).exists() => Project::read(Path::new(NAME), None)?,
        None => nothing_to_pack(),
    };
    project.check_builds()?;
    let mut words = project.words.clone();
    words.extend(words_of_pack());
    pack_args(&project, words)
}

/// The options of `pack` for a project.
pub(crate) fn pack_args(project: &Project, words: Vec<OsString>) -> Result<PackArgs, Error> {
    let mut args =
        as_pack(words).map_err(|what| ProjectError::Refused { path: project.path.clone(), what })?;
    let own = project.directory.join("unibin.lock");
    // As in the working directory: the file beside the project's counts.
    if args.archive.supply.lock.is_none() && !project.directory.as_os_str().is_empty() && own.exists() {
        args.archive.supply.lock = Some(own);
    }
    let name = || project.directory.join(format!("{}.bundle", project.name));
    args.output.get_or_insert_with(name);
    Ok(args)
}

/// What `unibin pack PATH` would be asked for, for all hosts: of a program that becomes a part of a bundle.
pub(crate) fn pack_args_of_program(path: &Path) -> Result<PackArgs, Error> {
    let failed = |source| Error::io("open", path, source);
    // Not taken for an option, whatever it is called.
    let absolute = std::path::absolute(path).map_err(failed)?;
    let words = vec!["--hosts=all".into(), absolute.into_os_string()];
    as_pack(words).map_err(|what| failed(std::io::Error::other(what)))
}

/// Where the project's file is: as it was named, or in the working directory.
pub(crate) fn place(named: Option<&PathBuf>) -> PathBuf {
    named.map_or_else(|| NAME.into(), Clone::clone)
}
