//! Which images are made of a bundle: how each host runs the app, as its launcher would decide it. An image
//! cannot probe the machine, so an emulator with a probe is used only where there is no other.

use bundle::{Arch, Manifest, Rule, Translator, Variant};
use oci::Platform;

use crate::cli::values::Hosts;

/// One image to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route<'m> {
    pub(crate) host: Arch,
    /// Level of x86-64 that its machines must have.
    pub(crate) level: u16,
    pub(crate) variant: Variant<'m>,
    /// What runs the variant; nothing where it is native.
    pub(crate) translator: Option<Translator<'m>>,
}

impl Route<'_> {
    pub(crate) fn platform(&self) -> Platform {
        Platform::of(self.host, self.level)
    }

    /// Whether the programs that the app starts run too.
    pub(crate) fn runs_children(&self, manifest: &Manifest<'_>) -> bool {
        self.translator
            .is_none_or(|row| manifest.rules(row.rules).any(|rule| matches!(rule, Rule::Children(_))))
    }

    /// The largest memory pages that it supports, where that is known.
    pub(crate) fn pages(&self, manifest: &Manifest<'_>) -> Option<u64> {
        manifest.rules(self.translator?.rules).find_map(|rule| rule.pages())
    }
}

/// The images for `wanted`, and the hosts of these that nothing runs on. Those for the baseline of an
/// architecture come first: who does not know levels takes the first that fits.
pub(crate) fn routes<'m>(manifest: &Manifest<'m>, wanted: Option<&Hosts>) -> (Vec<Route<'m>>, Vec<Arch>) {
    let inside: Vec<Arch> = manifest.launchers().map(|row| row.host).collect();
    let (hosts, mut missing) = match wanted {
        Some(Hosts::Listed(hosts)) => (hosts.clone(), hosts.clone()),
        Some(Hosts::All) | None => (inside, Vec::new()),
    };
    let mut routes: Vec<Route<'m>> = hosts.iter().filter_map(|host| baseline(manifest, *host)).collect();
    for host in &hosts {
        let levels = manifest.variants().filter(|row| row.target == *host && row.level != 0);
        let mut levels: Vec<_> = levels
            .map(|variant| Route { host: *host, level: variant.level, variant, translator: None })
            .collect();
        levels.sort_by_key(|route| route.level);
        levels.dedup_by_key(|route| route.level);
        routes.extend(levels);
    }
    missing.retain(|host| !routes.iter().any(|route| route.host == *host));
    (routes, missing)
}

fn baseline<'m>(manifest: &Manifest<'m>, host: Arch) -> Option<Route<'m>> {
    let variants = || manifest.variants().filter(|variant| variant.level == 0);
    if let Some(variant) = variants().find(|variant| variant.target == host) {
        return Some(Route { host, level: 0, variant, translator: None });
    }
    variants().find_map(|variant| {
        let rows: Vec<Translator<'m>> = manifest
            .translators()
            .filter(|row| (row.key.host, row.key.target) == (host, variant.target))
            .collect();
        let is_plain = |row: &&Translator<'m>| {
            let mut rules = manifest.rules(row.rules);
            !rules.any(|rule| matches!(rule, Rule::Probe(_) | Rule::Pages(_)))
        };
        let row = rows.iter().find(is_plain).or(rows.first())?;
        Some(Route { host, level: 0, variant, translator: Some(*row) })
    })
}
