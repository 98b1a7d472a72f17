//! `unibin thin`: a bundle for fewer hosts, out of one for many. A build stays if a launcher on one of them
//! would choose it (`launcher/src/route.rs`).

use bundle::Arch;

use crate::cli::compose::ThinArgs;
use crate::cli::values::{Head, Hosts};
use crate::compose::{parts, written};
use crate::error::{ComposeError, Error};
use crate::request::is_told_of_tree;
use crate::write::assemble::Parts;
use crate::write::bundle_file::BundleFile;

/// Writes the bundle without what the hosts that stay have no use for.
pub(crate) fn thin(args: &ThinArgs) -> Result<String, Error> {
    let bundle = BundleFile::open(&args.file)?;
    let mut parts = parts::of(&bundle)?;
    if let Some(head) = args.head {
        parts.head = head;
    }
    let inside: Vec<Arch> = parts.launchers.iter().map(|(host, _)| *host).collect();
    let hosts = match (args.head, &args.hosts) {
        // Nothing else can start such a file.
        (Some(Head::Elf(host)), _) => vec![host],
        (_, Some(Hosts::Listed(hosts))) => hosts.clone(),
        (_, Some(Hosts::All) | None) => inside,
    };
    let served: Vec<Arch> =
        parts.launchers.iter().map(|(host, _)| *host).filter(|host| is_served(&parts, *host)).collect();
    let missing: Vec<_> = hosts.iter().copied().filter(|host| !served.contains(host)).collect();
    if !missing.is_empty() {
        return Err(ComposeError::NotServed { path: args.file.clone(), missing, served }.into());
    }
    keep(&mut parts, &hosts);
    written(&parts, &args.output, args.list.json)
}

/// Whether something runs on `host`.
fn is_served(parts: &Parts, host: Arch) -> bool {
    let baseline = || parts.variants.iter().filter(|variant| variant.level == 0);
    baseline().any(|variant| variant.target == host || emulates(parts, host, variant.target))
}

fn emulates(parts: &Parts, host: Arch, target: Arch) -> bool {
    let mut keys = parts.emulators.iter().flat_map(|packed| &packed.emulators).map(|row| row.key);
    keys.any(|key| (key.host, key.target) == (host, target))
}

/// Takes out what none of `hosts` can use.
fn keep(parts: &mut Parts, hosts: &[Arch]) {
    parts.launchers.retain(|(host, _)| hosts.contains(host));
    parts.brokers.retain(|(host, _)| hosts.contains(host));
    parts.components.retain(|(host, _)| hosts.contains(host));
    parts.emulators.retain(|packed| packed.emulators.iter().any(|row| hosts.contains(&row.key.host)));
    let emulated: Vec<Arch> = hosts.iter().filter_map(|host| emulated_on(parts, *host)).collect();
    parts.variants.retain(|variant| {
        hosts.contains(&variant.target) || variant.level == 0 && emulated.contains(&variant.target)
    });
    for number in 0..parts.variants.len() {
        let target = parts.variants[number].target;
        if !lays_trees(parts, target) {
            let rules = &mut parts.variants[number].rules;
            *rules = parts::without_mounts_of_emulators(rules);
        }
    }
}

/// The target that `host` emulates: that of the first variant that it can. Where there is a native one too,
/// it is what `UNIBIN_ROUTE=emulated` starts.
fn emulated_on(parts: &Parts, host: Arch) -> Option<Arch> {
    let mut baseline = parts.variants.iter().filter(|variant| variant.level == 0);
    baseline.find(|variant| emulates(parts, host, variant.target)).map(|variant| variant.target)
}

/// Whether an emulator of `target` is there that is told of the tree, as `pack` asks before it adds mounts.
fn lays_trees(parts: &Parts, target: Arch) -> bool {
    let mut rows = parts.emulators.iter().flat_map(|packed| &packed.emulators);
    rows.any(|row| row.key.target == target && is_told_of_tree(&row.rules))
}
