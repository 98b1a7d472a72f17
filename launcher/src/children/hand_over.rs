//! The launcher becomes the broker, where the bundle has one for this host. When that fails the app runs all
//! the same, without programs of other CPUs; only a log says so, since a directory from which nothing can be
//! executed is followed by the next one.

use alloc::vec::Vec;

use bundle::{Encoding, Launcher, Manifest};

use crate::absolute::absolute;
use crate::attempt::Run;
use crate::bundle_file::BundleFile;
use crate::bytes::{c_string, fill, name};
use crate::cache::Cache;
use crate::candidates::{candidates, is_launchers};
use crate::controls::{Controls, Task};
use crate::error::Error;
use crate::launch::list;
use crate::log::Log;
use crate::route::{HOST, Route};
use crate::start::Start;
use crate::sys::{self, Errno};
use crate::unpack;

/// Becomes the broker that attends to the programs that the app starts, and gives a native app its view.
/// Returns where there is none, or it cannot be executed: an error where the app must not do without.
pub fn become_broker(run: &Run<'_>, cache: &Cache) -> Result<(), Error> {
    let view = run.has_mounts();
    let Some(broker) = run.manifest.broker(HOST) else {
        return if view { Err(Errno::ENOENT.into()) } else { Ok(()) };
    };
    // The kernel runs what an app of its own CPU starts, unless the bundle brings emulators for others.
    if broker.natively || view || !matches!(run.route, Route::Native(_)) {
        let error = execute(run.start, run.controls, run.log, run.file, broker, cache);
        run.log.step("children: the broker does not start: {}", &[error.text()]);
        if view {
            return Err(error);
        }
    }
    Ok(())
}

/// What a launcher has no room for: cleaning the cache, and all that concerns the files of systems.
pub fn is_for_broker(task: Task, manifest: &Manifest<'_>) -> bool {
    let reads = matches!(task, Task::Run | Task::Verify | Task::Extract);
    task == Task::Gc || reads && has_system(manifest)
}

fn has_system(manifest: &Manifest<'_>) -> bool {
    manifest.variants().any(|variant| variant.app.encoding == Encoding::Root)
}

/// Has the broker do it. Returns where there is none, or it cannot be executed from anywhere.
pub fn leave_to_broker(
    start: &Start<'_>,
    controls: &Controls<'_>,
    log: Log,
    file: &BundleFile<'_>,
    manifest: &Manifest<'_>,
) -> Error {
    let mut tried: &[u8] = b"";
    if let Some(broker) = manifest.broker(HOST) {
        for candidate in candidates(start, controls) {
            let executed = Cache::open(candidate, is_launchers(start, candidate))
                .map(|cache| execute(start, controls, log, file, broker, &cache));
            let why = executed.unwrap_or_else(|error| error).text();
            log.step("not using {}: {}", &[candidate, why]);
            tried = fill("{}\n  {}: {}", &[tried, name(candidate), name(why)]);
        }
    }
    if has_system(manifest) { Error::no_system_broker(tried) } else { Error::no_broker() }
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
    let bundle = file.across_exec(absolute(start.bundle.to_bytes()));
    let mut arguments = Vec::from([place, bundle, start.argv0]);
    arguments.extend_from_slice(&start.arguments);
    let broker = slot.path_of(unpack::FILE.to_bytes());
    let become_it = || sys::execve(broker, &list(&arguments), &list(start.process.env()));
    let mut errno = become_it();
    // Cleaners of temporary directories take single files away.
    if errno == Errno::ENOENT {
        drop(slot);
        if ensure(true).is_ok() {
            errno = become_it();
        }
    }
    errno.into()
}
