//! The command line. Values of options become typed values here. Help texts: the first paragraph is what `-h`
//! shows, `--help` shows all of it.
#![allow(
    clippy::doc_markdown,
    reason = "clap shows these comments as help, where names stand without backticks"
)]

mod archive;
pub(crate) mod binfmt;
pub(crate) mod cache;
pub(crate) mod compose;
mod compression;
mod groups;
pub(crate) mod help;
pub(crate) mod list;
pub(crate) mod machine;
pub(crate) mod oci;
pub(crate) mod parser;
pub(crate) mod project;
pub(crate) mod sbom;
pub(crate) mod sign;
pub(crate) mod system;
pub(crate) mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use bundle::Arch;

pub(crate) use crate::cli::archive::{ArchiveArgs, SupplyArgs};
use crate::cli::binfmt::BinfmtCommand;
use crate::cli::cache::CacheCommand;
use crate::cli::compose::{CheckArgs, MergeArgs, ReplaceArgs, ThinArgs};
use crate::cli::compression::CompressionArgs;
use crate::cli::groups::{EMULATORS, FORMAT, START, TREE, WHAT};
pub(crate) use crate::cli::list::ListArgs;
use crate::cli::machine::MachineArgs;
use crate::cli::oci::OciArgs;
use crate::cli::parser::{
    ArgGroup, Args, CommandFactory, Definition, OsStringValueParser, Parser, Subcommand, TypedValueParser,
};
use crate::cli::project::{InitArgs, PlanArgs, ProjectArgs, ReleaseArgs};
use crate::cli::sbom::SbomArgs;
use crate::cli::sign::{SignArgs, VerifyArgs};
use crate::cli::system::SystemArgs;
use crate::cli::values::{
    Argv0, Children, Configure, Head, Hosts, Libs, Native, View, arch, argv0, children, configure, head,
    host, host_file, hosts, libs, native, view,
};

/// Pack a Linux program into one executable file that runs on every Linux architecture
///
/// The file, a bundle, holds the program with its libraries and data, and a static emulator for each host
/// architecture. It needs neither root nor anything installed.
#[derive(Debug, Parser)]
#[command(name = "unibin", version, help_template = help::TEMPLATE, before_help = help::UNIBIN)]
#[command(after_long_help = help::UNIBIN_AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line; on wrong usage, and for `--help`, it answers and ends the process.
    pub(crate) fn from_command_line() -> Self {
        Self::parse()
    }

    /// What there is to say on the command line, for whatever describes it.
    pub(crate) fn definition() -> Definition {
        Self::command()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pack a program into a bundle
    ///
    /// Writes one executable file. Each host runs the build for its own architecture if the bundle has one
    /// (`--native`), and emulates the program otherwise.
    #[command(help_template = help::TEMPLATE, before_help = help::PACK, before_long_help = help::PACK_LONG)]
    Pack(Box<PackArgs>),
    /// Show what a bundle or an ELF file contains
    #[command(help_template = help::TEMPLATE, before_help = help::INSPECT)]
    Inspect(InspectArgs),
    /// Check every byte of a bundle against its digests, and its signatures, executing nothing
    #[command(help_template = help::TEMPLATE, before_help = help::VERIFY)]
    Verify(VerifyArgs),
    /// Sign a bundle, inside it or beside it
    #[command(help_template = help::TEMPLATE, before_help = help::SIGN)]
    Sign(SignArgs),
    /// Unpack the app of a bundle into a directory
    #[command(help_template = help::TEMPLATE, before_help = help::EXTRACT)]
    Extract(ExtractArgs),
    /// Make one bundle out of bundles and programs for several architectures
    ///
    /// What is inside is copied, never compressed again, and nothing is fetched. The order of FILEs does not
    /// matter.
    #[command(help_template = help::TEMPLATE, before_help = help::MERGE)]
    Merge(MergeArgs),
    /// Make a bundle for fewer hosts out of one for many
    #[command(help_template = help::TEMPLATE, before_help = help::THIN)]
    Thin(ThinArgs),
    /// Exchange the program for one architecture in a bundle
    #[command(help_template = help::TEMPLATE, before_help = help::REPLACE)]
    Replace(ReplaceArgs),
    /// Check that a bundle runs on all hosts that it should run on
    ///
    /// Prints how it runs on each: natively, or by which emulator. If a host is missing, the exit code is 4.
    #[command(help_template = help::TEMPLATE, before_help = help::CHECK)]
    Check(CheckArgs),
    /// Write a `unibin.toml` for the project in this directory
    ///
    /// Reads Cargo.toml, go.mod, pyproject.toml or package.json, or the programs that are named.
    #[command(help_template = help::TEMPLATE, before_help = help::INIT)]
    Init(InitArgs),
    /// Show what `release` would make of a project, executing and writing nothing
    #[command(help_template = help::TEMPLATE, before_help = help::PLAN)]
    Plan(PlanArgs),
    /// Build, pack and describe a project as `unibin.toml` says, into one directory
    ///
    /// Writes the bundle, bundles for single hosts, checksums, signatures, bills of materials, provenance and
    /// sources. It uploads nothing.
    #[command(help_template = help::TEMPLATE, before_help = help::RELEASE)]
    Release(ReleaseArgs),
    /// Write what a bundle is made of, as a bill of materials
    #[command(help_template = help::TEMPLATE, before_help = help::SBOM, after_help = help::SBOM_AFTER)]
    Sbom(SbomArgs),
    /// Make container images out of a bundle: one name for all its hosts
    #[command(help_template = help::TEMPLATE, before_help = help::OCI)]
    Oci(Box<OciArgs>),
    /// Run a program of any architecture, or a container image, without packing it
    ///
    /// Takes the emulator from the store, and fetches it if it is not there.
    #[command(help_template = help::TEMPLATE, before_help = help::RUN)]
    Run(RunArgs),
    /// List the architectures that bundles run on
    #[command(help_template = help::TEMPLATE, before_help = help::HOSTS)]
    Hosts(ListArgs),
    /// List the architectures that programs can be packed for
    #[command(help_template = help::TEMPLATE, before_help = help::TARGETS)]
    Targets(ListArgs),
    /// Register emulators system-wide via binfmt_misc (needs root)
    ///
    /// The kernel then starts such programs by itself, for every user. Bundles do not need this.
    #[command(subcommand, help_template = help::TEMPLATE, before_help = help::BINFMT)]
    Binfmt(BinfmtCommand),
    /// Manage the emulator store
    #[command(subcommand, help_template = help::TEMPLATE, before_help = help::EMULATOR)]
    Emulator(EmulatorCommand),
    /// List or remove what bundles have unpacked on this machine
    #[command(subcommand, help_template = help::TEMPLATE, before_help = help::CACHE)]
    Cache(CacheCommand),
    /// Write man pages and shell completions into a directory, for packagers
    #[command(hide = true)]
    Generate {
        /// Where `man` and `completions` are made
        directory: PathBuf,
    },
}

