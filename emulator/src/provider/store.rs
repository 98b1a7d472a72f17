//! The store as a provider: what is there, unless it is damaged or the catalogue has moved on since it was fetched.

use bundle::{Digest, EmulatorKey};

use super::{Options, Remark};
use crate::error::EmulatorError;
use crate::record::{Emulator, Provenance, Record};
use crate::store::StoreError;

pub(super) fn obtain(
    key: EmulatorKey,
    pin: Option<Digest>,
    options: &Options<'_>,
) -> Result<Option<Emulator>, EmulatorError> {
    let emulator = match options.store.get(key) {
        Ok(Some(emulator)) => emulator,
        Ok(None) => return Ok(None),
        Err(error @ (StoreError::Corrupt { .. } | StoreError::BadRecord { .. })) => {
            options.watch.remark(&Remark::BadEntry { key, reason: error.to_string() });
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    if is_current(&emulator.record, pin) {
        return Ok(Some(emulator));
    }
    if options.fetch.offline {
        let version = emulator.record.version.clone();
        options.watch.remark(&Remark::Outdated { key, version });
        return Ok(Some(emulator));
    }
    Ok(None)
}

/// Whether a fetch today would ask for the same thing. What the user put there is never outdated.
fn is_current(record: &Record, pin: Option<Digest>) -> bool {
    pin.is_none()
        || pin == Some(record.digest)
        || pin == record.pin
        || matches!(record.provenance, Provenance::Given { .. })
}
