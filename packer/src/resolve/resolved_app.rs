//! An app with everything that it needs, ready to be packed.

use bundle::{Arch, Class};
use emulator::calling::Calling;

use crate::notices::Owed;
use crate::request::{Entry, Rule};
use crate::resolve::inventory::Inventory;
use crate::tree::app_tree::{App, Node};

/// An app all of whose entries were read.
#[derive(Debug)]
pub(crate) struct ResolvedApp {
    pub(crate) app: App,
    pub(crate) entries: Vec<Entry>,
    pub(crate) target: Arch,
    /// The loader's path in the tree; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    pub(crate) owed: Option<Owed>,
    /// For reports.
    pub(crate) inventory: Inventory,
}

impl ResolvedApp {
    /// How the app must be called. A static program that brings files along looks for them in its tree.
    pub(crate) fn calling(&self) -> Calling {
        let files = self.app.nodes().filter(|(_, node)| !matches!(node, Node::Directory));
        match self.loader[..] {
            [] if files.count() < 2 => Calling::Static,
            _ => Calling::Tree,
        }
    }
}

/// Whether programs of `target` test for files with a call for which QEMU does not look into the tree. It
/// does for stat(2) and its kin, but not for statx(2), which the C library uses instead if it has 64-bit
/// times on a 32-bit architecture, and on architectures without the older calls.
pub(crate) fn looks_by_statx(target: Arch) -> bool {
    target.class() == Class::Elf32 || target == Arch::Loongarch64
}
