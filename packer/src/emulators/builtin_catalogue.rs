//! What the built-in catalogue knows about hosts and pairs: for lists, and to explain what is missing.

use std::sync::LazyLock;

use bundle::{Arch, EmulatorKey};
use emulator::{Catalogue, Known};
use serde::Serialize;

/// Read once: a list asks for every pair.
static CATALOGUE: LazyLock<Option<Catalogue>> = LazyLock::new(|| Catalogue::embedded().ok());

/// Name and version of the catalogue's emulator for a pair.
pub(crate) fn emulator(key: EmulatorKey) -> Option<String> {
    Some(CATALOGUE.as_ref()?.find(key).ok()?.to_string())
}

/// Emulators in the catalogue that have the same source: unibin's own, or those of one package.
#[derive(Debug, Serialize)]
pub(crate) struct Supply {
    pub(crate) translator: String,
    pub(crate) version: String,
    /// Name and version of the source package.
    pub(crate) source: String,
    /// SHA-256 of the recipe by which unibin's own were built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recipe: Option<String>,
    /// The targets that they are used for.
    pub(crate) targets: Vec<&'static str>,
    pub(crate) limits: Vec<String>,
}

/// The catalogue's emulators for a host, in the order in which they are tried.
pub(crate) fn supplies(host: Arch) -> Vec<Supply> {
    let Some(catalogue) = &*CATALOGUE else { return Vec::new() };
    let built = catalogue.built(host).map(|built| Supply {
        translator: built.translator().to_owned(),
        version: built.version.clone(),
        source: format!("{} {}", built.source.name, built.source.version),
        recipe: built.source.recipe.map(|recipe| recipe.to_string()),
        targets: names(built.members.keys().copied()),
        limits: emulator::built::LIMITS.map(str::to_owned).to_vec(),
    });
    let supply = |row: &emulator::catalogue::Row| Supply {
        translator: row.translator.clone(),
        version: row.version.clone(),
        source: format!("{} {}", row.package.source, row.package.source_version),
        recipe: None,
        targets: names(row.members.keys().copied().filter(|target| {
            let known = catalogue.find(EmulatorKey { host, target: *target });
            known.is_ok_and(|known| matches!(known, Known::Packaged(found, _) if found == row))
        })),
        limits: row.limits.clone(),
    };
    built.into_iter().chain(catalogue.rows(host).map(supply)).collect()
}

/// Why the catalogue has no emulator for a pair, and the closest alternative; `None` if it has one.
pub(crate) fn none_for(key: EmulatorKey) -> Option<String> {
    let nothing = CATALOGUE.as_ref()?.find(key).err()?;
    Some(format!("{nothing}: {}", nothing.hint().unwrap_or_default()))
}

fn names(targets: impl Iterator<Item = Arch>) -> Vec<&'static str> {
    targets.map(Arch::name).collect()
}
