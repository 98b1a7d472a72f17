//! The contents of an app, for people and as JSON: each library with the rule that found it, its origin and
//! length; the packages; the totals.

use std::fmt::Write;

use closure::Library;
use serde::Serialize;

use crate::error::readable;
use crate::input::given_tree::GivenRow;
use crate::resolve::layers::{Layers, shown};
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
    /// Debian packages: name and version.
    pub(crate) packages: Vec<String>,
    /// Plug-in sets that were included.
    pub(crate) families: Vec<String>,
    /// Number of files in the app, without links.
    pub(crate) files: usize,
    /// Their total length in bytes.
    pub(crate) bytes: u64,
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
    /// Who asked first.
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

    /// Counts what is in `app`.
    pub(crate) fn count(&mut self, app: &App) {
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
        let width = self.libraries.iter().map(|row| row.path.len()).max().unwrap_or(0);
        for row in self.libraries.iter().filter(|_| all) {
            let LibraryRow { path, rule, from, .. } = row;
            let from = if from.is_empty() { String::new() } else { format!("  {from}") };
            let _ = writeln!(text, "  lib   {path:<width$} {:>9}  {rule:<15}{from}", size(row.size));
        }
        for package in self.packages.iter().filter(|_| all) {
            let _ = writeln!(text, "  deb   {package}");
        }
        if !all && self.libraries.len() + self.packages.len() > 0 {
            let packages = match self.packages.len() {
                0 => String::new(),
                count => format!(" of {count} Debian packages"),
            };
            let _ = writeln!(text, "  libs  {}{packages}", self.libraries.len());
        }
        if !self.families.is_empty() {
            let _ = writeln!(text, "  with  {}", self.families.join(", "));
        }
        if self.files > 1 {
            let _ = writeln!(text, "  tree  {} files, {}", self.files, size(self.bytes));
        }
        text
    }
}
