//! Runs the targets of crate `fuzz` under libFuzzer, on the pinned stable compiler: what guides libFuzzer are
//! passes of LLVM that stable rustc takes too (`-Cpasses`), so that no nightly and no `cargo-fuzz` is needed.
//! docs/fuzzing.md tells more.

mod build;
pub(crate) mod rustc;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use build::{Guided, Programs};

/// How long each target runs when nothing is said.
const SECONDS: u64 = 10;

/// Inputs after which a process ends and the next one begins with what it has found.
const ROUND: u64 = 2_000_000;

/// An input that takes longer than this is a fault too.
const SLOWEST: u64 = 20;

/// Megabytes that a process may take before that counts as a fault.
const MOST_MEMORY: u64 = 3000;

/// When a target has had enough.
#[derive(Clone, Copy)]
enum Until {
    Seconds(u64),
    Runs(u64),
}

struct Options {
    targets: Vec<String>,
    until: Until,
    keep: bool,
    seeds: Option<PathBuf>,
    guided: Guided,
}

/// One target, as `corpus list` tells of it.
struct Target {
    name: String,
    max: u64,
}

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let options = parse(arguments)?;
    let programs = Programs::build(options.guided)?;
    let all = targets(&programs)?;
    for wanted in &options.targets {
        let known: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
        ensure!(known.contains(&wanted.as_str()), "no target `{wanted}`; there are {}", known.join(", "));
    }
    let chosen: Vec<&Target> = all
        .iter()
        .filter(|target| options.targets.is_empty() || options.targets.contains(&target.name))
        .collect();
    side_by_side(&chosen, |target| fuzz(&programs, target, &options))
}

/// Builds what `--ours` runs.
pub(crate) fn build_ours() -> Result<()> {
    Programs::build(Guided::Ours).map(drop)
}

/// A fuzzer takes one processor: as many targets at once as there are. The first fault is what this ends
/// with.
fn side_by_side(targets: &[&Target], fuzz: impl Fn(&Target) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Nobody begins another one after a fault.
            fuzz(target).inspect_err(|_| next.store(targets.len(), Ordering::Relaxed))?;
        }
        Ok(())
    };
    let workers = crate::workspace::cpus();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a fuzzer's thread does not panic"))
    })
}

fn parse(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        targets: Vec::new(),
        until: Until::Seconds(SECONDS),
        keep: false,
        seeds: None,
        guided: Guided::Readers,
    };
    let mut rest = arguments.iter();
    let number = |option: &str, value: Option<&String>| {
        let value = value.with_context(|| format!("`{option}` wants a number"))?;
        value.replace('_', "").parse().with_context(|| format!("`{option}` wants a number, not `{value}`"))
    };
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seconds" => options.until = Until::Seconds(number("--seconds", rest.next())?),
            "--runs" => options.until = Until::Runs(number("--runs", rest.next())?),
            "--keep" => options.keep = true,
            "--ours" => options.guided = Guided::Ours,
            "--seeds" => options.seeds = Some(rest.next().context("`--seeds` wants a directory")?.into()),
            other if other.starts_with('-') => bail!("unknown option `{other}` of `fuzz`"),
            target => options.targets.push(target.to_owned()),
        }
    }
    Ok(options)
}

fn targets(programs: &Programs) -> Result<Vec<Target>> {
    let output = Command::new(&programs.corpus).arg("list").output().context("cannot run `corpus`")?;
    let text = String::from_utf8(output.stdout).context("`corpus list` prints text")?;
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        Some(Target { name, max: words.next()?.parse().ok()? })
    };
    text.lines().map(|line| parse(line).with_context(|| format!("`corpus list` says `{line}`"))).collect()
}

