//! The exact program that is wanted for a pair: the catalogue's pin, or the lock file's entry, which takes
//! precedence.

use bundle::{Digest, EmulatorKey};

use crate::catalogue::{Member, Row};
use crate::error::EmulatorError;
use crate::lock::Locked;
use crate::record::{Emulator, Provenance, Record, SourcePackage, Trust};

/// One program, by its digest, and its package in a Debian archive.
pub(crate) struct Wanted<'a> {
    pub(crate) translator: &'a str,
    pub(crate) version: &'a str,
    pub(crate) licence: &'a str,
    pub(crate) source: SourcePackage,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
    pub(crate) package: Option<WantedPackage<'a>>,
    /// Whether it comes from the lock file: then nothing else is accepted.
    pub(crate) locked: bool,
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

impl<'a> Wanted<'a> {
    pub(crate) fn pinned(row: &'a Row, member: &'a Member) -> Self {
        Self {
            translator: &row.translator,
            version: &row.version,
            licence: &row.licence,
            source: SourcePackage {
                name: row.package.source.clone(),
                version: row.package.source_version.clone(),
                built_using: row.package.built_using.clone(),
                files: row.package.source_files.clone(),
            },
            size: member.size,
            sha256: member.sha256,
            package: Some(WantedPackage {
                file: &row.package.file,
                size: row.package.size,
                sha256: row.package.sha256,
                member: &member.path,
                tar_offset: Some(member.tar_offset),
            }),
            locked: false,
            fallback: Some((row, member)),
        }
    }

    pub(crate) fn locked(locked: &'a Locked) -> Self {
        Self {
            translator: &locked.translator,
            version: &locked.version,
            licence: &locked.licence,
            source: locked.source.clone(),
            size: locked.size,
            sha256: locked.sha256,
            package: locked.package.as_ref().map(|package| WantedPackage {
                file: &package.file,
                size: package.size,
                sha256: package.sha256,
                member: &package.member,
                tar_offset: package.tar_offset,
            }),
            locked: true,
            fallback: None,
        }
    }

    /// The record of the program from its package.
    pub(crate) fn record(&self, package: &WantedPackage<'_>) -> Record {
        Record {
            digest: self.sha256,
            size: self.size,
            translator: self.translator.to_owned(),
            version: self.version.to_owned(),
            source: self.source.clone(),
            licence: self.licence.to_owned(),
            provenance: Provenance::Debian {
                deb: package.file.to_owned(),
                deb_sha256: package.sha256,
                deb_size: package.size,
                member: package.member.to_owned(),
                trust: Trust::Pin,
            },
            pin: Some(self.sha256),
        }
    }

    /// `emulator`, unless another one is locked.
    pub(crate) fn agree(locked: Option<&Self>, emulator: Emulator) -> Result<Emulator, EmulatorError> {
        match locked {
            Some(locked) if locked.locked && locked.sha256 != emulator.record.digest => {
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
