//! An app with everything that it needs, ready to be packed.

use bundle::{Arch, Class};
use emulator::calling::Calling;

use crate::components::Facts;
use crate::notices::Owed;
use crate::request::{Entry, Rule};
use crate::resolve::inventory::Inventory;
use crate::system::system_tree::{self, SystemTree};
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;

/// A system's root.
#[derive(Debug)]
pub(crate) struct RootOfSystem {
    pub(crate) tree: SystemTree,
    /// Whether it is an image's: otherwise a machine's.
    pub(crate) is_image: bool,
}

/// An app all of whose entries were read.
#[derive(Debug)]
pub(crate) struct ResolvedApp {
    pub(crate) app: App,
    /// Its root, if it is a system; then `app` is empty.
    pub(crate) root: Option<RootOfSystem>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) target: Arch,
    /// The loader's path in the tree; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    pub(crate) owed: Option<Owed>,
    /// What it was made of.
    pub(crate) facts: Facts,
    /// For reports.
    pub(crate) inventory: Inventory,
}

/// An app as one variant of a bundle.
#[derive(Debug)]
pub(crate) struct ResolvedVariant {
    /// The level of its architecture that it needs; 0 is the baseline.
    pub(crate) level: u16,
    pub(crate) resolved: ResolvedApp,
}

impl ResolvedVariant {
    /// What tells variants of one bundle apart.
    pub(crate) fn key(&self) -> (Arch, u16) {
        (self.resolved.target, self.level)
    }
}

impl ResolvedApp {
    /// As a variant for every CPU of its architecture.
    pub(crate) fn baseline(self) -> ResolvedVariant {
        ResolvedVariant { level: 0, resolved: self }
    }

    /// How the app must be called. A static program that brings files along looks for them in its tree.
    pub(crate) fn calling(&self) -> Calling {
        if self.root.is_some() {
            return Calling::System;
        }
        let files = self.app.nodes().filter(|(_, node)| !matches!(node, Node::Directory));
        match self.loader[..] {
            [] if files.count() < 2 => Calling::Static,
            _ => Calling::Tree,
        }
    }

    /// Its files: path, whether executable, bytes. Further names of a file are left out.
    pub(crate) fn files(&self) -> Box<dyn Iterator<Item = (&[u8], bool, &Content)> + '_> {
        if let Some(root) = &self.root {
            return Box::new(root.tree.iter().filter_map(|named| match (&named.inode.kind, named.first) {
                (system_tree::Kind::File(content), None) => {
                    Some((named.path, named.inode.mode & 0o111 != 0, content))
                }
                _ => None,
            }));
        }
        Box::new(self.app.nodes().filter_map(|(path, node)| match node {
            Node::File { executable, content } => Some((path, *executable, content)),
            _ => None,
        }))
    }

    /// The bytes of the executable file at `path`, with links followed inside the tree.
    pub(crate) fn program(&self, path: &[u8]) -> Option<&Content> {
        match &self.root {
            Some(root) => root.tree.program(path),
            None => self.app.program(path),
        }
    }
}

/// Whether programs of `target` test for files with a call for which QEMU does not look into the tree. It
/// does for stat(2) and its kin, but not for statx(2), which the C library uses instead if it has 64-bit
/// times on a 32-bit architecture, and on architectures without the older calls.
pub(crate) fn looks_by_statx(target: Arch) -> bool {
    target.class() == Class::Elf32 || target == Arch::Loongarch64
}
