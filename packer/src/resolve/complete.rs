//! Makes an app whole: the libraries of its programs, the families of plug-ins and data that these bring in, what was asked
//! for besides, each in the place where the target's loader will look for it.

use std::collections::{BTreeMap, BTreeSet};

use bundle::Arch;
use closure::{Closure, Demand, Directory, Libc, Loader, Object};

use crate::error::{Error, readable};
use crate::notices::{Owed, together};
use crate::packages::deb::Debs;
use crate::packages::maintainer_scripts;
use crate::request::{Entry, Request, Rule, Source, last_part};
use crate::resolve::debian_libs;
use crate::resolve::extra_files;
use crate::resolve::gather::settle;
use crate::resolve::inventory::Listing;
use crate::resolve::layers::{Layers, Source as Layer, shown, unreadable};
use crate::resolve::missing;
use crate::resolve::plugins;
use crate::resolve::trace;
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;

/// How often libraries are fetched for libraries that were fetched: deeper than any chain of packages seen.
const FETCHES_MAX: usize = 32;

/// An app that is whole.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) app: App,
    /// The loader's path in the tree; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    /// Where the loader has found libraries, and where it looks for others.
    pub(crate) directories: BTreeSet<Vec<u8>>,
    /// What is owed for libraries that were fetched.
    pub(crate) owed: Option<Owed>,
}

/// What the searches of one app share.
pub(crate) struct Search<'a> {
    pub(crate) request: &'a Request,
    /// Dynamic programs, by their paths in the tree.
    pub(crate) programs: &'a [Vec<u8>],
    pub(crate) preload: Vec<Vec<u8>>,
    /// The directory that is built into the loader and that libraries without a place of their own are put in.
    pub(crate) directory: Vec<u8>,
    pub(crate) debs: Option<&'a Debs<'a>>,
    pub(crate) target: Arch,
}

/// Completes the app in `layers`.
pub(crate) fn complete(
    request: &Request,
    mut layers: Layers,
    programs: &[Vec<u8>],
    entries: &[Entry],
    target: Arch,
    debs: Option<&Debs<'_>>,
    listing: &mut Listing,
) -> Result<Completed, Error> {
    let mut rules = Vec::new();
    let mut owed = None;
    let mut loader = Vec::new();
    let mut directories = BTreeSet::new();
    if !programs.is_empty() {
        let mut search =
            Search { request, programs, preload: Vec::new(), directory: Vec::new(), debs, target };
        search.loader_first(&mut layers, &mut owed)?;
        search.directory = mount(request, &mut layers, programs)?;
        search.preload = preloads(request, &mut layers, &search.directory)?;
        let preload = &search.preload;
        if !preload.is_empty() {
            rules.push(Rule::SetVariable { name: b"LD_PRELOAD".to_vec(), value: preload.join(&b':') });
        }
        // What the host preloads and where it looks for libraries is for its own programs.
        rules.insert(0, Rule::UnsetPrefix(b"LD_".to_vec()));
        let mut found = search.required(&mut layers, &mut owed)?;
        let mut plugins = Vec::new();
        loop {
            // What a plug-in needs may bring in a family of its own.
            let more = plugins::add(&search, &found, &mut layers, listing, &mut owed)?;
            if more.is_empty() {
                break;
            }
            plugins.extend(more);
            found = search.with_plugins(&mut layers, &plugins, &mut owed)?;
        }
        loader = place(&search, &found, &mut layers)?;
        for one in &found {
            listing.add(&one.libraries, &layers);
            let found = one.libraries.iter().filter_map(|library| {
                let path = &library.place.path;
                path.strip_suffix(last_part(path))?.strip_suffix(b"/").map(<[u8]>::to_vec)
            });
            directories.extend(found.chain(one.loader.directories.iter().cloned()));
        }
    }
    extra_files::add(request, &mut layers, entries)?;
    rules.extend(request.rules.iter().cloned());
    if let Some(args) = &request.tree.trace {
        let added = trace::trace(request, &mut layers, entries, target, &rules, args)?;
        listing.families.push(format!("{added} files that `--trace` saw"));
    }
    let mut app = layers.app;
    extra_files::exclude(request, &mut app);
    settle(&mut app)?;
    listing.count(&app);
    directories.retain(|directory| app.is_directory(directory));
    Ok(Completed { app, loader, rules, directories, owed })
}

