//! What the built-in catalogue knows about hosts and pairs: for lists, and to explain what is missing.

use bundle::{Arch, EmulatorKey};
use emulator::Catalogue;
use serde::Serialize;

/// Name and version of the catalogue's emulator for a pair.
pub(crate) fn emulator(key: EmulatorKey) -> Option<String> {
    let catalogue = Catalogue::embedded().ok()?;
    in_catalogue(&catalogue, key)
}

/// The emulators of one package in the catalogue.
#[derive(Debug, Serialize)]
pub(crate) struct Supply {
    pub(crate) translator: String,
    pub(crate) version: String,
    /// Name and version of the source package.
    pub(crate) source: String,
    pub(crate) limits: Vec<String>,
}

/// The catalogue's emulators for a host, in the order in which they are tried.
pub(crate) fn supplies(host: Arch) -> Vec<Supply> {
    let catalogue = Catalogue::embedded().unwrap_or_default();
    let supply = |row: &emulator::catalogue::Row| Supply {
        translator: row.translator.clone(),
        version: row.version.clone(),
        source: format!("{} {}", row.package.source, row.package.source_version),
        limits: row.limits.clone(),
    };
    catalogue.rows(host).map(supply).collect()
}

/// Why the catalogue has no emulator for a pair, and the closest alternative; `None` if it has one.
pub(crate) fn none_for(key: EmulatorKey) -> Option<String> {
    let nothing = Catalogue::embedded().ok()?.find(key).err()?;
    Some(format!("{nothing}: {}", nothing.hint().unwrap_or_default()))
}

pub(crate) fn in_catalogue(catalogue: &Catalogue, key: EmulatorKey) -> Option<String> {
    catalogue.find(key).ok().map(|(row, _)| format!("{} {}", row.translator, row.version))
}
