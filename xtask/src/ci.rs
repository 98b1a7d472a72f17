//! What continuous integration runs, step by step.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// Every check of the house. Fails at the first step that does.
pub(crate) fn run() -> Result<()> {
    let workspace = crate::workspace();
    cargo(&workspace, "format", &["fmt", "--all", "--check"])?;
    step("tidy", crate::tidy::run)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    cargo(&workspace, "lints", &clippy)?;
    let broker =
        ["clippy", "--package=launcher", "--features=children", "--all-targets", "--", "-D", "warnings"];
    cargo(&workspace, "lints of the broker", &broker)?;
    step("launchers are what the source gives", || crate::launchers::run(&["--check".to_owned()]))?;
    step("launchers keep their rules", crate::verify::run)?;
    step("compiler of the tests", crate::tools::run)?;
    cargo(&workspace, "tests", &["test", "--workspace"])?;
    step("examples", crate::examples::run)?;
    let [package, feature] = crate::test::OF_THE_BROKER;
    cargo(&workspace, "tests of the broker", &["test", package, feature])?;
    step("lab: a broken launcher is seen", || crate::lab::run(&["--self-test".into(), "--fast".into()]))?;
    // Every machine would take twice as long, which such a run may not: the other kernels with the next commit.
    step("lab: one machine of each host", || crate::lab::run(&["each".into()]))?;
    step("fuzzers, shortly", || crate::fuzz::run(&[]))?;
    step("benchmark: it runs", || crate::bench::run(&["start".into(), "--runs".into(), "20".into()]))
}

pub(crate) fn cargo_command(workspace: &Path) -> Command {
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
