//! The files of all packages in one tree, as dpkg would unpack them: `/bin`, `/lib` and `/sbin` lead into
//! `/usr`; directories are merged, and the first package decides about their owners; a file that two packages
//! have belongs to the one that says it replaces the other's, else it is an error; configuration files lie
//! beside their places until the package is configured, those of the smallest system in their places too.

use std::collections::{BTreeMap, BTreeSet};

use bundle::{MERGED, join};

use crate::debootstrap::unpack::{Entry, EntryKind, OpenDeb};
use crate::error::{DebianError, Error, SystemError, readable};
use crate::system::system_tree::{Inode, Kind, SystemTree};

/// What dpkg appends to the name of a configuration file that is not yet in its place.
const NEW: &[u8] = b".dpkg-new";

/// The package whose directories come first: it has those of every system.
const FIRST: &str = "base-files";

/// The files of `debs`.
pub(crate) fn tree(debs: &[OpenDeb<'_>]) -> Result<SystemTree, Error> {
    let mut laid = Laid { tree: SystemTree::default(), owners: BTreeMap::new() };
    laid.merged_links(debs)?;
    let (first, others): (Vec<_>, Vec<_>) =
        debs.iter().enumerate().partition(|(_, deb)| deb.package.name == FIRST);
    for (number, deb) in first.into_iter().chain(others).filter(|(_, deb)| !deb.is_unpacked_inside()) {
        laid.package(number, deb, debs)?;
    }
    Ok(laid.tree)
}

struct Laid {
    tree: SystemTree,
    /// Which package each file belongs to: its index.
    owners: BTreeMap<Vec<u8>, usize>,
}

impl Laid {
    /// The links that `base-files` has since Debian 13, for the packages before it and for older suites: one
    /// for each directory of that name that some package has files in.
    fn merged_links(&mut self, debs: &[OpenDeb<'_>]) -> Result<(), Error> {
        let used: BTreeSet<&[u8]> = debs
            .iter()
            .flat_map(|deb| &deb.entries)
            .filter_map(|entry| {
                let in_usr = entry.path.strip_prefix(b"usr/").unwrap_or(&entry.path);
                let top = in_usr.split(|byte| *byte == b'/').next()?;
                MERGED.into_iter().find(|name| *name == top)
            })
            .collect();
        for name in used {
            let merged = join(b"usr", name);
            self.tree.add(&merged, Inode::of_root(Kind::Directory, 0o755))?;
            self.tree.add(name, Inode::of_root(Kind::Symlink(merged), 0o777))?;
        }
        Ok(())
    }

    fn package(&mut self, number: usize, deb: &OpenDeb<'_>, debs: &[OpenDeb<'_>]) -> Result<(), Error> {
        let conffiles: BTreeSet<Vec<u8>> =
            deb.conffiles().iter().map(|(path, _)| path.trim_start_matches('/').into()).collect();
        for entry in &deb.entries {
            let real = self.tree.real(&entry.path)?;
            if conffiles.contains(&entry.path) {
                let EntryKind::File(_) = entry.kind else {
                    return Err(Error::tree(&entry.path, "it is a configuration file that is no file"));
                };
                self.put(&[&real, NEW].concat(), entry)?;
                if !deb.is_base {
                    continue;
                }
            }
            if self.is_taken(&real, number, entry, debs)? {
                continue;
            }
            self.put(&real, entry)?;
            if !matches!(entry.kind, EntryKind::Directory) {
                self.owners.insert(real, number);
            }
        }
        Ok(())
    }

    /// Whether something else stays at `real`, where `entry` would be.
    fn is_taken(
        &self,
        real: &[u8],
        number: usize,
        entry: &Entry,
        debs: &[OpenDeb<'_>],
    ) -> Result<bool, Error> {
        let Some(there) = self.tree.get(real) else { return Ok(false) };
        let leads_to_directory =
            || self.tree.resolve(real).is_none_or(|(path, inode)| path.is_empty() || inode.is_directory());
        let is_directory = matches!(entry.kind, EntryKind::Directory);
        if is_directory && leads_to_directory() || there.is_directory() && is_symlink(entry) {
            return Ok(true);
        }
        let Some(other) = self.owners.get(real).filter(|_| !is_directory && !there.is_directory()) else {
            // A link of ours, for the same link of `base-files`.
            let same = matches!((&entry.kind, &there.kind),
                (EntryKind::Symlink(one), Kind::Symlink(other)) if one == other);
            return if same {
                Ok(true)
            } else {
                Err(Error::tree(
                    &entry.path,
                    "it is a directory to one package and something else to another",
                ))
            };
        };
        let (ours, theirs) = (debs[number].package, debs[*other].package);
        if theirs.takes_over_files_of(ours) {
            return Ok(true);
        }
        if ours.takes_over_files_of(theirs) || number == *other {
            return Ok(false);
        }
        let path = readable(&entry.path);
        let (first, second) = (theirs.name.clone(), ours.name.clone());
        Err(SystemError::from(DebianError::SameFile { path, first, second }).into())
    }

    fn put(&mut self, real: &[u8], entry: &Entry) -> Result<(), Error> {
        let kind = match &entry.kind {
            EntryKind::Directory => Kind::Directory,
            EntryKind::File(content) => Kind::File(content.clone()),
            EntryKind::Symlink(target) => Kind::Symlink(target.clone()),
            EntryKind::HardLink(target) => {
                let target = self.tree.real(target)?;
                // Where the first name is a configuration file, it is not in its place yet.
                let new = [&target, NEW].concat();
                let target = if self.tree.get(&target).is_some() { target } else { new };
                return self.tree.link(real, &target);
            }
        };
        let Entry { mode, uid, gid, .. } = *entry;
        self.tree.add(real, Inode { kind, mode, uid, gid })
    }
}

fn is_symlink(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::Symlink(_))
}