/// How many directories up the search paths of a program climb from its own directory.
pub(crate) fn climbs(program: &Content) -> usize {
    let Ok(object) = Object::read(&mut program.reader()) else { return 0 };
    let paths = [&object.rpath, &object.runpath].into_iter().flatten();
    let texts = paths.chain(&object.needed).flat_map(|text| text.split(|byte| *byte == b':'));
    let climb = |text: &[u8]| {
        let rest = text.strip_prefix(b"$ORIGIN").or_else(|| text.strip_prefix(b"${ORIGIN}"))?;
        let parts = rest.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
        Some(parts.take_while(|part| *part == b"..").count())
    };
    texts.filter_map(climb).max().unwrap_or(0)
}

/// Lays the directories of `--library-path` over the loader's own, and the program's directory under it, so that what is in them
/// is found where it will lie; gives the loader's directory.
fn mount(request: &Request, layers: &mut Layers, programs: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let beside = match &request.source {
        Source::Program { path, .. } => {
            path.canonicalize().ok().and_then(|path| Some(path.parent()?.to_owned()))
        }
        _ => None,
    };
    let own: Vec<_> = request.tree.library_paths.iter().chain(&beside).cloned().collect();
    let mut loader = None;
    for program in programs {
        let Some(found) = one(layers, &Demand { program, ..Demand::default() })? else { continue };
        if let (Some(interpreter), true) = (&found.program.interpreter, lacks_loader(&found)) {
            // A vendored loader lies among the libraries.
            let directory = interpreter.strip_suffix(last_part(interpreter)).unwrap_or_default();
            let directory = layers.real_directory(&plain(directory))?;
            for path in &own {
                layers.after.push(source(path, &directory));
            }
            loader = one(layers, &Demand { program, ..Demand::default() })?.map(|found| found.loader);
        } else {
            loader = Some(found.loader);
        }
        break;
    }
    let directory = loader.and_then(|loader: Loader| loader.directories.first().cloned()).unwrap_or_default();
    let directory = layers.real_directory(&directory)?;
    layers.first.extend(request.tree.library_paths.iter().map(|path| source(path, &directory)));
    layers.after.extend(beside.iter().map(|path| source(path, &directory)));
    Ok(directory)
}

fn source(path: &std::path::Path, mount: &[u8]) -> Layer {
    Layer { directory: Directory::new(path, mount), label: path.display().to_string() }
}

fn lacks_loader(found: &Closure) -> bool {
    found.libraries.first().is_none_or(|library| library.rule != closure::Rule::Interpreter)
}

/// A path without a slash before or behind.
fn plain(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    parts.join(&b'/')
}

fn one(layers: &Layers, demand: &Demand<'_>) -> Result<Option<Closure>, Error> {
    closure::closure(&layers.tree(), demand).map_err(|fault| unreadable(&fault))
}

/// Puts libraries that are given as files in the loader's directory; gives the names that `LD_PRELOAD` shall have.
fn preloads(request: &Request, layers: &mut Layers, directory: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let mut names = Vec::new();
    for given in &request.tree.preloads {
        let path = std::path::Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(given));
        let name = if path.is_file() { last_part(given) } else { given };
        if name.is_empty() || name.iter().any(|byte| matches!(byte, b' ' | b':')) {
            return Err(Error::PreloadName { name: readable(name) });
        }
        if path.is_file() {
            let node = layers.file(path)?;
            let place = [directory, b"/", name].concat();
            layers.app.put(&place, node)?;
            layers.origins.insert(place, path.display().to_string().into());
        }
        names.push(name.to_vec());
    }
    Ok(names)
}

