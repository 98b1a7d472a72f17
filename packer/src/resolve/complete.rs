//! Completes an app: the libraries of its programs, the plug-in sets that these bring in, and what was added
//! with options, each where the target's loader will look for it.

use std::collections::{BTreeMap, BTreeSet};

use bundle::{Arch, directory_of};
use closure::PluginSet;

use crate::components::owners::Origin;
use crate::components::packages::Known;
use crate::error::Error;
use crate::input::given_tree::GivenTree;
use crate::notices::Owed;
use crate::packages::deb::Suite;
use crate::packages::maintainer_scripts;
use crate::request::{AppRequest, Entry, Rule};
use crate::resolve::extra_files;
use crate::resolve::inventory::Inventory;
use crate::resolve::layers::Layers;
use crate::resolve::libraries;
use crate::resolve::only;
use crate::resolve::own_libraries::{self, Objects};
use crate::resolve::plugins;
use crate::resolve::search::Search;
use crate::resolve::trace;
use crate::say;
use crate::tree::app_tree::App;

/// An app of which only the entries are known.
pub(crate) struct Incomplete<'a> {
    pub(crate) layers: Layers,
    pub(crate) entries: &'a [Entry],
    /// The programs among them that name a loader, by their paths in the tree.
    pub(crate) dynamic: &'a [Vec<u8>],
    pub(crate) target: Arch,
    /// The tree that was given whole.
    pub(crate) given: Option<&'a GivenTree>,
    /// Where packages are fetched from, if that was requested.
    pub(crate) suite: Option<&'a Suite<'a>>,
}

/// A complete app.
#[derive(Debug)]
pub(crate) struct Completed {
    pub(crate) app: App,
    /// The loader's path in the tree; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    /// Where the loader has found libraries, and where it looks for others.
    pub(crate) directories: BTreeSet<Vec<u8>>,
    /// Its plug-in sets.
    pub(crate) plugin_sets: Vec<&'static PluginSet>,
    /// The notices for packages.
    pub(crate) owed: Option<Owed>,
    /// Where its files came from.
    pub(crate) origins: BTreeMap<Vec<u8>, Origin>,
    /// What is known about packages, by their names.
    pub(crate) known: BTreeMap<String, Known>,
    pub(crate) inventory: Inventory,
}

/// The result for the libraries of dynamic programs.
#[derive(Default)]
struct Linked {
    loader: Vec<u8>,
    rules: Vec<Rule>,
    directories: BTreeSet<Vec<u8>>,
    plugin_sets: Vec<&'static PluginSet>,
    inventory: Inventory,
}

/// An app before what its packages make when they are installed is added.
pub(crate) struct Unconfigured<'a> {
    pub(crate) request: &'a AppRequest,
    /// The suite that its packages are from.
    pub(crate) suite: Option<&'a str>,
    pub(crate) target: Arch,
    pub(crate) known: &'a BTreeMap<String, Known>,
    pub(crate) app: &'a mut App,
    pub(crate) origins: &'a mut BTreeMap<Vec<u8>, Origin>,
}

/// What adds that.
pub(crate) type Configuring = fn(Unconfigured<'_>) -> Result<(), Error>;

/// Completes an app.
pub(crate) fn complete(
    request: &AppRequest,
    incomplete: Incomplete<'_>,
    configure: Configuring,
) -> Result<Completed, Error> {
    let Incomplete { mut layers, entries, dynamic, target, given, suite } = incomplete;
    let mut objects = Objects::default();
    if given.is_some() {
        objects = Objects::of(&layers.app, target, dynamic)?;
    }
    let programs = [dynamic, &objects.programs].concat();
    let linked = if programs.is_empty() {
        Linked::default()
    } else {
        let (preload, directory, own) = (Vec::new(), Vec::new(), dynamic.len());
        let search = Search { request, programs: &programs, own, preload, directory, suite, target };
        link(search, &objects, &mut layers)?
    };
    let Linked { loader, mut rules, mut directories, plugin_sets, mut inventory } = linked;
    inventory.plugin_sets = plugin_sets.iter().map(|set| set.name.to_owned()).collect();
    extra_files::add_others(request, &mut layers, entries)?;
    rules.extend(request.rules.iter().cloned());
    if let Some(args) = &request.tree.trace {
        let added = trace::trace(request, &mut layers, entries, target, &rules, args)?;
        inventory.plugin_sets.push(format!("{added} files that `--trace` saw"));
    }
    let Layers { mut app, owed, mut origins, known, .. } = layers;
    let unmatched = extra_files::exclude(request, &mut app);
    let suite = suite.map(Suite::name);
    configure(Unconfigured { request, suite, target, known: &known, app: &mut app, origins: &mut origins })?;
    // Of what was made of other files, too.
    let made = extra_files::exclude(request, &mut app);
    extra_files::tell(unmatched.intersection(&made).copied(), given);
    if let Some(only) = &request.tree.only {
        only::retain(&mut app, entries, only);
        inventory.libraries.retain(|row| app.get(row.path.trim_start_matches('/').as_bytes()).is_some());
        inventory.plugin_sets.clear();
    }
    // Programs that are started here get by with what they name.
    let lacking = if request.tree.only.is_none() { maintainer_scripts::not_made(&app) } else { Vec::new() };
    let warnings = lacking.into_iter().chain(app.settle()?);
    warnings.for_each(|warning| say::warning(&warning));
    inventory.count(&app);
    directories.retain(|directory| app.is_directory(directory));
    Ok(Completed { app, loader, rules, directories, plugin_sets, owed, origins, known, inventory })
}

/// Adds the loader, the libraries and the plug-ins of dynamic programs to the app.
fn link(mut search: Search<'_>, objects: &Objects, layers: &mut Layers) -> Result<Linked, Error> {
    libraries::loader_first(&search, layers)?;
    search.directory = libraries::mount(search.request, layers, search.programs)?;
    search.preload = libraries::preloads(search.request, layers, &search.directory)?;
    // What the host preloads, and where it looks for libraries, is for its own programs.
    let mut rules = vec![Rule::UnsetPrefix(b"LD_".to_vec())];
    if !search.preload.is_empty() {
        rules.push(Rule::SetVariable { name: b"LD_PRELOAD".to_vec(), value: search.preload.join(&b':') });
    }
    own_libraries::link(&search, objects, layers)?;
    let mut found = libraries::required(&search, layers)?;
    let mut plugin_sets = Vec::new();
    // Of a given tree, any library may be loaded at run time.
    let mut plugins = objects.libraries.clone();
    if !plugins.is_empty() {
        found = libraries::with_plugins(&search, layers, &plugins)?;
    }
    loop {
        // What a plug-in needs may bring in another set.
        let added = plugins::add(&search, &found, &plugin_sets, layers)?;
        plugin_sets.extend(added.sets);
        if added.libraries.is_empty() {
            break;
        }
        plugins.extend(added.libraries);
        found = libraries::with_plugins(&search, layers, &plugins)?;
    }
    let loader = libraries::take(&search, &found, layers)?;
    let mut inventory = Inventory::default();
    let mut directories = BTreeSet::new();
    for one in &found {
        inventory.add(&one.libraries, layers);
        let found = one.libraries.iter().map(|library| directory_of(&library.resolved.path));
        directories.extend(found.filter(|directory| !directory.is_empty()).map(<[u8]>::to_vec));
        directories.extend(one.loader.directories.iter().cloned());
    }
    Ok(Linked { loader, rules, directories, plugin_sets, inventory })
}
