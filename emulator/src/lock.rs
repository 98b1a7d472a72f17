//! `unibin.lock`: the exact emulator for each pair, so that a later pack, on another machine or with another
//! `unibin`, packs the same bytes. Contains the program's digest and its path in a Debian archive, and
//! nothing about this machine. It narrows what is trusted and never widens it: refuses paths that leave the
//! archive, entries that contradict the catalogue, and to go back to an older version than the locked one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EmulatorKey, TreePath};
use debian::compare_versions;
use debian::digest;
use serde::{Deserialize, Serialize};

use crate::arch_name;
use crate::built::Built;
use crate::catalogue::{Catalogue, Member, Row};
use crate::record::{Emulator, Provenance, Record, SourcePackage};
use crate::{store, toml_file};

/// The version of the file format.
const FORM: u32 = 1;

const HEAD: &str =
    "# The emulators that are packed here. Written by `unibin`; keep it in version control.\n\n";

/// The contents of a lock file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    emulators: BTreeMap<EmulatorKey, Locked>,
}

/// One locked emulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Locked {
    #[serde(with = "arch_name")]
    host: Arch,
    #[serde(with = "arch_name")]
    target: Arch,
    /// Its kind, such as `qemu-user`.
    pub translator: String,
    /// Its version.
    pub version: String,
    /// SPDX expression.
    pub licence: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of the program.
    #[serde(with = "digest::hex")]
    pub sha256: Digest,
    /// What it was built from.
    pub source: SourcePackage,
    /// Its package in a Debian archive; `None` for the user's own files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<LockedPackage>,
}

/// The Debian package of a locked emulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// The `.deb`'s path, relative to a mirror's base.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    #[serde(with = "digest::hex")]
    pub sha256: Digest,
    /// The program's path in it.
    pub member: String,
    /// The offset of the program's header in the unpacked `data.tar`, if known. It saves a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tar_offset: Option<u64>,
}

/// The file format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    version: u32,
    #[serde(default)]
    emulator: Vec<Locked>,
}

/// A lock file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is missing, or cannot be read or written.
    #[error("cannot {action} the lock file `{path}`", path = path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Not a lock file.
    #[error("the lock file `{path}` cannot be used: {reason}", path = path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The new version is older than the locked one.
    #[error(
        "the emulator {key} is locked at version {locked}, but only the older version {offered} is offered"
    )]
    Downgrade {
        /// The host and target.
        key: EmulatorKey,
        /// The locked version.
        locked: String,
        /// The version that would replace it.
        offered: String,
    },
    /// An entry says something else of a known program, package or version than what vouches for it.
    #[error(
        "the lock file's entry for {key} disagrees with {authority} about the {fact}\n  locked:   {locked}\n  expected: {known}"
    )]
    Contradicts {
        /// The host and target.
        key: EmulatorKey,
        /// What it contradicts: the catalogue or the archive's signed index.
        authority: &'static str,
        /// Which fact.
        fact: &'static str,
        /// What the lock file says.
        locked: String,
        /// What is known.
        known: String,
    },
}

/// The catalogue, as what vouches for an emulator.
const CATALOGUE: &str = "the catalogue";
/// A signed index, likewise.
pub(crate) const INDEX: &str = "the archive's signed index";

/// Who vouches for a locked emulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The catalogue has this very program.
    Catalogued,
    /// Nobody else, as far as the catalogue goes.
    OnlyLocked,
}

impl LockError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "`unibin emulator lock --target ARCH` writes one".into()
            }
            Self::Io { .. } => return None,
            Self::Form { .. } => "restore the committed one, or remove it and lock again".into(),
            Self::Downgrade { .. } => {
                "use a newer mirror, or remove its table from the lock file first".into()
            }
            Self::Contradicts { key: EmulatorKey { host, target }, .. } => format!(
                "do not trust this lock file; `unibin emulator lock --target {target} --hosts {host}` writes the entry anew"
            ),
        })
    }
}

impl Lock {
    /// Reads the lock file at `path`.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let text = fs::read_to_string(path).map_err(|source| LockError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let form = |reason| LockError::Form { path: path.to_owned(), reason };
        let page: Page = toml_file::read(&text).map_err(form)?;
        if page.version != FORM {
            let reason =
                format!("it has version {}, but this `unibin` knows version {FORM} only", page.version);
            return Err(form(reason));
        }
        let mut lock = Self::default();
        for locked in page.emulator {
            let key = locked.key();
            locked.check().map_err(|reason| form(format!("its table for {key} {reason}")))?;
            if lock.emulators.insert(key, locked).is_some() {
                return Err(form(format!("it has two tables for {key}")));
            }
        }
        Ok(lock)
    }

    /// Writes the lock file to `path`, by rename. Same emulators, same bytes.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let page = Page { version: FORM, emulator: self.emulators.values().cloned().collect() };
        let text =
            toml_file::write(&page).map_err(|reason| LockError::Form { path: path.to_owned(), reason })?;
        let directory =
            path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        store::write_by_rename(directory, path, format!("{HEAD}{text}").as_bytes(), 0o644).map_err(|error| {
            let source = io::Error::other(error.to_string());
            LockError::Io { action: "write", path: path.to_owned(), source }
        })
    }

    /// The locked emulator for `key`.
    pub fn find(&self, key: EmulatorKey) -> Option<&Locked> {
        self.emulators.get(&key)
    }

    /// Every locked emulator, in the order of the keys.
    pub fn all(&self) -> impl Iterator<Item = &Locked> {
        self.emulators.values()
    }

    /// Locks `emulator`. Refuses one that is older than the locked one.
    pub fn put(&mut self, emulator: &Emulator, catalogue: &Catalogue) -> Result<(), LockError> {
        let new = Locked::of(emulator, catalogue);
        let key = emulator.key;
        if let Some(old) = self.find(key)
            && old.translator == new.translator
            && let Some((locked, offered)) = new.is_before(old)
        {
            return Err(LockError::Downgrade { key, locked, offered });
        }
        self.emulators.insert(key, new);
        Ok(())
    }
}

