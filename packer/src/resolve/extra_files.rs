//! `--add` and `--exclude`: what is added to the tree, and what is left out.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use bundle::{TreePath, directory_of, join};

use crate::components::owners::Origin;
use crate::error::{Error, kind_of, shown};
use crate::input::given_tree::GivenTree;
use crate::request::{AppRequest, Entry};
use crate::resolve::layers::Layers;
use crate::say;
use crate::tree::app_tree::{App, Node};

/// Adds what was requested with its place in the tree, before the entries are looked at: it may be one.
pub(crate) fn add_placed(request: &AppRequest, layers: &mut Layers) -> Result<(), Error> {
    let placed = request.tree.adds.iter().filter_map(|(source, to)| Some((source, to.as_ref()?)));
    placed.into_iter().try_for_each(|(source, to)| copy(source, to, layers))
}

/// Adds the rest, whose place depends on the entries.
pub(crate) fn add_others(request: &AppRequest, layers: &mut Layers, entries: &[Entry]) -> Result<(), Error> {
    for (source, _) in request.tree.adds.iter().filter(|(_, to)| to.is_none()) {
        copy(source, &default_destination(request, source, entries)?, layers)?;
    }
    Ok(())
}

/// What lies in a sysroot keeps its place; everything else goes beside the first program.
fn default_destination(request: &AppRequest, source: &Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let real = source.canonicalize().map_err(|error| Error::io("open", source, error))?;
    let inside = request.tree.sysroots.iter().find_map(|root| {
        let rest = real.strip_prefix(root.canonicalize().ok()?).ok()?;
        (!rest.as_os_str().is_empty()).then(|| rest.as_os_str().as_bytes().to_vec())
    });
    if let Some(inside) = inside {
        return Ok(inside);
    }
    let name = real.file_name().ok_or_else(|| Error::NoFileName { path: source.to_owned() })?;
    let program = entries.first().map_or(&b""[..], |entry| &entry.path);
    Ok(join(directory_of(program), name.as_bytes()))
}

fn copy(source: &Path, to: &[u8], layers: &mut Layers) -> Result<(), Error> {
    let failed = |error| Error::io("read", source, error);
    let kind = fs::symlink_metadata(source).map_err(failed)?.file_type();
    let node = if kind.is_symlink() {
        Node::Symlink(fs::read_link(source).map_err(failed)?.into_os_string().into_vec())
    } else if kind.is_dir() {
        layers.app.place(to, Node::Directory)?;
        let mut names = fs::read_dir(source).map_err(failed)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.by_ref().collect::<Result<Vec<_>, std::io::Error>>().map_err(failed)?;
        names.sort();
        for name in names {
            copy(&source.join(&name), &join(to, name.as_bytes()), layers)?;
        }
        return Ok(());
    } else if kind.is_file() {
        layers.spool.file(source)?
    } else {
        say::warning(&format!("`{}` is {}: skipped", shown(source), kind_of(kind)));
        return Ok(());
    };
    let place = layers.app.place(to, node)?;
    layers.origins.insert(place, Origin::other(&source.display().to_string()));
    Ok(())
}

/// Removes what `--exclude` names: everything that matches, and everything below a matching directory.
/// Returns the patterns that match nothing.
pub(crate) fn exclude<'r>(request: &'r AppRequest, app: &mut App) -> BTreeSet<&'r [u8]> {
    let mut unmatched = BTreeSet::new();
    for pattern in &request.tree.excludes {
        let fits = |path: &[u8]| {
            let directories = TreePath::new(path).into_iter().flat_map(TreePath::ancestors);
            directories.map(TreePath::bytes).chain([path]).any(|path| closure::matches(pattern, path))
        };
        let before = app.nodes().count();
        app.remove(&fits);
        if app.nodes().count() == before {
            unmatched.insert(pattern.as_slice());
        }
    }
    unmatched
}

/// Says which patterns match nothing, here and in the tree that was given.
pub(crate) fn tell<'r>(unmatched: impl Iterator<Item = &'r [u8]>, given: Option<&GivenTree>) {
    for pattern in unmatched {
        if !given.is_some_and(|given| given.excluded.iter().any(|excluded| excluded == pattern)) {
            say::warning(&format!("`--exclude {}` matches nothing in the app", pattern.escape_ascii()));
        }
    }
}
