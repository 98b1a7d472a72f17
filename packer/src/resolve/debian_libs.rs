//! `--libs debian`: libraries that no other source has, out of the packages that have a file of that name. Whole packages
//! are fetched, but only the files that a loader asks for go into the app.

use std::collections::BTreeMap;

use closure::{Loader, Missing};

use crate::cli::ArchiveArgs;
use crate::error::Error;
use crate::notices::Owed;
use crate::packages::deb::Debs;
use crate::request::last_part;
use crate::resolve::complete::Search;
use crate::resolve::layers::Layers;
use crate::tree::app_tree::Node;

/// Fetches what is missing into the pool; `None` when nothing of it could be had.
pub(crate) fn fetch(
    search: &Search<'_>,
    loader: Option<&Loader>,
    missing: &[Missing],
    layers: &mut Layers,
) -> Result<Option<Owed>, Error> {
    let (Some(debs), Some(_)) = (search.debs, &search.request.tree.libs) else { return Ok(None) };
    let mut names: Vec<String> = Vec::new();
    for one in missing {
        let found = holder(debs, loader, &one.name)?;
        names.extend(found.filter(|name| !names.contains(name)));
        // The loader comes first: it says in which directories the others are searched for.
        if one.name.contains(&b'/') && !names.is_empty() {
            break;
        }
    }
    names.retain(|name| !layers.fetched.contains(name));
    if names.is_empty() {
        return Ok(None);
    }
    let packages = names.iter().map(|name| debs.named(name)).collect::<Result<Vec<_>, _>>()?;
    let packed = debs.tree(&packages, &mut layers.spool)?;
    for (path, node) in packed.app.nodes().filter(|(_, node)| !matches!(node, Node::Directory)) {
        layers.pool.put(path, node.clone())?;
    }
    layers.origins.extend(packed.origins);
    layers.fetched.extend(names);
    Ok(Some(packed.owed))
}

/// Which packages have what is missing. What cannot be found out is left out: the names are missing either way.
pub(crate) fn holders(
    search: &Search<'_>,
    loader: Option<&Loader>,
    missing: &[Missing],
) -> BTreeMap<Vec<u8>, String> {
    let row =
        |debs: &Debs<'_>, one: &Missing| Some((one.name.clone(), holder(debs, loader, &one.name).ok()??));
    let rows = |debs: &Debs<'_>| missing.iter().filter_map(|one| row(debs, one)).collect();
    if let Some(debs) = search.debs {
        return rows(debs);
    }
    // Nobody asked Debian now: what it said before is told, and nothing is fetched for an error.
    let args = ArchiveArgs { offline: true, ..search.request.archive.clone() };
    Debs::open(&args, search.target, &debian::Silent).map_or_else(|_| BTreeMap::new(), |debs| rows(&debs))
}

/// The package that has `name` where the loader would look: at its path, or in a directory that is built into the loader.
fn holder(debs: &Debs<'_>, loader: Option<&Loader>, name: &[u8]) -> Result<Option<String>, Error> {
    let path = name.contains(&b'/').then(|| in_usr(name));
    let directories: Vec<Vec<u8>> =
        loader.iter().flat_map(|loader| &loader.directories).map(|directory| in_usr(directory)).collect();
    let fits = |found: &[u8]| {
        let found = in_usr(found);
        let directory =
            found.strip_suffix(last_part(&found)).and_then(|directory| directory.strip_suffix(b"/"));
        match &path {
            Some(path) => found == *path,
            None => directory.is_some_and(|directory| directories.iter().any(|other| other == directory)),
        }
    };
    let holders = debs.holders(last_part(name))?.iter().filter(|holder| fits(&holder.path));
    let mut names = holders.map(|holder| holder.package.clone()).filter(|name| debs.named(name).is_ok());
    Ok(names.next())
}

/// A path as merged-/usr systems have it, without `/usr` before it, so that both spellings are one.
fn in_usr(path: &[u8]) -> Vec<u8> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_prefix(b"usr/").unwrap_or(path).to_vec()
}
