//! `unibin hosts` and `unibin targets`: the table of CPUs, and which pairs an emulator is known for.

use std::fmt::Write;

use bundle::{Arch, EmulatorKey};
use serde::Serialize;

use crate::{emulators, json};

#[derive(Serialize)]
struct HostRow {
    host: &'static str,
    uname: &'static [&'static str],
    /// Whether `--hosts` means it when it is not given.
    default: bool,
    /// Targets that an emulator is known for.
    emulated: Vec<&'static str>,
}

/// Lists the hosts.
pub(crate) fn hosts(json: bool) -> String {
    let rows: Vec<_> = Arch::HOSTS
        .into_iter()
        .map(|host| HostRow {
            host: host.name(),
            uname: host.uname_names(),
            default: Arch::DEFAULT_HOSTS.contains(&host),
            emulated: Arch::ALL
                .iter()
                .filter(|target| emulators::known(EmulatorKey { host, target: **target }).is_some())
                .map(|target| target.name())
                .collect(),
        })
        .collect();
    if json {
        return json::text(&rows);
    }
    let mut text = String::new();
    for row in rows {
        let default = if row.default { "default" } else { "" };
        let _ = writeln!(text, "{:<12} {default:<8} emulates {} targets", row.host, row.emulated.len());
    }
    text
}

#[derive(Serialize)]
struct TargetRow {
    target: &'static str,
    shape: &'static str,
    /// Hosts that run its programs, natively or emulated.
    hosts: Vec<&'static str>,
}

/// Lists the targets.
pub(crate) fn targets(json: bool) -> String {
    let rows: Vec<_> = Arch::ALL
        .iter()
        .map(|target| TargetRow {
            target: target.name(),
            shape: target.bits_and_endian(),
            hosts: Arch::HOSTS
                .into_iter()
                .filter(|host| {
                    host == target || emulators::known(EmulatorKey { host: *host, target: *target }).is_some()
                })
                .map(Arch::name)
                .collect(),
        })
        .collect();
    if json {
        return json::text(&rows);
    }
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{:<12} {:<21} on {}", row.target, row.shape, row.hosts.join(" "));
    }
    text
}
