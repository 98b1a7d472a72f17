//! Why a project cannot be packed or released.

use std::path::PathBuf;
use std::process::ExitStatus;

use thiserror::Error as ThisError;

use crate::error::code::Code;
use crate::error::hints::few;
use crate::error::shown::shown;

/// What is refused of `unibin.toml`, `unibin init`, `plan` and `release`.
#[derive(Debug, ThisError)]
pub(crate) enum ProjectError {
    #[error("there is no `{}`", shown(path))]
    None { path: PathBuf },
    /// `meant`: what was probably meant.
    #[error("`{}`, line {line}: {what}", shown(path))]
    Form { path: PathBuf, line: usize, what: String, meant: Option<String> },
    /// What `pack` says to the options that the file stands for.
    #[error("`{}`: {what}", shown(path))]
    Refused { path: PathBuf, what: String },
    #[error("`{}` exists already", shown(path))]
    Exists { path: PathBuf },
    #[error("there is nothing here to begin with: no {}, and no program was named", names.join(", "))]
    NothingToBeginWith { names: Vec<&'static str> },
    #[error("`{}` has no {what}", shown(path))]
    Lacks { path: PathBuf, what: &'static str },
    /// `made`: whether a command makes it.
    #[error("the build `{}` that `{}` names does not exist", shown(file), shown(path))]
    NotBuilt { path: PathBuf, file: PathBuf, made: bool },
    #[error("the command of a build ended with {status}: `{command}`")]
    Command { command: String, status: ExitStatus },
    #[error("`git {command}` ended with {status}: {said}")]
    Git { command: String, status: ExitStatus, said: String },
    #[error("files differ from the commit that would be released: {}", few(files))]
    Changed { files: Vec<String> },
    #[error("the commit is tagged {}, but the version is {version}", tags.join(", "))]
    OtherTag { version: String, tags: Vec<String> },
    #[error("`{}` has `{}`, which is not of an earlier release", shown(dist), shown(file))]
    NotOurs { dist: PathBuf, file: PathBuf },
    #[error("`output` has a directory: `{}`", shown(output))]
    OutputElsewhere { output: PathBuf },
}

impl ProjectError {
    /// The exit code.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Command { .. } | Self::Git { .. } | Self::NotOurs { .. } | Self::Exists { .. } => {
                Code::Failure
            }
            _ => Code::Input,
        }
    }

    /// What would have worked.
    pub(super) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::None { .. } => "`unibin init` writes one; `--project FILE` names one that is elsewhere",
            Self::Form { meant, .. } => return meant.clone(),
            Self::Refused { .. } => "its keys are the options of `unibin pack`: see docs/releasing.md",
            Self::Exists { .. } => "edit it, or remove it first",
            Self::NothingToBeginWith { .. } => {
                "name programs: `unibin init build/app-x86_64 build/app-aarch64`"
            }
            Self::Lacks { .. } => "add it there, or write `unibin.toml` by hand: see docs/releasing.md",
            Self::NotBuilt { made: true, .. } => "`unibin release` runs the `command` that makes it",
            Self::NotBuilt { .. } => "build it first, or give the build a `command`",
            Self::Command { .. } => "it runs in the directory of `unibin.toml`, by `sh -e -c`",
            Self::Git { .. } => {
                "whether files differ from the commit is not known: repair it, or use `--snapshot`"
            }
            Self::Changed { .. } => "commit them, or use `--snapshot`",
            Self::OtherTag { .. } => "correct `version` in `unibin.toml`, or use `--snapshot`",
            Self::NotOurs { .. } => "remove it, or choose another directory with `--dist DIR`",
            Self::OutputElsewhere { .. } => {
                "a release writes into `dist`: give a file name, such as `output = \"{name}-{version}\"`"
            }
        };
        Some(text.to_owned())
    }
}
