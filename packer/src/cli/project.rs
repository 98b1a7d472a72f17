//! The options of the commands about a project's file.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::path::PathBuf;

use crate::cli::list::ListArgs;
use crate::cli::parser::Args;

/// A project's file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProjectArgs {
    /// Project file [default: `unibin.toml` in this directory]
    ///
    /// `pack` uses it if the command line does not say what to pack. Other options are added to the file's;
    /// an option that can be given only once overrides the file.
    #[arg(long = "project", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Programs already built, one for each architecture
    pub(crate) programs: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Plan a snapshot, as `unibin release --snapshot` makes it
    #[arg(long)]
    pub(crate) snapshot: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Make a trial release from any state of the work tree: version ends in `-snapshot`, no provenance
    #[arg(long)]
    pub(crate) snapshot: bool,
    /// Directory to write; an earlier release there is replaced [default: `dist`]
    #[arg(long, value_name = "DIR")]
    pub(crate) dist: Option<PathBuf>,
    /// Sign with this key, as `unibin sign --key` [default: `sign` of the project file, else unsigned]
    #[arg(long, value_name = "FILE|ssh-agent", conflicts_with = "snapshot")]
    pub(crate) key: Option<PathBuf>,
    /// Do not use the network
    #[arg(long)]
    pub(crate) offline: bool,
}
