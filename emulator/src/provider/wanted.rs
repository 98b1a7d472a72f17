//! The exact program that is wanted for a pair: the catalogue's pin, or the lock file's entry, which takes
//! precedence.

use bundle::{Digest, EmulatorKey};

use crate::built::{Built, BuiltMember};
use crate::catalogue::{Catalogue, Known, Member, Row};
use crate::error::EmulatorError;
use crate::lock::{LockError, Locked, Standing};
use crate::options::{Options, Remark};
use crate::record::{Emulator, Provenance, Record, SourcePackage, Trust};

/// One program, by its digest, and where it is: in unibin itself, or in a package of a Debian archive.
pub(crate) struct Wanted<'a> {
    pub(crate) translator: &'a str,
    pub(crate) version: &'a str,
    pub(crate) licence: &'a str,
    pub(crate) source: SourcePackage,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
    pub(crate) built: Option<(&'a Built, &'a BuiltMember)>,
    pub(crate) package: Option<WantedPackage<'a>>,
    /// The lock file's entry, if it comes from there: then nothing else is accepted.
    pub(crate) locked: Option<&'a Locked>,
    /// Whether nothing but a lock file vouches for it. The store's record of the pair must not name it then:
    /// later packs without that lock file would use it.
    pub(crate) only_locked: bool,
    /// What to look for in a signed index if the pinned package is gone; `None` for locked programs.
    pub(crate) fallback: Option<(&'a Row, &'a Member)>,
}

pub(crate) struct WantedPackage<'a> {
    pub(crate) file: &'a str,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
    pub(crate) member: &'a str,
    pub(crate) tar_offset: Option<u64>,
}

impl WantedPackage<'_> {
    fn provenance(&self, trust: Trust) -> Provenance {
        Provenance::Debian {
            deb: self.file.to_owned(),
            deb_sha256: self.sha256,
            deb_size: self.size,
            member: self.member.to_owned(),
            trust,
        }
    }
}

impl<'a> Wanted<'a> {
    /// The program that the catalogue has for a pair.
    pub(crate) fn known(known: Known<'a>) -> Self {
        match known {
            Known::Built(built, member) => Self::built(built, member),
            Known::Packaged(row, member) => Self::pinned(row, member),
        }
    }

    fn built(built: &'a Built, member: &'a BuiltMember) -> Self {
        Self {
            translator: built.translator(),
            version: &built.version,
            licence: &built.licence,
            source: built.source.clone(),
            size: member.size,
            sha256: member.sha256,
            built: Some((built, member)),
            package: None,
            locked: None,
            only_locked: false,
            fallback: None,
        }
    }

    fn pinned(row: &'a Row, member: &'a Member) -> Self {
        Self {
            translator: &row.translator,
            version: &row.version,
            licence: &row.licence,
            source: SourcePackage {
                name: row.package.source.clone(),
                version: row.package.source_version.clone(),
                built_using: row.package.built_using.clone(),
                files: row.package.source_files.clone(),
                recipe: None,
            },
            size: member.size,
            sha256: member.sha256,
            built: None,
            package: Some(WantedPackage {
                file: &row.package.file,
                size: row.package.size,
                sha256: row.package.sha256,
                member: &member.path,
                tar_offset: Some(member.tar_offset),
            }),
            locked: None,
            only_locked: false,
            fallback: Some((row, member)),
        }
    }

    /// The program that the lock file names, unless that contradicts the catalogue.
    pub(crate) fn locked(locked: &'a Locked, catalogue: &'a Catalogue) -> Result<Self, LockError> {
        let standing = locked.standing(catalogue)?;
        Ok(Self {
            translator: &locked.translator,
            version: &locked.version,
            licence: &locked.licence,
            source: locked.source.clone(),
            size: locked.size,
            sha256: locked.sha256,
            built: catalogue.built_with(locked.sha256).map(|(_, built, member)| (built, member)),
            package: locked.package.as_ref().map(|package| WantedPackage {
                file: &package.file,
                size: package.size,
                sha256: package.sha256,
                member: &package.member,
                tar_offset: package.tar_offset,
            }),
            locked: Some(locked),
            only_locked: standing == Standing::OnlyLocked,
            fallback: None,
        })
    }

    /// The record of a program that nothing but the lock file vouches for.
    pub(crate) fn record_by_lock(&self) -> Record {
        let other = || match self.source.recipe {
            Some(_) => Provenance::Built,
            None => Provenance::Given { path: "unibin.lock".to_owned() },
        };
        self.record_of(self.package.as_ref().map_or_else(other, |package| package.provenance(Trust::Lock)))
    }

    /// Reports that nothing but the lock file vouches for the program, and refuses to call it by a version
    /// whose program is known.
    pub(crate) fn by_its_lock_alone(
        &self,
        key: EmulatorKey,
        options: &Options<'_>,
    ) -> Result<(), EmulatorError> {
        if let Some(locked) = self.locked.filter(|_| self.package.is_some()) {
            locked.has_its_own_version(options.catalogue)?;
        }
        options.watch.remark(&Remark::OnlyLocked { key, version: self.version.to_owned() });
        Ok(())
    }

    /// The record of a program that the catalogue or an archive has.
    pub(crate) fn known_record(&self) -> Option<Record> {
        let built = self.built.map(|(built, member)| built.record(member));
        built.or_else(|| self.package.as_ref().map(|package| self.record(package)))
    }

    /// The record of the program from its package.
    pub(crate) fn record(&self, package: &WantedPackage<'_>) -> Record {
        Record { pin: Some(self.sha256), ..self.record_of(package.provenance(Trust::Pin)) }
    }

    fn record_of(&self, provenance: Provenance) -> Record {
        Record {
            digest: self.sha256,
            size: self.size,
            translator: self.translator.to_owned(),
            version: self.version.to_owned(),
            source: self.source.clone(),
            licence: self.licence.to_owned(),
            provenance,
            pin: None,
        }
    }

    /// `emulator`, unless another one is locked.
    pub(crate) fn agree(locked: Option<&Self>, emulator: Emulator) -> Result<Emulator, EmulatorError> {
        match locked {
            Some(locked) if locked.locked.is_some() && locked.sha256 != emulator.record.digest => {
                let Record { version, digest, .. } = emulator.record;
                Err(locked.other_than_locked(emulator.key, version, digest))
            }
            _ => Ok(emulator),
        }
    }

    pub(crate) fn other_than_locked(
        &self,
        key: EmulatorKey,
        offered: String,
        found: Digest,
    ) -> EmulatorError {
        let (locked, expected) = (self.version.to_owned(), self.sha256);
        EmulatorError::OtherThanLocked { key, locked, offered, expected, found }
    }
}
