//! The libraries of an app's programs: found where the target's loader will look for them, fetched if that
//! was requested, and added to the app.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bundle::{directory_of, file_name_of, join, plain};
use closure::{Closure, Demand, Libc, Loader, Missing};

use crate::components::owners::Origin;
use crate::error::{Error, readable};
use crate::packages::maintainer_scripts;
use crate::request::{AppRequest, AppSource};
use crate::resolve::debian_libs;
use crate::resolve::layers::{LabelledDirectory, Layers, shown};
use crate::resolve::missing;
use crate::resolve::search::{Search, all_missing};
use crate::say;
use crate::tree::app_tree::Node;

/// How often libraries are fetched for libraries that were fetched: more than any chain of packages seen.
const FETCHES_MAX: usize = 32;

/// Fetches the loader if no layer has one: it determines where everything else is searched for.
pub(crate) fn loader_first(search: &Search<'_>, layers: &mut Layers) -> Result<(), Error> {
    let found = search.closures(layers, &[])?;
    let missing: Vec<_> =
        found.iter().filter(|one| lacks_loader(one)).filter_map(|one| one.missing.first()).cloned().collect();
    let vendored = |one: &Missing| {
        let directories = search.request.tree.library_paths.iter();
        let name = OsStr::from_bytes(file_name_of(&one.name));
        directories.map(|directory| directory.join(name)).any(|path| path.exists())
    };
    if !missing.is_empty() && !missing.iter().any(vendored) {
        debian_libs::fetch(search, None, &missing, layers)?;
    }
    Ok(())
}

/// Lays the directories of `--library-path` over the loader's own, and the program's directory below it, so
/// that their contents are found where they will be; returns the loader's directory.
pub(crate) fn mount(
    request: &AppRequest,
    layers: &mut Layers,
    programs: &[Vec<u8>],
) -> Result<Vec<u8>, Error> {
    let beside = match &request.source {
        AppSource::Program { path, .. } => {
            path.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()))
        }
        _ => None,
    };
    let own: Vec<_> = request.tree.library_paths.iter().chain(&beside).cloned().collect();
    let mut loader = None;
    for program in programs {
        let Some(found) = closure::closure(&layers.tree(), &Demand { program, ..Demand::default() })? else {
            continue;
        };
        if let (Some(interpreter), true) = (&found.program.interpreter, lacks_loader(&found)) {
            // A vendored loader is among the libraries.
            let directory = layers.real_directory(&plain(directory_of(interpreter)))?;
            for path in &own {
                layers.after.push(LabelledDirectory::new(path, &directory));
            }
            loader = closure::closure(&layers.tree(), &Demand { program, ..Demand::default() })?
                .map(|found| found.loader);
        } else {
            loader = Some(found.loader);
        }
        break;
    }
    let directory = loader.and_then(|loader: Loader| loader.directories.first().cloned()).unwrap_or_default();
    let directory = layers.real_directory(&directory)?;
    layers
        .first
        .extend(request.tree.library_paths.iter().map(|path| LabelledDirectory::new(path, &directory)));
    layers.after.extend(beside.iter().map(|path| LabelledDirectory::new(path, &directory)));
    Ok(directory)
}

fn lacks_loader(found: &Closure) -> bool {
    found.libraries.first().is_none_or(|library| library.rule != closure::Rule::Interpreter)
}

/// Adds libraries that were given as files to the loader's directory; returns the names for `LD_PRELOAD`.
pub(crate) fn preloads(
    request: &AppRequest,
    layers: &mut Layers,
    directory: &[u8],
) -> Result<Vec<Vec<u8>>, Error> {
    let mut names = Vec::new();
    for given in &request.tree.preloads {
        let path = Path::new(OsStr::from_bytes(given));
        let name = if path.is_file() { file_name_of(given) } else { given };
        if name.is_empty() || name.iter().any(|byte| matches!(byte, b' ' | b':')) {
            return Err(Error::PreloadName { name: readable(name) });
        }
        if path.is_file() {
            let node = layers.spool.file(path)?;
            let tree_path = join(directory, name);
            let tree_path = layers.app.place(&tree_path, node)?;
            layers.origins.insert(tree_path, Origin::other(&path.display().to_string()));
        }
        names.push(name.to_vec());
    }
    Ok(names)
}

