//! Several layers as one file tree: the first layer that has something at a path wins, directories are merged. Symbolic links,
//! absolute ones too, are followed inside the tree, as the kernel would after chroot(2); and where a tree has `usr/lib` but
//! no `lib`, `lib` is read as the link that merged-/usr systems have there.

use std::io::{self, Read, Seek};

use bundle::{LINKS_MAX, MERGED, components_of, join};

/// What is at a path of a layer, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link and what is in it.
    Symlink(Vec<u8>),
}

/// An open file.
pub trait Open: Read + Seek {}

impl<T: Read + Seek> Open for T {}

/// One source of files. Paths are bytes, relative to the tree's top, without empty, `.` or `..` parts; the top is empty.
pub trait Layer {
    /// What is at `path`; nothing for what is neither file, directory nor link.
    fn node(&self, path: &[u8]) -> io::Result<Option<Node>>;
    /// Opens the file at `path`.
    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Open + '_>>;
    /// The names in the directory at `path`; none where no directory is.
    fn names(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>>;
}

/// A tree that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `/{path}`", path = String::from_utf8_lossy(path))]
pub struct Fault {
    /// The path in the tree.
    pub path: Vec<u8>,
    /// What the system said.
    pub source: io::Error,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path without links.
    pub path: Vec<u8>,
    /// The number of the layer that has it.
    pub layer: usize,
    /// File or directory.
    pub node: Node,
    /// The links on the way, each by its own path and what is in it.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The layers, first before last.
#[derive(Default)]
pub struct Tree<'a> {
    layers: Vec<&'a dyn Layer>,
}

impl<'a> Tree<'a> {
    /// A tree of these layers.
    pub fn new(layers: Vec<&'a dyn Layer>) -> Self {
        Self { layers }
    }

    /// Where `path` leads, links followed; `None` where nothing is. A leading slash makes no difference.
    pub fn find(&self, path: &[u8]) -> Result<Option<Place>, Fault> {
        let mut rest: Vec<Vec<u8>> = components_of(path).rev().map(<[u8]>::to_vec).collect();
        let mut here: Vec<Vec<u8>> = Vec::new();
        let mut links = Vec::new();
        let (mut node, mut layer) = (Node::Directory, 0);
        while let Some(part) = rest.pop() {
            if part == b".." {
                // The parent of the top is the top, as after chroot(2).
                here.pop();
                node = Node::Directory;
                continue;
            }
            if node != Node::Directory {
                return Ok(None);
            }
            here.push(part);
            let at = here.join(&b'/');
            match self.node(&at)? {
                Some((found, Node::Symlink(target))) => {
                    here.pop();
                    if links.len() == LINKS_MAX {
                        return Ok(None);
                    }
                    if target.starts_with(b"/") {
                        here.clear();
                    }
                    rest.extend(components_of(&target).rev().map(<[u8]>::to_vec));
                    links.push((at, target));
                    (node, layer) = (Node::Directory, found);
                }
                Some((found, other)) => (node, layer) = (other, found),
                None => return Ok(None),
            }
        }
        Ok(Some(Place { path: here.join(&b'/'), layer, node, links }))
    }

    /// As [`Self::find`], files only.
    pub fn find_file(&self, path: &[u8]) -> Result<Option<Place>, Fault> {
        Ok(self.find(path)?.filter(|place| place.node == Node::File))
    }

    /// Opens the file at `place`.
    pub fn open(&self, place: &Place) -> Result<Box<dyn Open + 'a>, Fault> {
        let layer = self.layers.get(place.layer).copied();
        let opened =
            layer.ok_or_else(|| io::ErrorKind::NotFound.into()).and_then(|layer| layer.open(&place.path));
        opened.map_err(|source| Fault { path: place.path.clone(), source })
    }

    /// The bytes of the file at `place`.
    pub fn read(&self, place: &Place) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = self.open(place)?.read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|source| Fault { path: place.path.clone(), source })
    }

    /// The names in the directory that `path` leads to, of all layers, sorted; none where no directory is.
    pub fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let Some(place) = self.find(path)?.filter(|place| place.node == Node::Directory) else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for layer in &self.layers {
            names.extend(
                layer.names(&place.path).map_err(|source| Fault { path: place.path.clone(), source })?,
            );
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// What is at `path`, whose directories are no links.
    pub fn node(&self, path: &[u8]) -> Result<Option<(usize, Node)>, Fault> {
        let fault = |source| Fault { path: path.to_vec(), source };
        for (number, layer) in self.layers.iter().enumerate() {
            if let Some(node) = layer.node(path).map_err(fault)? {
                return Ok(Some((number, node)));
            }
        }
        if !MERGED.contains(&path) {
            return Ok(None);
        }
        let merged = join(b"usr", path);
        for (number, layer) in self.layers.iter().enumerate() {
            if layer.node(&merged).map_err(fault)? == Some(Node::Directory) {
                return Ok(Some((number, Node::Symlink(merged))));
            }
        }
        Ok(None)
    }
}
