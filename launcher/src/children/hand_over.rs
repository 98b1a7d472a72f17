//! The launcher becomes the bundle's broker for this host, for all that is no warm start: it has no room for
//! more than unpacking the broker, which repeats its steps. And it becomes the broker that attends to what
//! the app starts; when that fails the app runs all the same, without programs of other CPUs, and only a log
//! says so.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Attends, Encoding, Launcher, Manifest};

use crate::absolute::{OWN, absolute};
use crate::attempt::Run;
use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::c_string;
use crate::cache::Cache;
use crate::candidates::{self, is_launchers};
use crate::controls::{Controls, Task};
use crate::error::Error;
use crate::execute::not_executed;
use crate::launch::list;
use crate::log::Log;
use crate::route::{HOST, Route};
use crate::start::Start;
use crate::sys::{self, Argv, Disposition, Errno, Fd};
use crate::unpack;

/// Becomes the broker that attends to the programs that the app starts, and gives a native app its view.
/// Returns where there is none, or it cannot be executed: an error where the app must not do without.
pub fn become_broker(run: &Run<'_>, cache: &Cache) -> Result<(), Error> {
    let view = run.has_mounts();
    let Some(broker) = run.manifest.broker(HOST) else {
        return if view { Err(Errno::ENOENT.into()) } else { Ok(()) };
    };
    // The kernel runs what an app of its own CPU starts, unless the bundle brings emulators for others.
    let attends = match broker.attends {
        Attends::Always => true,
        Attends::Emulated => !matches!(run.route, Route::Native(_)),
        Attends::Never => false,
    };
    if attends || view {
        let executed = execute(run.start, run.controls, run.log, run.file, broker, cache);
        let error = executed.map_or_else(|error| error, Error::from);
        run.log.step("children: the broker does not start: {}", &[error.text()]);
        if view {
            return Err(error);
        }
    }
    Ok(())
}

/// Has the broker unpack into this candidate what is missing there, and start the app.
pub fn leave_to_broker_in(run: &Run<'_>, cache: &Cache) -> Error {
    let executed = broker(run.manifest)
        .and_then(|broker| execute(run.start, run.controls, run.log, run.file, broker, cache));
    executed.map_or_else(|error| error, |errno| not_executed(run, errno))
}

/// What a launcher has no room for, whatever is unpacked already: all that is not a start, a start that
/// trusts nothing, and one of a system.
pub fn is_for_broker(controls: &Controls<'_>, manifest: &Manifest<'_>) -> bool {
    controls.task != Task::Run || controls.verify || has_system(manifest)
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
    let broker = match broker(manifest) {
        Ok(broker) => broker,
        Err(error) => return error,
    };
    // Who only looks leaves nothing behind.
    let looks = !matches!(controls.task, Task::Run | Task::Gc);
    if looks {
        let error = leave_to_broker_in_memory(start, file, manifest);
        if !error.next_candidate_may_do() {
            return error;
        }
    }
    let tried = candidates::each(start, controls, log, &mut |candidate| {
        Cache::open(candidate, is_launchers(start, candidate))
            .and_then(|cache| execute(start, controls, log, file, broker, &cache))
            .map_or_else(|error| error, Error::from)
    });
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => return error,
    };
    // A system needs its files in a directory.
    if has_system(manifest) {
        return Error::no_system_broker(tried);
    }
    let error = leave_to_broker_in_memory(start, file, manifest);
    if error.next_candidate_may_do() { Error::no_cache(tried, error.text()) } else { error }
}

/// The bundle's broker for this host.
fn broker<'a>(manifest: &Manifest<'a>) -> Result<Launcher<'a>, Error> {
    let none = || if has_system(manifest) { Error::no_system_broker(b"") } else { Error::no_broker() };
    manifest.broker(HOST).ok_or_else(none)
}

/// The same where no directory serves: the broker lives in memory.
pub fn leave_to_broker_in_memory(start: &Start<'_>, file: &BundleFile<'_>, manifest: &Manifest<'_>) -> Error {
    // `ulimit -f` counts for files in memory too. The program gets back what was the caller's.
    let callers_signal = sys::file_size_signal(Disposition::IGNORED);
    let in_memory = || -> Result<Fd, Error> {
        let program = sys::memfd_create(c"unibin-broker")?;
        unpack::write_file(BlobReader::open(file, broker(manifest)?.blob)?, &program, None)?;
        Ok(program)
    };
    let program = in_memory();
    sys::file_size_signal(callers_signal);
    let become_it = |program| {
        let place = start.launcher.unwrap_or(c"unibin-broker");
        sys::execveat(&program, &arguments(start, file, place), &list(start.process.env()))
    };
    program.map(become_it).map_or_else(|error| error, Error::from)
}

/// What the broker is executed with, as the stub executes a launcher. A launcher's place says which cache it
/// was found to be executable in.
fn arguments<'a>(start: &Start<'a>, file: &BundleFile<'_>, place: &'a CStr) -> Argv<'a> {
    let path = start.bundle.to_bytes();
    // Messages name the bundle as the caller did.
    let bundle = file.across_exec(if start.bundle == OWN { absolute(path) } else { path });
    let mut arguments = Vec::from([place, bundle, start.argv0]);
    arguments.extend_from_slice(&start.arguments);
    list(&arguments)
}

/// Executes the broker from a cache; why that failed.
fn execute(
    start: &Start<'_>,
    controls: &Controls<'_>,
    log: Log,
    file: &BundleFile<'_>,
    broker: Launcher<'_>,
    cache: &Cache,
) -> Result<Errno, Error> {
    let ensure = |afresh| unpack::ensure(cache, file, broker.blob, None, false, afresh, log);
    let slot = ensure(controls.verify)?;
    let place = c_string(&[cache.path(), b"/launcher-broker"]);
    let arguments = arguments(start, file, place);
    let broker = slot.path_of(unpack::FILE.to_bytes());
    let become_it = || sys::execve(broker, &arguments, &list(start.process.env()));
    let mut errno = become_it();
    // Cleaners of temporary directories take single files away.
    if errno == Errno::ENOENT {
        drop(slot);
        if ensure(true).is_ok() {
            errno = become_it();
        }
    }
    Ok(errno)
}
