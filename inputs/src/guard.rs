//! Checks that all forms have in common: every entry passes here on its way to the caller. Its path must stay
//! inside the tree and must not lead through a link, and neither entries nor bytes may become too many.

use std::collections::HashSet;
use std::io::{self, Read};
use std::path::Path;

use bundle::{Owner, Shown};

use crate::entry::{Entry, Kind, Reading, Special, Visit};
use crate::error::InputError;

/// What an archive may unpack to: as many times its length, and this much more. Programs compress to a third;
/// deflate cannot do better than 1 in 1032.
const TIMES: u64 = 200;
const MORE: u64 = 256 << 20;

/// Entries need memory.
const ENTRIES_MAX: usize = 2_000_000;

/// As long as a path may be (`PATH_MAX` of `<linux/limits.h>`).
const PATH_MAX: usize = 4096;

/// Each directory above an entry is looked at for each entry. Programs' own trees come to 60.
const DEPTH_MAX: usize = 256;

/// An entry as its archive describes it.
pub(crate) struct Stored {
    pub(crate) path: Vec<u8>,
    pub(crate) kind: StoredKind,
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<Owner>,
    pub(crate) capabilities: bool,
    pub(crate) position: Option<u64>,
}

impl Stored {
    /// An entry without a known owner.
    pub(crate) fn new(path: Vec<u8>, kind: StoredKind, mode: Option<u32>) -> Self {
        Self { path, kind, mode, owner: None, capabilities: false, position: None }
    }
}

/// Like [`Kind`], with kinds that the caller never sees.
pub(crate) enum StoredKind {
    File,
    Directory,
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    Special(Special),
    /// Refused, and why.
    Refused(&'static str),
}

pub(crate) const DEVICE: StoredKind = StoredKind::Special(Special::Device);
pub(crate) const FIFO: StoredKind = StoredKind::Special(Special::Fifo);
pub(crate) const SOCKET: StoredKind = StoredKind::Special(Special::Socket);
pub(crate) const UNKNOWN: StoredKind = StoredKind::Refused("it is of an unknown type");

/// How much archives that belong together may still unpack to: the layers of an image share one allowance.
#[derive(Debug)]
pub struct Allowance {
    /// Their stored length, in bytes.
    stored: u64,
    /// Bytes that may still be unpacked.
    left: u64,
    /// How many entries were read.
    entries: usize,
}

impl Allowance {
    /// The allowance for archives whose stored lengths are `stored` bytes together.
    #[must_use]
    pub fn of(stored: u64) -> Self {
        Self { stored, left: most(stored), entries: 0 }
    }

    /// Extends it for `stored` more bytes.
    pub fn add(&mut self, stored: u64) {
        let before = most(self.stored);
        self.stored = self.stored.saturating_add(stored);
        self.left = self.left.saturating_add(most(self.stored) - before);
    }

    /// Takes `length` bytes of it; if there are not so many left, the error names the archive at `path`.
    pub(crate) fn take(&mut self, length: u64, path: &Path) -> Result<(), InputError> {
        self.left = self.left.checked_sub(length).ok_or_else(|| self.exceeded(path))?;
        Ok(())
    }

    fn exceeded(&self, path: &Path) -> InputError {
        let most = format!("{} MiB", most(self.stored) >> 20);
        InputError::Bomb { path: path.to_owned(), stored: self.stored, most }
    }
}

/// Hands entries over.
pub(crate) struct Guard<'a, 'v, E> {
    pub(crate) path: &'a Path,
    reading: Reading,
    allowance: &'a mut Allowance,
    symlinks: HashSet<Vec<u8>>,
    visit: Visit<'v, E>,
}

impl<'a, 'v, E: From<InputError>> Guard<'a, 'v, E> {
    pub(crate) fn new(
        path: &'a Path,
        reading: Reading,
        allowance: &'a mut Allowance,
        visit: Visit<'v, E>,
    ) -> Self {
        Self { path, reading, allowance, symlinks: HashSet::new(), visit }
    }

    pub(crate) fn io(&self, source: io::Error) -> E {
        InputError::io(self.path, source).into()
    }

    pub(crate) fn form(&self, reason: impl Into<String>) -> E {
        InputError::form(self.path, reason).into()
    }

    /// How much may be unpacked, in bytes.
    pub(crate) fn most(&self) -> u64 {
        most(self.allowance.stored)
    }

    fn refuse(&self, stored: &[u8], reason: &'static str) -> E {
        let entry = Shown(stored).to_string();
        InputError::Entry { path: self.path.to_owned(), entry, reason }.into()
    }

