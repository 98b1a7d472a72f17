//! The component that each file of a tree belongs to: the package that it was unpacked from, the package in
//! the database of the root that it was taken from, a package of a language, or else the app itself.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::rc::Rc;

use closure::{Directory, Tree};

use crate::components::installed::{Installed, Root};
use crate::components::languages;
use crate::components::packages::{self, Known};
use crate::components::{Facts, path};
use crate::error::Error;
use crate::system::system_tree::{self, SystemTree};
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;

/// Where a file came from; displayed as reports show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A package that was fetched or given, by its name.
    Package(Rc<str>),
    /// A root file system of this machine.
    Root(Rc<str>),
    /// Anything else.
    Other(Rc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Package(label) | Self::Root(label) | Self::Other(label)) = self;
        f.write_str(label)
    }
}

impl Origin {
    /// A source that is not a package.
    pub(crate) fn other(label: &str) -> Self {
        Self::Other(label.into())
    }
}

/// The facts about an app. `packages` are those that it was made from: all of those in `wanted` count, and
/// those of the others that have a file in it.
pub(crate) fn of_app(
    app: &App,
    origins: &BTreeMap<Vec<u8>, Origin>,
    packages: &BTreeMap<String, Known>,
    wanted: &[String],
) -> Result<Facts, Error> {
    let mut owned = Owned::default();
    for name in wanted {
        if let Some(known) = packages.get(name) {
            owned.package(name, known);
        }
    }
    let mut roots: BTreeMap<Rc<str>, Installed> = BTreeMap::new();
    let mut left = Vec::new();
    for (path, node) in app.nodes() {
        if !matches!(node, Node::File { .. } | Node::HardLink(_)) {
            continue;
        }
        let found = match origins.get(path) {
            Some(Origin::Package(name)) => packages.get(&**name).map(|known| owned.package(name, known)),
            Some(Origin::Root(label)) => {
                let installed = roots
                    .entry(Rc::clone(label))
                    .or_insert_with(|| Installed::of(&OnDisk::new(Path::new(&**label))));
                let known = installed.owner(path).and_then(|index| installed.packages.get(index));
                known.map(|known| owned.package(&known.component.name, known))
            }
            Some(Origin::Other(_)) | None => None,
        };
        match found {
            Some(index) => owned.own(path, index),
            None => left.push(path),
        }
    }
    let content = |path: &[u8]| match app.file(path) {
        Some((_, Node::File { content, .. })) => Some(content),
        _ => None,
    };
    owned.of_languages(&left, &content)?;
    Ok(owned.facts(None))
}

/// The facts about a system, from the database that its root has.
pub(crate) fn of_system(tree: &SystemTree) -> Result<Facts, Error> {
    let installed = Installed::of(tree);
    let mut owned = Owned::default();
    let indexes: Vec<usize> = installed.packages.iter().map(|known| owned.push(known.clone())).collect();
    let mut left = Vec::new();
    for named in tree.iter().filter(|named| matches!(named.inode.kind, system_tree::Kind::File(_))) {
        match installed.owner(named.path) {
            Some(index) => owned.own(named.path, indexes[index]),
            None => left.push(named.path),
        }
    }
    let content = |path: &[u8]| match &tree.get(path)?.kind {
        system_tree::Kind::File(content) => Some(content),
        _ => None,
    };
    owned.of_languages(&left, &content)?;
    Ok(owned.facts(installed.distribution))
}

/// Packages found so far, and their files.
#[derive(Default)]
struct Owned {
    packages: Vec<Known>,
    by_name: BTreeMap<String, usize>,
}

impl Owned {
    fn push(&mut self, known: Known) -> usize {
        self.packages.push(known);
        self.packages.len() - 1
    }

    /// The index of a package with this name, added if it is new.
    fn package(&mut self, name: &str, known: &Known) -> usize {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = self.push(known.clone());
        self.by_name.insert(name.to_owned(), index);
        index
    }

    fn own(&mut self, file: &[u8], index: usize) {
        self.packages[index].component.files.push(path(file));
    }

