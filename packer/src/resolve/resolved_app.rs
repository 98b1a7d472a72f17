//! An app with everything that it needs, ready to be packed.

use bundle::{Arch, Class};
use emulator::calling::Calling;

use crate::notices::Owed;
use crate::request::{Entry, Rule};
use crate::resolve::inventory::Inventory;
use crate::tree::app_tree::App;

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
    /// Whether one of its programs finds its data, or its own part, from the path that it is called by.
    pub(crate) found_by_path: bool,
    pub(crate) owed: Option<Owed>,
    /// For reports.
    pub(crate) inventory: Inventory,
}

impl ResolvedApp {
    /// How the app must be called. A program that looks for its data by stat(2) also finds them by its own
    /// path, and one that is many in one, which one it is.
    pub(crate) fn calling(&self) -> Calling {
        match self.loader[..] {
            [] if self.found_by_path => Calling::ByPath,
            [] => Calling::Static,
            _ if self.found_by_path && looks_by_statx(self.target) => Calling::ByPath,
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
