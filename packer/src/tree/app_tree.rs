//! The app's file tree as it will be unpacked: sorted by path, times and owners left out, modes 0755 or 0644, links kept
//! but made relative. Refuses paths that leave the tree (FORMAT.md, section 6); there is no node kind for devices, fifos
//! and sockets.

use std::collections::BTreeMap;

use closure::Tree;

use crate::error::{Error, readable};
use crate::hash;
use crate::tree::content::Content;

/// `PATH_MAX` of `<linux/limits.h>`: a longer path cannot be opened.
const PATH_MAX: usize = 4096;

/// How many symbolic links are followed for one path, as in the kernel (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// Shorter files are not worth a link, in bytes: their place in the archive is mostly their header, which a link has too.
const SAME_MIN: u64 = 4096;

/// One thing in the tree.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A directory.
    Directory,
    /// A file, 0755 or 0644.
    File {
        /// Whether it may be executed.
        executable: bool,
        /// Its bytes.
        content: Content,
    },
    /// A symbolic link and where it leads.
    Symlink(Vec<u8>),
    /// Another name of the file at this path of the tree.
    HardLink(Vec<u8>),
}

/// The tree. Paths are bytes, relative, without empty, `.` or `..` parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    nodes: BTreeMap<Vec<u8>, Node>,
    /// Programs that end in their loader's path once they are in their place, and the loader's place in the tree.
    loaders: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl App {
    /// Adds `node` at `path`; the directories above it come into being.
    pub(crate) fn add(&mut self, path: &[u8], node: Node) -> Result<(), Error> {
        check(path)?;
        if let Node::HardLink(target) = &node {
            check(target)?;
        }
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            match self.nodes.entry(path[..at].to_vec()).or_insert(Node::Directory) {
                Node::Directory => {}
                _ => return Err(Error::tree(path, "something above it is not a directory")),
            }
        }
        match self.nodes.insert(path.to_vec(), node) {
            None => Ok(()),
            // A directory may come into being by what is in it first.
            Some(Node::Directory) if matches!(self.nodes.get(path), Some(Node::Directory)) => Ok(()),
            Some(_) => Err(Error::tree(path, "it is in the tree twice")),
        }
    }

    /// Adds `node` at `path` in place of what is there, unless that is a directory.
    pub(crate) fn put(&mut self, path: &[u8], node: Node) -> Result<(), Error> {
        if !matches!(self.nodes.get(path), None | Some(Node::Directory)) {
            self.remove(&|found| found == path);
        }
        self.add(path, node)
    }

    /// Takes out everything that `goes`; a file with names that stay keeps its bytes under the first of them.
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

    /// Gives the file at `path` other bytes.
    pub(crate) fn replace(&mut self, path: &[u8], bytes: Content) {
        if let Some(Node::File { content, .. }) = self.nodes.get_mut(path) {
            *content = bytes;
        }
    }

    /// Whoever unpacks the file at `path` shall write the path of the tree's `loader` behind it.
    pub(crate) fn asks_for(&mut self, path: &[u8], loader: &[u8]) {
        self.loaders.insert(path.to_vec(), loader.to_vec());
    }

    /// The loader whose path is written behind the file at `path`.
    pub(crate) fn loader_of(&self, path: &[u8]) -> Option<&[u8]> {
        self.loaders.get(path).map(Vec::as_slice)
    }

    /// Whether `path` leads to a directory.
    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        match self.nodes.get(path) {
            Some(Node::Directory) => true,
            Some(Node::Symlink(target)) => {
                resolve(path, target).is_some_and(|to| matches!(self.nodes.get(&to), Some(Node::Directory)))
            }
            _ => false,
        }
    }

    /// What is at `path`, links not followed.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The names in a directory; the top is empty.
    pub(crate) fn names(&self, directory: &[u8]) -> impl Iterator<Item = &[u8]> {
        let start = if directory.is_empty() { Vec::new() } else { [directory, b"/"].concat() };
        let length = start.len();
        let below = self.nodes.range(start.clone()..).map(|(path, _)| path.as_slice());
        below
            .take_while(move |path| path.starts_with(&start))
            .map(move |path| &path[length..])
            .filter(|name| !name.is_empty() && !name.contains(&b'/'))
    }

    /// Makes every link one that the format allows; gives a warning for each that had to be left out.
    pub(crate) fn settle(&mut self) -> Result<Vec<String>, Error> {
        self.settle_hard_links()?;
        let mut warnings = Vec::new();
        let mut settled = Vec::new();
        for (path, node) in &self.nodes {
            let Node::Symlink(target) = node else { continue };
            match resolve(path, target).map(|inside| self.through_links(inside)) {
                // What an absolute link means outside the tree differs from machine to machine.
                Some(inside) if !target.starts_with(b"/") || self.nodes.contains_key(&inside) => {
                    settled.push((path.clone(), Some(relative(path, &inside))));
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

    /// `path` as it is without the directories that are links on its way, where something is there: `usr/lib/x` for `lib/x`, where `lib` is
    /// a link to `usr/lib`.
    fn through_links(&self, path: Vec<u8>) -> Vec<u8> {
        let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { return path };
        match Tree::new(vec![self]).find(&path[..slash]) {
            Ok(Some(directory)) => {
                let real = [&directory.path, &path[slash..]].concat();
                if self.nodes.contains_key(&real) { real } else { path }
            }
            _ => path,
        }
    }

    /// Makes one file with several names of files with the same bytes, so that these are stored, and unpacked, once.
    pub(crate) fn unite(&mut self) -> Result<(), Error> {
        let mut alike: BTreeMap<(u64, bool), Vec<Vec<u8>>> = BTreeMap::new();
        for (path, node) in &self.nodes {
            if let Node::File { executable, content } = node
                && content.len() >= SAME_MIN
                // What is written behind it is not known yet.
                && !self.loaders.contains_key(path)
            {
                alike.entry((content.len(), *executable)).or_default().push(path.clone());
            }
        }
        for files in alike.into_values().filter(|files| files.len() > 1) {
            let mut firsts: BTreeMap<[u8; 32], Vec<u8>> = BTreeMap::new();
            for path in files {
                let Some(Node::File { content, .. }) = self.nodes.get(&path) else { continue };
                let digest = hash::of_content(content).map_err(Error::Temporary)?.0;
                match firsts.get(&digest) {
                    Some(first) => drop(self.nodes.insert(path, Node::HardLink(first.clone()))),
                    None => drop(firsts.insert(digest, path)),
                }
            }
        }
        self.settle_hard_links()
    }

    /// Makes the first name of each hard-linked file, in the order of the tree, the one that holds its bytes, so that an
    /// archive in that order can be unpacked from front to back.
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

    /// Everything in the order of the archive: by path, byte by byte, each directory before what is in it.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), node))
    }

    /// The files that may be executed, under each of their names.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &[u8]> {
        self.nodes.keys().map(Vec::as_slice).filter(|path| self.program(path).is_some())
    }

    /// The bytes of the executable file that `path` names, links followed inside the tree.
    pub(crate) fn program(&self, path: &[u8]) -> Option<&Content> {
        match self.file(path)?.1 {
            Node::File { executable: true, content } => Some(content),
            _ => None,
        }
    }

    /// The file that `path` names, links followed inside the tree.
    pub(crate) fn file<'a>(&'a self, path: &[u8]) -> Option<(&'a [u8], &'a Node)> {
        let mut path = path.to_vec();
        for _ in 0..LINKS_MAX {
            let (found, node) = self.nodes.get_key_value(&path)?;
            path = match node {
                Node::File { .. } => return Some((found, node)),
                Node::Directory => return None,
                Node::HardLink(target) => target.clone(),
                Node::Symlink(target) => resolve(&path, target)?,
            };
        }
        None
    }
}

