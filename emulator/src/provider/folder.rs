//! A folder in the store's layout, such as a copy of another machine's store. Its records are believed as the user
//! believes the folder; its programs are checked against them and copied into the store.

use std::fs::File;
use std::io;

use bundle::EmulatorKey;

use super::{Options, Remark};
use crate::error::EmulatorError;
use crate::record::Emulator;
use crate::store::{Store, StoreError};

pub(super) fn obtain(key: EmulatorKey, options: &Options<'_>) -> Result<Option<Emulator>, EmulatorError> {
    let Some(folder) = &options.folder else { return Ok(None) };
    let found = match Store::to_read(folder).look(key) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(None),
        Err(error @ (StoreError::Corrupt { .. } | StoreError::BadRecord { .. })) => {
            options.watch.remark(&Remark::BadEntry { key, reason: error.to_string() });
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let unreadable = |source: io::Error| StoreError::Io { path: found.file.clone(), source };
    let mut program = File::open(&found.file).map_err(unreadable)?;
    let describe = |_, _| found.record.clone();
    Ok(Some(options.store.add(key, &mut program, Some(found.record.digest), &describe)?))
}
