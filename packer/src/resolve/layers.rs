//! The sources of an app's files, as layers of one tree: directories that come before everything, the app as
//! far as it is built, sysroots, fetched packages. Crate `closure` searches them; what it finds is added to
//! the app here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use bundle::join;
use closure::{Directory, Layer, Resolved, Tree};

use crate::components::owners::Origin;
use crate::components::packages::Known;
use crate::error::{Error, readable};
use crate::notices::{Owed, together};
use crate::packages::deb::PackageTree;
use crate::tree::app_tree::{App, Node};
use crate::tree::spool::Spool;

/// A directory of this machine, and its name in reports.
#[derive(Debug)]
pub(crate) struct LabelledDirectory {
    pub(crate) directory: Directory,
    pub(crate) label: String,
    /// Whether it is a root file system.
    is_root: bool,
}

impl LabelledDirectory {
    /// `path`, whose files will be those of the tree's directory `mount`.
    pub(crate) fn new(path: &Path, mount: &[u8]) -> Self {
        Self {
            directory: Directory::new(path, mount),
            label: path.display().to_string(),
            is_root: mount.is_empty(),
        }
    }

    fn origin(&self) -> Origin {
        let label = Rc::from(self.label.as_str());
        if self.is_root { Origin::Root(label) } else { Origin::Other(label) }
    }
}

/// All layers, including the app.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Directories that take precedence over the app.
    pub(crate) first: Vec<LabelledDirectory>,
    pub(crate) app: App,
    /// Directories that are searched if the app has no such file.
    pub(crate) after: Vec<LabelledDirectory>,
    /// Files of packages that were fetched because no other layer has them.
    pub(crate) pool: App,
    /// The packages in the pool.
    pub(crate) fetched: BTreeSet<String>,
    /// What is known about packages, by their names.
    pub(crate) known: BTreeMap<String, Known>,
    /// Where each file of the app and the pool came from, as far as that is recorded: package or directory.
    pub(crate) origins: BTreeMap<Vec<u8>, Origin>,
    /// The notices for packages.
    pub(crate) owed: Option<Owed>,
    /// The program that the user gave by its path: its path in the tree, and that path.
    pub(crate) given: Option<GivenProgram>,
    pub(crate) spool: Spool,
}

/// A program that does not come from a root file system or a package.
#[derive(Debug)]
pub(crate) struct GivenProgram {
    /// Its path in the tree.
    pub(crate) tree_path: Vec<u8>,
    /// The path as the user gave it.
    pub(crate) path: PathBuf,
}

impl Layers {
    /// Only `app`.
    pub(crate) fn of(app: App) -> Result<Self, Error> {
        Ok(Self {
            first: Vec::new(),
            app,
            after: Vec::new(),
            pool: App::default(),
            fetched: BTreeSet::new(),
            known: BTreeMap::new(),
            origins: BTreeMap::new(),
            owed: None,
            given: None,
            spool: Spool::new()?,
        })
    }

    /// All of them as one tree.
    pub(crate) fn tree(&self) -> Tree<'_> {
        let mut layers: Vec<&dyn Layer> = Vec::new();
        layers.extend(self.first.iter().map(|source| &source.directory as &dyn Layer));
        layers.push(&self.app);
        layers.extend(self.after.iter().map(|source| &source.directory as &dyn Layer));
        layers.push(&self.pool);
        Tree::new(layers)
    }

    /// What `path` leads to.
    pub(crate) fn resolve(&self, path: &[u8]) -> Result<Option<Resolved>, Error> {
        Ok(self.tree().resolve(path)?)
    }

    /// The directory at `path` with links resolved, as far as it exists; the rest of the path unchanged.
    pub(crate) fn real_directory(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        let mut end = path.len();
        loop {
            if let Some(resolved) = self.resolve(&path[..end])? {
                let rest = path[end..].strip_prefix(b"/").unwrap_or(&path[end..]);
                // If there is nothing yet, the tree will have a merged `/usr`.
                if resolved.path.is_empty() && rest.starts_with(b"lib") {
                    return Ok(join(b"usr", rest));
                }
                return Ok(if rest.is_empty() { resolved.path } else { join(&resolved.path, rest) });
            }
            end = path[..end].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        }
    }

    /// Makes sure that the app has what is at `resolved`: the file, and the links that led to it.
    pub(crate) fn take(&mut self, resolved: &Resolved) -> Result<(), Error> {
        for (link, target) in &resolved.links {
            if self.app.get(link).is_none() {
                self.app.place(link, Node::Symlink(target.clone()))?;
            }
        }
        if resolved.kind == closure::Kind::Directory {
            if !resolved.path.is_empty() {
                self.app.place(&resolved.path, Node::Directory)?;
            }
            return Ok(());
        }
        let (first, after) = (self.first.len(), self.after.len());
        let (node, label) = match resolved.layer {
            layer if layer == first => return Ok(()),
            layer if layer > first + after => {
                let Some((holder, node)) = self.pool.file(&resolved.path) else { return Ok(()) };
                let label = self.origins.get(holder).cloned();
                (node.clone(), label)
            }
            layer => {
                let source =
                    if layer < first { self.first.get(layer) } else { self.after.get(layer - first - 1) };
                let Some(source) = source else { return Ok(()) };
                let (label, path) = (source.origin(), source.directory.path(&resolved.path));
                let Some(path) = path else { return Ok(()) };
                (self.spool.file(&path)?, Some(label))
            }
        };
        let place = self.app.place(&resolved.path, node)?;
        if let Some(label) = label {
            self.origins.insert(place, label);
        }
        Ok(())
    }

    /// The name of a file of the tree in messages: the program by the path that the user gave, everything
    /// else by its own path.
    pub(crate) fn named(&self, path: &[u8]) -> String {
        match &self.given {
            Some(given) if given.tree_path == path => given.path.display().to_string(),
            _ => shown(path),
        }
    }

    /// Adds the files of packages to the pool.
    pub(crate) fn pool_in(&mut self, packages: PackageTree) -> Result<(), Error> {
        for (path, node) in packages.app.nodes().filter(|(_, node)| !matches!(node, Node::Directory)) {
            self.pool.place(path, node.clone())?;
        }
        self.origins.extend(packages.origins);
        self.know(packages.packages);
        self.owe(packages.owed);
        Ok(())
    }

    /// Records what is known about packages that were fetched.
    pub(crate) fn know(&mut self, packages: Vec<Known>) {
        self.known.extend(packages.into_iter().map(|known| (known.component.name.clone(), known)));
    }

    /// Records the notices for packages that were fetched.
    pub(crate) fn owe(&mut self, owed: Owed) {
        self.owed = together(self.owed.take(), Some(owed));
    }
}

/// A path of the tree as shown in messages.
pub(crate) fn shown(path: &[u8]) -> String {
    format!("/{}", readable(path.strip_prefix(b"/").unwrap_or(path)))
}
