//! Brings in the families of plug-ins and data of crate `closure`'s table: out of the layers, and where an archive is at
//! hand out of the packages that the table names.

use closure::{Closure, Family, Object};

use crate::error::Error;
use crate::notices::{Owed, together};
use crate::resolve::complete::Search;
use crate::resolve::inventory::Listing;
use crate::resolve::layers::{Layers, unreadable};
use crate::tree::app_tree::Node;

/// Takes the files of all families into the app; gives those that are libraries themselves.
pub(crate) fn add(
    search: &Search<'_>,
    found: &[Closure],
    layers: &mut Layers,
    listing: &mut Listing,
    owed: &mut Option<Owed>,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut plugins = Vec::new();
    for (one, program) in found.iter().zip(search.programs) {
        for family in closure::families(one, program) {
            if listing.families.iter().any(|name| name == family.name) {
                continue;
            }
            if let Some(fetched) = fetch(search, family, one, layers)? {
                *owed = together(owed.take(), Some(fetched));
            }
            let files = family.files_in(&layers.tree(), one).map_err(|fault| unreadable(&fault))?;
            if files.is_empty() {
                continue;
            }
            listing.families.push(family.name.to_owned());
            for path in files {
                let Some(place) = layers.find(&path)? else { continue };
                layers.take(&place)?;
                let Some((_, Node::File { content, .. })) = layers.app.file(&place.path) else { continue };
                let object = Object::read(&mut content.reader());
                if object.is_ok_and(|object| object.arch == one.program.arch) {
                    plugins.push(place.path);
                }
            }
        }
    }
    Ok(plugins)
}

/// Puts a family's files out of its own packages into the pool, where no layer has any.
fn fetch(
    search: &Search<'_>,
    family: &Family,
    one: &Closure,
    layers: &mut Layers,
) -> Result<Option<Owed>, Error> {
    let Some(debs) = search.debs.filter(|_| !family.packages.is_empty()) else { return Ok(None) };
    if !family.files_in(&layers.tree(), one).map_err(|fault| unreadable(&fault))?.is_empty() {
        return Ok(None);
    }
    let packages = family.packages.iter().map(|name| debs.named(name)).collect::<Result<Vec<_>, _>>()?;
    let packed = debs.tree(&packages, &mut layers.spool)?;
    for (path, node) in packed.app.nodes() {
        if matches!(node, Node::File { .. } | Node::Symlink(_))
            && family.files.iter().any(|pattern| closure::matches(pattern.as_bytes(), path))
        {
            layers.pool.put(path, node.clone())?;
            if let Some(origin) = packed.origins.get(path) {
                layers.origins.insert(path.to_vec(), origin.clone());
            }
        }
    }
    Ok(Some(packed.owed))
}
