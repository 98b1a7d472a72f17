//! Benchmarks against the alternative, interleaved in one run, since only ratios of neighbours mean anything
//! on a machine that others use too. Nothing here passes or fails.

mod children;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::cargo;

/// Runs of each command that are counted.
const RUNS: usize = 200;
/// Runs before that, which fill the caches.
const WARM_UP: usize = 10;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["start"] => start(RUNS),
        ["start", "--runs", runs] => start(runs.parse().context("`--runs` wants a number")?),
        ["fetch"] => fetch(),
        ["children"] => children::run(RUNS / 10),
        ["children", "--runs", runs] => children::run(runs.parse().context("`--runs` wants a number")?),
        _ => bail!("usage: cargo xtask bench start [--runs N] | children [--runs N] | fetch"),
    }
}

/// Warm start of a bundle against executing the same program directly (native) and under the same emulator
/// (emulated).
fn start(runs: usize) -> Result<()> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    let workspace = crate::workspace();
    let unibin = build_unibin(&workspace)?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let cache = directory.path().join("cache");

    println!("{:34} {:>9} {:>9} {:>9} {:>7}", "warm start, ms", "min", "median", "p90", "ratio");
    for (target, route, children) in
        [("x86_64", "native", "none"), ("riscv64", "emulated", "none"), ("riscv64", "emulated", "auto")]
    {
        let bundle = Case {
            program: pack_busybox(&unibin, directory.path(), target, children)?,
            arguments: vec!["true".into()],
            cache: cache.clone(),
            children: "auto",
        };
        bundle.run()?;
        let direct = direct_case(&cache, route)?;
        let [with, without] = interleaved(&bundle, &direct, runs)?;
        let name = if children == "none" { route.to_owned() } else { format!("{route}, broker") };
        report(&format!("{name}: bundle"), &with, Some(&without));
        report(&format!("{name}: direct exec"), &without, None);
        let added = with.median().as_secs_f64() - without.median().as_secs_f64();
        println!("{:34} {:>9} {:>+9.2}", format!("{name}: added"), "", added * 1000.0);
    }
    Ok(())
}

