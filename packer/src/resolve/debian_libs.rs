//! `--libs debian`: libraries that no other source has, from the packages that contain a file of that name.
//! Whole packages are fetched, but only the files that a loader asks for are added to the app.

use std::collections::BTreeMap;

use bundle::{directory_of, file_name_of};
use closure::{Loader, Missing};

use crate::cli::ArchiveArgs;
use crate::error::Error;
use crate::packages::deb::Suite;
use crate::resolve::layers::Layers;
use crate::resolve::search::Search;

/// Fetches what is missing into the pool; returns whether anything was found.
pub(crate) fn fetch(
    search: &Search<'_>,
    loader: Option<&Loader>,
    missing: &[Missing],
    layers: &mut Layers,
) -> Result<bool, Error> {
    let (Some(suite), Some(_)) = (search.suite, &search.request.tree.libs) else { return Ok(false) };
    let mut names: Vec<String> = Vec::new();
    for one in missing {
        let found = holder(suite, loader, &one.name)?;
        names.extend(found.filter(|name| !names.contains(name)));
        // The loader comes first: it determines in which directories the others are searched for.
        if one.name.contains(&b'/') && !names.is_empty() {
            break;
        }
    }
    names.retain(|name| !layers.fetched.contains(name));
    if names.is_empty() {
        return Ok(false);
    }
    let packages = names.iter().map(|name| suite.named(name)).collect::<Result<Vec<_>, _>>()?;
    let packages = suite.tree(&packages, &mut layers.spool)?;
    layers.pool_in(packages)?;
    layers.fetched.extend(names);
    Ok(true)
}

/// The packages that contain what is missing. Failures are ignored: the names are reported as missing either
/// way.
pub(crate) fn holders(
    search: &Search<'_>,
    loader: Option<&Loader>,
    missing: &[Missing],
) -> BTreeMap<Vec<u8>, String> {
    let row =
        |suite: &Suite<'_>, one: &Missing| Some((one.name.clone(), holder(suite, loader, &one.name).ok()??));
    let rows = |suite: &Suite<'_>| missing.iter().filter_map(|one| row(suite, one)).collect();
    if let Some(suite) = search.suite {
        return rows(suite);
    }
    // Debian was not asked now: use what is known, and fetch nothing for an error message.
    let args = ArchiveArgs { offline: true, ..search.request.archive.clone() };
    Suite::open(&args, search.target, &debian::Silent).map_or_else(|_| BTreeMap::new(), |suite| rows(&suite))
}

/// The package that has `name` where the loader would look: at its path, or in a built-in directory of the
/// loader.
fn holder(suite: &Suite<'_>, loader: Option<&Loader>, name: &[u8]) -> Result<Option<String>, Error> {
    let path = name.contains(&b'/').then(|| in_usr(name));
    let directories: Vec<Vec<u8>> =
        loader.iter().flat_map(|loader| &loader.directories).map(|directory| in_usr(directory)).collect();
    let fits = |found: &[u8]| {
        let found = in_usr(found);
        match &path {
            Some(path) => found == *path,
            None => directories.iter().any(|directory| directory == directory_of(&found)),
        }
    };
    let holders = suite.holders(file_name_of(name))?.iter().filter(|holder| fits(&holder.path));
    let mut names = holders.map(|holder| holder.package.clone()).filter(|name| suite.named(name).is_ok());
    Ok(names.next())
}

/// A path as merged-/usr systems have it, without the leading `/usr`, so that both spellings are the same.
fn in_usr(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_prefix(b"usr/").unwrap_or(path).to_vec()
}