    /// Gives the files that are `left` to packages of npm and for Python.
    fn of_languages<'c>(
        &mut self,
        left: &[&[u8]],
        content: &dyn Fn(&[u8]) -> Option<&'c Content>,
    ) -> Result<(), Error> {
        let read = |path: &[u8]| -> Result<Option<Vec<u8>>, Error> {
            let content = content(path).filter(|content| content.len() <= languages::DESCRIPTION_MAX);
            content.map(Content::bytes).transpose().map_err(Error::Temporary)
        };
        let mut descriptions = Vec::new();
        for file in left.iter().filter(|file| languages::is_description(file)) {
            if let Some(text) = read(file)? {
                descriptions.push((file.to_vec(), text));
            }
        }
        if descriptions.is_empty() {
            return Ok(());
        }
        let (packages, owners) = languages::find(&descriptions, left, &|path| read(path).ok().flatten());
        let indexes: Vec<usize> = packages.into_iter().map(|known| self.push(known)).collect();
        for file in left {
            if let Some(index) = owners.get(*file) {
                self.own(file, indexes[*index]);
            }
        }
        Ok(())
    }

    fn facts(self, distribution: Option<String>) -> Facts {
        let mut facts = packages::facts(self.packages);
        for component in &mut facts.components {
            component.files.sort();
        }
        Facts { distribution, ..facts }
    }
}

/// A root file system in a directory of this machine, whose links lead to nothing outside of it.
struct OnDisk(Directory);

impl OnDisk {
    fn new(root: &Path) -> Self {
        Self(Directory::new(root, b""))
    }

    fn tree(&self) -> Tree<'_> {
        Tree::new(vec![&self.0])
    }
}

impl Root for OnDisk {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        let tree = self.tree();
        let file = tree.resolve_file(path.as_bytes()).ok()??;
        let mut bytes = Vec::new();
        tree.open(&file).ok()?.take(super::FACTS_MAX).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let names = self.tree().names(directory.as_bytes()).unwrap_or_default();
        names.into_iter().filter_map(|name| String::from_utf8(name).ok()).collect()
    }
}

impl Root for SystemTree {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        match &self.resolve(path.as_bytes())?.1.kind {
            system_tree::Kind::File(content) if content.len() <= super::FACTS_MAX => content.bytes().ok(),
            _ => None,
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let names = Self::names(self, directory.as_bytes());
        names.filter_map(|name| String::from_utf8(name.to_vec()).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_a_root_stay_in_it() {
        let outside = tempfile::tempdir().expect("a directory");
        let root = outside.path().join("root");
        for directory in ["usr/lib", "usr/share/doc/a", "var/lib"] {
            fs::create_dir_all(root.join(directory)).expect("made");
        }
        // What is the host's, where the root's own is wanted.
        for directory in ["dpkg/status.d", "etc"] {
            fs::create_dir_all(outside.path().join(directory)).expect("made");
        }
        fs::write(outside.path().join("dpkg/status.d/a"), "Package: a\nVersion: 1\n").expect("written");
        fs::write(outside.path().join("copyright"), "the host's").expect("written");
        symlink(outside.path().join("dpkg"), root.join("var/lib/dpkg")).expect("a link");
        symlink("../../../../../copyright", root.join("usr/share/doc/a/copyright")).expect("a link");
        let on_disk = OnDisk::new(&root);
        assert_eq!(on_disk.names("var/lib/dpkg/status.d"), [""; 0]);
        assert_eq!(on_disk.read("var/lib/dpkg/status.d/a"), None);
        assert_eq!(on_disk.read("usr/share/doc/a/copyright"), None);
        // The root's own, whichever way its links go.
        fs::create_dir_all(root.join("data/dpkg/status.d")).expect("made");
        fs::write(root.join("data/dpkg/status.d/b"), "Package: b\nVersion: 1\n").expect("written");
        fs::write(root.join("copyright"), "the root's").expect("written");
        fs::remove_file(root.join("var/lib/dpkg")).expect("removed");
        symlink("/data/dpkg", root.join("var/lib/dpkg")).expect("a link");
        symlink("usr/../data/.", root.join("etc")).expect("a link");
        fs::write(root.join("data/os-release"), "ID=debian\n").expect("written");
        assert_eq!(on_disk.names("var/lib/dpkg/status.d"), ["b"]);
        assert_eq!(on_disk.read("usr/share/doc/a/copyright").as_deref(), Some(&b"the root's"[..]));
        let installed = Installed::of(&on_disk);
        assert_eq!(installed.distribution.as_deref(), Some("debian"));
        assert_eq!(installed.packages.len(), 1);
    }
}
