//! `unibin run PROGRAM ARGS…`: a program of any CPU, with an emulator from the store, as if it were native:
//! same process, same arguments, same exit status. Programs of this machine's CPU are executed directly; a
//! container image's program is executed by a bundle of the image.

mod image;

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use bundle::{Arch, EmulatorKey, Rule};

use crate::cli::RunArgs;
use crate::emulators::started::Started;
use crate::emulators::{Emulator, Emulators};
use crate::error::{Error, SystemError, readable};
use crate::say;
use inputs::elf::{self, Elf, Kind};

/// The exit code for failures of unibin itself, as in `env` and `timeout` of coreutils.
const OWN_FAILURE: u8 = 125;
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Executes the program; comes back only on failure.
pub(crate) fn run(args: &RunArgs) -> ExitCode {
    let started = match &args.oci {
        Some(reference) => match image::bundle(args, reference) {
            Ok(bundle) => {
                let source = Command::new(&bundle).args(&args.command).exec();
                Err(SystemError::ImageStart { path: bundle, source }.into())
            }
            Err(error) => {
                say::message(&error);
                return ExitCode::from(OWN_FAILURE);
            }
        },
        None => start(args),
    };
    let error = match started {
        Ok(never) => match never {},
        Err(error) => error,
    };
    say::message(&error);
    ExitCode::from(match error {
        Error::NotFound { .. } => NOT_FOUND,
        Error::Emulator(_) | Error::Archive(_) | Error::Temporary(_) => OWN_FAILURE,
        _ => CANNOT_EXECUTE,
    })
}

fn start(args: &RunArgs) -> Result<Infallible, Error> {
    let (name, rest) = args.command.split_first().ok_or_else(|| not_found(OsStr::new("")))?;
    let program = find(name)?;
    let elf = look(&program)?;
    let mut command = match elf {
        Some(elf) if Arch::HOST != Some(elf.arch) => emulated(args, &elf, name, &program, rest)?,
        _ => {
            let mut command = Command::new(&program);
            command.arg0(name).args(rest);
            command
        }
    };
    let executed = PathBuf::from(command.get_program());
    Err(Error::io("execute", &executed, command.exec()))
}

/// A name without a slash is looked up in PATH, as `execvp(3)` does.
fn find(name: &OsStr) -> Result<PathBuf, Error> {
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        return if path.exists() { Ok(path) } else { Err(not_found(name)) };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let files =
        || std::env::split_paths(&path).map(|directory| directory.join(name)).filter(|place| place.is_file());
    // A file that may not be executed counts only when no other is there: then the reason is told.
    files().find(|place| is_executable(place)).or_else(|| files().next()).ok_or_else(|| not_found(name))
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

fn not_found(name: &OsStr) -> Error {
    Error::NotFound { program: name.to_string_lossy().into_owned() }
}

/// The ELF header; `None` if it is not an ELF program (a script, say), which is left to the kernel.
fn look(program: &Path) -> Result<Option<Elf>, Error> {
    let failed = |source: io::Error| Error::io("read", program, source);
    let kind = program.metadata().map_err(failed)?.file_type();
    if !kind.is_file() {
        return Err(Error::NotAFile { path: program.to_owned(), found: crate::error::kind_of(kind) });
    }
    // An emulator would read it all the same, and then refuse it in words and with a code of its own.
    if !is_executable(program) {
        return Err(Error::NotExecutable { path: program.to_owned() });
    }
    let elf = match File::open(program) {
        // May be executed but not read: its CPU cannot be known.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(mut file) => elf::read(&mut file).map_err(failed)?.ok(),
    };
    match elf {
        Some(elf) if !matches!(elf.kind, Kind::Static | Kind::Dynamic) => {
            Err(Error::NotStartable { path: program.to_owned(), arch: elf.arch, kind: elf.kind })
        }
        elf => Ok(elf),
    }
}

fn emulated(
    args: &RunArgs,
    elf: &Elf,
    name: &OsStr,
    program: &Path,
    rest: &[OsString],
) -> Result<Command, Error> {
    if let Some(loader) = &elf.loader
        && !Path::new(OsStr::from_bytes(loader)).exists()
    {
        let needed = elf.needed.iter().take(3).map(|name| format!("`{}`", readable(name))).collect();
        return Err(Error::Dynamic { path: program.to_owned(), loader: readable(loader), needed });
    }
    let host = Arch::HOST.ok_or(Error::NoHostLeft { target: elf.arch })?;
    let emulators = Emulators::open(&args.archive)?.of(EmulatorKey { host, target: elf.arch })?;
    let works = emulators.iter().find(|emulator| works(emulator));
    let emulator = works.ok_or(Error::NoneWorks { target: elf.arch })?;
    Ok(command(emulator, name, program, rest))
}

/// Whether the emulator supports this kernel's pages and passes its probe, as far as its rules have either.
fn works(emulator: &Emulator) -> bool {
    let pages = u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX);
    if emulator.rules.iter().filter_map(Rule::pages).any(|most| most < pages) {
        return false;
    }
    let words = emulator.rules.iter().filter_map(Rule::probe);
    let mut words = words.map(OsStr::from_bytes).peekable();
    if words.peek().is_none() {
        return true;
    }
    let nothing = Stdio::null;
    let mut probe = Command::new(&emulator.path);
    probe.args(words).stdin(nothing()).stdout(nothing()).stderr(nothing());
    probe.status().is_ok_and(|status| status.success())
}

/// The emulator's rules, applied as the launcher applies them.
fn command(emulator: &Emulator, name: &OsStr, program: &Path, rest: &[OsString]) -> Command {
    let mut command = Command::new(&emulator.path);
    // What the program opens is this machine's.
    Started { command: &mut command, argv0: name, program, rest }
        .by_translator(&emulator.rules, Path::new("/"));
    command
}
