//! The options about where packages and emulators come from.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::path::PathBuf;

use crate::cli::groups::{ARCHIVE, EMULATORS};
use crate::cli::parser::Args;

/// Where packages come from.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = ARCHIVE)]
pub(crate) struct ArchiveArgs {
    #[command(flatten)]
    pub(crate) supply: SupplyArgs,
    /// Do not use the network
    #[arg(long, help_heading = ARCHIVE)]
    pub(crate) offline: bool,
    /// Debian mirror: a URL or directory [default: $UNIBIN_MIRROR, else apt's sources]
    #[arg(long, value_name = "URL", help_heading = ARCHIVE)]
    pub(crate) mirror: Option<String>,
    /// Debian suite for packages [default: trixie, or sid where trixie lacks the architecture]
    #[arg(long, value_name = "SUITE", help_heading = ARCHIVE)]
    pub(crate) suite: Option<String>,
    /// Accept an archive index that is past its Valid-Until date
    #[arg(long, help_heading = ARCHIVE, hide_short_help = true)]
    pub(crate) allow_stale: bool,
}

/// Which emulators, and where they come from before a Debian archive is asked.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = EMULATORS)]
pub(crate) struct SupplyArgs {
    /// Take emulators from a copy of a store (`unibin emulator export`): a directory or HTTP server
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub(crate) emulators: Option<String>,
    /// Use Debian's emulators only, none of unibin's own
    #[arg(long, hide_short_help = true)]
    pub(crate) debian_emulators: bool,
    /// File that lists emulators of your own [default: `~/.config/unibin/emulators.toml`]
    ///
    /// The default follows $XDG_CONFIG_HOME if it is set. See docs/translators.md.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) translators: Option<PathBuf>,
    /// Use locked emulators exactly; add new ones [default: `unibin.lock` if present]
    ///
    /// An emulator that FILE lists is used in exactly that version, or the command fails. One that it does
    /// not list is added to FILE; see `--locked`.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) lock: Option<PathBuf>,
    /// Fail if an emulator is not in the lock file, and leave the file unchanged
    #[arg(long, hide_short_help = true)]
    pub(crate) locked: bool,
}
