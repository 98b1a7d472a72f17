//! What is in an app, for people and as JSON: each library with the rule that found it, where it came from and its length;
//! the packages; how much there is of everything.

use std::fmt::Write;

use closure::Library;
use serde::Serialize;

use crate::error::readable;
use crate::resolve::layers::{Layers, shown};
use crate::tree::app_tree::{App, Node};
use crate::units::size;

/// An app's contents.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Listing {
    /// Loader and libraries, in the order in which a loader would load them.
    pub(crate) libraries: Vec<Row>,
    /// Debian packages: name and version.
    pub(crate) packages: Vec<String>,
    /// Families of plug-ins and data that came along.
    pub(crate) families: Vec<String>,
    /// Files of the app, links not counted.
    pub(crate) files: usize,
    /// Their length in bytes.
    pub(crate) bytes: u64,
}

/// One library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    /// The name that asked for it.
    pub(crate) name: String,
    /// The file in the tree.
    pub(crate) path: String,
    /// The rule that found it.
    pub(crate) rule: String,
    /// Who asked first.
    pub(crate) by: String,
    /// The package or directory that it is from; empty where that is not told.
    pub(crate) from: String,
    /// Length in bytes.
    pub(crate) size: u64,
}

impl Listing {
    /// Adds libraries that were found, each once.
    pub(crate) fn add(&mut self, libraries: &[Library], layers: &Layers) {
        for library in libraries {
            let path = &library.place.path;
            let size = match layers.app.file(path) {
                Some((_, Node::File { content, .. })) => content.len(),
                _ => continue,
            };
            let holder = layers.app.file(path).map_or(path.as_slice(), |(holder, _)| holder);
            let row = Row {
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

    /// As lines of a report; `all` names each library and package.
    pub(crate) fn text(&self, all: bool) -> String {
        let mut text = String::new();
        let width = self.libraries.iter().map(|row| row.path.len()).max().unwrap_or(0);
        for row in self.libraries.iter().filter(|_| all) {
            let Row { path, rule, from, .. } = row;
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
