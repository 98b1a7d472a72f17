//! The lock file of a pack: read before emulators are looked up, written if there are new ones.

use std::path::{Path, PathBuf};

use emulator::{Catalogue, EmulatorError, Lock, LockError};

use crate::cli::SupplyArgs;

/// Its default name.
const NAME: &str = "unibin.lock";

/// An existing lock file, and what may be done with it.
#[derive(Debug)]
pub(crate) struct LockFile {
    pub(crate) lock: Lock,
    path: PathBuf,
    /// Whether it must not be changed.
    frozen: bool,
}

impl LockFile {
    /// The file that `--lock` names, or the one in the working directory. A missing file counts as empty, and
    /// nothing is written then; but `--locked` requires it to exist, and so does a name.
    pub(crate) fn open(args: &SupplyArgs) -> Result<Option<Self>, LockError> {
        let path = args.lock.clone().unwrap_or_else(|| NAME.into());
        let wanted = args.lock.is_some() || args.locked;
        match Lock::read(&path) {
            Ok(lock) => Ok(Some(Self { lock, path, frozen: args.locked })),
            Err(LockError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound && !wanted => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// For `unibin emulator lock`: a file that does not exist is an empty one.
    pub(crate) fn open_or_new(path: Option<&Path>) -> Result<Self, LockError> {
        let path = path.map_or_else(|| NAME.into(), Path::to_owned);
        let lock = match Lock::read(&path) {
            Err(LockError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Lock::default()
            }
            other => other?,
        };
        Ok(Self { lock, path, frozen: false })
    }

    /// Locks these emulators too. Writes the file if that changes it.
    pub(crate) fn add(
        &self,
        found: &[emulator::Emulator],
        catalogue: &Catalogue,
    ) -> Result<(), EmulatorError> {
        if self.frozen {
            return Ok(());
        }
        let mut lock = self.lock.clone();
        for emulator in found {
            lock.put(emulator, catalogue)?;
        }
        if lock != self.lock {
            lock.write(&self.path)?;
        }
        Ok(())
    }
}
