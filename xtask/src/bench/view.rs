//! Calls that take a path, under unibin's own emulator: with the tree laid over the root, with QEMU's `-L`,
//! and with neither. Each run of one is followed by a run of the others.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bundle::{Arch, EmulatorKey};
use emulator::{Catalogue, Options, Store};
use end_to_end::{compile, own};

use super::pairs::tree_of;

/// How often each call is made in a run.
const CALLS: &str = "20000";

/// Kind, name and path of each call. Where a path is of the tree, `-L` finds it too.
const WHAT: [[&str; 3]; 9] = [
    ["stat", "stat, tree", "/usr/share/bash-completion/bash_completion"],
    ["open", "open, tree", "/usr/share/bash-completion/bash_completion"],
    ["stat", "stat, /proc", "/proc/sys/kernel/ostype"],
    ["stat", "stat, /tmp", "/tmp"],
    ["open", "open, host", "HOST/a/b/file"],
    ["stat", "stat, host", "HOST/a/b/file"],
    ["stat", "stat, missing", "HOST/a/b/missing"],
    ["relative", "lstat, relative", "HOST/a/b/file"],
    ["list", "list /usr/bin", "/usr/bin"],
];

pub(super) fn run(runs: usize) -> Result<()> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    ensure!(Arch::HOST == Some(Arch::X86_64), "unibin's own emulators are here for x86_64 hosts");
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let home = directory.path().join("a/b");
    std::fs::create_dir_all(&home)?;
    std::fs::write(home.join("file"), "")?;
    let key = EmulatorKey { host: Arch::X86_64, target: Arch::Riscv64 };
    let store = Store::open(directory.path().join("store"))?;
    let emulator = emulator::obtain(key, &Options::new(&Catalogue::embedded()?, &store))?.file;
    let program = compile("path-calls", &[own("path-calls.c")], key.target)
        .context("no C compiler: `cargo xtask tools`")?;
    let tree = tree_of(&["bash", "bash-completion"], key.target, directory.path())?;
    let tree = tree.context("the mirror does not have bash and bash-completion")?;
    let ways: [(&str, &[&str]); 3] = [("neither", &[]), ("-L", &["-L"]), ("-view", &["-view"])];
    let mut least: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for _ in 0..runs {
        for (way, (name, option)) in ways.iter().enumerate() {
            let mut command = Command::new(&emulator);
            if !option.is_empty() {
                command.args(*option).arg(&tree);
            }
            command.arg(&program).arg(CALLS);
            for [kind, name, path] in WHAT {
                let path = path.replace("HOST", directory.path().to_str().context("a path that is no text")?);
                command.args([kind, name, &path]);
            }
            let output = command.output().context("cannot run the emulator")?;
            ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout)?;
            for (row, line) in text.lines().enumerate() {
                let took: f64 = line.split('\t').nth(1).context("a line without a time")?.parse()?;
                let known = least.entry((row, way)).or_insert(f64::INFINITY);
                *known = known.min(took);
            }
        }
    }
    println!(
        "{:24} {:>10} {:>10} {:>10} {:>12} {:>12}",
        "ns per call (minimum)", "neither", "-L", "-view", "to neither", "to -L"
    );
    for (row, [_, name, _]) in WHAT.iter().enumerate() {
        let of = |way| least.get(&(row, way)).copied().unwrap_or(f64::NAN);
        let (neither, redirected, view) = (of(0), of(1), of(2));
        println!(
            "{name:24} {neither:>10.0} {redirected:>10.0} {view:>10.0} {:>11.2}x {:>11.2}x",
            view / neither,
            view / redirected
        );
    }
    Ok(())
}
