//! The tree of a system: a root file system with owners and modes, sorted by path. Files are inodes, so that
//! hard links stay what they are whichever name goes. Symbolic links lead where they lead; nothing here
//! follows one out of the tree. There is no node for devices, FIFOs and sockets.

use std::collections::BTreeMap;
use std::ops::Bound;

use bundle::{LINKS_MAX, PATH_MAX, components_of, directory_of, file_name_of, join};

use crate::error::Error;
use crate::tree::app_tree::tree_path;
use crate::tree::content::Content;

/// As long as one component may be (`NAME_MAX` of `<linux/limits.h>`).
const NAME_MAX: usize = 255;

/// The user or group ID that means "no change" to chown(2).
const NO_ID: u32 = u32::MAX;

/// What an inode is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A directory.
    Directory,
    /// A file and its bytes.
    File(Content),
    /// A symbolic link and its target: any bytes.
    Symlink(Vec<u8>),
}

/// An inode: what a name stands for.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    /// What it is.
    pub(crate) kind: Kind,
    /// Permission bits with set-id and sticky: 07777.
    pub(crate) mode: u16,
    /// The owner.
    pub(crate) uid: u32,
    /// The group.
    pub(crate) gid: u32,
}

impl Inode {
    /// One that belongs to root.
    pub(crate) fn of_root(kind: Kind, mode: u16) -> Self {
        Self { kind, mode, uid: 0, gid: 0 }
    }

    /// Whether it is a directory.
    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }
}

/// One name of the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    /// Its path: relative, without empty, `.` and `..` components.
    pub(crate) path: &'a [u8],
    /// What it stands for.
    pub(crate) inode: &'a Inode,
    /// Of a file with several names, its first name, if this is another one.
    pub(crate) first: Option<&'a [u8]>,
}

/// The tree. The root itself has no name: it is a directory of root's, 0755.
#[derive(Clone, Debug, Default)]
pub(crate) struct SystemTree {
    names: BTreeMap<Vec<u8>, usize>,
    /// All inodes, also those that have lost their last name.
    inodes: Vec<Inode>,
}

impl SystemTree {
    /// Puts `inode` at `path` exactly, and root's directories, 0755, above it where there are none. What was
    /// there goes, with all that was below it; but a directory in place of a directory only changes its mode
    /// and owners.
    pub(crate) fn add(&mut self, path: &[u8], inode: Inode) -> Result<(), Error> {
        if let Kind::Symlink(target) = &inode.kind
            && (target.is_empty() || target.len() >= PATH_MAX || target.contains(&0))
        {
            return Err(Error::tree(path, "its target is no path"));
        }
        if inode.uid == NO_ID || inode.gid == NO_ID {
            return Err(Error::tree(path, "it has an owner that no file can have"));
        }
        self.check(path)?;
        if inode.is_directory()
            && let Some(&number) = self.names.get(path)
            && self.inodes[number].is_directory()
        {
            self.inodes[number] = inode;
            return Ok(());
        }
        self.inodes.push(inode);
        self.name(path, self.inodes.len() - 1);
        Ok(())
    }