impl Locked {
    fn of(emulator: &Emulator, catalogue: &Catalogue) -> Self {
        let record = &emulator.record;
        let offset = || {
            let (_, member) = catalogue.packaged(emulator.key)?;
            (member.sha256 == record.digest).then_some(member.tar_offset)
        };
        let package = match &record.provenance {
            Provenance::Debian { deb, deb_sha256, deb_size, member, .. } if *deb_size > 0 => {
                Some(LockedPackage {
                    file: deb.clone(),
                    size: *deb_size,
                    sha256: *deb_sha256,
                    member: member.clone(),
                    tar_offset: offset(),
                })
            }
            _ => None,
        };
        Self {
            host: emulator.key.host,
            target: emulator.key.target,
            translator: record.translator.clone(),
            version: record.version.clone(),
            licence: record.licence.clone(),
            size: record.size,
            sha256: record.digest,
            source: record.source.clone(),
            package,
        }
    }

    /// The host and target.
    pub fn key(&self) -> EmulatorKey {
        EmulatorKey { host: self.host, target: self.target }
    }

    /// Whether its texts and paths are such that they can be printed, joined to a mirror, and looked up.
    fn check(&self) -> Result<(), String> {
        let Self { translator, version, licence, source, package, .. } = self;
        for text in [translator, version, licence, &source.name, &source.version, &source.built_using] {
            if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
                return Err(format!("has a text that is not plain: `{}`", text.escape_debug()));
            }
        }
        let Some(LockedPackage { file, member, .. }) = package else { return Ok(()) };
        for path in [file, member] {
            let is_plain = path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '\\' | '?' | '#' | '%'));
            if !is_plain || TreePath::new(path.as_bytes()).is_none() {
                return Err(format!(
                    "has a path that cannot be one in an archive: `{}`",
                    path.escape_debug()
                ));
            }
        }
        Ok(())
    }

    /// Who vouches for it. Refuses what the catalogue knows to be otherwise: other facts about a program that
    /// it has, another program in a package that it has, or another program under a version that it has.
    pub(crate) fn standing(&self, catalogue: &Catalogue) -> Result<Standing, LockError> {
        let key = self.key();
        if let Some((known, built, member)) = catalogue.built_with(self.sha256) {
            self.same(CATALOGUE, "host and target", &key, &known)?;
            self.same(CATALOGUE, "size", &self.size, &member.size)?;
            self.agrees_with_built(built)?;
            return Ok(Standing::Catalogued);
        }
        // Version and recipe together make the bytes.
        if let Some(built) = catalogue.built(key.host)
            && self.source.recipe == built.source.recipe
            && self.version == built.version
        {
            let known = built.members.get(&key.target);
            let known =
                known.map_or_else(|| "no program for this pair".into(), |known| known.sha256.to_string());
            return Err(self.contradicts(CATALOGUE, "program of that version", &self.sha256, &known));
        }
        for row in catalogue.all() {
            for (target, member) in &row.members {
                let known = EmulatorKey { host: row.host, target: *target };
                if member.sha256 == self.sha256 && known == key {
                    self.agrees(row, member)?;
                    return Ok(Standing::Catalogued);
                }
                if member.sha256 == self.sha256 {
                    return Err(self.contradicts(CATALOGUE, "host and target", &key, &known));
                }
            }
        }
        let Some(package) = &self.package else { return Ok(Standing::OnlyLocked) };
        let same_package =
            |row: &&Row| row.package.file == package.file || row.package.sha256 == package.sha256;
        if let Some(row) = catalogue.all().iter().find(same_package) {
            let known = row.members.get(&key.target).filter(|_| row.host == key.host);
            let known =
                known.map_or_else(|| "no program for this pair".into(), |known| known.sha256.to_string());
            return Err(self.contradicts(CATALOGUE, "program of its package", &self.sha256, &known));
        }
        Ok(Standing::OnlyLocked)
    }

    /// Refuses to give a version that the catalogue has to a program that is not the catalogue's. For entries
    /// that no signed index vouches for: a rebuilt package may have the same version of QEMU.
    pub(crate) fn has_its_own_version(&self, catalogue: &Catalogue) -> Result<(), LockError> {
        let key = self.key();
        // Upstream's version alone: 7.2 stays for years, while the archive builds it anew.
        let same_source =
            |row: &Row| self.source.version.is_empty() || self.source.version == row.package.source_version;
        let same =
            |row: &&Row| row.translator == self.translator && row.version == self.version && same_source(row);
        let known = catalogue.rows(key.host).filter(same).find_map(|row| row.members.get(&key.target));
        match known {
            Some(known) if known.sha256 != self.sha256 => {
                let fact = "program of that version";
                Err(self.contradicts(CATALOGUE, fact, &self.sha256, &known.sha256))
            }
            _ => Ok(()),
        }
    }

    /// Whether every fact of it is that of unibin's own emulators.
    fn agrees_with_built(&self, built: &Built) -> Result<(), LockError> {
        // A file of the user's own may have the same bytes.
        if self.package.is_none() && self.source.recipe.is_none() {
            return Ok(());
        }
        self.same(CATALOGUE, "translator", &self.translator[..], built.translator())?;
        self.same(CATALOGUE, "version", &self.version, &built.version)?;
        self.same(CATALOGUE, "licence", &self.licence, &built.licence)?;
        self.same(CATALOGUE, "source package", &self.source.name, &built.source.name)?;
        self.same(CATALOGUE, "version of its source", &self.source.version, &built.source.version)?;
        let recipe =
            |source: &SourcePackage| source.recipe.map_or_else(|| "none".to_owned(), |it| it.to_string());
        self.same(CATALOGUE, "recipe", &recipe(&self.source), &recipe(&built.source))?;
        let package = self.package.as_ref().map_or("none", |package| &package.file);
        self.same(CATALOGUE, "package", package, "none")
    }

    /// Whether every fact of it is the catalogue's.
    fn agrees(&self, row: &Row, member: &Member) -> Result<(), LockError> {
        let Some(package) = &self.package else { return Ok(()) };
        let facts = [
            ("translator", &self.translator, &row.translator),
            ("version", &self.version, &row.version),
            ("licence", &self.licence, &row.licence),
            ("source package", &self.source.name, &row.package.source),
            ("version of its source", &self.source.version, &row.package.source_version),
            ("package", &package.file, &row.package.file),
            ("path in the package", &package.member, &member.path),
        ];
        for (fact, locked, known) in facts {
            self.same(CATALOGUE, fact, locked, known)?;
        }
        self.same(CATALOGUE, "size", &self.size, &member.size)?;
        self.same(CATALOGUE, "size of its package", &package.size, &row.package.size)?;
        self.same(CATALOGUE, "sha256 of its package", &package.sha256, &row.package.sha256)
    }

    /// Whether its facts are those of `record`, which a signed index vouches for.
    pub(crate) fn agrees_with_index(&self, record: &Record) -> Result<(), LockError> {
        let Some(package) = &self.package else { return Ok(()) };
        self.same(INDEX, "translator", &self.translator, &record.translator)?;
        self.same(INDEX, "version", &self.version, &record.version)?;
        self.same(INDEX, "size", &self.size, &record.size)?;
        self.same(INDEX, "source package", &self.source.name, &record.source.name)?;
        self.same(INDEX, "version of its source", &self.source.version, &record.source.version)?;
        let Provenance::Debian { deb, deb_sha256, member, .. } = &record.provenance else { return Ok(()) };
        self.same(INDEX, "package", &package.file, deb)?;
        self.same(INDEX, "sha256 of its package", &package.sha256, deb_sha256)?;
        self.same(INDEX, "path in the package", &package.member, member)
    }

    /// Refuses `locked` where `authority` has another value.
    pub(crate) fn same<T: PartialEq + ToString + ?Sized>(
        &self,
        authority: &'static str,
        fact: &'static str,
        locked: &T,
        known: &T,
    ) -> Result<(), LockError> {
        if locked == known { Ok(()) } else { Err(self.contradicts(authority, fact, locked, known)) }
    }

    fn contradicts(
        &self,
        authority: &'static str,
        fact: &'static str,
        locked: &(impl ToString + ?Sized),
        known: &(impl ToString + ?Sized),
    ) -> LockError {
        let (locked, known) = (locked.to_string(), known.to_string());
        LockError::Contradicts { key: self.key(), authority, fact, locked, known }
    }

    /// The versions of `old` and of this one, if this one is older: of the source, and between two of
    /// unibin's own of one source, of the emulator.
    fn is_before(&self, old: &Self) -> Option<(String, String)> {
        let own = self.source.recipe.is_some() && old.source.recipe.is_some();
        let order = compare_versions(self.full_version(), old.full_version());
        if order == Ordering::Less {
            return Some((old.full_version().to_owned(), self.full_version().to_owned()));
        }
        let older = compare_versions(&self.version, &old.version) == Ordering::Less;
        (order == Ordering::Equal && own && older).then(|| (old.version.clone(), self.version.clone()))
    }

    /// The source package's version if there is one, since it distinguishes revisions.
    fn full_version(&self) -> &str {
        if self.source.version.is_empty() { &self.version } else { &self.source.version }
    }
}

#[cfg(test)]
mod tests;
