//! What is in a release, by name.

use std::path::Path;

use bundle::Arch;

use crate::cli::sbom::BillFormat;
use crate::compose::routes;
use crate::error::Error;
use crate::write::bundle_file::BundleFile;

/// Where it comes from.
pub(super) const PROVENANCE: &str = "provenance.json";

/// The list of its files.
pub(super) const ARTIFACTS: &str = "artifacts.json";

/// The directory for sources.
pub(super) const SOURCES: &str = "sources";

/// Bills of materials, and what their names end in.
pub(super) const BILLS: [(BillFormat, &str); 2] =
    [(BillFormat::CycloneDx, ".cdx.json"), (BillFormat::Spdx, ".spdx.json")];

/// The hosts that a bundle runs on.
pub(super) fn hosts_of(bundle: &Path) -> Result<Vec<Arch>, Error> {
    let line = routes::line(&BundleFile::open(bundle)?.manifest()?);
    Ok(line.split_whitespace().filter_map(Arch::from_name).collect())
}

/// What a file of a release is, by its name.
pub(super) fn kind(name: &str, bundle: &str) -> &'static str {
    match name {
        _ if name == bundle => "bundle",
        _ if name == PROVENANCE => "provenance",
        _ if name.split('/').next() == Some(SOURCES) && name.contains('/') => "source",
        _ if [".sig", ".minisig"].iter().any(|ending| name.ends_with(ending)) => "signature",
        _ if BILLS.iter().any(|(_, ending)| name.strip_suffix(ending) == Some(bundle)) => "sbom",
        _ => "thin",
    }
}
