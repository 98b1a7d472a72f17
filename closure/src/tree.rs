//! Several layers as one file tree: the first layer that has a path wins, and directories are merged.
//! Symbolic links, also absolute ones, are followed inside the tree, as the kernel does after chroot(2). If a
//! tree has `usr/lib` but no `lib`, `lib` counts as the link that systems with merged /usr have there.

use std::io::{self, Read, Seek};

use bundle::{LINKS_MAX, MERGED, components_of, directory_of, file_name_of, join};

/// What a layer has at a path, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
}

/// An open file.
pub trait Open: Read + Seek {}

impl<T: Read + Seek> Open for T {}

/// One source of files. Paths are [`bundle::TreePath`]s as bytes; the empty path is the top of the tree.
pub trait Layer {
    /// What is at `path`; `None` for anything but files, directories and symbolic links.
    fn kind(&self, path: &[u8]) -> io::Result<Option<Kind>>;
    /// Opens the file at `path`.
    fn open(&self, path: &[u8]) -> io::Result<Box<dyn Open + '_>>;
    /// The names in the directory at `path`; none if there is no directory.
    fn names(&self, path: &[u8]) -> io::Result<Vec<Vec<u8>>>;
}

/// A path of the tree that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `/{path}`", path = bundle::Shown(path))]
pub struct Fault {
    /// The path in the tree.
    pub path: Vec<u8>,
    /// The system's error.
    pub source: io::Error,
}

/// What a path leads to, all links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The path without links.
    pub path: Vec<u8>,
    /// The number of the layer that contains it.
    pub layer: usize,
    /// File or directory.
    pub kind: Kind,
    /// The links on the way: each link's own path, and its target.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Layers, in the order in which they are asked.
#[derive(Default)]
pub struct Tree<'a> {
    layers: Vec<&'a dyn Layer>,
    /// Whether it is as [`Tree::exactly`] makes it.
    exact: bool,
}

/// What a walk does where nothing is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It ends: there is nothing at the path.
    Nothing,
    /// It goes on: a directory will be made there.
    Directory,
}

impl<'a> Tree<'a> {
    /// A tree of these layers.
    pub fn new(layers: Vec<&'a dyn Layer>) -> Self {
        Self { layers, exact: false }
    }

    /// A tree that will be packed: it has the links of this layer and no others, not those of a merged `/usr`
    /// either, and a link that climbs above the top leads nowhere.
    pub fn exactly(layer: &'a dyn Layer) -> Self {
        Self { layers: vec![layer], exact: true }
    }

    /// Where a file with this path lies, whether or not it exists: the links among its directories resolved,
    /// its last name not. `None` if something above it is not a directory, or for the top itself.
    pub fn place(&self, path: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let name = file_name_of(path);
        if matches!(name, b"" | b"." | b"..") {
            return Ok(None);
        }
        let above = self.walk(directory_of(path), Missing::Directory)?;
        let above = above.filter(|above| above.kind == Kind::Directory);
        Ok(above.map(|above| join(&above.path, name)))
    }

    /// What `path` leads to, links followed; `None` if there is nothing. A leading slash makes no difference.
    pub fn resolve(&self, path: &[u8]) -> Result<Option<Resolved>, Fault> {
        self.walk(path, Missing::Nothing)
    }

    fn walk(&self, path: &[u8], missing: Missing) -> Result<Option<Resolved>, Fault> {
        let mut rest: Vec<Vec<u8>> = components_of(path).rev().map(<[u8]>::to_vec).collect();
        let mut here: Vec<Vec<u8>> = Vec::new();
        let mut links = Vec::new();
        let (mut kind, mut layer) = (Kind::Directory, 0);
        while let Some(part) = rest.pop() {
            if part == b".." {
                // The parent of the top is the top itself, as after chroot(2); but a packed tree lies in a
                // directory of others.
                if here.pop().is_none() && self.exact {
                    return Ok(None);
                }
                kind = Kind::Directory;
                continue;
            }
            if kind != Kind::Directory {
                return Ok(None);
            }
            here.push(part);
            let at = here.join(&b'/');
            match self.kind(&at)? {
                Some((found, Kind::Symlink(target))) => {
                    here.pop();
                    if links.len() == LINKS_MAX {
                        return Ok(None);
                    }
                    if target.starts_with(b"/") {
                        here.clear();
                    }
                    rest.extend(components_of(&target).rev().map(<[u8]>::to_vec));
                    links.push((at, target));
                    (kind, layer) = (Kind::Directory, found);
                }
                Some((found, other)) => (kind, layer) = (other, found),
                None if missing == Missing::Directory => {}
                None => return Ok(None),
            }
        }
        Ok(Some(Resolved { path: here.join(&b'/'), layer, kind, links }))
    }

    /// As [`Self::resolve`], files only.
    pub fn resolve_file(&self, path: &[u8]) -> Result<Option<Resolved>, Fault> {
        Ok(self.resolve(path)?.filter(|resolved| resolved.kind == Kind::File))
    }

    /// Opens the file at `resolved`.
    pub fn open(&self, resolved: &Resolved) -> Result<Box<dyn Open + 'a>, Fault> {
        let layer = self.layers.get(resolved.layer).copied();
        let opened =
            layer.ok_or_else(|| io::ErrorKind::NotFound.into()).and_then(|layer| layer.open(&resolved.path));
        opened.map_err(|source| Fault { path: resolved.path.clone(), source })
    }

    /// The bytes of the file at `resolved`.
    pub fn read(&self, resolved: &Resolved) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        let read = self.open(resolved)?.read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(|source| Fault { path: resolved.path.clone(), source })
    }

    /// The names in the directory that `path` leads to, of all layers, sorted; none if there is no directory.
    pub fn names(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let Some(resolved) = self.resolve(path)?.filter(|resolved| resolved.kind == Kind::Directory) else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for layer in &self.layers {
            names.extend(
                layer
                    .names(&resolved.path)
                    .map_err(|source| Fault { path: resolved.path.clone(), source })?,
            );
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// What is at `path`, whose parent directories must not be links.
    pub fn kind(&self, path: &[u8]) -> Result<Option<(usize, Kind)>, Fault> {
        let fault = |source| Fault { path: path.to_vec(), source };
        for (number, layer) in self.layers.iter().enumerate() {
            if let Some(kind) = layer.kind(path).map_err(fault)? {
                return Ok(Some((number, kind)));
            }
        }
        if self.exact || !MERGED.contains(&path) {
            return Ok(None);
        }
        let merged = join(b"usr", path);
        for (number, layer) in self.layers.iter().enumerate() {
            if layer.kind(&merged).map_err(fault)? == Some(Kind::Directory) {
                return Ok(Some((number, Kind::Symlink(merged))));
            }
        }
        Ok(None)
    }
}
