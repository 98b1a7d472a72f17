//! The options of `pack` for machines. Help texts as in `cli.rs`.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::groups::MACHINE;
use crate::cli::parser::{ArgGroup, Args};
use crate::cli::values::bytes;

/// What has no meaning for a machine.
const OF_APPS: [&str; 23] = [
    "configure",
    "input",
    "deb",
    "entry",
    "native",
    "also_target",
    "emulator_only",
    "system",
    "oci",
    "libs",
    "sysroot",
    "library_path",
    "add",
    "exclude",
    "trace",
    "env",
    "unset",
    "arg",
    "argv0",
    "view",
    "preload",
    "cpu",
    "emulator",
];

/// A computer to pack: what it boots.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = MACHINE)]
#[command(group(ArgGroup::new("boots_directly").args(["kernel", "debootstrap"]).multiple(true)))]
#[command(group(ArgGroup::new("has_disk").args(["disk", "debootstrap"]).multiple(true)))]
pub(crate) struct MachineArgs {
    /// Pack a whole computer of architecture TARGET, with qemu-system for every host: see docs/machines.md
    ///
    /// The bundle boots it on the terminal; Ctrl-a x ends it. `./vm ssh [CMD]` runs a command in it. With
    /// `--debootstrap SUITE`, kernel and disk are made from packages.
    #[arg(long, requires = "target", conflicts_with_all = OF_APPS)]
    pub(crate) machine: bool,
    /// Kernel to boot directly, without firmware
    #[arg(long, value_name = "FILE", requires = "machine")]
    pub(crate) kernel: Option<PathBuf>,
    /// Initial RAM file system (initrd) for the kernel
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub(crate) initrd: Option<PathBuf>,
    /// Further arguments for the kernel, after `console=` with the machine's serial line
    #[arg(long, value_name = "WORDS", requires_all = ["machine", "boots_directly"], allow_hyphen_values = true)]
    pub(crate) append: Option<OsString>,
    /// Disk image: qcow2 or raw
    ///
    /// It is never written to. Changes are discarded when the machine ends, unless UNIBIN_KEEP=NAME keeps
    /// them.
    #[arg(long, value_name = "IMAGE", requires = "machine")]
    pub(crate) disk: Option<PathBuf>,
    /// Size of the disk that the machine sees, such as 20G [default: the image's; with `--debootstrap` 16G]
    #[arg(long, value_name = "SIZE", requires_all = ["machine", "has_disk"], value_parser = bytes)]
    pub(crate) disk_size: Option<u64>,
    /// Configuration for cloud-init: a directory with `user-data`, or an ISO image
    ///
    /// The directory may also have `meta-data`, `vendor-data` and `network-config`. It becomes a NoCloud
    /// seed.
    #[arg(long, value_name = "DIR|ISO", requires = "machine")]
    pub(crate) seed: Option<PathBuf>,
    /// Firmware: `uefi`, from Debian, or a file [default: uefi for a disk without a kernel, if there is one]
    #[arg(long, value_name = "uefi|FILE", requires = "machine")]
    pub(crate) firmware: Option<PathBuf>,
}
