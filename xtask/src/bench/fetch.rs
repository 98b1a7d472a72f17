//! Bytes that an emulator takes over the network.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::unibin::released;

/// What `unibin emulator fetch` transfers for riscv64 programs, host by host, out of an empty store, against
/// the packages.
pub(super) fn run() -> Result<()> {
    let unibin = released()?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let catalogue = emulator::Catalogue::embedded()?;
    println!("{:14} {:>12} {:>12} {:>7} {:>9}", "fetched for", "bytes", "package", "part", "seconds");
    for host in bundle::Arch::HOSTS {
        let target = if host == bundle::Arch::Riscv64 { bundle::Arch::S390x } else { bundle::Arch::Riscv64 };
        let key = bundle::EmulatorKey { host, target };
        let (row, _) = catalogue.packaged(key).context("the catalogue has none")?;
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
