//! Every way in which a command can fail: the message, the exit code, and a hint at what would have worked.

mod binfmt;
mod code;
mod compose;
mod debootstrap;
mod hints;
mod host_program;
mod image;
mod machine;
mod project;
mod shown;
mod signature;
mod source_date;
mod system;

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EmulatorKey, EncodeError};
use debian::{ArchiveError, DebError};
use emulator::{EmulatorError, StoreError};
use inputs::InputError;
use thiserror::Error;

pub(crate) use crate::error::binfmt::BinfmtError;
pub(crate) use crate::error::code::Code;
pub(crate) use crate::error::compose::ComposeError;
pub(crate) use crate::error::debootstrap::DebianError;
use crate::error::hints::{few, io_hint, is_full, is_stale, not_a_program_hint};
pub(crate) use crate::error::host_program::HostProgramError;
pub(crate) use crate::error::image::ImageError;
pub(crate) use crate::error::machine::MachineError;
pub(crate) use crate::error::project::ProjectError;
pub(crate) use crate::error::shown::{kind_of, readable, shown};
pub(crate) use crate::error::signature::SignatureError;
pub(crate) use crate::error::source_date::SourceDateError;
pub(crate) use crate::error::system::SystemError;
use crate::units::size;
use inputs::elf::{Kind, NotElf};

