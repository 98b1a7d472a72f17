//! The contents of an app, for people and as JSON: each library with the rule that found it, its origin and
//! length; the packages; the totals.

use std::fmt::Write;
use std::path::Path;

use closure::Library;
use serde::Serialize;

use crate::components::packages::PackageRow;
use crate::error::readable;
use crate::input::given_tree::GivenRow;
use crate::resolve::layers::{Layers, shown};
use crate::system::dropped::Dropped;
use crate::system::gathered::Gathered;
use crate::system::system_tree;
use crate::tree::app_tree::{App, Node};
use crate::units::size;

/// An app's contents.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Inventory {
    /// Loader and libraries, in the order in which a loader would load them.
    pub(crate) libraries: Vec<LibraryRow>,
    /// The tree that was given whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) given: Option<GivenRow>,
    /// The root of a system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<RootRow>,
    /// What a machine is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) machine: Option<MachineRow>,
    /// Packages: of Debian, of what a system is made from, of npm and for Python.
    pub(crate) packages: Vec<PackageRow>,
    /// Plug-in sets that were included.
    #[serde(rename = "families")]
    pub(crate) plugin_sets: Vec<String>,
    /// Number of files in the app, without links.
    pub(crate) files: usize,
    /// Their total length in bytes.
    pub(crate) bytes: u64,
}

/// What was taken of a root file system.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RootRow {
    /// `system` or `image`.
    pub(crate) kind: &'static str,
    /// What it was taken from.
    pub(crate) from: String,
    pub(crate) directories: usize,
    pub(crate) links: usize,
    /// What was left out.
    pub(crate) dropped: Dropped,
    /// Further lines of the report.
    pub(crate) notes: Vec<String>,
}

/// A machine, and what was given for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct MachineRow {
    pub(crate) cpu: &'static str,
    pub(crate) parts: Vec<MachinePart>,
    /// Further lines of the report.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// A kernel, a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MachinePart {
    pub(crate) name: &'static str,
    pub(crate) from: String,
    /// Its length in bytes.
    pub(crate) bytes: u64,
}

impl MachineRow {
    /// Adds a part.
    pub(crate) fn add(&mut self, name: &'static str, from: &Path, bytes: u64) {
        self.parts.push(MachinePart { name, from: from.display().to_string(), bytes });
    }
}

/// One library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LibraryRow {
    /// The name that was asked for.
    pub(crate) name: String,
    /// The file in the tree.
    pub(crate) path: String,
    /// The rule that found it.
    pub(crate) rule: String,
    /// The object that needs it first.
    pub(crate) by: String,
    /// The package or directory that it comes from; empty if that is not recorded.
    pub(crate) from: String,
    /// Length in bytes.
    pub(crate) size: u64,
}

impl Inventory {
    /// Adds libraries that were found, each once.
    pub(crate) fn add(&mut self, libraries: &[Library], layers: &Layers) {
        for library in libraries {
            let path = &library.resolved.path;
            let size = match layers.app.file(path) {
                Some((_, Node::File { content, .. })) => content.len(),
                _ => continue,
            };
            let holder = layers.app.file(path).map_or(path.as_slice(), |(holder, _)| holder);
            let row = LibraryRow {
                name: readable(&library.name),
                path: shown(path),
                rule: library.rule.to_string(),
                by: shown(&library.by),
                from: layers.origins.get(holder).map(ToString::to_string).unwrap_or_default(),
                size,
            };
            if !self.libraries.iter().any(|other| other.path == row.path) {
                self.libraries.push(row);
            }
        }
    }

    /// That of a system.
    pub(crate) fn of_system(gathered: &Gathered) -> Self {
        let mut row = RootRow {
            kind: if gathered.is_image { "image" } else { "system" },
            from: gathered.from.clone(),
            directories: 0,
            links: 0,
            dropped: gathered.dropped.clone(),
            notes: gathered.notes.clone(),
        };
        let mut inventory = Self::default();
        for named in gathered.tree.iter() {
            match (&named.inode.kind, named.first) {
                (system_tree::Kind::File(content), None) => {
                    inventory.files += 1;
                    inventory.bytes += content.len();
                }
                (system_tree::Kind::Directory, _) => row.directories += 1,
                _ => row.links += 1,
            }
        }
        inventory.root = Some(row);
        inventory
    }

    /// Counts what is in `app`, anew.
    pub(crate) fn count(&mut self, app: &App) {
        (self.files, self.bytes) = (0, 0);
        for (_, node) in app.nodes() {
            if let Node::File { content, .. } = node {
                self.files += 1;
                self.bytes += content.len();
            }
        }
    }

    /// The lines of a report; `all` lists each library and package.
    pub(crate) fn text(&self, all: bool) -> String {
        let mut text = String::new();
        if let Some(GivenRow { from, at, files, directories, links, bytes, left }) = &self.given {
            let count = |number: usize, one: &str, several: &str| {
                format!("{number} {}", if number == 1 { one } else { several })
            };
            let _ = writeln!(
                text,
                "  from  {from}, at {at}: {}, {}, {}, {}",
                count(*files, "file", "files"),
                count(*directories, "directory", "directories"),
                count(*links, "link", "links"),
                size(*bytes)
            );
            for left in left.iter().filter(|_| all) {
                let _ = writeln!(text, "  left  {left}");
            }
        }
        if let Some(RootRow { from, directories, links, dropped, notes, .. }) = &self.root {
            let _ = writeln!(text, "  from  {from}: {directories} directories, {links} links");
            let dropped = dropped.to_string();
            for (word, line) in
                [("left", &dropped)].into_iter().chain(notes.iter().map(|note| ("note", note)))
            {
                if !line.is_empty() {
                    let _ = writeln!(text, "  {word}  {line}");
                }
            }
        }
        for MachinePart { name, from, bytes } in self.machine.iter().flat_map(|machine| &machine.parts) {
            let _ = writeln!(text, "  {name:<12} {:>15}  {from}", size(*bytes));
        }
        for note in self.machine.iter().flat_map(|machine| &machine.notes) {
            let _ = writeln!(text, "  note  {note}");
        }
        let width = self.libraries.iter().map(|row| row.path.len()).max().unwrap_or(0);
        for row in self.libraries.iter().filter(|_| all) {
            let LibraryRow { path, rule, from, .. } = row;
            let from = if from.is_empty() { String::new() } else { format!("  {from}") };
            let _ = writeln!(text, "  lib   {path:<width$} {:>9}  {rule:<15}{from}", size(row.size));
        }
        for PackageRow { kind, name, version, .. } in self.packages.iter().filter(|_| all) {
            let _ =
                writeln!(text, "  {kind:<5} {} {}", readable(name.as_bytes()), readable(version.as_bytes()));
        }
        if !all && self.libraries.is_empty() && !self.packages.is_empty() {
            let _ = writeln!(text, "  with  {} packages", self.packages.len());
        } else if !all && !self.libraries.is_empty() {
            let packages = match self.packages.len() {
                0 => String::new(),
                count => format!(" of {count} packages"),
            };
            let _ = writeln!(text, "  libs  {}{packages}", self.libraries.len());
        }
        if !self.plugin_sets.is_empty() {
            let _ = writeln!(text, "  with  {}", self.plugin_sets.join(", "));
        }
        if self.files > 1 {
            let _ = writeln!(text, "  tree  {} files, {}", self.files, size(self.bytes));
        }
        text
    }
}
