//! Two commands run in turn, and what the benchmarks run: `unibin`, and bundles of busybox.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use tempfile::TempDir;

use crate::unibin::unibin;
use crate::workspace::target_directory;

/// Runs before those that are counted, which fill the caches.
const WARM_UP: usize = 10;

/// A directory for bundles and a cache. Not below `/tmp`: others can make names there, so that the stub would
/// look closer at the owners of a cache than it does in a home directory.
pub(super) fn scratch() -> Result<TempDir> {
    let parent = target_directory();
    tempfile::tempdir_in(&parent)
        .with_context(|| format!("cannot make a temporary directory in `{}`", parent.display()))
}

/// A bundle of busybox, called `busybox`: the applet is chosen by that name's first argument.
pub(super) fn pack_busybox(unibin: &Path, directory: &Path, target: &str, children: &str) -> Result<PathBuf> {
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

/// The tree of Debian packages and all that they depend on, named after the first; `None` where it cannot be
/// had.
pub(super) fn tree_of(packages: &[&str], target: Arch, directory: &Path) -> Result<Option<PathBuf>> {
    let name = format!("{}-{target}", packages.first().context("no package")?);
    let (bundle, tree) = (directory.join(format!("{name}.bundle")), directory.join(name));
    let mut pack = Command::new(unibin()?);
    pack.args(["pack", "--target", target.name(), "--hosts", "x86_64", "--level", "1", "-o"]).arg(&bundle);
    pack.args(packages.iter().flat_map(|package| ["--deb", package]));
    if !pack.stdout(Stdio::null()).status()?.success() {
        return Ok(None);
    }
    let extracted =
        Command::new(unibin()?).arg("extract").args([&bundle, &tree]).stdout(Stdio::null()).status()?;
    ensure!(extracted.success(), "`unibin extract` failed for {packages:?}");
    Ok(Some(tree))
}

/// What the bundle executes in the end, executed by hand: the files in its cache.
pub(super) fn direct_case(cache: &Path, route: &str) -> Result<Case> {
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

pub(super) struct Case {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<std::ffi::OsString>,
    pub(super) cache: PathBuf,
    /// `UNIBIN_CHILDREN`
    pub(super) children: &'static str,
}

impl Case {
    /// One run, from before fork to after wait.
    pub(super) fn run(&self) -> Result<Duration> {
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
pub(super) struct Samples(pub(super) Vec<Duration>);

impl Samples {
    pub(super) fn min(&self) -> Duration {
        self.0.first().copied().unwrap_or_default()
    }

    pub(super) fn quantile(&self, tenths: usize) -> Duration {
        self.0.get(self.0.len() * tenths / 10).copied().unwrap_or_default()
    }

    pub(super) fn median(&self) -> Duration {
        self.quantile(5)
    }
}

pub(super) fn interleaved(a: &Case, b: &Case, runs: usize) -> Result<[Samples; 2]> {
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

pub(super) fn report(name: &str, samples: &Samples, against: Option<&Samples>) {
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
