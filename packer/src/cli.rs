//! The command line, with `clap`, which is touched here only. Values are parsed to the words of the project at this edge.

pub(crate) mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use bundle::Arch;
#[cfg(test)]
use clap::CommandFactory;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{ArgGroup, Args, Parser, Subcommand};

use crate::cli::values::{
    Children, Head, Hosts, Libs, Native, arch, children, flags, head, host, host_file, hosts, libs, native,
};
use crate::write::compress;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failure (network, disk, permissions)
  2  wrong usage
  3  bad input (not an ELF program, another CPU, libraries missing, ...)
  4  no emulator exists for a wanted pair of host and target
  5  verification failed (signature, digest, damaged bundle)
`run` exits as `env` does: 125 for its own failures, 126 cannot execute, 127 not found.

Environment:
  UNIBIN_STORE   where emulators are kept (default: $XDG_DATA_HOME/unibin, ~/.local/share/unibin)
  UNIBIN_MIRROR  Debian archive mirror (default: the machine's own apt sources)";

/// Packs a Linux program into one executable file that runs on every Linux CPU.
#[derive(Debug, Parser)]
#[command(name = "unibin", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line; on wrong usage, and for `--help`, it answers and ends the process.
    pub(crate) fn from_command_line() -> Self {
        Self::parse()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pack a program into a bundle
    Pack(Box<PackArgs>),
    /// Show what a bundle holds, or what an ELF file is
    Inspect(InspectArgs),
    /// Check every byte of a bundle
    Verify(FileArgs),
    /// Take an app out of a bundle
    Extract(ExtractArgs),
    /// Run a program of any CPU with an emulator from the store
    Run(RunArgs),
    /// List the CPUs that bundles run on
    Hosts(ListArgs),
    /// List the CPUs that programs can be packed for
    Targets(ListArgs),
    /// Have the kernel start programs of other CPUs by an emulator, for everybody on this machine (needs root; bundles need none of it)
    #[command(subcommand)]
    Binfmt(BinfmtCommand),
    /// Manage the store of emulators
    #[command(subcommand)]
    Emulator(EmulatorCommand),
    /// Manage what bundles have unpacked on this machine
    #[command(subcommand)]
    Cache(CacheCommand),
}

#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("app").required(true).multiple(true).args(["program", "deb", "sysroot", "emulator_only"])))]
pub(crate) struct PackArgs {
    /// ELF program to pack, static or dynamic
    pub(crate) program: Option<PathBuf>,
    /// Pack a Debian package instead, with all that it depends on (may be repeated)
    #[arg(long, value_name = "PKG", requires = "target", conflicts_with = "program")]
    pub(crate) deb: Vec<String>,
    /// Pack nothing but the emulator for TARGET programs: one file that runs them on every host
    #[arg(long, requires = "target", conflicts_with_all = ["program", "deb", "sysroot", "entry"])]
    pub(crate) emulator_only: bool,
    /// Program of the app to start, under a name of its own; PATH may be a pattern (`/usr/bin/*`); the first is the default
    /// (may be repeated)
    #[arg(long, value_name = "[NAME=]PATH")]
    pub(crate) entry: Vec<OsString>,
    /// CPU that the program was built for (default: what its ELF header says)
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Option<Arch>,
    /// Pack the program as built for ARCH too, which then runs natively there: FILE, or the same packages of ARCH. `x86_64-v2`, `-v3`
    /// and `-v4` are for CPUs with that level (may be repeated)
    #[arg(long, value_name = "ARCH[=FILE]", conflicts_with = "emulator_only", value_parser = OsStringValueParser::new().try_map(|text| native(&text)))]
    pub(crate) native: Vec<Native>,
    /// Bundle to write (default: the program's name with `.bundle`)
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// CPUs that the bundle shall run on: a list with commas, or `all` (default: the six 64-bit hosts)
    #[arg(long, value_name = "LIST", value_parser = hosts)]
    pub(crate) hosts: Option<Hosts>,
    /// Use this file as emulator on HOST (may be repeated)
    #[arg(long, value_name = "HOST=FILE", value_parser = OsStringValueParser::new().try_map(|text| host_file(&text)))]
    pub(crate) emulator: Vec<(Arch, PathBuf)>,
    /// What the file begins with: `sh` starts everywhere, `elf:HOST` on HOST alone, but without /bin/sh
    #[arg(long, value_name = "sh|elf:HOST", default_value = "sh", value_parser = head)]
    pub(crate) head: Head,
    /// Add emulators for programs of ARCH too, which the app starts (may be repeated)
    #[arg(long, value_name = "ARCH", value_parser = arch, conflicts_with_all = ["emulator_only"])]
    pub(crate) also_target: Vec<Arch>,
    /// How programs of the app's CPU are started by the app: `auto` adds the broker that attends to it, `none` leaves it out
    #[arg(long, value_name = "auto|none", default_value = "auto", value_parser = children)]
    pub(crate) children: Children,
    /// Compression level
    #[arg(long, value_name = "N", default_value_t = compress::DEFAULT_LEVEL, value_parser = clap::value_parser!(i32).range(1..=22))]
    pub(crate) level: i32,
    /// Check everything, say what would be packed, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    #[command(flatten)]
    pub(crate) start: StartArgs,
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Where a program's libraries and data come from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Libraries and data")]
pub(crate) struct TreeArgs {
    /// Take libraries and loader out of DIR, the root directory of a system of the target's CPU (may be repeated)
    #[arg(long, value_name = "DIR")]
    pub(crate) sysroot: Vec<PathBuf>,
    /// Take libraries out of DIR first, as `LD_LIBRARY_PATH` would (may be repeated)
    #[arg(long, value_name = "DIR")]
    pub(crate) library_path: Vec<PathBuf>,
    /// Take libraries that are nowhere else out of Debian's packages
    #[arg(long, value_name = "debian[:SUITE]", value_parser = libs)]
    pub(crate) libs: Option<Libs>,
    /// Put a file or directory into the app: beside the program, or at DEST (may be repeated)
    #[arg(long, value_name = "SRC[:DEST]")]
    pub(crate) add: Vec<OsString>,
    /// Leave out what fits: `*` within one name, `**` over directories (may be repeated)
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<OsString>,
    /// Run the program here, with the arguments after `--`, and add every file of the sysroot that it opens
    #[arg(long)]
    pub(crate) trace: bool,
    /// Arguments for `--trace`
    #[arg(last = true, requires = "trace", value_name = "ARGS")]
    pub(crate) trace_args: Vec<OsString>,
}

/// How the program will be started.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Start")]
pub(crate) struct StartArgs {
    /// Load a library before all others, as `LD_PRELOAD` would: a file, or the name of a library (may be repeated)
    #[arg(long, value_name = "LIB")]
    pub(crate) preload: Vec<OsString>,
    /// Start the program with this variable; `{tree}` at the start of VALUE is where the tree is unpacked (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<OsString>,
    /// Start the program without this variable of the caller's (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) unset: Vec<OsString>,
    /// Argument to put before the caller's; `{tree}` in it is where the tree is unpacked (may be repeated)
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) arg: Vec<OsString>,
}

/// Where packages come from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ArchiveArgs {
    /// Never connect to anything
    #[arg(long)]
    pub(crate) offline: bool,
    /// Debian archive mirror: a URL or a directory (default: `UNIBIN_MIRROR`, then the machine's apt sources)
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// Suite for `--deb` (default: trixie for the architectures it has, else sid)
    #[arg(long, value_name = "SUITE")]
    pub(crate) suite: Option<String>,
    /// Accept an archive index whose `Valid-Until` has passed
    #[arg(long)]
    pub(crate) allow_stale: bool,
    #[command(flatten)]
    pub(crate) supply: SupplyArgs,
}

