//! How a bundle runs on each of its hosts, natively or by which emulator, as its launchers decide it
//! (`launcher/src/route.rs`).

use std::fmt;

use bundle::{Arch, Manifest};
use serde::Serialize;

use crate::error::readable;

/// How a bundle runs on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Route {
    /// A variant for its architecture.
    Native,
    /// Another variant, by an emulator.
    Emulated,
    /// There is a launcher, and nothing for it to start.
    None,
}

/// One host of a bundle.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct RouteRow {
    #[serde(serialize_with = "by_name")]
    pub(super) host: Arch,
    pub(super) route: Route,
    /// The architecture that is emulated.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'static str>,
    /// Name and version of the emulator.
    #[serde(skip_serializing_if = "Option::is_none")]
    emulator: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn by_name<S: serde::Serializer>(host: &Arch, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(host.name())
}

/// The hosts of a bundle, in its order.
pub(super) fn of(manifest: &Manifest<'_>) -> Vec<RouteRow> {
    manifest.launchers().map(|launcher| on(manifest, launcher.host)).collect()
}

/// The hosts that a bundle runs on, as one line of names.
pub(crate) fn line(manifest: &Manifest<'_>) -> String {
    let rows = of(manifest);
    let names = rows.iter().filter(|row| row.route != Route::None).map(|row| row.host.name());
    names.collect::<Vec<_>>().join(" ") + "\n"
}

fn on(manifest: &Manifest<'_>, host: Arch) -> RouteRow {
    let baseline = || manifest.variants().filter(|variant| variant.level == 0);
    if baseline().any(|variant| variant.target == host) {
        return RouteRow { host, route: Route::Native, target: None, emulator: None };
    }
    let by = baseline().find_map(|variant| {
        manifest.translators().find(|row| (row.key.host, row.key.target) == (host, variant.target))
    });
    match by {
        Some(row) => RouteRow {
            host,
            route: Route::Emulated,
            target: Some(row.key.target.name()),
            emulator: Some(format!("{} {}", readable(row.name), readable(row.version))),
        },
        None => RouteRow { host, route: Route::None, target: None, emulator: None },
    }
}

impl fmt::Display for RouteRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} ", self.host.name())?;
        match (self.route, &self.target, &self.emulator) {
            (Route::Native, ..) => f.write_str("native"),
            (Route::Emulated, Some(target), Some(emulator)) => write!(f, "{target} by {emulator}"),
            _ => f.write_str("nothing for it"),
        }
    }
}
