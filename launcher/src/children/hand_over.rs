//! The launcher becomes the broker, where the bundle has one for this host. When that fails the app runs all
//! the same, without programs of other CPUs; only a log says so, since a directory from which nothing can be
//! executed is followed by the next one.

use alloc::vec::Vec;

use bundle::{Launcher, Manifest};

use crate::absolute::absolute;
use crate::attempt::Run;
use crate::bundle_file::BundleFile;
use crate::bytes::c_string;
use crate::cache::Cache;
use crate::candidates::{candidates, is_launchers};
use crate::controls::Controls;
use crate::error::Error;
use crate::launch::list;
use crate::log::Log;
use crate::route::{HOST, Route};
use crate::start::Start;
use crate::sys::{self, Errno};
use crate::unpack;

/// Becomes the broker that attends to the programs that the app starts. Returns where there is none, or it
/// cannot be executed.
pub fn become_broker(run: &Run<'_>, cache: &Cache) {
    let Some(broker) = run.manifest.broker(HOST) else { return };
    // The kernel runs what an app of its own CPU starts, unless the bundle brings emulators for others.
    if broker.natively || run.is_system() || !matches!(run.route, Route::Native(_)) {
        let error = execute(run.start, run.controls, run.log, run.file, broker, cache);
        run.log.step("children: the broker does not start: {}", &[error.text()]);
    }
}

/// Has the broker clean the cache. Returns where there is none, or it cannot be executed from anywhere.
pub fn clean_by_broker(
    start: &Start<'_>,
    controls: &Controls<'_>,
    log: Log,
    file: &BundleFile<'_>,
    manifest: &Manifest<'_>,
) -> Error {
    if let Some(broker) = manifest.broker(HOST) {
        for candidate in candidates(start, controls) {
            let executed = Cache::open(candidate, is_launchers(start, candidate))
                .map(|cache| execute(start, controls, log, file, broker, &cache));
            log.step("not using {}: {}", &[candidate, executed.unwrap_or_else(|error| error).text()]);
        }
    }
    Error::no_broker()
}

/// Executes the broker as the stub executes a launcher; why that failed.
fn execute(
    start: &Start<'_>,
    controls: &Controls<'_>,
    log: Log,
    file: &BundleFile<'_>,
    broker: Launcher<'_>,
    cache: &Cache,
) -> Error {
    let ensure = |afresh| unpack::ensure(cache, file, broker.blob, None, false, afresh, log);
    let slot = match ensure(controls.verify) {
        Ok(slot) => slot,
        Err(error) => return error,
    };
    // A launcher's place says which cache it was found to be executable in.
    let place = c_string(&[cache.path(), b"/launcher-broker"]);
    let bundle = c_string(&[absolute(start.bundle.to_bytes())]);
    let mut arguments = Vec::from([place, bundle, start.argv0]);
    arguments.extend_from_slice(&start.arguments);
    let broker = slot.path_of(unpack::FILE.to_bytes());
    let become_it = || sys::execve(broker, &list(&arguments), &list(start.process.env()));
    let mut errno = become_it();
    // Cleaners of temporary directories take single files away.
    if errno == Errno::ENOENT && ensure(true).is_ok() {
        errno = become_it();
    }
    errno.into()
}
