//! Warm start of a bundle against direct execution.

use anyhow::{Result, ensure};

use super::pairs::{Case, direct_case, interleaved, pack_busybox, report, scratch};
use crate::unibin::released;

/// Warm start of a bundle against executing the same program directly (native) and under the same emulator
/// (emulated).
pub(super) fn run(runs: usize) -> Result<()> {
    ensure!(runs > 0, "`--runs` wants at least 1");
    let unibin = released()?;
    let directory = scratch()?;
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