/// Rounds, each a process of its own, until there were enough.
fn fuzz(programs: &Programs, target: &Target, options: &Options) -> Result<()> {
    let name = &target.name;
    let work = crate::workspace().join("target/fuzz/work");
    let (corpus, found) = (work.join(name), work.join("found"));
    fs::create_dir_all(&found).with_context(|| format!("cannot make `{}`", found.display()))?;
    corpus_program(programs, &["unpack", name], &corpus)?;
    let begin = Instant::now();
    let (mut done, mut coverage) = (0, String::new());
    loop {
        let spent = begin.elapsed();
        let (runs, seconds) = match options.until {
            Until::Seconds(all) => (ROUND, all.saturating_sub(spent.as_secs())),
            Until::Runs(all) => (ROUND.min(all.saturating_sub(done)), 0),
        };
        if matches!(options.until, Until::Seconds(_)) && seconds == 0 || runs == 0 {
            break;
        }
        // libFuzzer counts the corpus, which it reads first, among the runs.
        let inputs = fs::read_dir(&corpus).map_or(0, Iterator::count) as u64;
        let mut command = Command::new(&programs.fuzz);
        command.arg(format!("-runs={}", runs + inputs)).arg(format!("-max_total_time={seconds}"));
        let (executions, covered) = round(command, target, &found, &corpus, options.seeds.as_deref())?;
        done += executions;
        coverage = covered;
    }
    let seconds = begin.elapsed().max(Duration::from_millis(1)).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let speed = done as f64 / seconds;
    println!("fuzz: {name}: {done} runs without a fault in {seconds:.0} s ({speed:.0} a second), {coverage}");
    if options.keep { keep(programs, name, &work, &corpus) } else { Ok(()) }
}

/// One process: how many inputs it tried, and what it says of its coverage.
fn round(
    mut command: Command,
    target: &Target,
    found: &Path,
    corpus: &Path,
    seeds: Option<&Path>,
) -> Result<(u64, String)> {
    command
        .env("UNIBIN_FUZZ", &target.name)
        .arg(format!("-max_len={}", target.max))
        .arg(format!("-timeout={SLOWEST}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY}"))
        .arg(format!("-artifact_prefix={}/{}-", found.display(), target.name))
        .args(["-print_final_stats=1", "-use_value_profile=1"])
        .arg(corpus)
        .args(seeds)
        .stdin(Stdio::null());
    let output = command.output().context("cannot run `fuzz`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last: Vec<&str> = said.lines().rev().take(60).collect();
        let last: Vec<&str> = last.into_iter().rev().collect();
        bail!(
            "target `{}` has a fault ({}):\n{}\nhint: the input is in `{}`",
            target.name,
            output.status,
            last.join("\n"),
            found.display()
        );
    }
    let executions = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units: "));
    let executions =
        executions.and_then(|number| number.trim().parse().ok()).context("libFuzzer tells its runs")?;
    let covered = said
        .lines()
        .rev()
        .find_map(|line| Some(line.split_once("DONE")?.1.split_once("exec/s")?.0.trim().to_owned()));
    Ok((executions, covered.unwrap_or_default()))
}

/// The fewest inputs that cover what all of them do become the corpus that is kept.
fn keep(programs: &Programs, name: &str, work: &Path, corpus: &Path) -> Result<()> {
    let small = work.join(format!("{name}-small"));
    let _ = fs::remove_dir_all(&small);
    fs::create_dir_all(&small).with_context(|| format!("cannot make `{}`", small.display()))?;
    let mut command = Command::new(&programs.fuzz);
    command.env("UNIBIN_FUZZ", name).arg("-merge=1").arg(&small).arg(corpus);
    let output = command.output().context("cannot run `fuzz`")?;
    ensure!(output.status.success(), "merging fails:\n{}", String::from_utf8_lossy(&output.stderr));
    corpus_program(programs, &["keep", name], &small)
}

fn corpus_program(programs: &Programs, arguments: &[&str], directory: &Path) -> Result<()> {
    let status = Command::new(&programs.corpus).args(arguments).arg(directory).status();
    ensure!(status.context("cannot run `corpus`")?.success(), "`corpus {}` failed", arguments.join(" "));
    Ok(())
}
