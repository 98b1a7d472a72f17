//! Packages, opened: control files and entries, their bytes in a few nameless files. Several at once, since
//! most of the time goes into decompression.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use debian::{ControlFile, Deb, DebEntry, DebKind, Package};

use crate::debootstrap::select::Fetched;
use crate::error::Error;
use crate::notices::Owed;
use crate::packages::deb;
use crate::tree::content::Content;
use crate::tree::spool::Spool;
use crate::write::turns;

/// An entry of a package, in the package's order.
pub(crate) struct Entry {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: EntryKind,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What it is.
pub(crate) enum EntryKind {
    Directory,
    File(Content),
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
}

/// A package with all of its contents.
pub(crate) struct OpenDeb<'i> {
    pub(crate) package: &'i Package,
    /// Whether it works before it is configured, as every essential package does.
    pub(crate) is_base: bool,
    /// Whether it was only selected as a dependency.
    pub(crate) is_automatic: bool,
    /// The package's file.
    pub(crate) file: PathBuf,
    pub(crate) control: Vec<ControlFile>,
    pub(crate) entries: Vec<Entry>,
}

impl OpenDeb<'_> {
    /// The text of a control file; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let file = self.control.iter().find(|file| file.name == name)?;
        Some(String::from_utf8_lossy(&file.bytes).into_owned())
    }

    /// The paths of its configuration files, and whether the package says that they are removed when it is
    /// upgraded.
    pub(crate) fn conffiles(&self) -> Vec<(String, bool)> {
        let text = self.text("conffiles").unwrap_or_default();
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines
            .map(|line| match line.strip_prefix("remove-on-upgrade ") {
                Some(path) => (path.trim().to_owned(), true),
                None => (line.to_owned(), false),
            })
            .collect()
    }

    /// Whether dpkg itself must unpack it, inside: its preinst does something, and expects the packages that
    /// it depends on to be configured and its own files not to be there yet.
    pub(crate) fn is_unpacked_inside(&self) -> bool {
        !self.is_base && self.has_active_preinst()
    }

    /// Whether its preinst does something in a new system.
    pub(crate) fn has_active_preinst(&self) -> bool {
        self.text("preinst").is_some_and(|text| !is_idle(&text))
    }
}

/// Whether a preinst does nothing where no older version is replaced: dpkg-maintscript-helper(1) does nothing
/// then.
fn is_idle(script: &str) -> bool {
    let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let is_helper = |line: &str| {
        line.strip_prefix("dpkg-maintscript-helper ")
            .and_then(|rest| rest.strip_suffix("-- \"$@\""))
            .is_some_and(|rest| !rest.contains([';', '&', '|', '$', '`', '>', '<', '(']))
    };
    lines.all(|line| matches!(line, "set -e" | "exit 0" | ":") || is_helper(line))
}

/// Opens all packages.
pub(crate) fn all<'i>(files: &[Fetched<'i>]) -> Result<Vec<OpenDeb<'i>>, Error> {
    // Each in a file of its own would be more open files than a process may have.
    let spools: Mutex<Vec<Spool>> = Mutex::default();
    let work = |fetched: &Fetched<'i>| -> Result<OpenDeb<'i>, Error> {
        let kept = spools.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut spool = kept.map_or_else(Spool::new, Ok)?;
        let opened = open(fetched, &mut spool);
        spools.lock().unwrap_or_else(PoisonError::into_inner).push(spool);
        opened
    };
    turns::each(files.iter().collect(), work).into_iter().collect()
}

fn open<'i>(fetched: &Fetched<'i>, spool: &mut Spool) -> Result<OpenDeb<'i>, Error> {
    let deb = Deb::open(&fetched.file)?;
    let mut entries = Vec::new();
    deb.entries::<Error>(|entry| {
        let DebEntry { path, kind, mode, uid, gid, reader, .. } = entry;
        let kind = match kind {
            DebKind::Dir => EntryKind::Directory,
            DebKind::Symlink { target } => EntryKind::Symlink(target),
            DebKind::Hardlink { target } => EntryKind::HardLink(target),
            DebKind::File => EntryKind::File(spool.append(reader)?),
        };
        let mode = u16::try_from(mode & 0o7777).unwrap_or(0o755);
        entries.push(Entry { path, kind, mode, uid, gid });
        Ok(ControlFlow::Continue(()))
    })?;
    let selected = fetched.selected;
    Ok(OpenDeb {
        package: selected.package,
        is_base: selected.is_base,
        is_automatic: selected.is_automatic,
        file: fetched.file.clone(),
        control: deb.control_files()?,
        entries,
    })
}

/// The notices for all packages together.
pub(crate) fn owed(debs: &[OpenDeb<'_>], suite: &str) -> Owed {
    let texts: Vec<(&Package, String)> = debs.iter().map(|deb| (deb.package, copyright(deb))).collect();
    deb::owed(&texts, suite)
}

fn copyright(deb: &OpenDeb<'_>) -> String {
    let path = format!("usr/share/doc/{}/copyright", deb.package.name);
    let entry = deb.entries.iter().find(|entry| entry.path == path.as_bytes());
    match entry.map(|entry| &entry.kind) {
        Some(EntryKind::File(content)) if content.len() <= deb::COPYRIGHT_MAX => {
            content.bytes().map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preinst_that_only_helps_upgrades_does_nothing_in_a_new_system() {
        let helper =
            "#!/bin/sh\nset -e\n# added\ndpkg-maintscript-helper rm_conffile /etc/a 1:4\\~ -- \"$@\"\n";
        assert!(is_idle(helper));
        for active in ["useradd a", "dpkg-maintscript-helper rm_conffile /a 1 -- \"$@\"; useradd a", "case"] {
            assert!(!is_idle(&format!("{helper}{active}\n")), "{active}");
        }
        assert!(!is_idle(&format!("{helper}dpkg-maintscript-helper rm_conffile $(a) 1 -- \"$@\"\n")));
    }
}