/// The closures with nothing missing: missing libraries are fetched if that was requested, otherwise they are
/// an error.
pub(crate) fn required(search: &Search<'_>, layers: &mut Layers) -> Result<Vec<Closure>, Error> {
    for _ in 0..FETCHES_MAX {
        let found = search.closures(layers, &[])?;
        let missing = all_missing(&found);
        if missing.is_empty() {
            return Ok(found);
        }
        let loader = found.first().map(|one| &one.loader);
        if !debian_libs::fetch(search, loader, &missing, layers)? {
            // A tree that is given whole may have programs that nobody starts.
            if all_missing(&found[..search.own.min(found.len())]).is_empty() {
                missing::warn(&missing);
                return Ok(found);
            }
            let holders = debian_libs::holders(search, loader, &missing);
            return Err(missing::error(&missing, &holders, search.request, layers));
        }
    }
    let missing = all_missing(&search.closures(layers, &[])?);
    Err(missing::error(&missing, &BTreeMap::new(), search.request, layers))
}

/// The closures with plug-ins. A library that only a plug-in needs may be missing: the program ran without
/// that plug-in before.
pub(crate) fn with_plugins(
    search: &Search<'_>,
    layers: &mut Layers,
    plugins: &[Vec<u8>],
) -> Result<Vec<Closure>, Error> {
    for _ in 0..FETCHES_MAX {
        let found = search.closures(layers, plugins)?;
        let missing = all_missing(&found);
        if debian_libs::fetch(search, found.first().map(|one| &one.loader), &missing, layers)? {
            continue;
        }
        if let Some(one) = missing.first() {
            let by = one.by.first().map(|path| shown(path)).unwrap_or_default();
            let more = match missing.len() {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            let name = readable(&one.name);
            say::warning(&format!("plug-in `{by}` needs `{name}`, which was not found{more}"));
        }
        return Ok(found);
    }
    search.closures(layers, plugins)
}

/// Adds what was found to the app; returns the loader's path.
pub(crate) fn take(search: &Search<'_>, found: &[Closure], layers: &mut Layers) -> Result<Vec<u8>, Error> {
    let mut loader: Option<Vec<u8>> = None;
    for one in found {
        for library in &one.libraries {
            layers.take(&library.resolved)?;
            match library.rule {
                closure::Rule::Interpreter => {
                    let path = &library.resolved.path;
                    if let Some(first) = loader.replace(path.clone()).filter(|first| first != path) {
                        return Err(Error::TwoLoaders { first: readable(&first), second: readable(path) });
                    }
                }
                // glibc does not read `ld.so.conf`, only the cache that ldconfig makes from it. A link in a
                // directory that is searched anyway has the same effect.
                closure::Rule::Conf => {
                    let link = join(&search.directory, file_name_of(&library.path));
                    if layers.resolve(&link)?.is_none() {
                        let target = [b"/", library.resolved.path.as_slice()].concat();
                        layers.app.place(&link, Node::Symlink(target))?;
                    }
                }
                _ => {}
            }
        }
        if one.loader.libc == Libc::Glibc {
            for made in maintainer_scripts::glibc(&layers.app) {
                let place = layers.app.place(&made.path, made.node)?;
                layers.origins.insert(place, Origin::other(maintainer_scripts::ORIGIN));
            }
        }
        for (names, feature) in &one.absent {
            let feature = if feature.is_empty() { String::new() } else { format!(", for `{feature}`,") };
            say::warning(&format!("`{names}`{feature} may be loaded at run time, but was not found"));
        }
    }
    Ok(loader.unwrap_or_default())
}
