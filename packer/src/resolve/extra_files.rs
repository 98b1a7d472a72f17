//! `--add` and `--exclude`: what goes into the tree besides, and what does not.

use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::error::{Error, kind_of};
use crate::request::{Entry, Request, last_part};
use crate::resolve::layers::Layers;
use crate::say;
use crate::tree::app_tree::{App, Node};

/// Adds what was asked for.
pub(crate) fn add(request: &Request, layers: &mut Layers, entries: &[Entry]) -> Result<(), Error> {
    for (source, to) in &request.tree.adds {
        let to = match to {
            Some(to) => to.clone(),
            None => default_place(request, source, entries)?,
        };
        copy(source, &to, layers)?;
    }
    Ok(())
}

/// What lies in a sysroot keeps its place; anything else goes beside the first program.
fn default_place(request: &Request, source: &Path, entries: &[Entry]) -> Result<Vec<u8>, Error> {
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
    let directory = program.strip_suffix(last_part(program)).unwrap_or_default();
    Ok([directory, name.as_bytes()].concat())
}

fn copy(source: &Path, to: &[u8], layers: &mut Layers) -> Result<(), Error> {
    let failed = |error| Error::io("read", source, error);
    let kind = fs::symlink_metadata(source).map_err(failed)?.file_type();
    let node = if kind.is_symlink() {
        Node::Symlink(fs::read_link(source).map_err(failed)?.into_os_string().into_vec())
    } else if kind.is_dir() {
        if layers.app.get(to).is_none() {
            layers.app.add(to, Node::Directory)?;
        }
        let mut names = fs::read_dir(source).map_err(failed)?.map(|entry| Ok(entry?.file_name()));
        let mut names = names.by_ref().collect::<Result<Vec<_>, std::io::Error>>().map_err(failed)?;
        names.sort();
        for name in names {
            copy(&source.join(&name), &[to, b"/", name.as_bytes()].concat(), layers)?;
        }
        return Ok(());
    } else if kind.is_file() {
        layers.file(source)?
    } else {
        say::warning(&format!("`{}` is {}: skipped", source.display(), kind_of(kind)));
        return Ok(());
    };
    layers.app.put(to, node)?;
    layers.origins.insert(to.to_vec(), source.display().to_string().into());
    Ok(())
}

/// Takes out what `--exclude` names: whatever fits, and all that is in a directory that fits.
pub(crate) fn exclude(request: &Request, app: &mut App) {
    for pattern in &request.tree.excludes {
        let fits = |path: &[u8]| {
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            ends.chain([path.len()]).any(|end| closure::matches(pattern, &path[..end]))
        };
        let before = app.nodes().count();
        app.remove(&fits);
        if app.nodes().count() == before {
            say::warning(&format!("`--exclude {}` matches nothing in the app", pattern.escape_ascii()));
        }
    }
}
