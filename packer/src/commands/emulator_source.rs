//! `unibin emulator source`: downloads the source packages of emulators into a directory that can be
//! published beside a release. Each file is checked against the digest in the archive's signed index.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use debian::{ArchiveError, FetchError};

use crate::cli::ArchiveArgs;
use crate::error::Error;
use crate::packages::suites;
use crate::progress::Bars;
use crate::units::size;

/// The suites that emulators come from, in the order in which they are searched.
const SUITES: [&str; 3] = ["trixie", "sid", "bookworm"];

/// Downloads each of `wanted`, name and version, into `to`. One that no suite has any more is an error,
/// reported after all others were downloaded.
pub(crate) fn fetch(
    wanted: &BTreeSet<(String, String)>,
    to: &Path,
    args: &ArchiveArgs,
) -> Result<String, Error> {
    fs::create_dir_all(to).map_err(|source| Error::io("make", to, source))?;
    let bars = Bars::default();
    let mut missing = wanted.clone();
    let mut text = String::new();
    let named = args.suite.as_deref().map_or(SUITES.to_vec(), |suite| vec![suite]);
    for suite in named {
        if missing.is_empty() {
            break;
        }
        let bar = bars.bar(suite);
        let archive = suites::open_suite(args, suite, &bar)?;
        let found = archive.sources(|name| missing.iter().any(|(wanted, _)| wanted == name));
        for source in found? {
            let name = (source.name.clone(), source.version.clone());
            if !missing.contains(&name) {
                continue;
            }
            let mut files = source.files.iter();
            let fetched =
                files.try_for_each(|file| archive.download_source(&source, file, &to.join(&file.name)));
            match fetched {
                Ok(()) => drop(missing.remove(&name)),
                // The index of a mirror may be older than its pool.
                Err(ArchiveError::Fetch(FetchError::NotFound { .. })) => continue,
                Err(error) => return Err(error.into()),
            }
            let total = source.files.iter().map(|file| file.size).sum();
            let _ = writeln!(text, "{} {} ({})", source.name, source.version, size(total));
        }
    }
    if missing.is_empty() {
        return Ok(text);
    }
    let names: Vec<String> = missing.iter().map(|(name, version)| format!("{name} {version}")).collect();
    Err(Error::SourcesGone { names })
}
