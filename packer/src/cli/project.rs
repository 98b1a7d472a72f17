//! The options of the commands about a project's file, and the way from such a file to the options of `pack`.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::parser::{Args, ErrorKind, FromArgMatches as _};
use crate::cli::{Cli, Command, ListArgs, PackArgs};

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

impl PackArgs {
    /// Whether they say what to pack.
    pub(crate) fn names_an_app(&self) -> bool {
        self.input.is_some()
            || !self.deb.is_empty()
            || !self.tree.sysroot.is_empty()
            || self.emulator_only
            || self.system.system.is_some()
            || self.system.oci.is_some()
    }
}

/// Ends the process as for any command line that lacks something.
pub(crate) fn nothing_to_pack() -> ! {
    let text = "nothing says what to pack: give a program, a directory or an archive, `--deb PKG`, `--system DIR`, \
                or write a `unibin.toml` (`unibin init`)";
    let mut definition = Cli::definition();
    definition.build();
    let error = match definition.find_subcommand_mut("pack") {
        Some(pack) => pack.error(ErrorKind::MissingRequiredArgument, text),
        None => definition.error(ErrorKind::MissingRequiredArgument, text),
    };
    error.exit()
}

/// What this process was told behind `pack`.
pub(crate) fn words_of_pack() -> impl Iterator<Item = OsString> {
    std::env::args_os().skip(2)
}

/// What `unibin pack WORDS` would be asked for; a later word overrides an earlier one. The error is what is
/// wrong with them.
pub(crate) fn as_pack(words: Vec<OsString>) -> Result<PackArgs, String> {
    let definition = Cli::definition().mut_subcommand("pack", |pack| pack.args_override_self(true));
    let words = ["unibin".into(), "pack".into()].into_iter().chain(words);
    let parsed = definition.try_get_matches_from(words).and_then(|found| Cli::from_arg_matches(&found));
    match parsed.map(|cli| cli.command) {
        Ok(Command::Pack(args)) => Ok(*args),
        Ok(_) => Err("not a command line of `pack`".to_owned()),
        Err(error) => {
            let text = error.render().to_string();
            let first = text.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
            Err(first.trim_start_matches("error: ").to_owned())
        }
    }
}