/// What `unibin emulator fetch` transfers for riscv64 programs, host by host, out of an empty store, against
/// the packages.
fn fetch() -> Result<()> {
    let workspace = crate::workspace();
    let unibin = build_unibin(&workspace)?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let catalogue = emulator::Catalogue::embedded()?;
    println!("{:14} {:>12} {:>12} {:>7} {:>9}", "fetched for", "bytes", "package", "part", "seconds");
    for host in bundle::Arch::HOSTS {
        let target = if host == bundle::Arch::Riscv64 { bundle::Arch::S390x } else { bundle::Arch::Riscv64 };
        let (row, _) = catalogue.find(bundle::EmulatorKey { host, target })?;
        let begin = Instant::now();
        let output = Command::new(&unibin)
            .args(["emulator", "fetch", "--json", "--target", target.name(), "--hosts", host.name()])
            .env("UNIBIN_STORE", directory.path())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "`unibin emulator fetch` failed for {host}");
        let text = String::from_utf8(output.stdout)?;
        let bytes = text.lines().find_map(|line| line.trim().strip_prefix("\"fetched\": "));
        let bytes: u64 = bytes.context("no number of bytes")?.trim_end_matches(',').parse()?;
        println!(
            "{:14} {bytes:>12} {:>12} {:>6}% {:>9.1}",
            host.name(),
            row.package.size,
            bytes * 100 / row.package.size,
            begin.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn build_unibin(workspace: &Path) -> Result<PathBuf> {
    let status = cargo().args(["build", "--quiet", "--release", "-p", "unibin"]).status()?;
    ensure!(status.success(), "unibin does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    Ok(target.join("release/unibin"))
}

/// A bundle of busybox, called `busybox`: the applet is chosen by that name's first argument.
fn pack_busybox(unibin: &Path, directory: &Path, target: &str, children: &str) -> Result<PathBuf> {
    let directory = directory.join(target).join(children);
    let bundle = directory.join("busybox");
    fs::create_dir_all(directory)?;
    let packed = Command::new(unibin)
        .args(["pack", "--deb", "busybox-static", "--target", target, "--hosts", "x86_64"])
        .args(["--children", children, "-o"])
        .arg(&bundle)
        .stdout(Stdio::null())
        .status()?;
    ensure!(packed.success(), "`unibin pack` failed for {target}");
    Ok(bundle)
}

/// What the bundle executes in the end, executed by hand: the files in its cache.
fn direct_case(cache: &Path, route: &str) -> Result<Case> {
    let slots = fs::read_dir(cache.join("x86_64"))?.filter_map(|entry| Some(entry.ok()?.path()));
    let slots: Vec<PathBuf> = slots.filter(|slot| slot.is_dir()).collect();
    let program_for = |machine: u16| {
        let mut programs = slots.iter().map(|slot| slot.join("tree/usr/bin/busybox"));
        programs.find(|program| {
            fs::read(program).is_ok_and(|elf| elf.get(18..20) == Some(&machine.to_le_bytes()))
        })
    };
    if route == "native" {
        // EM_X86_64
        let program = program_for(62).context("the native program is not in the cache")?;
        let arguments = vec!["true".into()];
        return Ok(Case { program, arguments, cache: cache.to_owned(), children: "none" });
    }
    // EM_RISCV
    let program = program_for(243).context("the emulated program is not in the cache")?;
    // A broker lies in a slot likewise, but has no links that are named like apps.
    let emulator = slots.iter().find(|slot| slot.join("as").is_dir()).map(|slot| slot.join("emulator"));
    let arguments = ["-0".into(), "busybox".into(), program.into_os_string(), "true".into()].into();
    Ok(Case {
        program: emulator.context("the emulator is not in the cache")?,
        arguments,
        cache: cache.to_owned(),
        children: "none",
    })
}

struct Case {
    program: PathBuf,
    arguments: Vec<std::ffi::OsString>,
    cache: PathBuf,
    /// `UNIBIN_CHILDREN`
    children: &'static str,
}

impl Case {
    /// One run, from before fork to after wait.
    fn run(&self) -> Result<Duration> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env("UNIBIN_CACHE", &self.cache);
        command.env("UNIBIN_CHILDREN", self.children);
        // cargo's, which has /bin/sh look for its libc in directories of rustc first: no user's start does.
        command.env_remove("LD_LIBRARY_PATH");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let begin = Instant::now();
        let status = command.status().with_context(|| format!("cannot run `{}`", self.program.display()))?;
        let took = begin.elapsed();
        ensure!(status.success(), "`{}` ended with {status}", self.program.display());
        Ok(took)
    }
}

/// Durations in ascending order.
struct Samples(Vec<Duration>);

impl Samples {
    fn min(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    fn quantile(&self, tenths: usize) -> Duration {
        self.0.get(self.0.len() * tenths / 10).copied().unwrap_or_default()
    }

    fn median(&self) -> Duration {
        self.quantile(5)
    }
}

fn interleaved(a: &Case, b: &Case, runs: usize) -> Result<[Samples; 2]> {
    let mut samples = [Vec::new(), Vec::new()];
    for run in 0..WARM_UP + runs {
        let pair = [a.run()?, b.run()?];
        if run >= WARM_UP {
            samples[0].push(pair[0]);
            samples[1].push(pair[1]);
        }
    }
    Ok(samples.map(|mut samples| {
        samples.sort_unstable();
        Samples(samples)
    }))
}

fn report(name: &str, samples: &Samples, against: Option<&Samples>) {
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let ratio =
        against.map_or(String::new(), |other| format!("{:.2}", ms(samples.median()) / ms(other.median())));
    println!(
        "{name:34} {:>9.2} {:>9.2} {:>9.2} {ratio:>7}",
        ms(samples.min()),
        ms(samples.median()),
        ms(samples.quantile(9))
    );
}
