//! Every way in which a command can fail: the message, the exit code, and a hint at what would have worked.

use std::error::Error as StdError;
use std::fs::FileType;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EncodeError};
use thiserror::Error;

use crate::elf::{Kind, NotElf};

/// What a failure means for the caller; the exit codes of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Network, disk, permissions.
    Failure = 1,
    /// What was given cannot be packed or read.
    Input = 3,
    /// No emulator exists for a wanted pair.
    NoEmulator = 4,
    /// A signature, a digest or a bundle is not what it must be.
    Verification = 5,
}

/// A command's failure.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot make a temporary file in `{}`", std::env::temp_dir().display())]
    Temporary(#[source] io::Error),
    #[error("`{}` is {found}, not a file", path.display())]
    NotAFile { path: PathBuf, found: &'static str },
    #[error("`{}` has no file name", path.display())]
    NoFileName { path: PathBuf },
    #[error("`{}` is {found}, not a program", path.display())]
    NotAProgram { path: PathBuf, found: NotElf },
    #[error("`{}` is a bundle already", path.display())]
    AlreadyABundle { path: PathBuf },
    #[error("`{}` is a {} {kind}, not a program that can be started", path.display(), arch.name())]
    NotStartable { path: PathBuf, arch: Arch, kind: Kind },
    #[error("`{}` is a {} program, not {}", path.display(), found.name(), wanted.name())]
    OtherCpu { path: PathBuf, found: Arch, wanted: Arch },
    #[error(
        "`{}` is a dynamic program: it needs the loader `{loader}`{}", path.display(),
        if needed.is_empty() { String::new() } else { format!(" and {}", needed.join(", ")) }
    )]
    Dynamic { path: PathBuf, loader: String, needed: Vec<String> },
    #[error("{} that the program needs {} not found:{text}", if *count == 1 { "a library".to_owned() } else { format!("{count} libraries") }, if *count == 1 { "was" } else { "were" })]
    Missing { count: usize, text: String, hint: String },
    #[error("`{}` is {found}, not a directory", path.display())]
    NotADirectory { path: PathBuf, found: &'static str },
    #[error("`--sysroot` alone does not say which program to start")]
    SysrootWithoutEntry,
    #[error("`{text}` names no variable")]
    Variable { text: String },
    #[error("`{text}`: the tree's path can stand there once, and in a variable's value at its start only")]
    TreeInside { text: String },
    #[error("`{name}` cannot be preloaded: the list of such libraries has blanks and colons between them")]
    PreloadName { name: String },
    #[error("`{path}` cannot be made to run natively: its ELF file cannot be changed: {why}")]
    NotRewritten { path: String, why: &'static str },
    #[error("the programs ask for different loaders: `{first}` and `{second}`")]
    TwoLoaders { first: String, second: String },
    #[error("`{path}` cannot be in an app: {why}")]
    Tree { path: String, why: &'static str },
    #[error("`{path}` is no executable file of the app")]
    NoSuchEntry { path: String, programs: Vec<String> },
    #[error("package `{package}` holds {} programs and none is named like it", programs.len())]
    WhichEntry { package: String, programs: Vec<String> },
    #[error("package `{package}` holds no program")]
    NoProgram { package: String },
    #[error("`{name}` cannot be the name of an entry")]
    EntryName { name: String },
    #[error("two entries are named `{name}`")]
    SameEntry { name: String },
    #[error("the output `{}` is {found}", path.display())]
    OutputNotAFile { path: PathBuf, found: &'static str },
    #[error("the output `{}` is the program itself", path.display())]
    OutputIsProgram { path: PathBuf },
    #[error("`--emulator {host}=FILE` is for a host that is not packed")]
    EmulatorForOtherHost { host: Arch },
    #[error("`--native {host}`: {host} is not among the hosts of this bundle")]
    NativeForOtherHost { host: Arch },
    #[error("`--native {target}` does not say which file is the program for {target}")]
    NativeWithoutFile { target: Arch },
    #[error("two programs for {target}{}", .level.map(|level| format!("-v{level}")).unwrap_or_default())]
    SameVariant { target: Arch, level: Option<u16> },
    #[error("no emulator runs {} programs on any of the wanted hosts", target.name())]
    NoHostLeft { target: Arch },
    #[error("no emulator for {} programs that is known here works on this machine", target.name())]
    NoneWorks { target: Arch },
    #[error("this `unibin` has no launcher for {} hosts built in", host.name())]
    NoLauncher { host: Arch },
    #[error("the launcher for {} hosts has no head mark to patch", host.name())]
    NoHeadMark { host: Arch },
    #[error("cannot write the manifest")]
    Manifest(#[source] EncodeError),
    #[error("`{}` is not a bundle", path.display())]
    NotABundle { path: PathBuf },
    #[error("`{}` is damaged: it begins as a bundle and does not end as one", path.display())]
    CutOff { path: PathBuf },
    #[error("`{}` is damaged: {part}: {what}", path.display())]
    Damaged { path: PathBuf, part: String, what: String },
    #[error(
        "`{}` is damaged: the digest of its {part} does not match\n  expected: {expected}\n  computed: {found}",
        path.display()
    )]
    Digest { path: PathBuf, part: String, expected: Digest, found: Digest },
    #[error("`{}` may not be executed", path.display())]
    NotExecutable { path: PathBuf },
    #[error("`{program}` was not found")]
    NotFound { program: String },
    /// What another crate of the workspace says, with its own hint.
    #[error("{message}")]
    Told { message: String, hint: Option<String>, code: Code },
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

    /// What another crate says, causes and all.
    pub(crate) fn told(error: &dyn StdError, hint: Option<String>, code: Code) -> Self {
        Self::Told { message: chain(error), hint, code }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Io { .. } | Self::Temporary(_) | Self::NoLauncher { .. } | Self::NoHeadMark { .. } => {
                Code::Failure
            }
            Self::NoHostLeft { .. } | Self::NoneWorks { .. } => Code::NoEmulator,
            Self::NotABundle { .. } | Self::CutOff { .. } | Self::Damaged { .. } | Self::Digest { .. } => {
                Code::Verification
            }
            Self::Told { code, .. } => *code,
            _ => Code::Input,
        }
    }

    /// What would have worked.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { source, .. } => return io_hint(source),
            Self::Temporary(source) if is_full(source) => {
                "free space there, or set TMPDIR to a directory that has some"
            }
            Self::Temporary(_) => "set TMPDIR to a directory that can be written to",
            Self::NotAFile { .. } | Self::NoFileName { .. } => "name one ELF program",
            Self::NotAProgram { found, .. } => return Some(not_a_program_hint(found).to_owned()),
            Self::AlreadyABundle { .. } => {
                "`unibin inspect` shows what is in it, `unibin extract` takes it out"
            }
            Self::NotStartable { kind: Kind::Object, .. } => "link it first, with `-static`",
            Self::NotStartable { .. } => "name the program itself",
            Self::OtherCpu { found, .. } => {
                return Some(format!("leave `--target` out, or say `--target {}`", found.name()));
            }
            Self::Dynamic { .. } => {
                "`unibin pack` takes its libraries along: `--libs debian`, or `--sysroot DIR` with a system of its \
                 CPU; or link it with `-static` (for Rust: a `-musl` target, for Go: `CGO_ENABLED=0`)"
            }
            Self::Missing { hint, .. } => return Some(hint.clone()),
            Self::NotADirectory { .. } => "name a directory",
            Self::SysrootWithoutEntry => {
                "name a program with `--entry NAME=PATH`, PATH as it is in the directory"
            }
            Self::Variable { .. } => "write `--env NAME=VALUE` or `--unset NAME`",
            Self::TreeInside { .. } => {
                "for more than that, or for `{tree}` as it stands, pack a script as the entry"
            }
            Self::PreloadName { .. } => "give the library another name",
            Self::NotRewritten { .. } => {
                "leave its CPU out of --hosts, or give the program as its linker made it"
            }
            Self::TwoLoaders { .. } => "pack them as two bundles",
            Self::NoSuchEntry { programs, .. } => return Some(format!("programs in it: {}", few(programs))),
            Self::WhichEntry { programs, .. } => {
                return Some(format!("name one with `--entry PATH`: {}", few(programs)));
            }
            Self::NoProgram { .. } => "programs are in packages such as `busybox-static`",
            Self::EntryName { .. } => "a name is not empty and has no `/`: `--entry NAME=PATH`",
            Self::SameEntry { .. } => "tell them apart with `--entry NAME=PATH`",
            Self::OutputNotAFile { path, .. } => {
                return Some(format!("name a file, such as `-o {}`", path.join("app").display()));
            }
            Self::OutputIsProgram { .. } => "name another output with `-o`",
            Self::NativeWithoutFile { target } => {
                return Some(format!("--native {target}=FILE, or --deb for all"));
            }
            Self::SameVariant { .. } => "name each CPU and level once",
            Self::NativeForOtherHost { .. } | Self::EmulatorForOtherHost { .. } => {
                "add it to `--hosts`, or leave the option out"
            }
            Self::NoneWorks { .. } => {
                "each failed the probe that `emulators.toml` names, or serves smaller pages of memory than this kernel has"
            }
            Self::NoHostLeft { target } if !target.is_catalogued() => {
                "no emulator of the catalogue runs programs of this CPU: `--emulator HOST=FILE` or a row of \
                 `emulators.toml` names yours (docs/translators.md)"
            }
            Self::NoHostLeft { .. } => "`unibin hosts` shows which pairs there are",
            Self::NoLauncher { .. } => {
                "`--hosts LIST` leaves it out; `cargo xtask launchers` builds launchers"
            }
            Self::NoHeadMark { .. } => "`cargo xtask launchers` builds launchers",
            Self::NotABundle { .. } => "a bundle that was cut off or changed in transfer looks like this too",
            Self::CutOff { .. } | Self::Damaged { .. } | Self::Digest { .. } => {
                "copy it again, in binary mode, or pack it again"
            }
            Self::NotFound { .. } => "a name without `/` is looked up in PATH; `./NAME` is a file here",
            Self::NotExecutable { path } => {
                let path = path.display();
                return Some(format!(
                    "`chmod +x {path}` allows it, where no mount option (`noexec`) forbids it"
                ));
            }
            Self::Told { hint, .. } => return hint.clone(),
            Self::Tree { .. } | Self::Manifest(_) => return None,
        };
        Some(text.to_owned())
    }

    /// The message with its causes, on one line where it can be.
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

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn io_hint(error: &io::Error) -> Option<String> {
    let text = match error.kind() {
        _ if is_full(error) => "free space, or name a place elsewhere",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "name a place that you may use"
        }
        io::ErrorKind::AlreadyExists => "name a place where nothing is yet",
        _ => return None,
    };
    Some(text.to_owned())
}

fn not_a_program_hint(found: &NotElf) -> &'static str {
    match found {
        NotElf::Script(_) => "pack the static ELF program that runs the script",
        NotElf::Text | NotElf::Unknown | NotElf::Empty => {
            "a program is an ELF file; `unibin inspect FILE` tells what one is"
        }
        NotElf::MachO | NotElf::Windows | NotElf::System(_) => "build it for Linux",
        NotElf::Archive => "link it into a program first",
        NotElf::X32 => "no emulator runs x32: build it for x86_64 or i686",
        NotElf::Cpu { .. } => "`unibin targets` lists the CPUs that can be packed for",
        NotElf::Damaged(_) => "copy or build it again",
    }
}

/// The first of many names.
fn few(names: &[String]) -> String {
    const FEW: usize = 12;
    let shown = names.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Bytes as a message shows them.
pub(crate) fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a thing is that is no regular file.
pub(crate) fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a fifo"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "no regular file"
    }
}
