//! `--trace`: runs the program as it would run in its bundle, while the emulator logs its system calls (`qemu
//! -strace`: no ptrace, no root, any libc), and adds every file that it looked for and that a source has.
//! This is repeated until a run looks for nothing new, since a program takes another path once it has found
//! what it wanted. Besides `--debootstrap`, this is the only place where `pack` executes what it packs, and
//! only when asked to.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, ExitStatus, Stdio};

use bundle::{Arch, EmulatorKey, Environment as _};

use crate::emulators::started::Started;
use crate::emulators::{Emulator, Emulators};
use crate::error::{Error, readable};
use crate::request::{AppRequest, Entry, Rule};
use crate::resolve::layers::Layers;
use crate::say;
use crate::tree::app_tree::App;
use crate::tree::on_disk;

/// How often the program is run at most.
const RUNS_MAX: usize = 8;

/// Directories that belong to this machine and this user, even if a sysroot has them too.
const NEVER: [&str; 8] = ["dev", "home", "proc", "root", "run", "sys", "tmp", "var/tmp"];

/// Runs the first entry with `args` and adds what it looked for; gives how many files that were.
pub(crate) fn trace(
    request: &AppRequest,
    layers: &mut Layers,
    entries: &[Entry],
    target: Arch,
    rules: &[Rule],
    args: &[OsString],
) -> Result<usize, Error> {
    let Some(entry) = entries.first() else { return Ok(0) };
    let host = Arch::HOST.ok_or(Error::NoHostLeft { target })?;
    let emulators = Emulators::open(&request.archive)?.of(EmulatorKey { host, target })?;
    let emulator = emulators.into_iter().find(|emulator| emulator.translator == "qemu-user");
    let emulator = emulator.ok_or(Error::NoneWorks { target })?;
    let mut added = 0;
    for _ in 0..RUNS_MAX {
        let (status, opened) = traced(layers.app.clone(), &emulator, entry, rules, args)?;

        let before = added;
        for path in opened {
            let never = |name: &str| {
                path.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
            };
            if NEVER.into_iter().any(never) {
                continue;
            }
            let Some(found) = layers.resolve(&path)? else { continue };
            if found.kind == closure::Kind::File && layers.app.file(&found.path).is_none() {
                layers.take(&found)?;
                added += 1;
            }
        }
        if added == before {
            if !status.success() {
                say::warning(&format!(
                    "the traced program ended with {status}; files that it would have opened later are missing"
                ));
            }
            return Ok(added);
        }
    }
    say::warning(&format!(
        "`{}` still opened new files in run {RUNS_MAX}; some may be missing",
        readable(&entry.name)
    ));
    Ok(added)
}

/// Runs `entry` of `app` once; gives how it ended, and the paths of the tree that it asked for.
fn traced(
    mut app: App,
    emulator: &Emulator,
    entry: &Entry,
    rules: &[Rule],
    args: &[OsString],
) -> Result<(ExitStatus, BTreeSet<Vec<u8>>), Error> {
    let directory = tempfile::tempdir().map_err(Error::Temporary)?;
    let (tree, log) = (directory.path().join("tree"), directory.path().join("log"));
    drop(app.settle()?);
    on_disk::write(&app, &tree).map_err(Error::Temporary)?;

    let argv0 = OsStr::from_bytes(&entry.name);
    let program = tree.join(OsStr::from_bytes(&entry.path));
    let mut command = Command::new(&emulator.path);
    command.arg("-L").arg(&tree).arg("-strace").arg("-D").arg(&log).arg("-0").arg(argv0).arg(&program);
    let mut started = Started { command: &mut command, argv0, program: &program, rest: &[] };
    started.by_app(&entry.rules, &tree);
    started.by_app(rules, &tree);
    // As the launcher, whoever emulates.
    started.unset_prefix(b"QEMU_");
    command.args(args).stdout(Stdio::from(io::stderr()));
    let status = command.status().map_err(|source| Error::io("execute", &emulator.path, source))?;
    let log = fs::read(&log).map_err(|source| Error::io("read", &log, source))?;
    Ok((status, paths(&log, tree.as_os_str().as_bytes())))
}

/// The absolute paths in QEMU's log, as paths of the tree: `1234 openat(AT_FDCWD,"/etc/x",O_RDONLY) = 3`.
fn paths(log: &[u8], tree: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for line in log.split(|byte| *byte == b'\n') {
        let mut quoted = line.split(|byte| *byte == b'"');
        while let (Some(_), Some(text)) = (quoted.next(), quoted.next()) {
            let path = text.strip_prefix(tree).unwrap_or(text);
            let Some(path) = path.strip_prefix(b"/") else { continue };
            found.insert(path.to_vec());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_for_is_read_from_the_log_found_or_not() {
        let log = b"12 openat(AT_FDCWD,\"/etc/a b\",O_RDONLY) = 3\n\
                    12 newfstatat(AT_FDCWD,\"/tmp/t/usr/lib/x\",0x1,0) = -1 errno=2 (No such file or directory)\n\
                    12 write(1,0x55,3)hi\n = 3\n12 rename(\"/old\",\"/new\") = 0\n12 open(\"relative\",0) = 4\n";
        let found: Vec<_> = paths(log, b"/tmp/t").into_iter().collect();
        assert_eq!(found, [&b"etc/a b"[..], b"new", b"old", b"usr/lib/x"]);
    }
}
