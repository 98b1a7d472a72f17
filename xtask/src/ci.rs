//! What continuous integration runs, step by step; also `cargo xtask test`, which is a part of it that runs anywhere.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// What the launcher has only where it is a broker. The feature is off elsewhere, so that the launcher is tested as it is.
const TESTS_OF_THE_BROKER: [&str; 3] = ["test", "--package=unibin-launcher", "--features=children"];

/// Every check of the house. Fails at the first step that does.
pub(crate) fn run() -> Result<()> {
    let workspace = crate::workspace();
    cargo(&workspace, "format", &["fmt", "--all", "--check"])?;
    step("tidy", crate::tidy::run)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    cargo(&workspace, "lints", &clippy)?;
    let broker = [
        "clippy",
        "--package=unibin-launcher",
        "--features=children",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    cargo(&workspace, "lints of the broker", &broker)?;
    step("launchers are what the source gives", || crate::launchers::run(&["--check".to_owned()]))?;
    step("launchers keep their rules", crate::verify::run)?;
    step("compiler of the tests", crate::tools::run)?;
    cargo(&workspace, "tests", &["test", "--workspace"])?;
    step("examples", crate::examples::run)?;
    cargo(&workspace, "tests of the broker", &TESTS_OF_THE_BROKER)?;
    step("lab: a broken launcher is seen", || crate::lab::run(&["--self-test".into(), "--fast".into()]))?;
    // Every machine would take twice as long, which such a run may not: the other kernels with the next commit.
    step("lab: one machine of each host", || crate::lab::run(&["each".into()]))?;
    step("fuzzers, shortly", || crate::fuzz::run(&[]))?;
    step("benchmark: it runs", || crate::bench::run(&["start".into(), "--runs".into(), "20".into()]))
}

/// All tests, on any machine: what it lacks is named, and the tests that need it say that they did not run.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    let workspace = crate::workspace();
    let mut lacking = Vec::new();
    if let Err(error) = crate::tools::run() {
        println!("NOT RUN: the tests that compile C: {error:#}");
        lacking.push("zig");
    }
    let namespaces = Command::new("unshare").args(["-Urm", "true"]).status();
    if !namespaces.is_ok_and(|status| status.success()) {
        println!("NOT RUN: the tests that need user namespaces (unshare -Urm): they are not to be had here");
        lacking.push("namespaces");
    }
    let mut command = cargo_command(&workspace);
    command.args(["test", "--workspace"]).args(arguments).env("UNIBIN_TEST_WITHOUT", lacking.join(","));
    let status = command.status().context("cannot run cargo")?;
    ensure!(status.success(), "tests failed");
    if arguments.is_empty() {
        cargo(&workspace, "tests of the broker", &TESTS_OF_THE_BROKER)?;
    }
    Ok(())
}

fn cargo_command(workspace: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace);
    command
}

fn cargo(workspace: &Path, name: &str, arguments: &[&str]) -> Result<()> {
    step(name, || {
        let status = cargo_command(workspace).args(arguments).status().context("cannot run cargo")?;
        ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
        Ok(())
    })
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("== {name}");
    let begin = Instant::now();
    work().with_context(|| format!("step `{name}`"))?;
    println!("== {name}: done in {} s", begin.elapsed().as_secs());
    Ok(())
}