#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("app").multiple(true).args(["input", "deb", "sysroot", "emulator_only", "system", "oci", "debootstrap", "machine"])))]
pub(crate) struct PackArgs {
    /// Program, directory, archive, AppImage or package to pack
    ///
    /// A directory or archive is packed whole, at /opt/NAME, and `--entry` names what to start. Archives are
    /// .tar (.gz, .xz, .zst, .bz2), .zip, wheels and npm packages; packages are .deb and .rpm files.
    pub(crate) input: Option<PathBuf>,
    /// Bundle to write [default: the program's name with `.bundle`]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Architecture the program was built for [default: from its ELF header]
    ///
    /// Required with `--deb` and `--emulator-only`. `unibin targets` lists the names.
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Option<Arch>,
    /// Architectures to run on: comma-separated, or `all` [default: the six 64-bit hosts]
    ///
    /// With `all` or the default, hosts without an emulator for the target are left out; a host named here
    /// must have one. `unibin hosts` lists the names.
    #[arg(long, value_name = "LIST", value_parser = hosts)]
    pub(crate) hosts: Option<Hosts>,
    /// Check everything and show what would be packed, but write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Debian package to pack, with its dependencies: a name or a .deb file (repeatable)
    #[arg(long, value_name = "PKG", requires = "target", conflicts_with = "input", help_heading = WHAT)]
    pub(crate) deb: Vec<String>,
    /// Program to start, by its path in INPUT or in the app (repeatable)
    ///
    /// The first is the default. Start another one with `UNIBIN_ENTRY=NAME`, or through a link called NAME.
    /// NAME defaults to the last part of PATH, which may be a pattern, such as `/usr/bin/*`.
    #[arg(long, value_name = "[NAME=]PATH", help_heading = WHAT)]
    pub(crate) entry: Vec<OsString>,
    /// Add a build that runs natively on ARCH (repeatable)
    ///
    /// FILE is the program or tree built for ARCH. With `--deb`, leave it out: the same packages are taken.
    /// `x86_64-v2`, `x86_64-v3` and `x86_64-v4` are for processors that support that level of x86-64.
    #[arg(long, value_name = "ARCH[=FILE]", conflicts_with = "emulator_only", help_heading = WHAT)]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| native(&text)))]
    pub(crate) native: Vec<Native>,
    /// Add emulators for another architecture, so that the app can start its programs (repeatable)
    #[arg(long, value_name = "ARCH", conflicts_with_all = ["emulator_only"], help_heading = WHAT)]
    #[arg(value_parser = arch, hide_short_help = true)]
    pub(crate) also_target: Vec<Arch>,
    /// Pack the emulator itself: one file that runs TARGET programs on every host
    #[arg(long, requires = "target", conflicts_with_all = ["input", "deb", "sysroot", "entry", "configure"])]
    #[arg(help_heading = WHAT, hide_short_help = true)]
    pub(crate) emulator_only: bool,
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    #[command(flatten)]
    pub(crate) start: StartArgs,
    /// Child-process support: include it (`auto`) or not (`none`)
    ///
    /// With `auto`, the app can start programs of its own architecture, to which each host's broker attends.
    /// With `none`, such programs fail with "Exec format error".
    #[arg(long, value_name = "auto|none", default_value = "auto", value_parser = children)]
    #[arg(help_heading = FORMAT, hide_short_help = true)]
    pub(crate) children: Children,
    /// CPU model that emulators show to the app, in QEMU's words, such as `max` or `cortex-a53`
    ///
    /// By default `max,pauth=off` for aarch64 programs that can do without pointer authentication.
    #[arg(long, value_name = "MODEL", conflicts_with = "emulator_only")]
    #[arg(help_heading = FORMAT, hide_short_help = true)]
    pub(crate) cpu: Option<OsString>,
    /// Start of the file: shell script (`sh`) or ELF launcher (`elf:HOST`)
    ///
    /// A shell script starts on all hosts, but needs /bin/sh. With `elf:HOST` the bundle starts on HOST only,
    /// and needs no shell (distroless and scratch containers).
    #[arg(long, value_name = "sh|elf:HOST", default_value = "sh", value_parser = head)]
    #[arg(help_heading = FORMAT)]
    pub(crate) head: Head,
    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
    /// Use FILE as the emulator on HOST (repeatable)
    #[arg(long, value_name = "HOST=FILE", help_heading = EMULATORS, hide_short_help = true)]
    #[arg(value_parser = OsStringValueParser::new().try_map(|text| host_file(&text)))]
    pub(crate) emulator: Vec<(Arch, PathBuf)>,
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
}

