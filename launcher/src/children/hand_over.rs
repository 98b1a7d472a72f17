//! The launcher becomes the broker, where the bundle has one for this host. It says nothing when that fails: the app runs all the
//! same, without programs of its own CPU.

use alloc::vec::Vec;

use bundle::Translator;

use crate::absolute::absolute;
use crate::bytes::c_string;
use crate::cache::Cache;
use crate::launch::{Places, list};
use crate::route::HOST;
use crate::run::Run;
use crate::sys;
use crate::unpack;

/// Returns only when there is no broker or it cannot be executed.
pub fn attend(run: &Run<'_>, cache: &Cache, _: Option<&Translator<'_>>, _: &mut Places<'_>) {
    let Some(broker) = run.manifest.broker(HOST) else { return };
    let Ok(slot) = run.ensure(cache, broker, false) else { return };
    let start = run.start;
    // As the stub calls a launcher, whose place says which cache it was found to be executable in.
    let place = c_string(&[cache.path(), b"/launcher-broker"]);
    let bundle = c_string(&[absolute(start.bundle.to_bytes())]);
    let mut arguments = Vec::from([place, bundle, start.argv0]);
    arguments.extend_from_slice(&start.arguments);
    sys::execve(slot.path_of(unpack::FILE.to_bytes()), &list(&arguments), &list(start.process.env()));
}
