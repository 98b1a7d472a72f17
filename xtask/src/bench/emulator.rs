//! unibin's own emulators against Debian's, 10.0 and 7.2, by processor time: what they run and how fast they
//! start. Each run of one is followed by a run of the others.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bundle::{Arch, EmulatorKey};
use emulator::{Catalogue, Options, Store};
use end_to_end::{compile, older_qemu, own, smallest};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::pairs::tree_of;
use crate::workspace;

const TARGETS: [Arch; 3] = [Arch::Riscv64, Arch::Aarch64, Arch::X86_64];

/// Busy for half a second or so under an emulator: calls, dictionaries, lists.
const PYTHON: &str = "\
def f(n):
    return n if n < 2 else f(n - 1) + f(n - 2)
d = {}
for i in range(20000):
    d[str(i)] = [i] * 3
print(f(18), sum(len(v) for v in d.values()))
";
/// The same for jq.
const JQ: &str = "[range(20000) | {a: ., b: (. * 2 | tostring)}] | map(select(.a % 3 == 0) | .b) | length";

/// The smallest program ends with a code of its own.
const CODE_OF_SMALLEST: i32 = end_to_end::CODE_OF_ENDING;

/// A program and how it is called.
struct Program {
    name: &'static str,
    file: PathBuf,
    arguments: Vec<OsString>,
    /// Its tree, if it has one.
    tree: Option<PathBuf>,
    code: i32,
}

/// An emulator and the options that it gets.
struct Emulator {
    file: PathBuf,
    options: &'static [&'static str],
    /// What comes before the tree.
    tree: &'static str,
}

pub(super) fn run(runs: usize, only: Option<Arch>) -> Result<()> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    ensure!(Arch::HOST == Some(Arch::X86_64), "Debian's QEMU 7.2 is here for x86_64 hosts only");
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    println!(
        "{:30} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "processor time, ms (minimum)", "unibin", "10.0", "7.2", "10.0 is", "7.2 is"
    );
    for target in TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)) {
        let emulators = emulators(target, directory.path())?;
        for program in programs(target, directory.path())? {
            let [ours, newer, older] = minima(&emulators, &program, runs)?;
            let ms = |time: Duration| time.as_secs_f64() * 1000.0;
            let times = |other: Duration| format!("{:.2}x", ms(other) / ms(ours));
            println!(
                "{:30} {:>9.2} {:>9.2} {:>9.2} {:>9} {:>9}",
                format!("{target}: {}", program.name),
                ms(ours),
                ms(newer),
                ms(older),
                times(newer),
                times(older)
            );
        }
    }
    Ok(())
}

/// Ours, Debian's 10.0, Debian's 7.2.
fn emulators(target: Arch, directory: &Path) -> Result<[Emulator; 3]> {
    let key = EmulatorKey { host: Arch::X86_64, target };
    // A bundle has its aarch64 apps called like this, whoever built the emulator.
    let options: &[&str] = if target == Arch::Aarch64 { &["-cpu", "max,pauth=off"] } else { &[] };
    let from = |catalogue: Catalogue, store: &str, tree| -> Result<Emulator> {
        let store = Store::open(directory.join(store))?;
        let found = emulator::obtain(key, &Options::new(&catalogue, &store))?;
        Ok(Emulator { file: found.file, options, tree })
    };
    let older = directory.join(format!("older-{target}"));
    fs::copy(older_qemu(target), &older)?;
    fs::set_permissions(&older, fs::Permissions::from_mode(0o755))?;
    Ok([
        from(Catalogue::embedded()?, "own", "-view")?,
        from(Catalogue::of_debian()?, "debian", "-L")?,
        Emulator { file: older, options, tree: "-L" },
    ])
}