/// Where a program's libraries and data come from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = TREE)]
pub(crate) struct TreeArgs {
    /// Fetch missing libraries from Debian
    #[arg(long, value_name = "debian[:SUITE]", value_parser = libs)]
    pub(crate) libs: Option<Libs>,
    /// Take libraries from a root file system of the target's architecture (repeatable)
    ///
    /// The loader is taken from there too. Without INPUT, so are the programs that `--entry` names.
    #[arg(long, value_name = "DIR")]
    pub(crate) sysroot: Vec<PathBuf>,
    /// Search DIR for libraries first, as with LD_LIBRARY_PATH (repeatable)
    #[arg(long, value_name = "DIR")]
    pub(crate) library_path: Vec<PathBuf>,
    /// Add a file or directory, at DEST or else beside the program (repeatable)
    #[arg(long, value_name = "SRC[:DEST]")]
    pub(crate) add: Vec<OsString>,
    /// Exclude paths matching GLOB (repeatable)
    ///
    /// `*` matches within one path component, `**` across directories.
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<OsString>,
    /// Make what packages make when they are installed, by programs of Debian's for this machine (`auto`)
    ///
    /// Byte code of Python modules, without which Python compiles them at each start, compiled schemas of
    /// GSettings, the database of MIME types, lists of modules, dictionaries. `none` executes nothing.
    #[arg(long, value_name = "auto|none", default_value = "auto", value_parser = configure)]
    #[arg(hide_short_help = true)]
    pub(crate) configure: Configure,
    /// Run the program now, with the arguments after `--`, and add each file of the sysroot that it opens
    #[arg(long, hide_short_help = true)]
    pub(crate) trace: bool,
    /// Arguments for the program when run by `--trace`
    #[arg(last = true, requires = "trace", value_name = "ARGS", help_heading = None, hide_short_help = true)]
    pub(crate) trace_args: Vec<OsString>,
}

