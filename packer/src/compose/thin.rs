//! `unibin thin`: a bundle for fewer hosts, out of one for many.

use bundle::Arch;

use crate::cli::compose::ThinArgs;
use crate::cli::values::{Head, Hosts};
use crate::compose::{parts, written};
use crate::error::{ComposeError, Error};
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
    let used: Vec<bool> = parts
        .variants
        .iter()
        .map(|variant| {
            let runs_on = |host: &Arch| variant.target == *host || emulates(parts, *host, variant.target);
            hosts.iter().any(runs_on)
        })
        .collect();
    let mut used = used.into_iter();
    parts.variants.retain(|_| used.next().unwrap_or(true));
}
