//! Adds the plug-in sets of crate `closure`'s table: from the layers, and, if there is an archive, from the
//! packages that the table names.

use closure::{Closure, Object, PluginSet};

use crate::error::Error;
use crate::resolve::layers::Layers;
use crate::resolve::search::Search;
use crate::tree::app_tree::Node;

/// What [`add`] has added.
#[derive(Default)]
pub(crate) struct Added {
    /// Sets of which at least one file was found.
    pub(crate) sets: Vec<&'static PluginSet>,
    /// Their files that are libraries, which may need others.
    pub(crate) libraries: Vec<Vec<u8>>,
}

/// Adds the files of all sets that the programs bring in to the app, except for those in `there` already.
pub(crate) fn add(
    search: &Search<'_>,
    found: &[Closure],
    there: &[&'static PluginSet],
    layers: &mut Layers,
) -> Result<Added, Error> {
    let mut added = Added::default();
    for (one, program) in found.iter().zip(search.programs) {
        for set in closure::plugin_sets(one, program) {
            if there.contains(&set) || added.sets.contains(&set) {
                continue;
            }
            fetch(search, set, one, layers)?;
            let files = set.files_in(&layers.tree(), one)?;
            if files.is_empty() {
                continue;
            }
            added.sets.push(set);
            for path in files {
                let Some(resolved) = layers.resolve(&path)? else { continue };
                layers.take(&resolved)?;
                let Some((_, Node::File { content, .. })) = layers.app.file(&resolved.path) else { continue };
                let object = Object::read(&mut content.reader());
                if object.is_ok_and(|object| object.arch == one.program.arch) {
                    added.libraries.push(resolved.path);
                }
            }
        }
    }
    Ok(added)
}

/// Adds a set's files from its own packages to the pool, if no layer has any.
fn fetch(search: &Search<'_>, set: &PluginSet, one: &Closure, layers: &mut Layers) -> Result<(), Error> {
    let Some(suite) = search.suite.filter(|_| !set.packages.is_empty()) else { return Ok(()) };
    if !set.files_in(&layers.tree(), one)?.is_empty() {
        return Ok(());
    }
    let packages = set.packages.iter().map(|name| suite.named(name)).collect::<Result<Vec<_>, _>>()?;
    let packages = suite.tree(&packages, &mut layers.spool)?;
    for (path, node) in packages.app.nodes() {
        if matches!(node, Node::File { .. } | Node::Symlink(_))
            && set.files.iter().any(|pattern| closure::matches(pattern.as_bytes(), path))
        {
            layers.pool.place(path, node.clone())?;
            if let Some(origin) = packages.origins.get(path) {
                layers.origins.insert(path.to_vec(), origin.clone());
            }
        }
    }
    layers.know(packages.packages);
    layers.owe(packages.owed);
    Ok(())
}
