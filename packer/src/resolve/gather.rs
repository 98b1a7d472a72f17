//! Builds the app of a request: collects its files, reads its entries, finds its libraries.

use crate::cli::values::{Argv0, View};
use crate::components::{owners, packages};
use crate::error::Error;
use crate::input::given_tree::GivenTree;
use crate::packages::deb::Suite;
use crate::progress::Bars;
use crate::relocate::native::{self, TreeLoader};
use crate::request::{AppRequest, AppSource, Entry, Rule};
use crate::resolve::base::Base;
use crate::resolve::complete::{Completed, Configuring, Incomplete, complete};
use crate::resolve::entries::{self, Entries};
use crate::resolve::extra_files;
use crate::resolve::interpreters;
use crate::resolve::layers::Layers;
use crate::resolve::resolved_app::{ResolvedApp, looks_by_statx};
use crate::tree::app_tree::{App, Node};
use crate::tree::{view, view_rules};
use inputs::elf::{self, Elf, Kind};

use bundle::{Arch, directory_of, file_name_of, join};

/// Programs for one architecture, with their headers read.
struct Programs {
    entries: Vec<Entry>,
    target: Arch,
    /// Those that name a loader, by their paths in the tree.
    dynamic: Vec<Vec<u8>>,
}

/// Builds the app that `request` asks for, and has `configure` done with it.
pub(crate) fn gather(request: &AppRequest, configure: Configuring) -> Result<ResolvedApp, Error> {
    let bars = Bars::default();
    let bar = bars.bar("packages");
    let Base { mut layers, defaults, mut given, packages: wanted_packages, mut suite } =
        Base::of(request, &bar)?;
    extra_files::add_placed(request, &mut layers)?;
    let entries = Entries::of(&request.entries, defaults, given.as_ref(), &layers)?;
    let mut wanted = request.target;
    if let (None, Some(given)) = (wanted, &given) {
        wanted = Some(target_of(&entries, given, &layers)?);
    }
    if let Some(suite) = &suite {
        interpreters::essential(&entries.all(), suite, &mut layers)?;
    }
    if let (None, Some(archive), Some(target)) = (&suite, request.libs_archive(), wanted) {
        let opened = Suite::open(&archive, target, &bar)?;
        interpreters::provide(&entries.all(), &opened, &mut layers)?;
        suite = Some(opened);
    }
    let Programs { mut entries, target, dynamic } = programs(entries, wanted, &mut layers)?;
    let suite = match (suite, request.libs_archive()) {
        (None, Some(archive)) => Some(Suite::open(&archive, target, &bar)?),
        (suite, _) => suite,
    };
    let incomplete = Incomplete {
        layers,
        entries: &entries,
        dynamic: &dynamic,
        target,
        given: given.as_ref(),
        suite: suite.as_ref(),
    };
    let Completed {
        mut app,
        loader,
        mut rules,
        directories,
        plugin_sets,
        owed,
        origins,
        known,
        mut inventory,
    } = complete(request, incomplete, configure)?;
    if let Some(given) = &mut given {
        rules.splice(..0, given.rules.drain(..));
        inventory.given = Some(given.row.clone());
    }

    let found_by_path = plugin_sets.iter().any(|set| set.found_by_path)
        || entries.iter().any(|entry| entries::is_applet(&app, &entry.path));
    // The arguments of an entry are a script, and its name is the script's.
    let named: Vec<Entry> = entries.iter().filter(|entry| entry.rules.is_empty()).cloned().collect();
    let native = request.hosts.contains(&target);
    let unchanged = TreeLoader::of(&app, &loader)?;
    if let Some(loader) = unchanged.as_ref().filter(|_| native || looks_by_statx(target)) {
        for entry in &mut entries {
            entry.rules.splice(..0, loader.arguments(&app, &entry.path));
        }
    }
    let itself = request.view.filter(|view| native && *view != View::Host);
    let itself = itself.map(|view| view_rules::name(&app).map(|name| (view, name))).transpose()?;
    if let Some(loader) = unchanged.as_ref().filter(|_| native) {
        let name = itself.as_ref().map(|(_, name)| name.as_slice());
        rules.extend(native::prepare(&mut app, target, loader, &directories, &dynamic, name)?);
    }
    // A program that brings no files of its own need not find any.
    let brings_files = !matches!(request.source, AppSource::Program { .. }) || !request.tree.adds.is_empty();
    let by_path = match request.argv0 {
        None => found_by_path || brings_files && !loader.is_empty(),
        Some(Argv0::Path) => true,
        Some(Argv0::Called) => false,
    };
    if by_path {
        rules.push(Rule::Program);
        name_programs(&mut app, &named)?;
    }
    view::prepare(&mut app)?;
    app.unite()?;
    if let Some((view, name)) = &itself {
        rules.extend(view_rules::add(&mut app, *view, name)?);
    } else if request.view == Some(View::Union) {
        rules.push(Rule::View(b"union".to_vec()));
        rules.extend(view_rules::emulated(&app));
    }
    // Of packages that were not taken whole, those count that have a file here.
    let wanted_packages = if request.tree.only.is_some() { Vec::new() } else { wanted_packages };
    let facts = owners::of_app(&app, &origins, &known, &wanted_packages)?;
    inventory.packages = packages::rows(&facts);
    Ok(ResolvedApp { app, root: None, entries, target, loader, rules, owed, facts, inventory })
}

/// Gives each program the name of its entry too, so that its path with that name in it leads to it.
fn name_programs(app: &mut App, entries: &[Entry]) -> Result<(), Error> {
    for Entry { name, path, .. } in entries {
        let path = app.real(path)?;
        let beside = join(directory_of(&path), name);
        if app.get(&beside).is_none() {
            app.add(&beside, Node::Symlink(file_name_of(&path).to_vec()))?;
        }
    }
    Ok(())
}

/// The architecture of a given tree: that of its first entry, or, if that is a script, of all its programs.
fn target_of(entries: &Entries, given: &GivenTree, layers: &Layers) -> Result<Arch, Error> {
    if let Some((_, Node::File { content, .. })) = layers.app.file(&entries.first.path)
        && let Ok(elf) = elf::read(&mut content.reader()).map_err(Error::Temporary)?
    {
        return Ok(elf.arch);
    }
    match interpreters::architectures(layers)?[..] {
        [only] => Ok(only),
        ref several => Err(Error::WhichTarget { path: given.label.clone(), found: several.to_vec() }),
    }
}

/// Adds the programs of `entries` to the app. All must be for one architecture: `wanted`, or else that of the
/// first.
fn programs(entries: Entries, wanted: Option<Arch>, layers: &mut Layers) -> Result<Programs, Error> {
    let mut first = entries.first;
    let elf = entries::look(layers, &mut first)?;
    let target = wanted.unwrap_or(elf.arch);
    let mut programs = Programs { entries: Vec::new(), target, dynamic: Vec::new() };
    programs.add(first, &elf, layers)?;
    for mut entry in entries.others {
        let elf = entries::look(layers, &mut entry)?;
        programs.add(entry, &elf, layers)?;
    }
    Ok(programs)
}

impl Programs {
    fn add(&mut self, entry: Entry, elf: &Elf, layers: &Layers) -> Result<(), Error> {
        if elf.arch != self.target {
            let path = entries::named(layers, &entry.path);
            return Err(Error::OtherCpu { path, found: elf.arch, wanted: self.target });
        }
        if elf.kind == Kind::Dynamic && !self.dynamic.contains(&entry.path) {
            self.dynamic.push(entry.path.clone());
        }
        self.entries.push(entry);
        Ok(())
    }
}
