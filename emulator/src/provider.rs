//! The sources of emulators, in the order in which they are asked: the user's own file, the store, a
//! directory or server in the store's layout, unibin itself, a Debian archive. Emulators from the latter
//! three are added to the store first. Refuses to connect if network access is disabled.

mod built;
mod debian;
mod file;
mod own;
mod served;
mod store;
mod wanted;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use bundle::EmulatorKey;

use self::wanted::Wanted;
use crate::catalogue::Catalogue;
use crate::error::EmulatorError;
use crate::lock::Lock;
use crate::options::Options;
use crate::record::Emulator;
use crate::store::{Store, StoreError, record_path};

pub use self::own::obtain_own;

/// How many emulators are fetched at a time: one decompresses while the other waits for the network.
const AT_A_TIME: usize = 2;

/// The emulator for `key`, checked, from the first source that has it.
pub fn obtain(key: EmulatorKey, options: &Options<'_>) -> Result<Emulator, EmulatorError> {
    let locked = options.lock.and_then(|lock| lock.find(key));
    let locked = locked.map(|locked| Wanted::locked(locked, options.catalogue)).transpose()?;
    if locked.is_none() && options.only_locked {
        return Err(EmulatorError::NotLocked { key });
    }
    if let Some(path) = options.given.get(&key) {
        return Wanted::agree(locked.as_ref(), file::obtain(key, path)?);
    }
    let found = match locked {
        Some(locked) => Ok(locked),
        None => options.catalogue.find(key).map(Wanted::known),
    };
    let wanted = found.as_ref().ok();
    if let Some(emulator) = store::obtain(key, wanted, options)? {
        return Ok(emulator);
    }
    if options.served.is_none() {
        found.as_ref().map_err(Clone::clone)?;
    }
    let _turn = options.store.turn(key)?;
    // Another process may have fetched it while this one waited for the lock.
    if let Some(emulator) = store::obtain(key, wanted, options)? {
        return Ok(emulator);
    }
    if let Some(emulator) = served::obtain(key, wanted, options)? {
        return Ok(emulator);
    }
    if let Some(emulator) = built::obtain(key, wanted, options)? {
        return Ok(emulator);
    }
    debian::obtain(key, &found?, options)
}

/// Copies all emulators of `directory`, which is in the store's layout, into `store`. Stops at one that is
/// damaged or not the locked one.
pub fn import(
    store: &Store,
    directory: &Path,
    lock: Option<&Lock>,
    catalogue: &Catalogue,
) -> Result<Vec<Emulator>, EmulatorError> {
    let from = Store::to_read(directory);
    let mut imported = Vec::new();
    for Emulator { key, .. } in from.list()? {
        let missing = || StoreError::read(&directory.join(record_path(key)), io::ErrorKind::NotFound.into());
        let found = from.look(key)?.ok_or_else(missing)?;
        let locked = lock.and_then(|lock| lock.find(key));
        let locked = locked.map(|locked| Wanted::locked(locked, catalogue)).transpose()?;
        let found = Wanted::agree(locked.as_ref(), found)?;
        let mut program = File::open(&found.file).map_err(|error| StoreError::read(&found.file, error))?;
        imported.push(store.add(key, &mut program, Some(found.record.digest), &|_| found.record.clone())?);
    }
    Ok(imported)
}

/// The emulators for `keys`, in that order, two at a time; or the first failure in that order.
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
