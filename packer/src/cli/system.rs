//! The options of `pack` for whole systems. Help texts as in `cli.rs`.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

use std::ffi::OsString;
use std::path::PathBuf;

use debian::SystemVariant;
use oci::Platform;

use crate::cli::groups::SYSTEM;
use crate::cli::parser::Args;
use crate::cli::values::{platform, variant};

/// What has no meaning for a whole system.
const OF_APPS: [&str; 14] = [
    "configure",
    "input",
    "deb",
    "sysroot",
    "native",
    "emulator_only",
    "libs",
    "library_path",
    "add",
    "trace",
    "preload",
    "argv0",
    "view",
    "children",
];

/// A system to pack: where its root file system comes from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = SYSTEM)]
pub(crate) struct SystemArgs {
    /// Root file system to pack: a directory, or a .tar (.gz, .xz, .zst, .bz2) of one
    ///
    /// The bundle starts a shell in it, or the command that it is given, as root of that system: see
    /// docs/systems.md. `--entry PATH` names a program to start in place of the shell.
    #[arg(long, value_name = "DIR|TAR", conflicts_with_all = OF_APPS)]
    pub(crate) system: Option<PathBuf>,
    /// Container image to pack: an OCI layout, an image in a .tar, or docker://NAME
    ///
    /// A layout is a directory or a .tar file; LAYOUT:TAG selects one of its images. The .tar files of
    /// `docker save` are read too. docker://REGISTRY/NAME[:TAG|@DIGEST] is fetched: see docs/images.md.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = OF_APPS, conflicts_with = "system")]
    pub(crate) oci: Option<OsString>,
    /// Platforms of the image: comma-separated [default: this machine's]
    ///
    /// Names are those of images: linux/arm64, linux/arm/v7. Hosts without a native one emulate the first.
    #[arg(long, value_name = "LIST", requires = "oci", value_delimiter = ',', value_parser = platform)]
    pub(crate) platform: Vec<Platform>,
    /// Build a Debian system for TARGET from the packages of SUITE: `trixie`, `sid`
    ///
    /// Packages are unpacked, then configured inside the new system. This needs user namespaces and an
    /// emulator for TARGET on this machine, but not root: see docs/debootstrap.md.
    #[arg(long, value_name = "SUITE", requires = "target", conflicts_with_all = OF_APPS)]
    #[arg(conflicts_with_all = ["system", "oci", "suite"])]
    pub(crate) debootstrap: Option<String>,
    /// Further packages to install, besides those of the variant: comma-separated (repeatable)
    #[arg(long, value_name = "PKG", requires = "debootstrap", value_delimiter = ',')]
    pub(crate) include: Vec<String>,
    /// Set of packages to start from: minbase, important or standard
    ///
    /// The names are mmdebstrap's: minbase has the essential packages, those of priority `required`, and apt.
    #[arg(long, value_name = "VARIANT", requires = "debootstrap", default_value = "minbase")]
    #[arg(value_parser = variant)]
    pub(crate) variant: SystemVariant,
    /// Unpack packages, but run none of their scripts; the report names the command that does the rest
    #[arg(long, requires = "debootstrap")]
    pub(crate) no_scripts: bool,
}
