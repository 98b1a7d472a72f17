//! A package of Debian's archive, fetched once for all tests, for what they need besides the programs that
//! `unibin` packs.

use std::path::Path;

use debian::{Archive, ArchiveOptions, Deb, Silent};

/// The package `name` of `suite` for a CPU that Debian calls `architecture`, kept in `directory`. `Err` where
/// the mirror lacks it. Who calls this holds a lock.
pub(crate) fn deb(directory: &Path, suite: &str, architecture: &str, name: &str) -> Result<Deb, String> {
    let archive = Archive::open(ArchiveOptions::new(directory.to_owned(), &Silent), suite);
    let archive = archive.map_err(|error| error.to_string())?;
    let index = archive.packages(architecture).map_err(|error| error.to_string())?;
    let package = index.find(name).ok_or_else(|| format!("{suite} has no `{name}` for {architecture}"))?;
    let file = archive.download(package).map_err(|error| error.to_string())?;
    Deb::open(&file).map_err(|error| error.to_string())
}