/// Which emulators, and where they come from before a Debian archive is asked.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SupplyArgs {
    /// Directory or HTTP server in the layout of the store: a copy made by `unibin emulator export`
    #[arg(long, value_name = "URL")]
    pub(crate) emulators: Option<String>,
    /// Translators of your own (default: `emulators.toml` in `$XDG_CONFIG_HOME/unibin` or `~/.config/unibin`)
    #[arg(long, value_name = "FILE")]
    pub(crate) translators: Option<PathBuf>,
    /// Lock file: what is in it is taken and nothing else, what is not is added (default: `unibin.lock` if it is here)
    #[arg(long, value_name = "FILE")]
    pub(crate) lock: Option<PathBuf>,
    /// Refuse emulators that are not in the lock file, and leave that as it is
    #[arg(long)]
    pub(crate) locked: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// Bundle to read
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Bundle or ELF file to read
    pub(crate) file: PathBuf,
    /// Print the licences and names of sources that a bundle carries
    #[arg(long, conflicts_with = "json")]
    pub(crate) notices: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExtractArgs {
    /// Bundle to read
    pub(crate) file: PathBuf,
    /// Directory to make; it must not exist (default: the bundle's name with `.extracted`, in the working directory)
    pub(crate) directory: Option<PathBuf>,
    /// Take the emulators out too: DIR/app-TARGET, DIR/emulators
    #[arg(long)]
    pub(crate) emulators: bool,
    /// Take everything out: stub, launchers, brokers and notices too
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
    /// Program to run, and its arguments
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true, value_name = "PROGRAM")]
    pub(crate) command: Vec<OsString>,
}

