//! What an aarch64 program costs with and without pointer authentication, for which QEMU calls a helper at
//! each function.

use std::ffi::OsString;

use anyhow::{Context, Result, ensure};

use super::pairs::{Case, interleaved, pack_busybox, report};
use crate::unibin::released;

/// Busy for a second or so, with many calls of functions.
const SCRIPT: &str = "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done";

pub(super) fn run(runs: usize) -> Result<()> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    let unibin = released()?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let bundle = pack_busybox(&unibin, directory.path(), "aarch64", "none")?;
    let case = |script: &str, with: bool| Case {
        program: if with { "env".into() } else { bundle.clone() },
        arguments: [OsString::from("UNIBIN_EMULATOR_OPTIONS=-cpu max"), bundle.clone().into()]
            .into_iter()
            .filter(|_| with)
            .chain(["sh", "-c", script].map(OsString::from))
            .collect(),
        cache: directory.path().join("cache"),
        children: "none",
    };
    println!("{:34} {:>9} {:>9} {:>9} {:>7}", "ms", "min", "median", "p90", "ratio");
    for (name, script) in [("start", "true"), ("50,000 turns of a shell's loop", SCRIPT)] {
        let [with, without] = interleaved(&case(script, true), &case(script, false), runs)?;
        report(&format!("{name}, signed"), &with, Some(&without));
        report(&format!("{name}, as packed"), &without, None);
    }
    Ok(())
}
