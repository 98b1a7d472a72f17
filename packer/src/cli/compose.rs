//! The options of the commands that make bundles out of bundles.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::path::PathBuf;

use crate::cli::list::ListArgs;
use crate::cli::parser::{Args, OsStringValueParser, TypedValueParser};
use crate::cli::values::{Head, Hosts, Native, head, hosts, native};

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Bundles, and programs, each for its own architecture
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Bundle to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Start of the file: shell script (`sh`) or ELF launcher (`elf:HOST`)
    #[arg(long, value_name = "sh|elf:HOST", value_parser = head)]
    pub(crate) head: Option<Head>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ThinArgs {
    /// Bundle to take from; it is not changed
    pub(crate) file: PathBuf,
    /// Architectures to keep: comma-separated
    #[arg(long, value_name = "LIST", value_parser = hosts, required_unless_present = "head")]
    pub(crate) hosts: Option<Hosts>,
    /// Start of the file: shell script (`sh`) or ELF launcher (`elf:HOST`), for that host alone
    #[arg(long, value_name = "sh|elf:HOST", value_parser = head)]
    pub(crate) head: Option<Head>,
    /// Bundle to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplaceArgs {
    /// Bundle to take everything else from; it is not changed
    pub(crate) file: PathBuf,
    /// Program or bundle whose build for ARCH replaces the one inside (repeatable)
    #[arg(long, value_name = "ARCH=FILE", required = true)]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| native(&text)))]
    pub(crate) native: Vec<Native>,
    /// Bundle to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Bundle to check
    pub(crate) file: PathBuf,
    /// Architectures that it must run on, natively or emulated: comma-separated, or `all`
    #[arg(long, value_name = "LIST", value_parser = hosts)]
    pub(crate) hosts: Option<Hosts>,
    /// Architectures that it must run on natively: comma-separated, or `all`
    #[arg(long, value_name = "LIST", value_parser = hosts)]
    pub(crate) native: Option<Hosts>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}
