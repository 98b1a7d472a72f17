//! Emulators: which hosts need one (`plan`), where they come from (`obtain`), and managing the store
//! (`stored`).

pub(crate) mod builtin_catalogue;
mod lock_file;
pub(crate) mod obtain;
pub(crate) mod plan;
pub(crate) mod started;
mod stored;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bundle::{Arch, Digest, EmulatorKey, OwnedRule};
use emulator::{
    Catalogue, EmulatorError, Remark, SourcePackage, Store, Translators, TranslatorsError, Watch,
};

use crate::cli::{ArchiveArgs, SupplyArgs};
use crate::components::Component;
use crate::emulators::lock_file::LockFile;
use crate::error::Error;
use crate::notices::Owed;
use crate::packages::suites;
use crate::progress::Bars;
use crate::say;

/// An emulator that is present and checked, and how it is called.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) key: EmulatorKey,
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) translator: String,
    pub(crate) version: String,
    /// How it is called.
    pub(crate) rules: Vec<OwnedRule>,
    /// Whether these are QEMU's default rules, which are made anew for an app that must be called in another
    /// way.
    by_default_rules: bool,
    /// Whether it is one of unibin's own builds.
    is_own: bool,
    pub(crate) owed: Vec<Owed>,
    pub(crate) source: SourcePackage,
    /// The emulator, then what is linked into it.
    pub(crate) components: Vec<Component>,
}

/// Catalogue, the user's own emulators, lock file and store.
pub(crate) struct Emulators {
    catalogue: Catalogue,
    translators: Translators,
    lock: Option<LockFile>,
    store: Store,
    archive: ArchiveArgs,
    /// The progress bars of all long work.
    pub(crate) bars: Bars,
    /// Bytes that were downloaded for a pair.
    transferred: Mutex<BTreeMap<EmulatorKey, u64>>,
}

impl Emulators {
    /// Opens catalogue and store; connects to nothing yet.
    pub(crate) fn open(archive: &ArchiveArgs) -> Result<Self, Error> {
        let mut catalogue = Catalogue::embedded().map_err(EmulatorError::from)?;
        if archive.supply.debian_emulators {
            catalogue = catalogue.preferring_debian();
        }
        let translators = translators(&archive.supply).map_err(EmulatorError::from)?;
        Ok(Self {
            catalogue: translators.beside(catalogue),
            translators,
            lock: LockFile::open(&archive.supply).map_err(EmulatorError::from)?,
            store: Store::open(suites::store_root()?)?,
            archive: archive.clone(),
            bars: Bars::default(),
            transferred: Mutex::default(),
        })
    }

    /// As [`Self::open`], but ignores the lock file.
    pub(crate) fn without_lock(archive: &ArchiveArgs) -> Result<Self, Error> {
        Ok(Self { lock: None, ..Self::open(archive)? })
    }

    /// The store, in which compressed frames are kept for the next bundle.
    pub(crate) fn kept(&self) -> &Store {
        &self.store
    }

    /// Whether there are emulators for `target` that show a view, on any host. This decides whether a tree
    /// gets a map: so it is the same for all hosts, and a bundle for one of them is a part of the bundle for
    /// all.
    pub(crate) fn give_view(&self, target: Arch) -> bool {
        self.catalogue.is_own(target)
    }

    /// How many bytes this process downloaded for a pair; `None` if it was here already.
    pub(crate) fn transferred(&self, key: EmulatorKey) -> Option<u64> {
        self.transferred.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    /// How many bytes this process downloaded.
    pub(crate) fn transferred_in_all(&self) -> u64 {
        self.transferred.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

impl Watch for Emulators {
    fn progress(&self, key: EmulatorKey) -> Box<dyn debian::Progress + '_> {
        Box::new(self.bars.bar(&key.to_string()))
    }

    fn remark(&self, remark: &Remark) {
        match remark {
            Remark::Fetched { key, bytes } => {
                self.transferred.lock().unwrap_or_else(PoisonError::into_inner).insert(*key, *bytes);
            }
            other => say::warning(&other.to_string()),
        }
    }
}

/// The file that `--translators` names, or the user's own if it exists.
fn translators(args: &SupplyArgs) -> Result<Translators, TranslatorsError> {
    let directory = |name: &str, below: &str| {
        let directory = std::env::var_os(name).map(PathBuf::from).filter(|directory| directory.is_absolute());
        directory.map(|directory| directory.join(below))
    };
    let usual = || {
        let config = directory("XDG_CONFIG_HOME", "unibin").or_else(|| directory("HOME", ".config/unibin"));
        config.map(|config| config.join("emulators.toml")).filter(|file| file.exists())
    };
    match args.translators.clone().or_else(usual) {
        Some(path) => Translators::read(&path),
        None => Ok(Translators::default()),
    }
}
