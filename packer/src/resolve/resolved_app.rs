//! An app with everything that it needs in its place, ready to be packed.

use bundle::{Arch, Class};

use crate::emulators::obtain::Calling;
use crate::notices::Owed;
use crate::request::{Entry, Rule};
use crate::resolve::inventory::Inventory;
use crate::tree::app_tree::App;

/// An app whose every entry has been looked at.
#[derive(Debug)]
pub(crate) struct ResolvedApp {
    pub(crate) app: App,
    pub(crate) entries: Vec<Entry>,
    pub(crate) target: Arch,
    /// The loader's path in the tree; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    /// Whether a program in it finds its data from the path that it is called by.
    pub(crate) found_by_path: bool,
    pub(crate) owed: Option<Owed>,
    /// For reports.
    pub(crate) inventory: Inventory,
}

impl ResolvedApp {
    /// How the app wants to be called. A program that looks for its data by stat(2) finds them by its own path too.
    pub(crate) fn calling(&self) -> Calling {
        match self.loader[..] {
            [] => Calling::Static,
            _ if self.found_by_path && looks_by_statx(self.target) => Calling::ByPath,
            _ => Calling::Tree,
        }
    }
}

/// Whether programs of `target` look whether a file is there by a call for which QEMU does not look into the tree: it does for stat(2)
/// and its kin, but not for statx(2), which is what they become where the C library has 64-bit times on a 32-bit CPU, and on CPUs
/// without the older calls.
pub(crate) fn looks_by_statx(target: Arch) -> bool {
    target.class() == Class::Elf32 || target == Arch::Loongarch64
}
