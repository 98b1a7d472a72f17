//! Managing the store: its contents, additions and removals.

use std::fs::File;
use std::path::{Path, PathBuf};

use bundle::EmulatorKey;
use emulator::{Provenance, Record};

use crate::emulators::Emulators;
use crate::error::Error;

impl Emulators {
    /// The contents of the store: pair, name and version, file.
    pub(crate) fn list(&self) -> Result<Vec<(EmulatorKey, String, PathBuf)>, Error> {
        let found = self.store.list()?;
        let row = |found: emulator::Emulator| {
            (found.key, format!("{} {}", found.record.translator, found.record.version), found.file)
        };
        Ok(found.into_iter().map(row).collect())
    }

    /// Adds a file to the store.
    pub(crate) fn add(&self, key: EmulatorKey, path: &Path) -> Result<PathBuf, Error> {
        let mut file = File::open(path).map_err(|source| Error::io("open", path, source))?;
        let describe = |debian::FileDigest { size, sha256: digest }| Record {
            digest,
            size,
            translator: "qemu-user".to_owned(),
            version: emulator::qemu_version::of_file(path, key.target),
            source: emulator::SourcePackage::default(),
            licence: "NOASSERTION".to_owned(),
            provenance: Provenance::Given { path: path.display().to_string() },
            pin: None,
        };
        Ok(self.store.add(key, &mut file, None, &describe)?.file)
    }

    /// Removes a pair's emulator; returns whether there was one.
    pub(crate) fn remove(&self, key: EmulatorKey) -> Result<bool, Error> {
        Ok(self.store.remove(key)?)
    }

    /// The path of a pair's emulator in the store.
    pub(crate) fn path(&self, key: EmulatorKey) -> Result<Option<PathBuf>, Error> {
        Ok(self.store.path(key)?)
    }

    /// Copies all emulators of the store into `directory`, in the store's layout; returns which.
    pub(crate) fn export(&self, directory: &Path) -> Result<Vec<String>, Error> {
        Ok(self.store.export_to(directory)?.iter().map(line).collect())
    }

    /// Copies all emulators of `directory` into the store; returns which.
    pub(crate) fn import(&self, directory: &Path) -> Result<Vec<String>, Error> {
        let lock = self.lock.as_ref().map(|file| &file.lock);
        let imported = emulator::import(&self.store, directory, lock, &self.catalogue)?;
        Ok(imported.iter().map(line).collect())
    }
}

fn line(emulator: &emulator::Emulator) -> String {
    format!("{} {} {}", emulator.key, emulator.record.translator, emulator.record.version)
}