impl Search<'_> {
    /// The closure of each program.
    fn closures(&self, layers: &Layers, plugins: &[Vec<u8>]) -> Result<Vec<Closure>, Error> {
        let library_path = if layers.first.is_empty() { Vec::new() } else { vec![self.directory.clone()] };
        let library_layers: Vec<usize> = (0..layers.first.len()).collect();
        let mut all = Vec::new();
        for program in self.programs {
            let demand = Demand {
                program,
                preload: &self.preload,
                library_path: &library_path,
                library_layers: &library_layers,
                plugins,
                loader: None,
            };
            all.extend(one(layers, &demand)?);
        }
        Ok(all)
    }

    /// Fetches the loader where nothing else has one: it says where everything else is looked for.
    fn loader_first(&self, layers: &mut Layers, owed: &mut Option<Owed>) -> Result<(), Error> {
        let found = self.closures(layers, &[])?;
        let missing: Vec<_> = found
            .iter()
            .filter(|one| lacks_loader(one))
            .filter_map(|one| one.missing.first())
            .cloned()
            .collect();
        let vendored = |one: &closure::Missing| {
            let directories = self.request.tree.library_paths.iter();
            let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(last_part(&one.name));
            directories.map(|directory| directory.join(name)).any(|path| path.exists())
        };
        if !missing.is_empty() && !missing.iter().any(vendored) {
            let fetched = debian_libs::fetch(self, None, &missing, layers)?;
            *owed = together(owed.take(), fetched);
        }
        Ok(())
    }

    /// The closures with nothing missing: what is, is fetched where that was asked for, and is an error otherwise.
    fn required(&self, layers: &mut Layers, owed: &mut Option<Owed>) -> Result<Vec<Closure>, Error> {
        for _ in 0..FETCHES_MAX {
            let found = self.closures(layers, &[])?;
            let missing = all_missing(&found);
            if missing.is_empty() {
                return Ok(found);
            }
            let loader = found.first().map(|one| &one.loader);
            let Some(fetched) = debian_libs::fetch(self, loader, &missing, layers)? else {
                let holders = debian_libs::holders(self, loader, &missing);
                return Err(missing::error(&missing, &holders, self.request));
            };
            *owed = together(owed.take(), Some(fetched));
        }
        let missing = all_missing(&self.closures(layers, &[])?);
        Err(missing::error(&missing, &BTreeMap::new(), self.request))
    }

    /// The closures with plug-ins. What only a plug-in misses is no error: its program ran without it before.
    fn with_plugins(
        &self,
        layers: &mut Layers,
        plugins: &[Vec<u8>],
        owed: &mut Option<Owed>,
    ) -> Result<Vec<Closure>, Error> {
        for _ in 0..FETCHES_MAX {
            let found = self.closures(layers, plugins)?;
            let missing = all_missing(&found);
            if let Some(fetched) =
                debian_libs::fetch(self, found.first().map(|one| &one.loader), &missing, layers)?
            {
                *owed = together(owed.take(), Some(fetched));
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
        self.closures(layers, plugins)
    }
}

/// What is missing, each name once, with all who need it.
fn all_missing(found: &[Closure]) -> Vec<closure::Missing> {
    let mut all: Vec<closure::Missing> = Vec::new();
    for missing in found.iter().flat_map(|one| &one.missing) {
        match all.iter_mut().find(|other| other.name == missing.name) {
            Some(other) => {
                let more = missing.by.iter().filter(|by| !other.by.contains(by)).cloned().collect::<Vec<_>>();
                other.by.extend(more);
            }
            None => all.push(missing.clone()),
        }
    }
    all
}

/// Takes what was found into the app; gives the loader's path.
fn place(search: &Search<'_>, found: &[Closure], layers: &mut Layers) -> Result<Vec<u8>, Error> {
    let mut loader: Option<Vec<u8>> = None;
    for one in found {
        for library in &one.libraries {
            layers.take(&library.place)?;
            match library.rule {
                closure::Rule::Interpreter => {
                    let path = &library.place.path;
                    if let Some(first) = loader.replace(path.clone()).filter(|first| first != path) {
                        return Err(Error::TwoLoaders { first: readable(&first), second: readable(path) });
                    }
                }
                // glibc reads no `ld.so.conf`, only the cache that ldconfig makes of it. A link in a directory that is
                // searched anyway says the same.
                closure::Rule::Conf => {
                    let link = [&search.directory, &b"/"[..], last_part(&library.path)].concat();
                    if layers.find(&link)?.is_none() {
                        let target = [b"/", library.place.path.as_slice()].concat();
                        layers.app.add(&link, Node::Symlink(target))?;
                    }
                }
                _ => {}
            }
        }
        if one.loader.libc == Libc::Glibc {
            maintainer_scripts::glibc(&mut layers.app, &mut layers.origins)?;
        }
        for (names, feature) in &one.absent {
            let feature = if feature.is_empty() { String::new() } else { format!(", for `{feature}`,") };
            say::warning(&format!("`{names}`{feature} may be loaded at run time, but was not found"));
        }
    }
    Ok(loader.unwrap_or_default())
}
