//! A given tree's own programs and libraries. Those that no search path leads to are found all the same, as
//! with the `LD_LIBRARY_PATH` of a wrapper script: a link in a directory that the loader searches leads to
//! each. They come before those of sysroots and packages, except for parts of the C library, which must fit
//! the loader. Libraries of other architectures are data.

use std::collections::BTreeMap;

use bundle::{Arch, components_of, file_name_of, join};
use closure::{Closure, Rule};

use crate::error::{Error, readable};
use crate::resolve::layers::Layers;
use crate::resolve::search::{Search, all_missing};
use crate::say;
use crate::tree::app_tree::{App, Node};
use inputs::elf::{self, Kind};

/// Parts of the C library: names and starts of names, as patterns.
const C_LIBRARY: [&[u8]; 12] = [
    b"libc.so*",
    b"libm.so*",
    b"libdl.so*",
    b"libpthread.so*",
    b"librt.so*",
    b"libresolv.so*",
    b"libutil.so*",
    b"libnsl.so.1",
    b"libnss_*",
    b"libanl.so*",
    b"ld-*",
    b"ld64.so*",
];

/// The dynamic files of an app for one architecture.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    /// Programs, by their paths in the tree.
    pub(crate) programs: Vec<Vec<u8>>,
    pub(crate) libraries: Vec<Vec<u8>>,
}

impl Objects {
    /// Those in `app` for `target`: programs other than `entries` that use the loader of the first of them.
    pub(crate) fn of(app: &App, target: Arch, entries: &[Vec<u8>]) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut loader = None;
        let mut others = Vec::new();
        for (path, node) in app.nodes() {
            let Node::File { content, executable } = node else { continue };
            let Ok(elf) = elf::read(&mut content.reader()).map_err(Error::Temporary)? else { continue };
            if elf.arch != target {
                continue;
            }
            let is_entry = entries.iter().any(|entry| app.file(entry).is_some_and(|(real, _)| real == path));
            match elf.kind {
                Kind::Library => found.libraries.push(path.to_vec()),
                Kind::Dynamic if is_entry => loader = elf.loader,
                Kind::Dynamic if *executable => others.push((path.to_vec(), elf.loader)),
                _ => {}
            }
        }
        let loader = loader.or_else(|| others.first().and_then(|(_, loader)| loader.clone()));
        for (path, own) in others {
            if own == loader {
                found.programs.push(path);
            } else {
                let name = own.as_deref().map(readable).unwrap_or_default();
                say::warning(&format!(
                    "`{}` uses another loader than the entries (`{name}`): its libraries are not completed",
                    readable(&path)
                ));
            }
        }
        Ok(found)
    }
}

/// Links the tree's own libraries into the loader's directory where they are needed and nothing leads to
/// them.
pub(crate) fn link(search: &Search<'_>, objects: &Objects, layers: &mut Layers) -> Result<(), Error> {
    let mut own: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for path in names_of(&objects.libraries, &layers.app) {
        own.entry(file_name_of(&path).to_vec()).or_default().push(path);
    }
    for places in own.values_mut() {
        // The nearest to the top is the most general one.
        places.sort_by_key(|path| (components_of(path).count(), path.clone()));
    }
    loop {
        let found = search.closures(layers, &objects.libraries)?;
        let mut linked = false;
        for name in wanted(&found) {
            let Some(places) = own.get(&name).filter(|_| !is_c_library(&name)) else { continue };
            let place = join(&search.directory, &name);
            let Some(first) = places.first().filter(|first| **first != place) else { continue };
            if layers.app.get(&place).is_some() {
                continue;
            }
            layers.app.place(&place, Node::Symlink([b"/", first.as_slice()].concat()))?;
            linked = true;
        }
        if !linked {
            return Ok(());
        }
    }
}

/// The names that are missing, or found outside the tree by no search path of an object.
fn wanted(found: &[Closure]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = all_missing(found).into_iter().map(|missing| missing.name).collect();
    let elsewhere = |rule: Rule| matches!(rule, Rule::Conf | Rule::PathFile | Rule::BuiltIn);
    for library in found.iter().flat_map(|one| &one.libraries).filter(|library| elsewhere(library.rule)) {
        names.push(library.name.clone());
    }
    names.retain(|name| !name.contains(&b'/'));
    names.sort();
    names.dedup();
    names
}

fn is_c_library(name: &[u8]) -> bool {
    C_LIBRARY.iter().any(|pattern| closure::matches(pattern, name))
}

/// Every name under which the libraries can be asked for: links count.
fn names_of(libraries: &[Vec<u8>], app: &App) -> Vec<Vec<u8>> {
    let real = |path: &[u8]| app.file(path).map(|(real, _)| real.to_vec());
    let is_name = |(path, node): &(&[u8], &Node)| match node {
        Node::Symlink(_) | Node::HardLink(_) => {
            is_library_name(file_name_of(path))
                && real(path).is_some_and(|real| libraries.binary_search(&real).is_ok())
        }
        _ => libraries.binary_search(&path.to_vec()).is_ok(),
    };
    app.nodes().filter(is_name).map(|(path, _)| path.to_vec()).collect()
}

/// Whether it is the name of a library: most links in a tree are not.
fn is_library_name(name: &[u8]) -> bool {
    crate::byte_search::position(name, b".so").is_some()
}
