//! `unibin binfmt`: system-wide handlers of the kernel's `binfmt_misc`, for root. Bundles do not need them.
//! Everything is checked before the first handler is written; an existing handler is never replaced.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bundle::{Arch, EmulatorKey};
use emulator::EmulatorError;

use crate::cli::binfmt::{BinfmtArgs, BinfmtCommand};
use crate::emulators::Emulators;
use crate::emulators::builtin_catalogue;
use crate::error::{BinfmtError, Error};
use crate::say;

/// Where `binfmt_misc` is mounted on all distributions.
const MOUNTED: &str = "/proc/sys/fs/binfmt_misc";

/// Hosts whose kernels run programs of another CPU themselves, as a rule.
const COMPATIBLE: [(Arch, Arch); 2] = [(Arch::X86_64, Arch::I686), (Arch::Aarch64, Arch::Armv7)];

/// Runs the subcommand.
pub(crate) fn binfmt(command: &BinfmtCommand) -> Result<String, Error> {
    match command {
        BinfmtCommand::Show(args) => show(args),
        BinfmtCommand::Register(args) => register(args),
        BinfmtCommand::Unregister(args) => unregister(args),
    }
}

/// The name of a handler: the one that other packages use too, so that none is registered twice.
fn name(target: Arch) -> String {
    format!("qemu-{}", target.qemu_name())
}

/// The kernel's file for a handler.
fn file(target: Arch) -> PathBuf {
    Path::new(MOUNTED).join(name(target))
}

fn is_compatible(target: Arch) -> bool {
    COMPATIBLE.iter().any(|(host, other)| Arch::HOST == Some(*host) && *other == target)
}

/// The selected CPUs: those that were named, else all whose programs need an emulator here and have one.
fn targets(args: &BinfmtArgs) -> Result<Vec<Arch>, Error> {
    let wanted = |target: &Arch| {
        let key = Arch::HOST.map(|host| EmulatorKey { host, target: *target });
        match &args.target[..] {
            [] => {
                let foreign = Arch::HOST != Some(*target) && !is_compatible(*target);
                foreign && key.is_some_and(|key| builtin_catalogue::emulator(key).is_some())
            }
            named => named.contains(target),
        }
    };
    let targets: Vec<_> = Arch::ALL.iter().copied().filter(wanted).collect();
    if let Some(own) = targets.iter().find(|target| Arch::HOST == Some(**target)) {
        // The emulator itself is one: the kernel would call it to start it.
        return Err(BinfmtError::NativeHere { target: *own }.into());
    }
    if args.emulator.is_some() && targets.len() != 1 {
        return Err(BinfmtError::NotOneTarget.into());
    }
    Ok(targets)
}

/// The file that was given as emulator, where it can be one.
fn given(args: &BinfmtArgs, key: EmulatorKey) -> Result<Option<PathBuf>, Error> {
    let Some(path) = &args.emulator else { return Ok(None) };
    let path = path.canonicalize().map_err(|source| Error::io("open", path, source))?;
    emulator::elf_check::check(&path, key.host).map_err(|fault| EmulatorError::Given {
        key,
        path: path.clone(),
        fault,
    })?;
    Ok(Some(path))
}

/// The line for a handler.
fn line(target: Arch, emulator: &Path, flags: &str) -> Result<Vec<u8>, Error> {
    let path = emulator.as_os_str().as_bytes();
    // The kernel takes any byte between the fields.
    let between = b":|;@%".iter().find(|byte| !path.contains(byte));
    let (Some(between), false) = (between, path.iter().any(u8::is_ascii_control)) else {
        return Err(BinfmtError::Path { path: emulator.to_owned() }.into());
    };
    let escaped = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "\\x{byte:02x}"); // writing to a String cannot fail
            text
        })
    };
    let pattern = target.binfmt();
    let (name, magic, mask) = (name(target), escaped(pattern.magic()), escaped(pattern.mask()));
    let before = ["", &name, "M", "", &magic, &mask].map(str::as_bytes);
    Ok([&before[..], &[path, flags.as_bytes()]].concat().join(between))
}