/// Where a symbolic link at `path` leads; `None` when it leaves the tree.
fn resolve(path: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    if target.starts_with(b"/") {
        parts.clear();
    }
    parts.pop();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// The target of a link at `path` that leads to `inside`, both in the tree: `..` only at the start.
pub(crate) fn relative(path: &[u8], inside: &[u8]) -> Vec<u8> {
    let mut from: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    from.pop();
    let to: Vec<&[u8]> = inside.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    let common = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
    let up = from[common..].iter().map(|_| &b".."[..]);
    let parts: Vec<&[u8]> = up.chain(to[common..].iter().copied()).collect();
    if parts.is_empty() { b".".to_vec() } else { parts.join(&b'/') }
}

/// Whether `path` stays in the tree.
pub(crate) fn check(path: &[u8]) -> Result<(), Error> {
    let stays = path.split(|byte| *byte == b'/').all(|part| !matches!(part, b"" | b"." | b".."));
    if stays && path.len() < PATH_MAX && !path.contains(&0) {
        Ok(())
    } else {
        Err(Error::tree(path, "it is not a path inside the tree"))
    }
}

/// Whether a symbolic link at `path` stays in the tree: FORMAT.md, section 6.
pub(crate) fn check_link(path: &[u8], target: &[u8]) -> Result<(), Error> {
    let above = path.split(|byte| *byte == b'/').count() - 1;
    let up = target.split(|byte| *byte == b'/').take_while(|part| *part == b"..").count();
    let later = target.split(|byte| *byte == b'/').skip(up).any(|part| part == b"..");
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) || later || up > above {
        return Err(Error::tree(path, "it is a link that leads out of the tree"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Node {
        Node::File { executable: true, content: bytes.to_vec().into() }
    }

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        let mut app = App::default();
        for path in [&b""[..], b"/a", b"a/", b"a//b", b"a/../b", b"..", b"./a", b"a\0b", &[b'a'; 4096]] {
            assert!(app.add(path, Node::Directory).is_err(), "{}", path.escape_ascii());
            assert!(app.add(b"link", Node::HardLink(path.to_vec())).is_err());
        }
        assert!(app.add(b"a/\xff/..c", Node::Directory).is_ok());
    }

    #[test]
    fn nothing_can_lie_under_a_link_or_twice_at_one_place() {
        let mut app = App::default();
        app.add(b"a", Node::Symlink(b"/etc".to_vec())).expect("a first node");
        assert!(app.add(b"a/passwd", file(b"x")).is_err());
        app.add(b"b/c", file(b"x")).expect("another node");
        assert!(app.add(b"b/c", file(b"y")).is_err());
        assert!(app.add(b"b", Node::Directory).is_ok(), "a directory may be named after what is in it");
    }

    #[test]
    fn the_first_name_of_a_file_holds_its_bytes_whatever_order_they_came_in() {
        let mut app = App::default();
        app.add(b"usr/bin/z", file(b"x")).expect("added");
        app.add(b"usr/bin/m", Node::HardLink(b"usr/bin/z".to_vec())).expect("added");
        app.add(b"usr/bin/n", Node::HardLink(b"usr/bin/m".to_vec())).expect("added");
        app.settle().expect("links lead to files");
        let kinds: Vec<_> = app.nodes().filter(|(path, _)| path.len() == 9).collect();
        assert!(matches!(kinds[0], (b"usr/bin/m", Node::File { .. })));
        assert!(matches!(kinds[1], (b"usr/bin/n", Node::HardLink(to)) if to == b"usr/bin/m"));
        assert!(matches!(kinds[2], (b"usr/bin/z", Node::HardLink(to)) if to == b"usr/bin/m"));
    }

    #[test]
    fn files_with_the_same_bytes_are_one_unless_they_are_short_or_differ_in_mode() {
        let mut app = App::default();
        let node = |executable, byte, length| Node::File { executable, content: vec![byte; length].into() };
        app.add(b"a", node(false, 1, 5000)).expect("added");
        app.add(b"b", node(true, 1, 5000)).expect("added");
        app.add(b"c", node(false, 2, 5000)).expect("added");
        app.add(b"d", node(false, 1, 5000)).expect("added");
        app.add(b"e", Node::HardLink(b"d".to_vec())).expect("added");
        app.add(b"f", node(false, 1, 5000)).expect("added");
        app.asks_for(b"f", b"loader");
        app.add(b"g", node(false, 1, 50)).expect("added");
        app.add(b"h", node(false, 1, 50)).expect("added");
        app.unite().expect("united");
        let links: Vec<_> = app
            .nodes()
            .filter_map(|(path, node)| match node {
                Node::HardLink(to) => Some((path, to.as_slice())),
                _ => None,
            })
            .collect();
        assert_eq!(links, [(&b"d"[..], &b"a"[..]), (b"e", b"a")]);
    }

    #[test]
    fn a_file_stays_under_the_names_that_are_not_taken_out() {
        let mut app = App::default();
        app.add(b"a/1", file(b"x")).expect("added");
        for name in [&b"a/2"[..], b"b/3", b"b/4"] {
            app.add(name, Node::HardLink(b"a/1".to_vec())).expect("added");
        }
        app.remove(&|path| path.starts_with(b"a"));
        app.settle().expect("links lead to files");
        let left: Vec<_> = app.nodes().map(|(path, _)| path).collect();
        assert_eq!(left, [&b"b"[..], b"b/3", b"b/4"]);
        assert_eq!(app.program(b"b/4").map(Content::len), Some(1));
        app.put(b"b/3", file(b"yy")).expect("replaced");
        assert_eq!(app.program(b"b/4").map(Content::len), Some(1), "the other name keeps the old bytes");
        assert_eq!(app.names(b"b").collect::<Vec<_>>(), [b"3", b"4"]);
        assert_eq!(app.names(b"").collect::<Vec<_>>(), [b"b"]);
    }

    #[test]
    fn a_hard_link_to_nothing_is_refused() {
        let mut app = App::default();
        app.add(b"a", Node::HardLink(b"b".to_vec())).expect("may still come");
        assert!(app.settle().is_err());
        app.add(b"b", file(b"x")).expect("added");
        assert!(app.settle().is_ok());
    }

    #[test]
    fn a_link_leads_through_directories_that_are_links() {
        let mut app = App::default();
        app.add(b"usr/lib/cpu/real", file(b"x")).expect("added");
        app.add(b"lib", Node::Symlink(b"usr/lib".to_vec())).expect("added");
        app.add(b"usr/lib64/absolute", Node::Symlink(b"/lib/cpu/real".to_vec())).expect("added");
        app.add(b"usr/lib64/relative", Node::Symlink(b"../../lib/cpu/real".to_vec())).expect("added");
        app.add(b"usr/lib64/directory", Node::Symlink(b"/lib/cpu".to_vec())).expect("added");
        assert!(app.settle().expect("no hard link").is_empty(), "nothing is left out");
        for name in ["absolute", "relative"] {
            let path = [b"usr/lib64/", name.as_bytes()].concat();
            assert!(app.file(&path).is_some_and(|(found, _)| found == b"usr/lib/cpu/real"), "{name}");
        }
        let directory = app.get(b"usr/lib64/directory");
        assert!(matches!(directory, Some(Node::Symlink(target)) if target == b"../lib/cpu"), "{directory:?}");
    }

    #[test]
    fn links_are_followed_inside_the_tree_only() {
        let mut app = App::default();
        app.add(b"usr/bin/real", file(b"x")).expect("added");
        app.add(b"bin/name", Node::Symlink(b"../usr/bin/real".to_vec())).expect("added");
        app.add(b"bin/absolute", Node::Symlink(b"/usr/bin/real".to_vec())).expect("added");
        app.add(b"bin/out", Node::Symlink(b"../../usr/bin/real".to_vec())).expect("added");
        app.add(b"bin/round", Node::Symlink(b"round".to_vec())).expect("added");
        let programs: Vec<_> = app.programs().collect();
        assert_eq!(programs, [&b"bin/absolute"[..], b"bin/name", b"usr/bin/real"]);

        app.add(b"a/b/c/up", Node::Symlink(b"./../x/../../d//e".to_vec())).expect("added");
        app.add(b"a/elsewhere", Node::Symlink(b"/etc/passwd".to_vec())).expect("added");
        let warnings = app.settle().expect("no hard link");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("`a/elsewhere`") && warnings[1].contains("`bin/out`"), "{warnings:?}");
        let links: Vec<_> = app
            .nodes()
            .filter_map(|(path, node)| match node {
                Node::Symlink(target) => Some((path, &target[..])),
                _ => None,
            })
            .collect();
        let expected: [(&[u8], &[u8]); 4] = [
            (b"a/b/c/up", b"../../d/e"),
            (b"bin/absolute", b"../usr/bin/real"),
            (b"bin/name", b"../usr/bin/real"),
            (b"bin/round", b"round"),
        ];
        assert_eq!(links, expected);
    }
}
