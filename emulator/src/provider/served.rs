//! A directory or an HTTP server in the store's layout, as `unibin emulator export` makes it. A directory's
//! records are trusted, since the user chose the directory; a server's programs must be locked or pinned.
//! Either way each program is checked against its digest and copied into the store.

use std::fs::{self, File};

use bundle::EmulatorKey;
use debian::{FetchError, Fetcher, FileDigest};

use super::wanted::Wanted;
use crate::error::{EmulatorError, Failure, FailureCause};
use crate::options::{Options, Remark};
use crate::record::{Emulator, Record};
use crate::store::{StoreError, blob_path, record_path};

/// The largest record that is read, in bytes.
const MAX_RECORD: u64 = 1 << 20;

pub(super) fn obtain(
    key: EmulatorKey,
    wanted: Option<&Wanted<'_>>,
    options: &Options<'_>,
) -> Result<Option<Emulator>, EmulatorError> {
    let Some(base) = options.served.as_deref().map(|base| base.trim_end_matches('/')) else {
        return Ok(None);
    };
    let progress = options.watch.progress(key);
    let fetcher = Fetcher::new(options.fetch.clone(), &*progress);
    let at = |path: &std::path::Path| format!("{base}/{}", path.display());
    let failed = |error: FetchError| match error {
        FetchError::Offline { .. } => EmulatorError::Offline { key },
        error => {
            let failure = Failure { place: base.to_owned(), source: FailureCause::Fetch(error) };
            EmulatorError::Fetch { key, failures: vec![failure] }
        }
    };
    let json = match fetcher.fetch_bytes(&at(&record_path(key)), MAX_RECORD) {
        Ok(json) => json,
        Err(FetchError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let record = match Record::from_json(&json, key) {
        Ok(record) => record,
        Err(reason) => {
            let reason = format!("the record at `{base}` cannot be used: {reason}");
            options.watch.remark(&Remark::BadEntry { key, reason });
            return Ok(None);
        }
    };
    if let Some(wanted) = wanted.filter(|wanted| wanted.locked.is_some() && wanted.sha256 != record.digest) {
        return Err(wanted.other_than_locked(key, record.version, record.digest));
    }
    let is_server = base.starts_with("http://") || base.starts_with("https://");
    if is_server && wanted.is_none_or(|wanted| wanted.sha256 != record.digest) {
        let reason = format!("`{base}` has version {}, which is neither locked nor pinned", record.version);
        options.watch.remark(&Remark::BadEntry { key, reason });
        return Ok(None);
    }

    let directory = options.store.directory("served")?;
    let dest = directory.join(record.digest.to_string());
    let expected = FileDigest { size: record.size, sha256: record.digest };
    fetcher.fetch_to_file(&at(&blob_path(record.digest)), &dest, Some(expected)).map_err(failed)?;
    let unreadable = |source| StoreError::Io { path: dest.clone(), source };
    let mut program = File::open(&dest).map_err(unreadable)?;
    // The user chose the directory; a server says what it likes, and only the lock file is left to believe.
    let by_lock = wanted.filter(|wanted| is_server && wanted.only_locked);
    let added = match by_lock {
        Some(wanted) => {
            let describe = |_| wanted.record_by_lock();
            options.store.add_unnamed(key, &mut program, Some(record.digest), &describe)
        }
        None => options.store.add(key, &mut program, Some(record.digest), &|_| record.clone()),
    };
    // It is in the store now, or useless.
    fs::remove_file(&dest).map_err(unreadable)?;
    let added = added?;
    if let Some(wanted) = by_lock {
        wanted.by_its_lock_alone(key, options)?;
    }
    if is_server {
        options.watch.remark(&Remark::Fetched { key, bytes: added.record.size });
    }
    Ok(Some(added))
}