fn programs(target: Arch, directory: &Path) -> Result<Vec<Program>> {
    let compiled = |name: &'static str, source: PathBuf, argument: &str| -> Result<Program> {
        let file = compile(name, &[source], target).context("no C compiler: `cargo xtask tools`")?;
        Ok(Program { name, file, arguments: vec![argument.into()], tree: None, code: 0 })
    };
    let ending = directory.join(format!("ending-{target}"));
    fs::write(&ending, smallest(target).elf())?;
    fs::set_permissions(&ending, fs::Permissions::from_mode(0o755))?;
    let start =
        Program { name: "exit", file: ending, arguments: Vec::new(), tree: None, code: CODE_OF_SMALLEST };
    let nqueens = workspace().join("examples/nqueens/nqueens.c");
    let mut programs = vec![
        start,
        compiled("hello", own("hello.c"), "")?,
        compiled("interpreter", own("vm.c"), "3000000")?,
        compiled("qsort", own("sort.c"), "200000")?,
        compiled("nqueens", nqueens, "9")?,
        compiled("matrices", own("matrices.c"), "10")?,
    ];
    let mut trees = BTreeMap::new();
    let packaged: [(&str, &str, &str, &[&str]); 4] = [
        ("bash -c :", "bash", "usr/bin/bash", &["-c", ":"]),
        ("python3 -S -c pass", "python3", "usr/bin/python3", &["-S", "-c", "pass"]),
        ("python3", "python3", "usr/bin/python3", &["-S", "-c", PYTHON]),
        ("jq", "jq", "usr/bin/jq", &["-n", JQ]),
    ];
    for (name, package, path, arguments) in packaged {
        let tree = match trees.get(package) {
            Some(tree) => Clone::clone(tree),
            None => tree_of(&[package], target, directory)?,
        };
        trees.insert(package, tree.clone());
        let Some(tree) = tree else {
            println!("NOT RUN: {target}: {name}: the mirror does not have {package}");
            continue;
        };
        let arguments = arguments.iter().map(OsString::from).collect();
        programs.push(Program { name, file: tree.join(path), arguments, tree: Some(tree), code: 0 });
    }
    Ok(programs)
}

/// The least processor time of each emulator's runs. What they print must be the same.
fn minima(emulators: &[Emulator; 3], program: &Program, runs: usize) -> Result<[Duration; 3]> {
    let mut least = [Duration::MAX; 3];
    let mut printed: Option<Vec<u8>> = None;
    for _ in 0..runs {
        for (emulator, least) in emulators.iter().zip(&mut least) {
            let (took, output) = timed(emulator, program)?;
            *least = took.min(*least);
            ensure!(
                printed.as_ref().is_none_or(|printed| *printed == output),
                "`{}` printed something else under {}",
                program.name,
                emulator.file.display()
            );
            printed = Some(output);
        }
    }
    Ok(least)
}

fn timed(emulator: &Emulator, program: &Program) -> Result<(Duration, Vec<u8>)> {
    let mut command = Command::new(&emulator.file);
    command.args(emulator.options);
    if let Some(tree) = &program.tree {
        command.arg(emulator.tree).arg(tree);
    }
    command.arg(&program.file).args(&program.arguments).env_remove("LD_LIBRARY_PATH");
    let (mut printed, mut said) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdout(printed.try_clone()?).stderr(said.try_clone()?);
    let failed = || format!("cannot run `{}`", emulator.file.display());
    let mut child = command.spawn().with_context(failed)?;
    // Ended, but still there: what it has used can be read.
    waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
        .with_context(failed)?;
    let took = on_processor(child.id())?;
    let status = child.wait().with_context(failed)?;
    ensure!(
        status.code() == Some(program.code),
        "`{}` ended with {status} under {}: {}",
        program.name,
        emulator.file.display(),
        String::from_utf8_lossy(&all_of(&mut said)?)
    );
    Ok((took, all_of(&mut printed)?))
}

fn all_of(file: &mut fs::File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How long the first thread of a process was on a processor, in user and kernel mode together: the first
/// number of `/proc/PID/schedstat`, in nanoseconds (Documentation/scheduler/sched-stats.rst of Linux).
fn on_processor(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{path}`"))?;
    let nanoseconds = text.split(' ').next().and_then(|number| number.parse().ok());
    Ok(Duration::from_nanos(nanoseconds.with_context(|| format!("`{path}` says `{text}`"))?))
}