    /// Hands one entry to the caller; the top itself is passed over.
    pub(crate) fn entry(&mut self, entry: Stored, reader: &mut dyn Read) -> Result<(), E> {
        let Stored { path: stored, kind, mode, owner, capabilities, position } = entry;
        self.allowance.entries += 1;
        if self.allowance.entries > ENTRIES_MAX {
            return Err(self.form(format!("it has more than {ENTRIES_MAX} entries")));
        }
        let path = inside(&stored, self.reading).map_err(|reason| self.refuse(&stored, reason))?;
        let kind = match kind {
            StoredKind::File => Kind::File,
            StoredKind::Directory => Kind::Directory,
            StoredKind::Symlink(target) if target.is_empty() || target.contains(&0) => {
                return Err(self.refuse(&stored, "its target is no path"));
            }
            StoredKind::Symlink(target) => Kind::Symlink(target),
            StoredKind::HardLink(target) => {
                let refuse = |_| self.refuse(&stored, "it is a hard link out of the archive");
                Kind::HardLink(inside(&target, self.reading).map_err(refuse)?)
            }
            StoredKind::Special(special) if self.reading == Reading::App => {
                return Err(self.refuse(&stored, told(special)));
            }
            StoredKind::Special(special) => Kind::Special(special),
            StoredKind::Refused(reason) => return Err(self.refuse(&stored, reason)),
        };
        if path.is_empty() {
            return Ok(());
        }
        if self.reading == Reading::App {
            if passes_through(&path, &self.symlinks) {
                return Err(self.refuse(&stored, "its path leads through a symbolic link"));
            }
            match kind {
                Kind::Symlink(_) => drop(self.symlinks.insert(path.clone())),
                // A later entry replaces an earlier one.
                _ => drop(self.symlinks.remove(&path)),
            }
        }
        let mut counted = Counted { reader, left: self.allowance.left, failed: None };
        let visited =
            (self.visit)(Entry { path, kind, mode, owner, capabilities, position, reader: &mut counted });
        let Counted { left, failed, .. } = counted;
        self.allowance.left = left;
        match failed {
            // Whatever the caller made of it: the archive is to blame.
            Some(Failure::TooMuch) => Err(self.allowance.exceeded(self.path).into()),
            Some(Failure::Read(source)) => Err(self.io(source)),
            None => visited,
        }
    }
}

/// The most that `stored` bytes may unpack to.
fn most(stored: u64) -> u64 {
    stored.saturating_mul(TIMES).saturating_add(MORE)
}

enum Failure {
    TooMuch,
    Read(io::Error),
}

/// Counts what is read, and keeps the error.
struct Counted<'r> {
    reader: &'r mut dyn Read,
    left: u64,
    failed: Option<Failure>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.reader.read(buffer) {
            Ok(length) if length as u64 > self.left => {
                self.failed = Some(Failure::TooMuch);
                Err(io::Error::other("it unpacks to too much"))
            }
            Ok(length) => {
                self.left -= length as u64;
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.failed = Some(Failure::Read(error));
                Err(told)
            }
        }
    }
}

fn told(special: Special) -> &'static str {
    match special {
        Special::Device => "it is a device node",
        Special::Fifo => "it is a FIFO",
        Special::Socket => "it is a socket",
    }
}

/// A stored path relative to the top, without `.` and doubled slashes; empty for the top itself.
fn inside(stored: &[u8], reading: Reading) -> Result<Vec<u8>, &'static str> {
    if stored.starts_with(b"/") && reading == Reading::App {
        return Err("its path is absolute");
    }
    if stored.contains(&0) {
        return Err("its path contains a NUL byte");
    }
    if stored.len() > PATH_MAX {
        return Err("its path is too long");
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in stored.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        match part {
            b".." if reading == Reading::Layer => drop(parts.pop()),
            b".." => return Err("its path leaves the archive"),
            part => parts.push(part),
        }
    }
    if parts.len() > DEPTH_MAX {
        return Err("its path leads through too many directories");
    }
    Ok(parts.join(&b'/'))
}

/// Whether a directory on the way to `path` is one of `symlinks`.
fn passes_through(path: &[u8], symlinks: &HashSet<Vec<u8>>) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at]).any(|parent| symlinks.contains(parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_that_belong_together_have_one_allowance() {
        let path = Path::new("layer");
        let mut allowance = Allowance::of(0);
        // Each of them alone is plausible.
        for taken in 0..4 {
            allowance.add(1 << 20);
            let left = MORE + (taken + 1) * TIMES * (1 << 20) - taken * (MORE / 2);
            assert_eq!(allowance.left, left);
            allowance.take(MORE / 2, path).expect("plausible");
        }
        let refused = allowance.take(allowance.left + 1, path).expect_err("more than all may have together");
        assert!(matches!(refused, InputError::Bomb { stored: 0x0040_0000, .. }), "{refused}");
        allowance.take(allowance.left, path).expect("all of it");
        allowance.take(1, path).expect_err("nothing is left");
    }
}
