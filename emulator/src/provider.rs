//! Where emulators come from, in the order asked: a file that the user gives, the store, a directory or server in the
//! store's layout, a Debian archive. What comes from the latter two is put into the store first. Refuses to connect when the
//! network is switched off.

mod debian;
mod file;
mod served;
mod store;
mod wanted;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use ::debian::{FetchOptions, MirrorSources, Progress, Silent};
use bundle::EmulatorKey;

use crate::catalogue::Catalogue;
use crate::error::EmulatorError;
use crate::lock::Lock;
use crate::record::Emulator;
use crate::store::{Store, StoreError, record_path};

pub(crate) use self::debian::upstream_version;
pub(crate) use self::wanted::Wanted;

/// How many emulators are fetched at a time: one decompresses while the other waits for the network.
const AT_A_TIME: usize = 2;

/// How to get emulators.
pub struct Options<'a> {
    /// What is known.
    pub catalogue: &'a Catalogue,
    /// Where they are kept.
    pub store: &'a Store,
    /// Files to use for hosts, before everything else.
    pub given: BTreeMap<EmulatorKey, PathBuf>,
    /// A directory in the store's layout, or the URL of one, asked before a Debian archive.
    pub served: Option<String>,
    /// What is locked: for these pairs nothing else will do.
    pub lock: Option<&'a Lock>,
    /// Whether a pair that is not locked is refused.
    pub only_locked: bool,
    /// The Debian archives to ask.
    pub mirrors: MirrorSources,
    /// How to fetch; `offline` in it means that nothing here connects.
    pub fetch: FetchOptions,
    /// Take an index past its `Valid-Until`.
    pub allow_stale: bool,
    /// Who is told what happens.
    pub watch: &'a dyn Watch,
}

impl<'a> Options<'a> {
    /// The defaults: this machine's mirrors, nothing given, told to nobody.
    pub fn new(catalogue: &'a Catalogue, store: &'a Store) -> Self {
        Self {
            catalogue,
            store,
            given: BTreeMap::new(),
            served: None,
            lock: None,
            only_locked: false,
            mirrors: MirrorSources::default(),
            fetch: FetchOptions::default(),
            allow_stale: false,
            watch: &Quiet,
        }
    }
}

/// Is told what happens while emulators are fetched, from several threads.
pub trait Watch: Sync {
    /// Who follows the transfers for `key`.
    fn progress(&self, key: EmulatorKey) -> Box<dyn Progress + '_>;
    /// Something that the user should know and that is no failure.
    fn remark(&self, remark: &Remark);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn progress(&self, _key: EmulatorKey) -> Box<dyn Progress + '_> {
        Box::new(Silent)
    }

    fn remark(&self, _remark: &Remark) {}
}

/// What happened on the way to an emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// An entry of the store or of a directory could not be used and is fetched anew.
    BadEntry {
        /// The pair.
        key: EmulatorKey,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive no longer has the pinned version.
    NotThePinned {
        /// The pair.
        key: EmulatorKey,
        /// The package's version in the catalogue.
        pinned: String,
        /// The package's version in the archive.
        found: String,
    },
    /// The store has an emulator that the catalogue has left behind, and nothing newer can be had.
    Outdated {
        /// The pair.
        key: EmulatorKey,
        /// Its version.
        version: String,
    },
    /// An emulator has been fetched.
    Fetched {
        /// The pair.
        key: EmulatorKey,
        /// Bytes that were transferred for it.
        bytes: u64,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEntry { key, reason } => write!(f, "{key}: {reason}; it is fetched anew"),
            Self::NotThePinned { key, pinned, found } => {
                write!(f, "{key}: the archive has no version {pinned} any more; version {found} is used")
            }
            Self::Outdated { key, version } => {
                write!(f, "{key}: the store's version {version} is used; the catalogue names another one")
            }
            Self::Fetched { key, bytes } => write!(f, "{key}: {bytes} bytes fetched"),
        }
    }
}

/// The emulator for `key`, checked, from the first place that has it.
pub fn obtain(key: EmulatorKey, options: &Options<'_>) -> Result<Emulator, EmulatorError> {
    let locked = options.lock.and_then(|lock| lock.find(key)).map(Wanted::locked);
    if locked.is_none() && options.only_locked {
        return Err(EmulatorError::NotLocked { key });
    }
    if let Some(path) = options.given.get(&key) {
        return Wanted::agree(locked.as_ref(), file::obtain(key, path)?);
    }
    let found = match locked {
        Some(locked) => Ok(locked),
        None => options.catalogue.find(key).map(|(row, member)| Wanted::pinned(row, member)),
    };
    let wanted = found.as_ref().ok();
    if let Some(emulator) = store::obtain(key, wanted, options)? {
        return Ok(emulator);
    }
    if options.served.is_none() {
        found.as_ref().map_err(Clone::clone)?;
    }
    let _turn = options.store.turn(key)?;
    // Another process may have fetched it while this one waited for its turn.
    if let Some(emulator) = store::obtain(key, wanted, options)? {
        return Ok(emulator);
    }
    if let Some(emulator) = served::obtain(key, wanted, options)? {
        return Ok(emulator);
    }
    debian::obtain(key, &found?, options)
}

/// Copies all emulators of `directory`, which is in the store's layout, into `store`. One that is damaged or not the locked
/// one ends it.
pub fn import(store: &Store, directory: &Path, lock: Option<&Lock>) -> Result<Vec<Emulator>, EmulatorError> {
    let from = Store::to_read(directory);
    let mut imported = Vec::new();
    for Emulator { key, .. } in from.list()? {
        let missing = || StoreError::read(&directory.join(record_path(key)), io::ErrorKind::NotFound.into());
        let found = from.look(key)?.ok_or_else(missing)?;
        let locked = lock.and_then(|lock| lock.find(key)).map(Wanted::locked);
        let found = Wanted::agree(locked.as_ref(), found)?;
        let mut program = File::open(&found.file).map_err(|error| StoreError::read(&found.file, error))?;
        imported.push(store.add(key, &mut program, Some(found.record.digest), &|_, _| found.record.clone())?);
    }
    Ok(imported)
}

/// The emulators for `keys`, in their order, two at a time; the first failure in that order, if there is one.
pub fn obtain_all(keys: &[EmulatorKey], options: &Options<'_>) -> Result<Vec<Emulator>, EmulatorError> {
    let queue = Mutex::new((keys.iter().copied().enumerate(), BTreeMap::new()));
    let lock = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let next = || {
        let mut queue = lock();
        let failed = queue.1.values().any(Result::is_err);
        if failed { None } else { queue.0.next() }
    };
    let work = || {
        while let Some((number, key)) = next() {
            let result = obtain(key, options);
            lock().1.insert(number, result);
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(keys.len()) {
            scope.spawn(work);
        }
    });
    let (_, results) = queue.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.into_values().collect()
}