/// How the program will be started.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = START)]
pub(crate) struct StartArgs {
    /// Set an environment variable (repeatable)
    ///
    /// `{tree}` at the start of VALUE stands for the directory that the app is unpacked into.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<OsString>,
    /// Remove a variable from the caller's environment (repeatable)
    #[arg(long, value_name = "NAME")]
    pub(crate) unset: Vec<OsString>,
    /// Pass ARG to the app, before the caller's arguments; `{tree}` as in `--env` (repeatable)
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) arg: Vec<OsString>,
    /// Value of the app's `argv[0]`: the name that the bundle was called by, or the app's path
    ///
    /// By default an app with files of its own gets its path, since it may look for them beside itself.
    #[arg(long, value_name = "called|path", value_parser = argv0, hide_short_help = true)]
    pub(crate) argv0: Option<Argv0>,
    /// What a native build sees: the host's files, its own laid over them (`union`), its own alone (`root`)
    ///
    /// `union` and `root` take user namespaces and Linux 5.12 where the app runs; where these are refused, it
    /// says so and sees the host's files. What is emulated sees the union in any case; under emulators that
    /// are not unibin's by mounts too, which `host` turns off: see docs/view.md.
    #[arg(long, value_name = "union|host|root", value_parser = view, hide_short_help = true)]
    pub(crate) view: Option<View>,
    /// Preload a library, as with LD_PRELOAD: a file or a library name (repeatable)
    #[arg(long, value_name = "LIB")]
    pub(crate) preload: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Bundle or ELF file
    pub(crate) file: PathBuf,
    /// Print the licences and source packages of everything in the bundle
    #[arg(long, conflicts_with = "json")]
    pub(crate) notices: bool,
    /// Print the names of the hosts that it runs on, on one line
    #[arg(long, conflicts_with_all = ["json", "notices"])]
    pub(crate) hosts: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// Bundle to unpack
    pub(crate) file: PathBuf,
    /// Directory to create; it must not exist [default: the bundle's name with `.extracted`]
    pub(crate) directory: Option<PathBuf>,
    /// Prepare DIRECTORY to run from PATH, for example inside an image; it will not run anywhere else
    #[arg(long, value_name = "PATH")]
    pub(crate) at: Option<PathBuf>,
    /// Unpack the emulators too: the app goes to DIRECTORY/app-TARGET, they to DIRECTORY/emulators
    #[arg(long)]
    pub(crate) emulators: bool,
    /// Unpack everything: emulators, stub, launchers, brokers and notices
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    /// Container image to run: an OCI layout, an image in a .tar, or docker://NAME
    ///
    /// PROGRAM replaces the image's own command. The image is packed for this machine and kept in the store.
    /// Its changes are discarded, unless UNIBIN_KEEP=NAME keeps them: see docs/images.md.
    #[arg(long, value_name = "IMAGE")]
    pub(crate) oci: Option<OsString>,
    /// Platform of the image [default: this machine's]
    ///
    /// Names are those of images: linux/arm64, linux/arm/v7.
    #[arg(long, value_name = "PLATFORM", requires = "oci", value_parser = values::platform)]
    pub(crate) platform: Option<::oci::Platform>,
    /// Program to run, followed by its arguments
    #[arg(required_unless_present = "oci", num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_name = "PROGRAM", help_heading = None)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EmulatorCommand {
    /// List the emulators in the store
    List(ListArgs),
    /// Download emulators for a target into the store
    Fetch {
        #[command(flatten)]
        pairs: PairsArgs,
        #[command(flatten)]
        list: ListArgs,
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Pin the current emulator versions in the lock file
    ///
    /// Pinned emulators are moved to what is available now, but never to an older version.
    Lock {
        #[command(flatten)]
        pairs: PairsArgs,
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Download the corresponding sources (GPL)
    ///
    /// Publish them together with bundles that contain these emulators: see docs/distributing.md.
    Source {
        #[command(flatten)]
        pairs: PairsArgs,
        /// Skip the sources of libraries linked into the emulators (glibc, glib2.0, ...)
        #[arg(long)]
        only_own: bool,
        /// Directory to download into
        to: PathBuf,
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Copy the store to a directory or archive
    ///
    /// Any web server can serve the directory: see `--emulators`.
    Export {
        /// Directory, or FILE.tar or FILE.tar.zst, to write
        to: PathBuf,
    },
    /// Copy exported emulators into the store
    Import {
        /// Directory, or FILE.tar or FILE.tar.zst, written by `export`
        from: PathBuf,
        /// Refuse emulators that differ from this lock file [default: `unibin.lock` if present]
        #[arg(long, value_name = "FILE")]
        lock: Option<PathBuf>,
    },
    /// Add an emulator of your own to the store
    Add {
        #[command(flatten)]
        pair: PairArgs,
        /// Static emulator
        file: PathBuf,
    },
    /// Remove an emulator from the store
    Remove(PairArgs),
    /// Print the path of an emulator
    Path(PairArgs),
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct PairArgs {
    /// Architecture that it emulates
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Arch,
    /// Architecture that it runs on [default: this machine's]
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(crate) host: Option<Arch>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PairsArgs {
    /// Architecture to emulate
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Arch,
    /// Architectures to run on: comma-separated, or `all` [default: the six 64-bit hosts]
    #[arg(long, value_name = "LIST", value_parser = hosts)]
    pub(crate) hosts: Option<Hosts>,
}

#[cfg(test)]
mod tests;