    /// Makes `path` another name of what `target` stands for, exactly. Links to directories are refused.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
        self.check(path)?;
        let number = *self
            .names
            .get(target)
            .ok_or_else(|| Error::tree(path, "it is a hard link to a file that is not in the tree"))?;
        if self.inodes[number].is_directory() {
            return Err(Error::tree(path, "it is a hard link to a directory"));
        }
        if path.len() < target.len() && target.starts_with(&[path, b"/"].concat()) {
            return Err(Error::tree(path, "it is a hard link to a file that goes with what it replaces"));
        }
        if path != target {
            self.name(path, number);
        }
        Ok(())
    }

    /// Removes `path` and all that is below it; says whether it was there.
    pub(crate) fn remove(&mut self, path: &[u8]) -> bool {
        let was = self.names.remove(path).is_some();
        self.clear(path);
        was
    }

    /// Removes all that is below the directory `path`, the root if that is empty.
    pub(crate) fn clear(&mut self, path: &[u8]) {
        if path.is_empty() {
            self.names.clear();
            return;
        }
        let start = [path, b"/"].concat();
        // `0` is what follows `/`.
        let end = [path, b"0"].concat();
        let below = (Bound::Excluded(start), Bound::Excluded(end));
        let gone: Vec<Vec<u8>> = self.names.range(below).map(|(name, _)| name.clone()).collect();
        for name in gone {
            self.names.remove(&name);
        }
    }

    /// What `path` stands for exactly, a link not followed.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Inode> {
        Some(&self.inodes[*self.names.get(path)?])
    }

    /// Likewise, to change its mode, owners or bytes; the kind of a directory must stay.
    pub(crate) fn get_mut(&mut self, path: &[u8]) -> Option<&mut Inode> {
        Some(&mut self.inodes[*self.names.get(path)?])
    }

    /// The names directly in a directory; the empty path is the root.
    pub(crate) fn names(&self, directory: &[u8]) -> impl Iterator<Item = &[u8]> {
        let start = if directory.is_empty() { Vec::new() } else { [directory, b"/"].concat() };
        let length = start.len();
        let below = self.names.range(start.clone()..).map(|(path, _)| path.as_slice());
        below
            .take_while(move |path| path.starts_with(&start))
            .map(move |path| &path[length..])
            .filter(|name| !name.is_empty() && !name.contains(&b'/'))
    }

    /// Everything by path, byte by byte, each directory before its contents, and of a file with several names
    /// the first one in that order as the first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Named<'_>> {
        let mut firsts: BTreeMap<usize, &[u8]> = BTreeMap::new();
        self.names.iter().map(move |(path, number)| {
            let inode = &self.inodes[*number];
            let first = match inode.kind {
                // The format has hard links to files only: a link's other names are links of their own.
                Kind::File(_) => *firsts.entry(*number).or_insert(path),
                Kind::Directory | Kind::Symlink(_) => path,
            };
            Named { path, inode, first: (first != path.as_slice()).then_some(first) }
        })
    }

    /// Where `path` lies: links among its directories resolved in the tree, as a process sees them whose root
    /// it is. `..` at the root stays there. Components that do not exist are kept as they are, the last one
    /// is not followed. The root is the empty path.
    pub(crate) fn real(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        self.walk(path, false).ok_or_else(|| Error::tree(path, "its symbolic links lead in a circle"))
    }

    /// Where `path` leads, every link followed in the tree, and what is there; `None` if nothing is, or if it
    /// is the root.
    pub(crate) fn resolve(&self, path: &[u8]) -> Option<(Vec<u8>, &Inode)> {
        let real = self.walk(path, true)?;
        let inode = self.get(&real)?;
        Some((real, inode))
    }

    /// The bytes of the executable file that `path` leads to.
    pub(crate) fn program(&self, path: &[u8]) -> Option<&Content> {
        match &self.resolve(path)?.1 {
            Inode { kind: Kind::File(content), mode, .. } if mode & 0o111 != 0 => Some(content),
            _ => None,
        }
    }

    /// `None` where links lead in a circle.
    fn walk(&self, path: &[u8], last: bool) -> Option<Vec<u8>> {
        let mut left: Vec<Vec<u8>> = components_of(path).rev().map(<[u8]>::to_vec).collect();
        let mut at: Vec<u8> = Vec::new();
        let mut links = 0;
        while let Some(part) = left.pop() {
            if part == b".." {
                at = directory_of(&at).to_vec();
                continue;
            }
            let next = join(&at, &part);
            match self.get(&next).map(|inode| &inode.kind) {
                Some(Kind::Symlink(target)) if last || !left.is_empty() => {
                    links += 1;
                    if links > LINKS_MAX {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    left.extend(components_of(target).rev().map(<[u8]>::to_vec));
                }
                _ => at = next,
            }
        }
        Some(at)
    }

    /// Whether `path` can be a name here, the directories above it made if they are missing.
    fn check(&mut self, path: &[u8]) -> Result<(), Error> {
        let whole = tree_path(path)?;
        if file_name_of(path).len() > NAME_MAX {
            return Err(Error::tree(path, "its name is longer than 255 bytes"));
        }
        for directory in whole.ancestors() {
            match self.get(directory.bytes()) {
                Some(inode) if inode.is_directory() => {}
                Some(_) => return Err(Error::tree(path, "something above it is not a directory")),
                None if directory.file_name().len() > NAME_MAX => {
                    return Err(Error::tree(path, "its name is longer than 255 bytes"));
                }
                None => {
                    self.inodes.push(Inode::of_root(Kind::Directory, 0o755));
                    self.names.insert(directory.bytes().to_vec(), self.inodes.len() - 1);
                }
            }
        }
        Ok(())
    }

    fn name(&mut self, path: &[u8], number: usize) {
        if self.names.insert(path.to_vec(), number).is_some_and(|old| self.inodes[old].is_directory()) {
            self.clear(path);
        }
    }
}

#[cfg(test)]
mod tests;