/// Which caches are meant.
#[derive(Clone, Debug, Args)]
pub(crate) struct CacheDirectories {
    /// Look at this cache only, as `UNIBIN_CACHE` names one (may be repeated; default: wherever a bundle would look)
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List what is there, how large, when it was last used and by whom it is now
    List {
        #[command(flatten)]
        directories: CacheDirectories,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Remove what has not been used for long; a bundle that needs it again unpacks it again
    Gc {
        #[command(flatten)]
        directories: CacheDirectories,
        /// Keep what was used within this many days
        #[arg(long, value_name = "N", default_value_t = 30)]
        days: u64,
    },
    /// Remove everything that no living process uses
    Clear {
        #[command(flatten)]
        directories: CacheDirectories,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EmulatorCommand {
    /// List the emulators in the store
    List(ListArgs),
    /// Fetch the emulator for TARGET programs on HOST into the store
    Fetch {
        #[command(flatten)]
        cells: CellsArgs,
        #[command(flatten)]
        archive: ArchiveArgs,
        #[command(flatten)]
        list: ListArgs,
    },
    /// Write the emulators for TARGET programs into the lock file, in the version that there is now
    Lock {
        #[command(flatten)]
        cells: CellsArgs,
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Fetch the sources of the emulators for TARGET programs, to publish beside what contains them
    Source {
        #[command(flatten)]
        cells: CellsArgs,
        /// Without the sources of what is linked into them (`glibc`, `glib2.0`, ...)
        #[arg(long)]
        only_own: bool,
        /// Directory to fetch them into
        to: PathBuf,
        #[command(flatten)]
        archive: ArchiveArgs,
    },
    /// Copy emulators out of the store, into a directory that can be served or into one FILE.tar or FILE.tar.zst
    Export {
        /// Directory or archive to write
        to: PathBuf,
    },
    /// Copy emulators into the store, from what `export` has written
    Import {
        /// Directory or archive to read
        from: PathBuf,
        /// Lock file that they must agree with (default: `unibin.lock` if it is here)
        #[arg(long, value_name = "FILE")]
        lock: Option<PathBuf>,
    },
    /// Add a file to the store as emulator for TARGET programs on HOST
    Add {
        #[command(flatten)]
        cell: CellArgs,
        /// Static emulator
        file: PathBuf,
    },
    /// Remove an emulator from the store
    Remove(CellArgs),
    /// Print where an emulator lies
    Path(CellArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BinfmtCommand {
    /// Print the lines that would be registered, in the form of binfmt.d(5), and what the kernel has
    Show(BinfmtArgs),
    /// Register handlers with the running kernel; they are gone after a restart
    #[command(group(ArgGroup::new("which").required(true).args(["target", "all"])))]
    Register(BinfmtArgs),
    /// Take handlers away from the running kernel
    #[command(group(ArgGroup::new("which").required(true).args(["target", "all"])))]
    Unregister(BinfmtArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BinfmtArgs {
    /// CPU whose programs are meant (may be repeated)
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Vec<Arch>,
    /// All CPUs whose programs this machine needs an emulator for
    #[arg(long, conflicts_with = "target")]
    pub(crate) all: bool,
    /// Register this static emulator (default: the store's, which is fetched)
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub(crate) emulator: Option<PathBuf>,
    /// What the kernel shall do besides. F: open the emulator now, so that it is found from every root and container; P: hand it
    /// the program's argv[0] too, which is lost without; O: open the program for it, which then need not be readable;
    /// C: let a program's set-user-ID bits count, and so trust the emulator with them
    #[arg(long, value_name = "LETTERS", default_value = "OPF", value_parser = flags)]
    pub(crate) flags: String,
    #[command(flatten)]
    pub(crate) archive: ArchiveArgs,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct CellArgs {
    /// CPU whose programs it runs
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Arch,
    /// CPU that it runs on (default: this machine's)
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub(crate) host: Option<Arch>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CellsArgs {
    /// CPU whose programs they run
    #[arg(long, value_name = "ARCH", value_parser = arch)]
    pub(crate) target: Arch,
    /// CPUs that they run on: a list with commas, or `all` (default: the six 64-bit hosts)
    #[arg(long, value_name = "LIST", value_parser = hosts)]
    pub(crate) hosts: Option<Hosts>,
}

#[cfg(test)]
mod tests;
