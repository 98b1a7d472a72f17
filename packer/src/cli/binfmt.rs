//! The options of `unibin binfmt`.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::path::PathBuf;

use bundle::Arch;

use crate::cli::archive::ArchiveArgs;
use crate::cli::parser::{ArgGroup, Args, Subcommand};
use crate::cli::values::{arch, flags};

#[derive(Debug, Subcommand)]
pub(crate) enum BinfmtCommand {
    /// Print the registration in binfmt.d(5) form, and its state in the kernel
    Show(BinfmtArgs),
    /// Register emulators with the running kernel, until the next reboot
    #[command(group(ArgGroup::new("which").required(true).args(["target", "all"])))]
    Register(BinfmtArgs),
    /// Remove registrations from the running kernel
    #[command(group(ArgGroup::new("which").required(true).args(["target", "all"])))]
    Unregister(BinfmtArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BinfmtArgs {
    /// Architecture whose programs are meant (repeatable)
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Vec<Arch>,
    /// All architectures that this machine needs an emulator for
    #[arg(long, conflicts_with = "target")]
    pub(crate) all: bool,
    /// Static emulator to register [default: from the store, fetched if needed]
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub(crate) emulator: Option<PathBuf>,
    /// binfmt_misc flags: letters out of F, P, O and C
    ///
    /// F: open the emulator at registration, so that it is found in every container and chroot. P: pass the
    /// program's own argv[0] on. O: open the program on behalf of the emulator, so that it need not be
    /// readable. C: honour set-user-ID bits of programs, which means trusting the emulator with those rights.
    #[arg(long, value_name = "LETTERS", default_value = "OPF", value_parser = flags)]
    pub(crate) flags: String,
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
}
