//! `cargo xtask test`: all tests, on any machine. What the machine lacks is found beforehand and named in one
//! list, and what did not run for it is named in another one at the end. `--quick` leaves out what needs a
//! network, root or minutes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use end_to_end::{NEEDS, cargo};

use crate::unibin::unibin;

/// What only a broker has. The feature is off elsewhere, so that the launcher is tested as it is built.
pub(crate) const BROKER: [&str; 2] = ["--package=unibin-launcher", "--features=children"];

/// How many tests cargo-nextest runs at once.
const TEST_THREADS: &str = "NEXTEST_TEST_THREADS";

/// What `--quick` does without.
const NOT_QUICK: [&str; 3] = ["minutes", "network", "root"];

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let workspace = crate::workspace();
    let (quick, arguments): (Vec<_>, Vec<_>) = arguments.iter().partition(|word| *word == "--quick");
    let quick = !quick.is_empty();
    // It is fetched, which a quick run does not.
    if !quick && let Err(error) = crate::tools::run() {
        println!("the C compiler of the tests cannot be installed: {error:#}");
    }
    let without = lacks(quick);
    let list = workspace.join("target").join("not-run.txt");
    fs::create_dir_all(workspace.join("target"))?;
    fs::write(&list, "").with_context(|| format!("cannot write `{}`", list.display()))?;
    let runner = Runner { unibin: unibin()?, nextest: has_nextest(), without, list };
    let mut passed = runner.tests(&["--workspace"], &arguments)?;
    if arguments.is_empty() {
        passed &= runner.tests(&BROKER, &[])?;
    }
    not_run(&runner.list)?;
    ensure!(passed, "tests failed");
    Ok(())
}

/// Says what this machine has and lacks; gives the ids of what the tests shall do without.
fn lacks(quick: bool) -> String {
    let lacks = end_to_end::lacks();
    let mut without: Vec<&str> = lacks.iter().map(|(need, _)| need.id).collect();
    let has: Vec<&str> = NEEDS.iter().map(|need| need.id).filter(|id| !without.contains(id)).collect();
    println!("this machine has: {}", has.join(", "));
    if lacks.is_empty() {
        println!("it lacks nothing that the tests use");
    } else {
        println!("it lacks {} of {} things, and tests that need them do not run:", lacks.len(), NEEDS.len());
    }
    for (need, why) in &lacks {
        println!("  {:<15} {}: {why}; what brings it: {}", need.id, need.what, need.cure);
    }
    if quick {
        let left_out: Vec<&str> = NOT_QUICK.into_iter().filter(|id| !without.contains(id)).collect();
        println!("--quick leaves out what needs: {}", left_out.join(", "));
        without.extend(left_out);
    }
    without.join(",")
}

fn has_nextest() -> bool {
    let asked = cargo().args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// How tests are run.
struct Runner {
    /// The program under test.
    unibin: PathBuf,
    /// By cargo-nextest, which runs tests of several programs at once; else by `cargo test`.
    nextest: bool,
    /// Ids of what the tests do without.
    without: String,
    /// Where they write what did not run.
    list: PathBuf,
}

impl Runner {
    /// Whether all passed.
    fn tests(&self, what: &[&str], more: &[&String]) -> Result<bool> {
        if !self.nextest {
            // All of them, as nextest does: one that fails is no reason to hear nothing of the others.
            return self.run(&["test", "--no-fail-fast"], what, more);
        }
        let passed = self.run(&["nextest", "run"], what, more)?;
        // nextest has no examples of documentation. With a filter, somebody wants something else.
        Ok(if more.is_empty() { self.run(&["test", "--doc"], what, more)? && passed } else { passed })
    }

    fn run(&self, how: &[&str], what: &[&str], more: &[&String]) -> Result<bool> {
        let mut command = cargo();
        command.args(how).args(what).args(more);
        // Tests wait, for a download or a process. One more of them than processors fills the gaps.
        if std::env::var_os(TEST_THREADS).is_none() {
            command.env(TEST_THREADS, (crate::workspace::cpus() + 1).to_string());
        }
        command.env("UNIBIN", &self.unibin);
        command.env("UNIBIN_TEST_WITHOUT", &self.without).env("UNIBIN_TEST_PROBED", "1");
        command.env("UNIBIN_TEST_NOT_RUN", &self.list);
        Ok(command.status().context("cannot run cargo")?.success())
    }
}

/// Prints what the tests have said that they did not run, by what was lacking.
pub(crate) fn not_run(list: &Path) -> Result<()> {
    let text = fs::read_to_string(list).with_context(|| format!("cannot read `{}`", list.display()))?;
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for line in text.lines() {
        *lines.entry(line).or_default() += 1;
    }
    for (line, times) in &lines {
        if *times == 1 { println!("{line}") } else { println!("{line} ({times} times)") }
    }
    match lines.len() {
        0 => println!("every test ran in full"),
        count => println!("NOT RUN: {count} tests or parts of tests, as listed above"),
    }
    Ok(())
}
