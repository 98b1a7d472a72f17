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
    /// `pack` uses it if nothing else says what to pack. Options that are given besides are added to the
    /// file's; of an option that can be given once, the command line's counts.
    #[arg(long = "project", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Programs that are built already, one for each architecture
    pub(crate) programs: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// As with `release`
    #[arg(long)]
    pub(crate) snapshot: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Try it out: whatever git says, with `-snapshot` behind the version, and without provenance
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
