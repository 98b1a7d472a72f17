//! Where files of an app may be taken from, as layers of one tree: directories that stand before everything, the app as far as
//! it is made, sysroots, fetched packages. Crate `closure` looks at them; what it finds is taken into the app here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::rc::Rc;

use closure::{Directory, Layer, Open, Place, Tree};

use crate::error::{Error, readable};
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::spool::Spool;

impl Layer for App {
    fn node(&self, path: &[u8]) -> io::Result<Option<closure::Node>> {
        if path.is_empty() {
            return Ok(Some(closure::Node::Directory));
        }
        Ok(self.get(path).map(|node| match node {
            Node::Directory => closure::Node::Directory,
            Node::File { .. } | Node::HardLink(_) => closure::Node::File,
            Node::Symlink(target) => closure::Node::Symlink(target.clone()),
        }))
    }

    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Open + '_>> {
        match self.file(path) {
            Some((_, Node::File { content, .. })) => Ok(Box::new(content.reader())),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn names(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        Ok(App::names(self, path).map(<[u8]>::to_vec).collect())
    }
}

/// A directory of this machine, and what reports call it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) directory: Directory,
    pub(crate) label: String,
}

/// All layers, the app among them.
#[derive(Debug)]
pub(crate) struct Layers {
    /// Directories that win over the app.
    pub(crate) first: Vec<Source>,
    pub(crate) app: App,
    /// Directories that are asked when the app has nothing.
    pub(crate) after: Vec<Source>,
    /// Files of packages that were fetched for what nothing else has.
    pub(crate) pool: App,
    /// The packages that are in it.
    pub(crate) fetched: BTreeSet<String>,
    /// Where each file of the app and the pool came from, as far as that is told: package or directory.
    pub(crate) origins: BTreeMap<Vec<u8>, Rc<str>>,
    pub(crate) spool: Spool,
}

impl Layers {
    /// Nothing but `app`.
    pub(crate) fn of(app: App, origins: BTreeMap<Vec<u8>, Rc<str>>) -> Result<Self, Error> {
        let (first, after, pool) = (Vec::new(), Vec::new(), App::default());
        Ok(Self { first, app, after, pool, fetched: BTreeSet::new(), origins, spool: Spool::new()? })
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
    pub(crate) fn find(&self, path: &[u8]) -> Result<Option<Place>, Error> {
        self.tree().find(path).map_err(|fault| unreadable(&fault))
    }

    /// Where the directory at `path` really lies, as far as it exists; the rest of the path as it is.
    pub(crate) fn real_directory(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        let mut end = path.len();
        loop {
            if let Some(place) = self.find(&path[..end])? {
                let rest = path[end..].strip_prefix(b"/").unwrap_or(&path[end..]);
                // Where there is nothing yet, the tree will be one with a merged `/usr`.
                if place.path.is_empty() && rest.starts_with(b"lib") {
                    return Ok([b"usr/", rest].concat());
                }
                let parts = [place.path.as_slice(), rest];
                let parts: Vec<&[u8]> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                return Ok(parts.join(&b'/'));
            }
            end = path[..end].iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        }
    }

    /// Sees to it that the app has what lies at `place`: the file, and the links that led to it.
    pub(crate) fn take(&mut self, place: &Place) -> Result<(), Error> {
        for (link, target) in &place.links {
            if self.app.get(link).is_none() {
                self.app.add(link, Node::Symlink(target.clone()))?;
            }
        }
        if place.node == closure::Node::Directory {
            return if self.app.get(&place.path).is_none() && !place.path.is_empty() {
                self.app.add(&place.path, Node::Directory)
            } else {
                Ok(())
            };
        }
        let (first, after) = (self.first.len(), self.after.len());
        let (node, label) = match place.layer {
            layer if layer == first => return Ok(()),
            layer if layer > first + after => {
                let Some((holder, node)) = self.pool.file(&place.path) else { return Ok(()) };
                let label = self.origins.get(holder).cloned();
                (node.clone(), label)
            }
            layer => {
                let source =
                    if layer < first { self.first.get(layer) } else { self.after.get(layer - first - 1) };
                let Some(source) = source else { return Ok(()) };
                let (label, path) = (Rc::from(source.label.as_str()), source.directory.path(&place.path));
                let Some(path) = path else { return Ok(()) };
                (self.file(&path)?, Some(label))
            }
        };
        self.app.put(&place.path, node)?;
        if let Some(label) = label {
            self.origins.insert(place.path.clone(), label);
        }
        Ok(())
    }

    /// A file of this machine.
    pub(crate) fn file(&mut self, path: &std::path::Path) -> Result<Node, Error> {
        let failed = |source| Error::io("read", path, source);
        // An ordinary user's file cannot have them, so that nothing of them could be kept.
        if rustix::fs::getxattr(path, "security.capability", &mut [0; 64][..]).is_ok() {
            say::warning(&format!("`{}`: file capabilities are dropped", path.display()));
        }
        let executable = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o111 != 0;
        let content = self.spool.append(&mut File::open(path).map_err(failed)?)?;
        Ok(Node::File { executable, content })
    }
}

/// A layer that cannot be read.
pub(crate) fn unreadable(fault: &closure::Fault) -> Error {
    Error::told(fault, None, crate::error::Code::Failure)
}

/// A path of the tree as messages show it.
pub(crate) fn shown(path: &[u8]) -> String {
    format!("/{}", readable(path.strip_prefix(b"/").unwrap_or(path)))
}
