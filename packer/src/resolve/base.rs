//! What an app starts from: one program, a whole tree, the files of packages, or just a root file system to
//! take files from.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bundle::{components_of, directory_of, file_name_of, join};
use closure::Object;
use debian::Progress;

use crate::components::owners::Origin;
use crate::error::{Error, readable};
use crate::input::given_tree::GivenTree;
use crate::input::whole;
use crate::packages::deb::Suite;
use crate::request::{AppRequest, AppSource, Entry};
use crate::resolve::entries::{PROGRAM_DIRECTORIES, startable};
use crate::resolve::layers::{GivenProgram, LabelledDirectory, Layers};
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use inputs::elf::{Kind, NotElf};

/// What an app starts from.
pub(crate) struct Base<'a> {
    pub(crate) layers: Layers,
    /// The entries if none is named, the default one first.
    pub(crate) defaults: Vec<Entry>,
    /// The tree that was given, and where it lies.
    pub(crate) given: Option<GivenTree>,
    /// The names of its packages.
    pub(crate) packages: Vec<String>,
    /// The suite that they come from.
    pub(crate) suite: Option<Suite<'a>>,
}

impl<'a> Base<'a> {
    /// Fetches or reads the app that `request` names, and adds its sysroots below it.
    pub(crate) fn of(request: &AppRequest, progress: &'a dyn Progress) -> Result<Self, Error> {
        let mut base = match &request.source {
            AppSource::Program { file, path, name } => {
                let (layers, entry) = one_program(request, file, path, name)?;
                Base { layers, defaults: vec![entry], given: None, packages: Vec::new(), suite: None }
            }
            AppSource::Packages { names, local, target } => {
                let suite = Suite::open(&request.archive, *target, progress)?;
                let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
                let mut layers = Layers::of(App::default())?;
                let packages = suite.closure_with(local, &names)?;
                let found = suite.tree_with(&packages, local, &mut layers.spool)?;
                names.extend(local.iter().map(|local| local.package.name.as_str()));
                layers.app = found.app;
                layers.origins = found.origins;
                let packages = found.packages.iter().map(|known| known.component.name.clone()).collect();
                layers.know(found.packages);
                layers.owe(found.owed);
                // If entries are named, it does not matter why there is no default.
                let defaults = match &request.entries[..] {
                    [] => vec![default_entry(&layers, request.output_name(), &names)?],
                    _ => Vec::new(),
                };
                Base { layers, defaults, given: None, packages, suite: Some(suite) }
            }
            AppSource::Sysroot => {
                let layers = Layers::of(App::default())?;
                Base { layers, defaults: Vec::new(), given: None, packages: Vec::new(), suite: None }
            }
            AppSource::Tree { .. } => {
                let mut layers = Layers::of(App::default())?;
                let mut given = whole::given(request, &mut layers.spool)?;
                let mut defaults = Vec::new();
                if let Some(given) = &mut given {
                    layers.app = std::mem::take(&mut given.app);
                    let label = Origin::other(&given.label);
                    let files = layers.app.nodes().map(|(path, _)| (path.to_vec(), label.clone()));
                    layers.origins = files.collect();
                    defaults.clone_from(&given.entries);
                }
                Base { layers, defaults, given, packages: Vec::new(), suite: None }
            }
        };
        base.layers.after.extend(request.tree.sysroots.iter().map(|root| LabelledDirectory::new(root, b"")));
        Ok(base)
    }
}

