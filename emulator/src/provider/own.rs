//! An emulator of the user's own, from `emulators.toml`, used in place.

use crate::error::EmulatorError;
use crate::options::Options;
use crate::record::Emulator;
use crate::translators::Own;

/// The program of `own`, checked. Where only locked emulators are allowed, the lock must have its digest, or
/// its row must pin it in a file that the user `named`: a pin in a file that was merely found binds nobody
/// but this machine.
pub fn obtain_own(own: &Own, options: &Options<'_>, named: bool) -> Result<Emulator, EmulatorError> {
    let found = own.emulator()?;
    let locked = options.lock.and_then(|lock| lock.find(own.key));
    let is_locked = locked.is_some_and(|locked| locked.sha256 == found.record.digest);
    if !options.only_locked || is_locked || named && own.is_pinned() {
        return Ok(found);
    }
    Err(EmulatorError::OwnNotLocked { key: own.key, name: own.name.clone() })
}