/// A command's failure.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("cannot {action} `{}`", shown(path))]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot make a temporary file in `{}`", shown(&std::env::temp_dir()))]
    Temporary(#[source] io::Error),
    #[error("{} would be written, but only {} are free in `{}`", size(*bytes), size(*free), shown(path))]
    NoSpace { path: PathBuf, bytes: u64, free: u64 },
    #[error(
        "`{}`: {part} has {stored} bytes and claims to unpack to {length}; more than {most} is not plausible",
        shown(path)
    )]
    Implausible { path: PathBuf, part: String, stored: u64, length: u64, most: u64 },
    #[error("`{}` is {found}, not a file", shown(path))]
    NotAFile { path: PathBuf, found: &'static str },
    #[error("`--at {}` is not an absolute path", shown(path))]
    NotAbsolute { path: PathBuf },
    #[error("`{}` has no file name", shown(path))]
    NoFileName { path: PathBuf },
    #[error("`{}` is {found}, not a program", shown(path))]
    NotAProgram { path: PathBuf, found: NotElf },
    #[error("`{}` is already a bundle", shown(path))]
    AlreadyABundle { path: PathBuf },
    #[error("`{}` is a {} {kind}, not an executable program", shown(path), arch.name())]
    NotStartable { path: PathBuf, arch: Arch, kind: Kind },
    #[error("`{}` was built for {}, not for {}", shown(path), found.name(), wanted.name())]
    OtherCpu { path: PathBuf, found: Arch, wanted: Arch },
    #[error("`{}` is a package for `{found}`, not for {}", shown(path), wanted.name())]
    OtherPackage { path: PathBuf, found: String, wanted: Arch },
    #[error(
        "`{}` is dynamically linked: it needs the loader `{loader}`{}", shown(path),
        if needed.is_empty() { String::new() } else { format!(" and {}", needed.join(", ")) }
    )]
    Dynamic { path: PathBuf, loader: String, needed: Vec<String> },
    #[error("{} the program needs {} not found:{text}", if *count == 1 { "a library".to_owned() } else { format!("{count} libraries") }, if *count == 1 { "was" } else { "were" })]
    Missing { count: usize, text: String, hint: String },
    #[error("`{}` is {found}, not a directory", shown(path))]
    NotADirectory { path: PathBuf, found: &'static str },
    #[error("`--sysroot` alone does not say which program to start")]
    SysrootWithoutEntry,
    #[error("`{path}` does not say which program to start")]
    TreeWithoutEntry { path: String, programs: Vec<String> },
    #[error("`{tree}` has no `{path}`")]
    NoEntryInTree { path: String, tree: String, programs: Vec<String> },
    #[error("`{path}` has {}, so its architecture is not known", if found.is_empty() { "no ELF program".to_owned() } else { format!("programs for {}", found.iter().map(|arch| arch.name()).collect::<Vec<_>>().join(", ")) })]
    WhichTarget { path: String, found: Vec<Arch> },
    #[error("`{path}`, which runs it, is not in the app")]
    NoInterpreter { path: String },
    #[error("`{}` is {found}, which cannot be in an app", shown(path))]
    NoPlace { path: PathBuf, found: &'static str },
    #[error(transparent)]
    Input(#[from] InputError),
    #[error("`{text}` does not name a variable")]
    Variable { text: String },
    #[error("`{text}`: `{{tree}}` may appear only once, and in a variable's value only at the start")]
    TreeInside { text: String },
    #[error("`{name}` cannot be preloaded: the loader separates library names at spaces and colons")]
    PreloadName { name: String },
    #[error("`{path}` cannot be prepared to run natively: its ELF file cannot be rewritten: {why}")]
    NotRewritten { path: String, why: &'static str },
    #[error("the programs need different loaders: `{first}` and `{second}`")]
    TwoLoaders { first: String, second: String },
    #[error("`{path}` cannot be in an app: {why}")]
    Tree { path: String, why: &'static str },
    #[error("`{path}` is not an executable file in the app")]
    NoSuchEntry { path: String, programs: Vec<String> },
    #[error("package `{package}` contains {} programs, none of that name", programs.len())]
    WhichEntry { package: String, programs: Vec<String> },
    #[error("package `{package}` contains no program")]
    NoProgram { package: String },
    #[error("`{name}` is not a valid entry name")]
    EntryName { name: String },
    #[error("two entries are named `{name}`")]
    SameEntry { name: String },
    #[error("the output `{}` is {found}", shown(path))]
    OutputNotAFile { path: PathBuf, found: &'static str },
    #[error("the output `{}` would replace the input `{}`", shown(path), shown(input))]
    OutputIsInput { path: PathBuf, input: PathBuf },
    #[error("`--emulator {host}=FILE`: {host} is not among the hosts of this bundle")]
    EmulatorForOtherHost { host: Arch },
    #[error("`--native {host}`: {host} is not among the hosts of this bundle")]
    NativeForOtherHost { host: Arch },
    #[error("`--native {target}` names no program for {target}")]
    NativeWithoutFile { target: Arch },
    #[error("two programs for {target}{}", .level.map(|level| format!("-v{level}")).unwrap_or_default())]
    SameVariant { target: Arch, level: Option<u16> },
    #[error("no emulator runs {} programs on any of the requested hosts", target.name())]
    NoHostLeft { target: Arch },
    #[error("no known emulator for {} programs works on this machine", target.name())]
    NoneWorks { target: Arch },
    #[error("this `unibin` was built without a launcher for {} hosts", host.name())]
    NoLauncher { host: Arch },
    #[error("this `unibin` was built without a broker for {} hosts", host.name())]
    NoBroker { host: Arch },
    #[error("the launcher for {} hosts has no head mark to patch", host.name())]
    NoHeadMark { host: Arch },
    #[error("cannot write the manifest")]
    Manifest(#[source] EncodeError),
    #[error("`{}` is not a bundle", shown(path))]
    NotABundle { path: PathBuf },
    #[error("`{}` is damaged: it begins like a bundle but does not end like one", shown(path))]
    CutOff { path: PathBuf },
    #[error("`{}` is damaged: {part}: {what}", shown(path))]
    Damaged { path: PathBuf, part: String, what: String },
    #[error(
        "`{}` is damaged: the digest of its {part} does not match\n  expected: {expected}\n  computed: {found}",
        shown(path)
    )]
    Digest { path: PathBuf, part: String, expected: Digest, found: Digest },
    #[error("`{}` is not executable", shown(path))]
    NotExecutable { path: PathBuf },
    #[error("`{program}` was not found")]
    NotFound { program: String },
    #[error("`--deb` and `--emulator-only` need `--target`")]
    NoTarget,
    #[error("Debian has no packages for {target}")]
    NotInDebian { target: Arch },
    /// `near`: packages with a similar name.
    #[error("there is no package `{name}` for {target} in suite `{suite}`")]
    NoPackage { name: String, target: Arch, suite: String, near: Vec<String> },
    #[error("the archive no longer has these source packages: {}", names.join(", "))]
    SourcesGone { names: Vec<String> },
    #[error("an emulator was built by the recipe of another version of unibin\n  recipe sha256 {digest}")]
    RecipeElsewhere { digest: Digest },
    #[error("the store has no emulator {key}")]
    NotInStore { key: EmulatorKey },
    #[error(transparent)]
    Emulator(Box<EmulatorError>),
    #[error(transparent)]
    Archive(Box<ArchiveError>),
    #[error(transparent)]
    Package(#[from] DebError),
    #[error(transparent)]
    Dependency(#[from] debian::depends::Unsatisfied),
    /// A layer that files of the tree are taken from cannot be read.
    #[error(transparent)]
    Layer(#[from] closure::Fault),
    #[error(transparent)]
    Stub(#[from] templates::StubError),
    #[error(transparent)]
    Binfmt(#[from] BinfmtError),
    #[error(transparent)]
    Compose(#[from] ComposeError),
    #[error(transparent)]
    System(#[from] SystemError),
    #[error(transparent)]
    HostProgram(#[from] HostProgramError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    SourceDate(#[from] SourceDateError),
    #[error(transparent)]
    OutOfBundle(#[from] ImageError),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Project(#[from] ProjectError),
}

impl From<EmulatorError> for Error {
    fn from(error: EmulatorError) -> Self {
        Self::Emulator(Box::new(error))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        EmulatorError::from(error).into()
    }
}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(Box::new(error))
    }
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn tree(path: &[u8], why: &'static str) -> Self {
        Self::Tree { path: readable(path), why }
    }

    pub(crate) fn damaged(path: &Path, part: &str, what: &dyn ToString) -> Self {
        Self::Damaged { path: path.to_owned(), part: part.to_owned(), what: what.to_string() }
    }

    pub(crate) fn digest(path: &Path, part: &str, expected: Digest, found: Digest) -> Self {
        Self::Digest { path: path.to_owned(), part: part.to_owned(), expected, found }
    }

    /// The part of a bundle that is damaged, as messages call it.
    pub(crate) fn part(&self) -> Option<&str> {
        match self {
            Self::Damaged { part, .. } | Self::Digest { part, .. } => Some(part),
            _ => None,
        }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Io { .. }
            | Self::Temporary(_)
            | Self::NoSpace { .. }
            | Self::NoLauncher { .. }
            | Self::NoBroker { .. }
            | Self::NoHeadMark { .. }
            | Self::SourcesGone { .. }
            | Self::RecipeElsewhere { .. }
            | Self::NotInStore { .. }
            | Self::Layer(_)
            | Self::HostProgram(_)
            | Self::Stub(_) => Code::Failure,
            Self::NoHostLeft { .. } | Self::NoneWorks { .. } => Code::NoEmulator,
            Self::NotABundle { .. }
            | Self::CutOff { .. }
            | Self::Damaged { .. }
            | Self::Digest { .. }
            | Self::Implausible { .. } => Code::Verification,
            Self::Emulator(error) => Code::from(&**error),
            Self::Archive(error) => Code::from(&**error),
            Self::Binfmt(error) => error.code(),
            Self::Compose(error) => error.code(),
            Self::System(error) => error.code(),
            Self::Machine(error) => error.code(),
            Self::SourceDate(_) => SourceDateError::CODE,
            Self::OutOfBundle(error) => error.code(),
            Self::Signature(error) => error.code(),
            Self::Project(error) => error.code(),
            _ => Code::Input,
        }
    }

    /// What would have worked.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each error")]
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { source, .. } => return io_hint(source),
            Self::Temporary(source) if is_full(source) => {
                "free some space there, or set TMPDIR to a directory with free space"
            }
            Self::NoSpace { .. } => "free some space there, or choose another location",
            Self::Implausible { .. } => {
                "if you trust the bundle, let it unpack itself (`UNIBIN_DO=extract`, docs/variables.md)"
            }
            Self::Temporary(_) => "set TMPDIR to a writable directory",
            Self::NotAFile { .. } | Self::NoFileName { .. } => {
                "give the path of a program, a directory or an archive"
            }
            Self::NotAProgram { found, .. } => return Some(not_a_program_hint(found).to_owned()),
            Self::AlreadyABundle { .. } => "`unibin inspect` shows its contents, `unibin extract` unpacks it",
            Self::NotStartable { kind: Kind::Object, .. } => {
                "link it into a program first, preferably with `-static`"
            }
            Self::NotStartable { .. } => "give the path of the program itself",
            Self::OtherCpu { found, .. } => {
                return Some(format!("omit `--target`, or use `--target {}`", found.name()));
            }
            Self::OtherPackage { .. } => "omit `--target`, or use the package for that architecture",
            Self::Dynamic { .. } => {
                "`unibin pack` takes its libraries along: `--libs debian`, or `--sysroot DIR` with a system of its \
                 CPU; or link it with `-static` (for Rust: a `-musl` target, for Go: `CGO_ENABLED=0`)"
            }
            Self::Missing { hint, .. } => return Some(hint.clone()),
            Self::NotADirectory { .. } => "name a directory",
            Self::NotAbsolute { .. } => "the kernel looks for a program's loader by an absolute path only",
            Self::TreeWithoutEntry { .. }
            | Self::SysrootWithoutEntry
            | Self::NoEntryInTree { .. }
            | Self::NoInterpreter { .. }
            | Self::WhichTarget { .. }
            | Self::NoPlace { .. }
            | Self::Input(_)
            | Self::Variable { .. }
            | Self::TreeInside { .. }
            | Self::PreloadName { .. }
            | Self::EntryName { .. }
            | Self::SameEntry { .. }
            | Self::NotRewritten { .. }
            | Self::TwoLoaders { .. }
            | Self::NativeWithoutFile { .. }
            | Self::WhichEntry { .. } => return self.given_hint(),
            Self::NoSuchEntry { programs, .. } => {
                return Some(format!("the app contains: {}", few(programs)));
            }
            Self::NoProgram { .. } => "choose a package with a program, such as `busybox-static`",
            Self::OutputNotAFile { path, .. } => {
                return Some(format!("give a file name, such as `-o {}`", path.join("app").display()));
            }
            Self::OutputIsInput { .. } => "choose another output with `-o`",
            Self::SameVariant { .. } => "give each architecture and level once",
            Self::NativeForOtherHost { .. } | Self::EmulatorForOtherHost { .. } => {
                "add it to `--hosts`, or omit the option"
            }
            Self::NoneWorks { .. } => {
                "each either failed its probe in `emulators.toml` or does not support this kernel's page size"
            }
            Self::NoHostLeft { target } if !target.is_catalogued() => {
                "the catalogue has no emulator for this target: use your own with `--emulator HOST=FILE` or \
                 `emulators.toml` (docs/translators.md)"
            }
            Self::NoHostLeft { .. } => "`unibin hosts` and `unibin targets` list the supported pairs",
            Self::NoLauncher { .. } | Self::NoBroker { .. } => {
                "omit it with `--hosts LIST`, or run `cargo xtask launchers`"
            }
            Self::NoHeadMark { .. } => "rebuild the launchers with `cargo xtask launchers`",
            Self::NotABundle { .. } => {
                "if it should be one, it may have been truncated or altered in transfer"
            }
            Self::CutOff { .. } | Self::Damaged { .. } | Self::Digest { .. } => {
                "copy it again, in binary mode, or pack it again"
            }
            Self::NotFound { .. } => {
                "a name without `/` is looked up in PATH; for a file in this directory use `./NAME`"
            }
            Self::NotExecutable { path } => {
                let path = shown(path);
                return Some(format!(
                    "`chmod +x {path}` makes it executable, unless its file system is mounted `noexec`"
                ));
            }
            Self::NoTarget
            | Self::NotInDebian { .. }
            | Self::NoPackage { .. }
            | Self::SourcesGone { .. }
            | Self::RecipeElsewhere { .. }
            | Self::NotInStore { .. }
            | Self::Emulator(_)
            | Self::Archive(_)
            | Self::Package(_)
            | Self::System(_)
            | Self::HostProgram(_)
            | Self::Machine(_)
            | Self::Compose(_)
            | Self::SourceDate(_)
            | Self::OutOfBundle(_)
            | Self::Signature(_)
            | Self::Project(_)
            | Self::Binfmt(_) => return self.supply_hint(),
            Self::Tree { .. } | Self::Manifest(_) | Self::Dependency(_) | Self::Layer(_) | Self::Stub(_) => {
                return None;
            }
        };
        Some(text.to_owned())
    }

    /// As [`Self::hint`], of trees that are given whole, and of how an app is started.
    fn given_hint(&self) -> Option<String> {
        let text = match self {
            Self::TreeWithoutEntry { programs, .. } | Self::NoEntryInTree { programs, .. }
                if programs.is_empty() =>
            {
                "it has no executable program: `chmod +x` makes a file one"
            }
            Self::TreeWithoutEntry { programs, .. }
            | Self::NoEntryInTree { programs, .. }
            | Self::WhichEntry { programs, .. } => {
                return Some(format!("name one with `--entry PATH`: {}", few(programs)));
            }
            Self::NoInterpreter { .. } => "fetch it with `--libs debian`, or take it from a `--sysroot DIR`",
            Self::WhichTarget { .. } => "name the one to pack for with `--target ARCH`",
            Self::SysrootWithoutEntry => {
                "name a program with `--entry NAME=PATH`, where PATH is relative to that directory"
            }
            Self::NoPlace { .. } => "leave it out with `--exclude PATH`",
            Self::Input(error) => error.hint(),
            Self::NativeWithoutFile { target } => {
                return Some(format!("use `--native {target}=FILE`, or `--deb` for all builds"));
            }
            Self::NotRewritten { .. } => {
                "omit its architecture from `--hosts`, or use the program as the linker wrote it (not packed or patched afterwards)"
            }
            Self::TwoLoaders { .. } => "pack them as two bundles",
            Self::Variable { .. } => "use `--env NAME=VALUE` or `--unset NAME`",
            Self::TreeInside { .. } => {
                "for anything more, or for a literal `{tree}`, use a script as the entry"
            }
            Self::PreloadName { .. } => "rename the library",
            Self::EntryName { .. } => "a name must not be empty or contain `/`: `--entry NAME=PATH`",
            Self::SameEntry { .. } => "give them different names with `--entry NAME=PATH`",
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// As [`Self::hint`], where packages and emulators come from.
    fn supply_hint(&self) -> Option<String> {
        let text = match self {
            Self::NoTarget => "name the architecture with `--target ARCH`",
            Self::NotInDebian { .. } => "pack a program instead of a package",
            Self::NoPackage { near, .. } if !near.is_empty() => {
                return Some(format!("did you mean: {}", near.join(", ")));
            }
            Self::NoPackage { .. } => {
                "try another suite with `--suite`; not every package is built for every architecture"
            }
            Self::SourcesGone { .. } => {
                "use `--mirror` with a mirror that keeps old versions; all other sources were fetched"
            }
            Self::RecipeElsewhere { .. } => {
                "run the command with the version of unibin that packed it; all other sources were fetched"
            }
            Self::NotInStore { key: EmulatorKey { host, target } } => {
                return Some(format!(
                    "fetch it with `unibin emulator fetch --target {target} --hosts {host}`"
                ));
            }
            Self::Emulator(error) => return error.hint(),
            Self::Archive(error) if is_stale(error) => {
                "check this machine's clock, or accept the old index with `--allow-stale`"
            }
            Self::Archive(error) => return error.hint(),
            Self::Package(error) => error.hint(),
            Self::System(error) => error.hint(),
            Self::HostProgram(error) => error.hint(),
            Self::Machine(error) => error.hint(),
            Self::Binfmt(error) => return Some(error.hint()),
            Self::Compose(error) => return Some(error.hint()),
            Self::SourceDate(_) => return Some(SourceDateError::HINT.to_owned()),
            Self::OutOfBundle(error) => return Some(error.hint()),
            Self::Signature(error) => return Some(error.hint()),
            Self::Project(error) => return error.hint(),
            _ => return None,
        };
        Some(text.to_owned())
    }

    /// The message with its causes, on one line if possible.
    pub(crate) fn text(&self) -> String {
        chain(self)
    }
}

/// An error and its causes.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
