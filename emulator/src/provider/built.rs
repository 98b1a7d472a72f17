//! unibin's own emulators, out of the program itself into the store.

use bundle::EmulatorKey;

use super::wanted::Wanted;
use crate::error::EmulatorError;
use crate::options::Options;
use crate::record::Emulator;
use crate::store::StoreError;

pub(super) fn obtain(
    key: EmulatorKey,
    wanted: Option<&Wanted<'_>>,
    options: &Options<'_>,
) -> Result<Option<Emulator>, EmulatorError> {
    let Some((built, member)) = wanted.and_then(|wanted| wanted.built) else { return Ok(None) };
    let unpack = |source| StoreError::write(options.store.root(), source);
    let mut program = built.program(member).map_err(unpack)?;
    let record = built.record(member);
    Ok(Some(options.store.add(key, &mut program, Some(member.sha256), &|_| record.clone())?))
}
