//! The launcher becomes the broker, where the bundle has one for this host. When that fails the app runs all the same, without
//! programs of other CPUs; only a log tells, since a directory from which nothing can be executed is followed by the next one.

use alloc::vec::Vec;

use bundle::Translator;

use crate::absolute::absolute;
use crate::bytes::c_string;
use crate::cache::Cache;
use crate::controls::Task;
use crate::error::Error;
use crate::launch::{Places, list};
use crate::route::{HOST, Route};
use crate::run::Run;
use crate::sys;
use crate::unpack;

/// Returns only when there is no broker or it cannot be executed.
pub fn attend(run: &Run<'_>, cache: &Cache, _: Option<&Translator<'_>>, _: &mut Places<'_>) {
    let Some(broker) = run.manifest.broker(HOST) else { return };
    // The kernel runs what an app of its own CPU starts, unless it is to start others.
    if !broker.natively && matches!(run.route, Route::Native(_)) && run.controls.task == Task::Run {
        return;
    }
    let failed = |error: Error| run.log.step("children: the broker does not start: {}", &[error.text()]);
    let slot = match run.ensure(cache, broker.blob, None, false) {
        Ok(slot) => slot,
        Err(error) => return failed(error),
    };
    let start = run.start;
    // As the stub calls a launcher, whose place says which cache it was found to be executable in.
    let place = c_string(&[cache.path(), b"/launcher-broker"]);
    let bundle = c_string(&[absolute(start.bundle.to_bytes())]);
    let mut arguments = Vec::from([place, bundle, start.argv0]);
    arguments.extend_from_slice(&start.arguments);
    let broker = slot.path_of(unpack::FILE.to_bytes());
    failed(sys::execve(broker, &list(&arguments), &list(start.process.env())).into());
}
