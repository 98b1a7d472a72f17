//! What continuous integration runs, step by step, and the table of seconds that each step took.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use end_to_end::cargo;

use crate::test::BROKER;

/// Every check of the house. Fails at the first step that does. The table of seconds is printed either way.
/// `--before "SECONDS NAME"` is a step that was taken before.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut steps = Steps::after(arguments)?;
    let outcome = all(&mut steps);
    print!("\n{}", steps.table());
    outcome
}

fn all(steps: &mut Steps) -> Result<()> {
    steps.cargo("format", &["fmt", "--all", "--check"])?;
    steps.run("tidy", crate::tidy::run)?;
    steps.run("links and book", crate::docs::run)?;
    steps.run("workflows", crate::workflows::run)?;
    steps.cargo("lints", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    let broker = [&["clippy"][..], &BROKER, &["--all-targets", "--", "-D", "warnings"]].concat();
    steps.cargo("lints of the broker", &broker)?;
    steps.run("launchers are what the source gives", launchers)?;
    steps.run("launchers keep their rules", crate::verify::run)?;
    steps.run("C compiler of the tests", crate::tools::run)?;
    steps.run("tests", || crate::test::run(&[]))?;
    steps.run("examples", crate::examples::run)?;
    steps.run("packages for the registry", crate::package::run)?;
    steps.run("lab: a broken launcher is seen", || {
        crate::lab::run(&["--self-test".into(), "--fast".into()])
    })?;
    // All sixteen take half an hour or more; these are three of them, other ones with each commit.
    steps.run("lab: three machines", || crate::lab::run(&["rotating".into()]))?;
    steps.run("fuzzers, briefly", || crate::fuzz::run(&[]))?;
    steps.run("benchmark: it runs", || crate::bench::run(&["start".into(), "--runs".into(), "20".into()]))
}

/// Debian's suites keep the source of a compiler for some weeks only. Where it is gone, the committed
/// launchers can't be compared with the source; the step after this one checks them all the same.
fn launchers() -> Result<()> {
    if let Err(error) = crate::rust_src::library(&crate::workspace()) {
        println!("NOT RUN: the launchers were not compared with their source: {error:#}");
        return Ok(());
    }
    crate::launchers::run(&["--check".to_owned()])
}

/// The steps so far, with their times.
struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    fn after(arguments: &[String]) -> Result<Self> {
        let mut done = Vec::new();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            if word != "--before" {
                bail!("unknown option `{word}` of `ci`");
            }
            let step = words.next().and_then(|step| step.split_once(' '));
            let (seconds, name) = step.context("`--before` wants seconds and a name")?;
            done.push((
                name.to_owned(),
                Duration::from_secs(seconds.parse().context("`--before` wants seconds")?),
            ));
        }
        Ok(Self { done })
    }

    fn run(&mut self, name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("== {name}");
        let begin = Instant::now();
        let outcome = work().with_context(|| format!("step `{name}`"));
        let took = begin.elapsed();
        println!("== {name}: {} s", took.as_secs());
        self.done.push((name.to_owned(), took));
        outcome
    }

    fn cargo(&mut self, name: &str, arguments: &[&str]) -> Result<()> {
        self.run(name, || {
            let status = cargo().args(arguments).status().context("cannot run cargo")?;
            ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
            Ok(())
        })
    }

    fn table(&self) -> String {
        let all: Duration = self.done.iter().map(|(_, took)| *took).sum();
        let mut text = String::from("seconds  step\n");
        let rows = self.done.iter().map(|(name, took)| (name.as_str(), *took)).chain([("all", all)]);
        for (name, took) in rows {
            let _ = writeln!(text, "{:7}  {name}", took.as_secs()); // writing to a String cannot fail
        }
        text
    }
}