/// The layers of a program that was given by its path, and its entry.
fn one_program(
    request: &AppRequest,
    file: &File,
    path: &Path,
    name: &[u8],
) -> Result<(Layers, Entry), Error> {
    let failed = |source| Error::io("read", path, source);
    let content = file.try_clone().and_then(Content::whole).map_err(failed)?;
    let kind = match startable(&content, path) {
        // Its interpreter may be in the tree: what an entry is decides.
        Err(Error::NotAProgram { found: NotElf::Script(_), .. }) => Kind::Static,
        elf => elf?.kind,
    };
    let mut layers = Layers::of(App::default())?;
    let real = path.canonicalize().map_err(failed)?;
    let inside = request.tree.sysroots.iter().find_map(|root| {
        let rest = real.strip_prefix(root.canonicalize().ok()?).ok()?;
        Some((rest.as_os_str().as_bytes().to_vec(), root))
    });
    // A package of that root may have it.
    let origin = match &inside {
        Some((_, root)) => Origin::Root(root.display().to_string().into()),
        None => Origin::other(&path.display().to_string()),
    };
    let tree_path = match (kind, inside) {
        (_, Some((inside, _))) => inside,
        (Kind::Dynamic, None) => {
            // The directories that its `$ORIGIN/..` can mean are included, as far as something in them is
            // needed.
            let up = climbs(&content).min(real.components().count().saturating_sub(3));
            let mut root: PathBuf = real.clone();
            for _ in 0..=up {
                root.pop();
            }
            let mount = join(whole::OPT, name);
            let below = real.strip_prefix(&root).unwrap_or(Path::new(""));
            layers.after.push(LabelledDirectory::new(&root, &mount));
            join(&mount, below.as_os_str().as_bytes())
        }
        _ => name.to_vec(),
    };
    layers.app.add(&tree_path, Node::File { executable: true, content })?;
    layers.origins.insert(tree_path.clone(), origin);
    layers.given = Some(GivenProgram { tree_path: tree_path.clone(), path: path.to_owned() });
    Ok((layers, Entry::new(name, &tree_path)))
}

/// How many directories the search paths of a program climb up from its own directory.
fn climbs(program: &Content) -> usize {
    let Ok(object) = Object::read(&mut program.reader()) else { return 0 };
    let paths = [&object.rpath, &object.runpath].into_iter().flatten();
    let texts = paths.chain(&object.needed).flat_map(|text| text.split(|byte| *byte == b':'));
    let climb = |text: &[u8]| {
        let rest = text.strip_prefix(b"$ORIGIN").or_else(|| text.strip_prefix(b"${ORIGIN}"))?;
        Some(components_of(rest).take_while(|part| *part == b"..").count())
    };
    texts.filter_map(climb).max().unwrap_or(0)
}

/// The program that is named like the output or a package, or the only one of the requested packages.
fn default_entry(layers: &Layers, output_name: &[u8], packages: &[&str]) -> Result<Entry, Error> {
    let in_directory = |path: &&[u8]| PROGRAM_DIRECTORIES.contains(&directory_of(path));
    let all: Vec<&[u8]> = layers.app.programs().filter(in_directory).collect();
    let is_own = |path: &&&[u8]| match layers.origins.get(**path) {
        Some(Origin::Package(name)) => packages.contains(&&**name),
        _ => false,
    };
    let own: Vec<&[u8]> = all.iter().filter(is_own).copied().collect();
    let plain = packages.iter().filter_map(|package| package.strip_suffix("-static")).map(str::as_bytes);
    let names = packages.iter().map(|package| package.as_bytes()).chain([output_name]);
    let names: Vec<&[u8]> = names.chain(plain).collect();
    let named = |programs: &[&'_ [u8]]| -> Option<Vec<u8>> {
        let found = names.iter().find_map(|name| programs.iter().find(|path| file_name_of(path) == *name));
        found.map(|path| path.to_vec())
    };
    let path = match (&own[..], named(&own)) {
        (_, Some(path)) => path,
        ([only], None) => only.to_vec(),
        _ => named(&all).ok_or_else(|| match (&own[..], packages.join(" ")) {
            ([], package) => Error::NoProgram { package },
            (_, package) => {
                Error::WhichEntry { package, programs: own.iter().map(|path| readable(path)).collect() }
            }
        })?,
    };
    Ok(Entry::new(file_name_of(&path), &path))
}
