//! A root as its source gave it, before anything is decided about how it starts.

use std::collections::BTreeSet;

use bundle::{Arch, TreePath};
use inputs::Special;

use crate::error::Error;
use crate::notices::Owed;
use crate::request::{Entry, Rule};
use crate::system::dropped::Dropped;
use crate::system::system_tree::{Inode, SystemTree};
use crate::tree::spool::Spool;

/// Directories whose contents are the host's or begin empty at each start of a system.
pub(crate) const OF_SYSTEMS: &[&[u8]] = &[b"proc", b"sys", b"dev", b"run", b"tmp"];

/// The same of an image, whose `/run` and `/tmp` are its own.
pub(crate) const OF_IMAGES: &[&[u8]] = &[b"proc", b"sys", b"dev"];

/// A root and what is known of it.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) tree: SystemTree,
    /// What it was taken from, for reports.
    pub(crate) from: String,
    /// What was left out.
    pub(crate) dropped: Dropped,
    /// Further lines of the report.
    pub(crate) notes: Vec<String>,
    /// Whether it is an image's: otherwise a machine's.
    pub(crate) is_image: bool,
    /// The architecture that the source declares.
    pub(crate) target: Option<Arch>,
    /// Level of that architecture; 0 for the baseline.
    pub(crate) level: u16,
    /// What the source says to start: an image's entry point. Otherwise it is root's shell.
    pub(crate) entry: Option<Entry>,
    /// What the source says about how programs are started.
    pub(crate) rules: Vec<Rule>,
    /// The time that counts as that of its files, in seconds since 1970; 0 if there is none.
    pub(crate) epoch: u64,
    /// The notices that must accompany it.
    pub(crate) owed: Option<Owed>,
}

/// Collects a root: leaves out and counts what a tree cannot hold.
pub(crate) struct Collector<'a> {
    pub(crate) gathered: Gathered,
    pub(crate) spool: Spool,
    excludes: &'a [Vec<u8>],
    passing: &'static [&'static [u8]],
    /// Paths of entries that a tree cannot hold: hard links to them are left out too.
    specials: BTreeSet<Vec<u8>>,
}

impl<'a> Collector<'a> {
    /// An empty root that is taken from `from`. The directories `passing` stay empty.
    pub(crate) fn new(
        from: String,
        excludes: &'a [Vec<u8>],
        passing: &'static [&'static [u8]],
    ) -> Result<Self, Error> {
        let gathered = Gathered { from, ..Gathered::default() };
        Ok(Self { gathered, spool: Spool::new()?, excludes, passing, specials: BTreeSet::new() })
    }

    /// Whether nothing at `path` is taken; counts it.
    pub(crate) fn leaves_out(&mut self, path: &[u8]) -> bool {
        let Some(place) = TreePath::new(path) else { return false };
        let top = place.components().next().unwrap_or_default();
        if top.len() < path.len() && self.passing.contains(&top) {
            self.gathered.dropped.passing += 1;
            return true;
        }
        let above = place.ancestors().map(TreePath::bytes).chain([path]);
        let above: Vec<&[u8]> = above.collect();
        self.excludes.iter().any(|pattern| {
            let pattern = pattern.strip_prefix(b"/").unwrap_or(pattern);
            above.iter().any(|path| closure::matches(pattern, path))
        })
    }

    /// Adds what is at `path` exactly.
    pub(crate) fn add(&mut self, path: &[u8], inode: Inode) -> Result<(), Error> {
        self.specials.remove(path);
        self.gathered.tree.add(path, inode)
    }

    /// Makes `path` another name of what is at `target`, both exactly.
    pub(crate) fn link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Error> {
        if self.specials.contains(target) {
            self.gathered.tree.remove(path);
            self.specials.insert(path.to_vec());
            return Ok(());
        }
        self.specials.remove(path);
        self.gathered.tree.link(path, target)
    }

    /// Counts what a tree cannot hold, and removes what was there before.
    pub(crate) fn special(&mut self, path: &[u8], special: Special) {
        match special {
            Special::Device => self.gathered.dropped.devices += 1,
            Special::Fifo => self.gathered.dropped.fifos += 1,
            Special::Socket => self.gathered.dropped.sockets += 1,
        }
        self.gathered.tree.remove(path);
        self.specials.insert(path.to_vec());
    }
}