fn show(args: &BinfmtArgs) -> Result<String, Error> {
    let emulators = Emulators::open(&args.archive)?;
    let mut text = String::new();
    for target in targets(args)? {
        let Some(host) = Arch::HOST else { continue };
        let key = EmulatorKey { host, target };
        match fs::read_to_string(file(target)) {
            Ok(state) => {
                let state: Vec<_> = state.lines().take(3).collect();
                let _ = writeln!(text, "# {}: registered: {}", name(target), state.join(", "));
            }
            Err(_) => {
                let _ = writeln!(text, "# {}: not registered", name(target));
            }
        }
        let path = match given(args, key)? {
            Some(path) => Some(path),
            None => emulators.path(key)?,
        };
        match path {
            Some(path) => {
                let line = line(target, &path, &args.flags)?;
                let _ = writeln!(text, "{}", String::from_utf8_lossy(&line));
            }
            None => {
                let _ = writeln!(
                    text,
                    "# not in the store: fetch it with `unibin emulator fetch --target {target} --hosts {host}`"
                );
            }
        }
    }
    Ok(text)
}

fn register(args: &BinfmtArgs) -> Result<String, Error> {
    let targets = targets(args)?;
    let door = Path::new(MOUNTED).join("register");
    mounted(&door)?;
    // Before anything is fetched: whether it can be done at all.
    OpenOptions::new().write(true).open(&door).map_err(|error| refused(&door, error))?;
    if let Some(there) = targets.iter().find(|target| file(**target).exists()) {
        let state = fs::read_to_string(file(*there)).unwrap_or_default();
        let state: Vec<_> = state.lines().take(3).collect();
        let (name, state) = (name(*there), state.join(", "));
        return Err(BinfmtError::Registered { name, state, target: *there }.into());
    }
    let emulators = Emulators::open(&args.archive)?;
    let mut lines = Vec::new();
    for target in targets {
        let host = Arch::HOST.ok_or(Error::NoHostLeft { target })?;
        let key = EmulatorKey { host, target };
        let path = if let Some(path) = given(args, key)? {
            path
        } else {
            let found = emulators.of(key)?;
            found.into_iter().next().map(|found| found.path).ok_or(Error::NoneWorks { target })?
        };
        if is_compatible(target) {
            say::warning(&format!(
                "most {host} kernels can run {target} programs natively; from now on the emulator runs them"
            ));
        }
        lines.push((target, line(target, &path, &args.flags)?, path));
    }
    let mut text = String::new();
    for (target, line, path) in lines {
        // One write: the kernel takes a line whole or not at all.
        let written = OpenOptions::new().write(true).open(&door).and_then(|mut door| door.write_all(&line));
        written.map_err(|error| refused(&door, error))?;
        let _ = writeln!(text, "{}: {} (flags {})", name(target), path.display(), args.flags);
    }
    Ok(text)
}

fn unregister(args: &BinfmtArgs) -> Result<String, Error> {
    mounted(&Path::new(MOUNTED).join("register"))?;
    let mut targets = targets(args)?;
    if args.all {
        targets.extend(Arch::NAMED);
        targets.retain(|target| file(*target).exists());
    }
    if let Some(missing) = targets.iter().find(|target| !file(**target).exists()) {
        return Err(BinfmtError::NotRegistered { name: name(*missing), mounted: MOUNTED }.into());
    }
    let mut text = String::new();
    for target in targets {
        let path = file(target);
        fs::write(&path, "-1").map_err(|error| refused(&path, error))?;
        let _ = writeln!(text, "{}: gone", name(target));
    }
    Ok(text)
}

fn mounted(door: &Path) -> Result<(), BinfmtError> {
    if door.exists() { Ok(()) } else { Err(BinfmtError::NotMounted { mounted: MOUNTED }) }
}

fn refused(path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            BinfmtError::NotRoot { path: path.to_owned(), source }.into()
        }
        _ => Error::io("write", path, source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_line_can_hold_is_refused_and_one_with_a_colon_gets_another_separator() {
        let line = |path: &str| line(Arch::Riscv64, Path::new(path), "OPF");
        assert!(line("/a\nb").is_err() && line("/a:|;@%b").is_err());
        let plain = line("/a").expect("a plain path");
        assert!(plain.starts_with(b":qemu-riscv64:M::\\x7f\\x45") && plain.ends_with(b":/a:OPF"));
        let colon = line("/a:b").expect("another separator");
        assert!(colon.starts_with(b"|qemu-riscv64|M||") && colon.ends_with(b"|/a:b|OPF"));
    }
}
