//! The sources of the emulators in a bundle, which the GPL asks for (docs/distributing.md).

use std::path::Path;

use bundle::EmulatorKey;

use crate::cli::PackArgs;
use crate::commands::emulator_source;
use crate::emulators::Emulators;
use crate::error::Error;
use crate::say;
use crate::write::bundle_file::BundleFile;

/// Writes the sources of the emulators in `bundle`, which was packed as `args` say. A bundle without
/// emulators has none.
pub(super) fn write(bundle: &BundleFile, args: &PackArgs, to: &Path) -> Result<(), Error> {
    let manifest = bundle.manifest()?;
    let mut keys: Vec<EmulatorKey> = manifest.translators().map(|row| row.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let own = |key: &EmulatorKey| args.emulator.iter().any(|(host, _)| *host == key.host);
    if keys.iter().any(own) {
        say::warning("the sources of emulators that `emulator` names are not known: add them yourself");
    }
    keys.retain(|key| !own(key));
    if keys.is_empty() {
        return Ok(());
    }
    let wanted = Emulators::open(&args.archive)?.sources(&keys, false)?;
    emulator_source::fetch(wanted, to, &args.archive).map(drop)
}
