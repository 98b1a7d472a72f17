//! The cost of running an app's child programs: once at the start, for each program that is executed, and for
//! everything else that a program does; compared with naming the emulator by hand, and with proot, which
//! intercepts every call.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use super::pairs::{Case, Samples, direct_case, interleaved, pack_busybox, report, scratch};
use crate::unibin::released;

/// Programs executed in one run.
const EXECUTIONS: u32 = 50;

pub(super) fn run(runs: usize) -> Result<()> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    let unibin = released()?;
    let directory = scratch()?;
    let cache = directory.path().join("cache");
    let bundle = pack_busybox(&unibin, directory.path(), "riscv64", "auto")?;
    // In a bundle with brokers there would be one to ask even with UNIBIN_CHILDREN=none.
    let unattended = pack_busybox(&unibin, directory.path(), "riscv64", "none")?;
    let case = |children, arguments: &[&str]| Case {
        program: if children == "none" { unattended.clone() } else { bundle.clone() },
        arguments: arguments.iter().map(OsString::from).collect(),
        cache: cache.clone(),
        children,
    };
    for way in ["none", "broker"] {
        case(way, &["true"]).run()?;
    }
    let direct = direct_case(&cache, "emulated")?;
    let (emulator, program) = (direct.program.display(), PathBuf::from(&direct.arguments[2]));
    let program = program.display();

    println!("{:34} {:>9} {:>9} {:>9} {:>7}", "ms", "min", "median", "p90", "ratio");
    for way in ways(&bundle, &cache)? {
        let [with, without] = interleaved(&case(way, &["true"]), &case("none", &["true"]), runs)?;
        report(&format!("start, {way}"), &with, Some(&without));
        report("start, none", &without, None);

        let many =
            |command: &str| format!("i=0; while [ $i -lt {EXECUTIONS} ]; do {command}; i=$((i+1)); done");
        let attended = many(&format!("{program} true"));
        let by_hand = many(&format!("{emulator} -0 busybox {program} true"));
        let pair = [case(way, &["sh", "-c", &attended]), case("none", &["sh", "-c", &by_hand])];
        let [with, without] = interleaved(&pair[0], &pair[1], runs)?;
        report(&format!("{EXECUTIONS} executions, {way}"), &with, Some(&without));
        report(&format!("{EXECUTIONS} executions, emulator named"), &without, None);

        let calls = "dd if=/dev/zero of=/dev/null bs=1 count=50000 2>/dev/null";
        let signals = "trap : USR1; i=0; while [ $i -lt 2000 ]; do kill -USR1 $$; i=$((i+1)); done";
        for (name, script) in [("100,000 system calls", calls), ("2,000 signals", signals)] {
            let pair = [case(way, &["sh", "-c", script]), case("none", &["sh", "-c", script])];
            let [with, without] = interleaved(&pair[0], &pair[1], runs)?;
            report(&format!("{name}, {way}"), &with, Some(&without));
            report(&format!("{name}, none"), &without, None);
        }
    }
    proot(&direct, &cache, runs)
}

/// The ways that work here; one that does not is named.
fn ways(bundle: &Path, cache: &Path) -> Result<Vec<&'static str>> {
    let mut ways = Vec::new();
    for way in ["broker", "binfmt"] {
        let mut command = Command::new(bundle);
        command.env("UNIBIN_CACHE", cache).env("UNIBIN_CHILDREN", way).env("UNIBIN_LOG", "1").arg("true");
        let log = command.output()?.stderr;
        if String::from_utf8_lossy(&log).contains("children: none") {
            println!("NOT RUN: {way}: it does not work on this machine");
        } else {
            ways.push(way);
        }
    }
    Ok(ways)
}

/// The same executions under `proot -q`, which runs every program of the app by the emulator and watches all
/// that it does.
fn proot(direct: &Case, cache: &Path, runs: usize) -> Result<()> {
    if !Command::new("proot")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("NOT RUN: proot: it is not installed");
        return Ok(());
    }
    let program = PathBuf::from(&direct.arguments[2]);
    let many = format!("i=0; while [ $i -lt {EXECUTIONS} ]; do {} true; i=$((i+1)); done", program.display());
    // proot takes the emulator as one word with its arguments.
    let emulator = fs::canonicalize(&direct.program)?;
    let case = |program: PathBuf, arguments: Vec<OsString>| Case {
        program,
        arguments,
        cache: cache.to_owned(),
        children: "none",
    };
    let script: Vec<OsString> = [program.into_os_string(), "sh".into(), "-c".into(), many.into()].into();
    let proot = [vec!["-q".into(), emulator.clone().into_os_string()], script].concat();
    let times = case("proot".into(), proot).run_many(runs)?;
    report(&format!("{EXECUTIONS} executions, proot"), &times, None);
    Ok(())
}

impl Case {
    fn run_many(&self, runs: usize) -> Result<Samples> {
        let mut samples = (0..runs).map(|_| self.run()).collect::<Result<Vec<_>>>()?;
        samples.sort_unstable();
        Ok(Samples(samples))
    }
}
