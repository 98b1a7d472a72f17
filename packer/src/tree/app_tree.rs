//! The app's file tree as it will be unpacked: sorted by path, times and owners left out, modes 0755 or 0644,
//! links kept but made relative. Refuses paths that leave the tree (FORMAT.md, section 6); there is no node
//! kind for devices, fifos and sockets.

use std::collections::BTreeMap;
use std::io;

use bundle::{Digest, LINKS_MAX, TreePath, directory_of, file_name_of, join};
use closure::{Layer, Open, Resolved, Tree};

use crate::error::{Error, readable};
use crate::tree::content::Content;

/// Shorter files are not worth a link, in bytes: most of what they take in the archive is their header, which
/// a link has too.
const SAME_MIN: u64 = 4096;

/// One node of the tree.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A directory.
    Directory,
    /// A file, 0755 or 0644.
    File {
        /// Whether it is executable.
        executable: bool,
        /// Its bytes.
        content: Content,
    },
    /// A symbolic link and where it leads.
    Symlink(Vec<u8>),
    /// Another name for the file at this path of the tree.
    HardLink(Vec<u8>),
}

/// The tree. Paths are bytes, relative, without empty, `.` or `..` components.
#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    nodes: BTreeMap<Vec<u8>, Node>,
    /// Programs to which their loader's path is appended when they are unpacked, and the loader's path in the
    /// tree.
    loaders: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl App {
    /// Adds `node` at `path`, and creates the directories above it.
    pub(crate) fn add(&mut self, path: &[u8], node: Node) -> Result<(), Error> {
        if let Node::HardLink(target) = &node {
            tree_path(target)?;
        }
        for directory in tree_path(path)?.ancestors() {
            match self.nodes.entry(directory.bytes().to_vec()).or_insert(Node::Directory) {
                Node::Directory => {}
                _ => return Err(Error::tree(path, "something above it is not a directory")),
            }
        }
        match self.nodes.insert(path.to_vec(), node) {
            None => Ok(()),
            // Its contents may have created a directory before it is added itself.
            Some(Node::Directory) if matches!(self.nodes.get(path), Some(Node::Directory)) => Ok(()),
            Some(_) => Err(Error::tree(path, "it is in the tree twice")),
        }
    }

    /// Where a file with this path lies: the links among its directories resolved, as they will be at run
    /// time.
    pub(crate) fn real(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        let path = tree_path(path)?.bytes();
        // A tree in memory is always readable.
        let place = Tree::exactly(self).place(path).ok().flatten();
        place.ok_or_else(|| Error::tree(path, "something above it is not a directory"))
    }

    /// Puts `node` where `path` leads, in place of a file or a link that is there; returns where that is.
    /// What is a directory stays one, also if it is one through a link: neither replaces the other, as with
    /// dpkg(1).
    pub(crate) fn place(&mut self, path: &[u8], node: Node) -> Result<Vec<u8>, Error> {
        let path = self.real(path)?;
        let node = match node {
            Node::HardLink(target) => Node::HardLink(self.real(&target)?),
            node => node,
        };
        let stays = match (self.nodes.get(&path), &node) {
            (Some(Node::Directory), Node::Symlink(_)) => true,
            (Some(_), Node::Directory) => self.is_directory(&path),
            _ => false,
        };
        if !stays {
            if !matches!(self.nodes.get(&path), None | Some(Node::Directory)) {
                self.remove(&|found| found == path);
            }
            self.add(&path, node)?;
        }
        Ok(path)
    }

    /// Removes everything for which `goes` is true; a file that keeps some of its names keeps its bytes under
    /// the first of them.
    pub(crate) fn remove(&mut self, goes: &dyn Fn(&[u8]) -> bool) {
        let stays = |path: &&Vec<u8>| !goes(path);
        let mut kept: BTreeMap<Vec<u8>, (Vec<u8>, Node)> = BTreeMap::new();
        for (path, node) in self.nodes.iter().filter(|(path, _)| stays(path)) {
            if let Node::HardLink(_) = node
                && let Some((holder, file)) = self.file(path).filter(|(holder, _)| goes(holder))
            {
                kept.entry(holder.to_vec()).or_insert_with(|| (path.clone(), file.clone()));
            }
        }
        let heirs: BTreeMap<Vec<u8>, Vec<u8>> =
            kept.iter().map(|(holder, (heir, _))| (holder.clone(), heir.clone())).collect();
        let moved: Vec<_> = self
            .nodes
            .iter()
            .filter(|(path, node)| !goes(path) && matches!(node, Node::HardLink(_)))
            .filter_map(|(path, _)| Some((path.clone(), heirs.get(self.file(path)?.0)?.clone())))
            .collect();
        self.nodes.retain(|path, _| !goes(path));
        for (path, heir) in moved {
            self.nodes.insert(path, Node::HardLink(heir));
        }
        for (heir, file) in kept.into_values() {
            self.nodes.insert(heir, file);
        }
    }

    /// Replaces the bytes of the file at `path`.
    pub(crate) fn replace(&mut self, path: &[u8], bytes: Content) {
        if let Some(Node::File { content, .. }) = self.nodes.get_mut(path) {
            *content = bytes;
        }
    }

    /// Makes the file at `path` executable.
    pub(crate) fn make_executable(&mut self, path: &[u8]) {
        let real = self.file(path).map(|(real, _)| real.to_vec());
        if let Some(Node::File { executable, .. }) = real.and_then(|real| self.nodes.get_mut(&real)) {
            *executable = true;
        }
    }

    /// Whoever unpacks the file at `path` must append the path of the tree's `loader` to it.
    pub(crate) fn asks_for(&mut self, path: &[u8], loader: &[u8]) {
        self.loaders.insert(path.to_vec(), loader.to_vec());
    }

    /// The loader whose path is appended to the file at `path`.
    pub(crate) fn loader_of(&self, path: &[u8]) -> Option<&[u8]> {
        self.loaders.get(path).map(Vec::as_slice)
    }

    /// Whether `path` leads to a directory.
    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        self.leads_to(path).is_some_and(|found| found.kind == closure::Kind::Directory)
    }

    /// What `path` leads to, all links followed inside the tree.
    fn leads_to(&self, path: &[u8]) -> Option<Resolved> {
        // A tree in memory is always readable.
        Tree::exactly(self).resolve(path).ok().flatten()
    }

    /// The node at `path`, without following links.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The names in a directory; the empty path is the root.
    pub(crate) fn names(&self, directory: &[u8]) -> impl Iterator<Item = &[u8]> {
        let start = if directory.is_empty() { Vec::new() } else { [directory, b"/"].concat() };
        let length = start.len();
        let below = self.nodes.range(start.clone()..).map(|(path, _)| path.as_slice());
        below
            .take_while(move |path| path.starts_with(&start))
            .map(move |path| &path[length..])
            .filter(|name| !name.is_empty() && !name.contains(&b'/'))
    }

    /// Changes every link to one that the format allows; returns a warning for each that had to be left out.
    pub(crate) fn settle(&mut self) -> Result<Vec<String>, Error> {
        self.settle_hard_links()?;
        let mut warnings = Vec::new();
        let mut settled = Vec::new();
        for (path, node) in &self.nodes {
            let Node::Symlink(target) = node else { continue };
            let Some(link) = TreePath::new(path) else { continue };
            match link.follow(target).map(|inside| self.through_links(inside)) {
                // What an absolute link means outside the tree depends on the machine.
                Some(inside) if !target.starts_with(b"/") || self.nodes.contains_key(&inside) => {
                    settled.push((path.clone(), Some(link.link_to(&inside))));
                }
                _ => {
                    let (path_text, target) = (readable(path), readable(target));
                    warnings.push(format!("link `{path_text}` to `{target}` leads out of the app: skipped"));
                    settled.push((path.clone(), None));
                }
            }
        }
        for (path, target) in settled {
            match target {
                Some(target) => self.nodes.insert(path, Node::Symlink(target)),
                None => self.nodes.remove(&path),
            };
        }
        Ok(warnings)
    }

    /// `path` with the links among its directories resolved, if something is there: `usr/lib/x` for `lib/x`,
    /// where `lib` is a link to `usr/lib`.
    fn through_links(&self, path: Vec<u8>) -> Vec<u8> {
        let (directory, name) = (directory_of(&path), file_name_of(&path));
        if directory.is_empty() {
            return path;
        }
        match Tree::new(vec![self]).resolve(directory) {
            Ok(Some(directory)) => {
                let real = join(&directory.path, name);
                if self.nodes.contains_key(&real) { real } else { path }
            }
            _ => path,
        }
    }

    /// Merges files with the same bytes into one file with several names, so that it is stored, and unpacked,
    /// once.
    pub(crate) fn unite(&mut self) -> Result<(), Error> {
        let mut alike: BTreeMap<(u64, bool), Vec<Vec<u8>>> = BTreeMap::new();
        for (path, node) in &self.nodes {
            if let Node::File { executable, content } = node
                && content.len() >= SAME_MIN
                // What will be appended to it is not known yet.
                && !self.loaders.contains_key(path)
            {
                alike.entry((content.len(), *executable)).or_default().push(path.clone());
            }
        }
        for files in alike.into_values().filter(|files| files.len() > 1) {
            let mut firsts: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
            for path in files {
                let Some(Node::File { content, .. }) = self.nodes.get(&path) else { continue };
                let digest = content.digest().map_err(Error::Temporary)?;
                match firsts.get(&digest) {
                    Some(first) => drop(self.nodes.insert(path, Node::HardLink(first.clone()))),
                    None => drop(firsts.insert(digest, path)),
                }
            }
        }
        self.settle_hard_links()
    }

    /// Makes the first name of each hard-linked file, in the order of the tree, the one that holds its bytes,
    /// so that an archive in that order can be unpacked from front to back.
    fn settle_hard_links(&mut self) -> Result<(), Error> {
        let mut names: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (path, node) in &self.nodes {
            if let Node::HardLink(_) = node {
                let (holder, _) = self.file(path).ok_or_else(|| {
                    Error::tree(path, "it is a hard link to a file that is not in the tree")
                })?;
                names.entry(holder.to_vec()).or_default().push(path.clone());
            }
        }
        for (holder, links) in names {
            let first = links.first().filter(|link| **link < holder).unwrap_or(&holder).clone();
            for link in &links {
                self.nodes.insert(link.clone(), Node::HardLink(first.clone()));
            }
            if first != holder
                && let Some(file) = self.nodes.insert(holder, Node::HardLink(first.clone()))
            {
                self.nodes.insert(first, file);
            }
        }
        Ok(())
    }

    /// Everything in the order of the archive: by path, byte by byte, each directory before its contents.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), node))
    }

    /// The executable files, under each of their names.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &[u8]> {
        self.nodes.keys().map(Vec::as_slice).filter(|path| self.program(path).is_some())
    }

    /// The bytes of the executable file at `path`, with links followed inside the tree.
    pub(crate) fn program(&self, path: &[u8]) -> Option<&Content> {
        match self.file(path)?.1 {
            Node::File { executable: true, content } => Some(content),
            _ => None,
        }
    }

    /// The file at `path`, with links followed inside the tree.
    pub(crate) fn file<'a>(&'a self, path: &[u8]) -> Option<(&'a [u8], &'a Node)> {
        let mut path = self.leads_to(path)?.path;
        for _ in 0..LINKS_MAX {
            let (found, node) = self.nodes.get_key_value(&path)?;
            path = match node {
                Node::File { .. } => return Some((found, node)),
                Node::HardLink(target) => target.clone(),
                Node::Directory | Node::Symlink(_) => return None,
            };
        }
        None
    }
}

/// `path`, if it stays in the tree.
pub(crate) fn tree_path(path: &[u8]) -> Result<TreePath<'_>, Error> {
    TreePath::new(path).ok_or_else(|| Error::tree(path, "it is not a path inside the tree"))
}

/// The view that crate `closure` has: one layer among others, or a tree by itself.
impl Layer for App {
    fn kind(&self, path: &[u8]) -> io::Result<Option<closure::Kind>> {
        if path.is_empty() {
            return Ok(Some(closure::Kind::Directory));
        }
        Ok(self.get(path).map(|node| match node {
            Node::Directory => closure::Kind::Directory,
            Node::File { .. } | Node::HardLink(_) => closure::Kind::File,
            Node::Symlink(target) => closure::Kind::Symlink(target.clone()),
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

#[cfg(test)]
mod tests;
