//! A given tree in the app: where it lies, what was taken and what was left out. A link that leads out of it
//! is left out and reported; a link into it stays one, however it was written.

use std::collections::BTreeSet;

use bundle::{TreePath, join};

use serde::Serialize;

use crate::error::{Error, readable};
use crate::request::{AppRequest, Entry, Rule};
use crate::say;
use crate::tree::app_tree::{App, Node};

/// How many of the paths that are left out are named.
const NAMED: usize = 4;

/// What was taken of a given tree, for reports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct GivenRow {
    /// The path that the user gave.
    pub(crate) from: String,
    /// Its directory in the app.
    pub(crate) at: String,
    pub(crate) files: usize,
    pub(crate) directories: usize,
    pub(crate) links: usize,
    /// The length of the files in bytes.
    pub(crate) bytes: u64,
    /// What was left out.
    pub(crate) left: Vec<String>,
}

/// A given tree.
pub(crate) struct GivenTree {
    pub(crate) app: App,
    /// Its directory in the app.
    pub(crate) place: Vec<u8>,
    /// Its name in reports.
    pub(crate) label: String,
    /// The entries that it names itself.
    pub(crate) entries: Vec<Entry>,
    /// Further rules for starting it.
    pub(crate) rules: Vec<Rule>,
    /// What was taken.
    pub(crate) row: GivenRow,
    /// The patterns of `--exclude` that something in it matched.
    pub(crate) excluded: BTreeSet<Vec<u8>>,
}

impl GivenTree {
    /// An empty one at `place`.
    pub(crate) fn new(place: Vec<u8>, label: String) -> Self {
        Self {
            app: App::default(),
            label,
            place,
            entries: Vec::new(),
            rules: Vec::new(),
            row: GivenRow::default(),
            excluded: BTreeSet::new(),
        }
    }

    /// The path in the app of something in the tree.
    pub(crate) fn at(&self, path: &[u8]) -> Vec<u8> {
        if path.is_empty() { self.place.clone() } else { join(&self.place, path) }
    }

    /// Whether `--exclude` names something in the tree, by its path there or in the app.
    pub(crate) fn excludes(&mut self, request: &AppRequest, path: &[u8]) -> bool {
        let whole = self.at(path);
        let matched = request.tree.excludes.iter().find(|pattern| {
            [path, &whole].into_iter().any(|path| {
                let directories = TreePath::new(path).into_iter().flat_map(TreePath::ancestors);
                directories.map(TreePath::bytes).chain([path]).any(|path| closure::matches(pattern, path))
            })
        });
        matched.is_some_and(|pattern| {
            self.excluded.insert(pattern.clone());
            true
        })
    }

    /// Adds a symbolic link, unless it leads out.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
        // One that was written for this very place.
        let own = [b"/", self.place.as_slice(), b"/"].concat();
        let within = target.strip_prefix(own.as_slice()).filter(|_| !self.place.is_empty());
        if let (Some(within), Some(link)) = (within, TreePath::new(path)) {
            let target = link.link_to(within);
            return self.link(path, &target);
        }
        let absolute = target.starts_with(b"/") && !self.place.is_empty();
        if absolute || TreePath::new(path).and_then(|link| link.follow(target)).is_none() {
            self.row.left.push(format!("link `{}` to `{}`", readable(path), readable(target)));
            return Ok(());
        }
        let place = self.at(path);
        self.app.place(&place, Node::Symlink(target.to_vec()))?;
        Ok(())
    }

    /// Fills in what was taken, as long as nothing else is in the app.
    pub(crate) fn count(&mut self) {
        let row = &mut self.row;
        row.from.clone_from(&self.label);
        row.at = format!("/{}", readable(&self.place));
        for (path, node) in self.app.nodes().filter(|(path, _)| path.len() > self.place.len()) {
            debug_assert!(path.starts_with(&self.place), "nothing else is in the app yet");
            match node {
                Node::File { content, .. } => {
                    row.files += 1;
                    row.bytes += content.len();
                }
                Node::Directory => row.directories += 1,
                Node::Symlink(_) | Node::HardLink(_) => row.links += 1,
            }
        }
    }

    /// Warns about what was left out.
    pub(crate) fn tell(&self) {
        if self.row.left.is_empty() {
            return;
        }
        let named = self.row.left.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = match self.row.left.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        say::warning(&format!(
            "`{}`: what leads out of it is left out: {named}{more}; add what is missing with `--add`",
            self.label
        ));
    }
}
