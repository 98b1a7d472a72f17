//! Benchmarks against the alternative, interleaved in one run, since only ratios of neighbours mean anything
//! on a machine that others use too. Nothing here passes or fails.

mod chart;
mod children;
mod cold;
mod emulator;
mod fetch;
mod interrupted;
mod large;
mod packing;
mod pairs;
mod pauth;
mod peers;
mod start;
mod view;

use anyhow::{Context, Result, bail};

/// Runs of each command that are counted.
const RUNS: usize = 200;

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["start"] => start::run(RUNS),
        ["start", "--runs", runs] => start::run(runs.parse().context("`--runs` wants a number")?),
        ["fetch"] => fetch::run(),
        ["children"] => children::run(RUNS / 10),
        ["children", "--runs", runs] => children::run(runs.parse().context("`--runs` wants a number")?),
        ["emulator"] => emulator::run(RUNS / 20, None),
        ["emulator", "--runs", runs] => emulator::run(runs.parse().context("`--runs` wants a number")?, None),
        ["emulator", "--target", target] => {
            emulator::run(RUNS / 20, Some(bundle::Arch::from_name(target).context("unknown target")?))
        }
        ["view"] => view::run(RUNS / 20),
        ["view", "--runs", runs] => view::run(runs.parse().context("`--runs` wants a number")?),
        ["pauth"] => pauth::run(RUNS / 10),
        ["pauth", "--runs", runs] => pauth::run(runs.parse().context("`--runs` wants a number")?),
        [what @ ("cold" | "pack" | "size" | "all"), ref options @ ..] => large::run(what, options),
        _ => bail!(
            "usage: cargo xtask bench start [--runs N] | children [--runs N] | pauth [--runs N] | \
             emulator [--runs N | --target T] | view [--runs N] | fetch | \
             cold|pack|size|all [--runs N] [--tree DIR] [--write-docs]"
        ),
    }
}
