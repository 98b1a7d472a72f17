//! The store as a source: its emulator, unless it is damaged, another one is locked, or the catalogue has
//! changed since it was fetched.

use bundle::{Digest, EmulatorKey};

use super::wanted::Wanted;
use crate::error::EmulatorError;
use crate::options::{Options, Remark};
use crate::record::{Emulator, Provenance, Record, Trust};
use crate::store::StoreError;

pub(super) fn obtain(
    key: EmulatorKey,
    wanted: Option<&Wanted<'_>>,
    options: &Options<'_>,
) -> Result<Option<Emulator>, EmulatorError> {
    let found = match options.store.get(key) {
        Ok(found) => found,
        Err(error @ (StoreError::Corrupt { .. } | StoreError::BadRecord { .. })) => {
            options.watch.remark(&Remark::BadEntry { key, reason: error.to_string() });
            None
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(wanted) = wanted.filter(|wanted| wanted.only_locked) {
        return only_locked(key, wanted, found, options);
    }
    if let Some(emulator) = &found
        && is_wanted(&emulator.record, wanted)
    {
        // The record of the same bytes must not depend on which `unibin` fetched them.
        let same = wanted.filter(|wanted| wanted.sha256 == emulator.record.digest);
        let known = same.and_then(Wanted::known_record);
        return Ok(found.map(|found| match known {
            Some(record) => Emulator { record, ..found },
            None => found,
        }));
    }
    // Another lock file, or another `unibin`, may have fetched it for this pair before.
    if let Some(wanted) = wanted
        && let Some(record) = wanted.known_record()
        && let Some(emulator) = options.store.adopt(key, record)?
    {
        return Ok(Some(emulator));
    }
    let locked = wanted.is_some_and(|wanted| wanted.locked.is_some());
    let is_here = wanted.is_some_and(|wanted| wanted.built.is_some());
    // Another version of the same origin serves in need. Another origin than was asked for does not.
    let is_built = |found: &Emulator| found.record.provenance == Provenance::Built;
    let same_origin = |found: &Emulator| !is_built(found) || wanted.is_none();
    if let Some(emulator) =
        found.filter(|found| options.fetch.offline && !locked && !is_here && same_origin(found))
    {
        let version = emulator.record.version.clone();
        options.watch.remark(&Remark::Outdated { key, version });
        return Ok(Some(emulator));
    }
    Ok(None)
}

/// A program that the catalogue does not have: the pair's own, if it is the locked one and what vouches for
/// it agrees, or one that is kept for lock files alone.
fn only_locked(
    key: EmulatorKey,
    wanted: &Wanted<'_>,
    found: Option<Emulator>,
    options: &Options<'_>,
) -> Result<Option<Emulator>, EmulatorError> {
    if let Some(found) = found.filter(|found| found.record.digest == wanted.sha256) {
        if let (Some(locked), Provenance::Debian { trust: Trust::Index { .. }, .. }) =
            (wanted.locked, &found.record.provenance)
        {
            locked.agrees_with_index(&found.record)?;
        }
        // The same bytes for the same lock file, whatever a store knows besides.
        let is_known = wanted.package.is_some() || wanted.source.recipe.is_some();
        let record = if is_known { wanted.record_by_lock() } else { found.record };
        return Ok(Some(Emulator { record, ..found }));
    }
    let kept = options.store.unnamed(key, wanted.record_by_lock())?;
    if kept.is_some() {
        wanted.by_its_lock_alone(key, options)?;
    }
    Ok(kept)
}

/// Whether a fetch today would want the same program. The user's own file is never outdated, but may differ
/// from the locked one.
fn is_wanted(record: &Record, wanted: Option<&Wanted<'_>>) -> bool {
    let same = |pin: Digest| pin == record.digest;
    match wanted {
        None => true,
        Some(wanted) if wanted.locked.is_some() => same(wanted.sha256),
        Some(wanted) => {
            same(wanted.sha256)
                || Some(wanted.sha256) == record.pin
                || matches!(record.provenance, Provenance::Given { .. })
        }
    }
}
