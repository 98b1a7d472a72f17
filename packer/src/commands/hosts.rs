//! `unibin hosts` and `unibin targets`: the table of architectures, and the pairs that an emulator is known
//! for.

use std::fmt::Write;

use bundle::{Arch, EmulatorKey};
use serde::Serialize;

use crate::emulators::builtin_catalogue::{self, Supply};
use crate::json;

#[derive(Serialize)]
struct HostRow {
    host: &'static str,
    uname: &'static [&'static str],
    /// Whether it is one of the default hosts.
    default: bool,
    /// Targets that an emulator is known for.
    emulated: Vec<&'static str>,
    /// The emulators, in the order in which they are tried.
    supplies: Vec<Supply>,
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
                .filter(|target| {
                    builtin_catalogue::emulator(EmulatorKey { host, target: **target }).is_some()
                })
                .map(|target| target.name())
                .collect(),
            supplies: builtin_catalogue::supplies(host),
        })
        .collect();
    if json {
        return json::text(&rows);
    }
    let mut text = String::new();
    for row in &rows {
        let default = if row.default { "default" } else { "" };
        let count = row.emulated.len();
        let names = row.supplies.iter().map(|supply| {
            let count = supply.targets.len();
            format!("{} {} ({count})", supply.translator, supply.version)
        });
        let names = names.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "{:<12} {default:<8} emulates {count} targets by {names}", row.host);
    }
    // Most hosts have the same limits: list each once, with the hosts that it applies to.
    let mut limits: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in &rows {
        for limit in row.supplies.iter().flat_map(|supply| &supply.limits) {
            match limits.iter_mut().find(|(text, _)| text == limit) {
                // Emulators of one host often have the same limits.
                Some((_, hosts)) if hosts.last() == Some(&row.host) => {}
                Some((_, hosts)) => hosts.push(row.host),
                None => limits.push((limit, vec![row.host])),
            }
        }
    }
    let _ = writeln!(text, "\nlimits:");
    for (limit, hosts) in limits {
        let hosts = if hosts.len() == rows.len() { "all".to_owned() } else { hosts.join(", ") };
        let _ = writeln!(text, "  {hosts}: {limit}");
    }
    text
}

#[derive(Serialize)]
struct TargetRow {
    target: &'static str,
    shape: &'static str,
    /// Whether the catalogue has emulators for it; if not, the user must supply one.
    catalogue: bool,
    /// Hosts that run its programs, natively or emulated.
    hosts: Vec<&'static str>,
    /// Why each other host does not, and the closest alternative.
    missing: Vec<String>,
}

/// Lists the targets.
pub(crate) fn targets(json: bool) -> String {
    let rows: Vec<_> = Arch::ALL
        .iter()
        .map(|target| TargetRow {
            target: target.name(),
            shape: target.bits_and_endian(),
            catalogue: target.is_catalogued(),
            hosts: Arch::HOSTS
                .into_iter()
                .filter(|host| {
                    host == target
                        || builtin_catalogue::emulator(EmulatorKey { host: *host, target: *target }).is_some()
                })
                .map(Arch::name)
                .collect(),
            missing: Arch::HOSTS
                .into_iter()
                .filter(|host| host != target)
                .filter_map(|host| builtin_catalogue::none_for(EmulatorKey { host, target: *target }))
                .collect(),
        })
        .collect();
    if json {
        return json::text(&rows);
    }
    let mut text = String::new();
    for row in rows {
        if !row.catalogue {
            let _ = writeln!(text, "{:<12} {:<21} by translators of your own", row.target, row.shape);
            continue;
        }
        let _ = writeln!(text, "{:<12} {:<21} on {}", row.target, row.shape, row.hosts.join(" "));
        for none in row.missing {
            let _ = writeln!(text, "  {none}");
        }
    }
    text
}
