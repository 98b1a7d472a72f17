//! The story of one run: open bundle -> footer -> manifest -> route -> cache slot -> unpack what is missing
//! -> execute.

use core::convert::Infallible;
use core::ffi::CStr;

#[cfg(feature = "children")]
use bundle::BlobKind;
use bundle::Translator;

use crate::attempt::Run;
use crate::bundle_file::BundleFile;
use crate::bytes::{fill, join};
use crate::cache::{Cache, Slot};
#[cfg(feature = "children")]
use crate::candidates::candidates;
use crate::candidates::{self, is_launchers};
use crate::controls::{Controls, Task};
use crate::error::Error;
use crate::execute::execute;
use crate::launch::{Attended, Places, Translation};
use crate::log::Log;
use crate::route::{HOST, Route, base_name, choose_entry};
use crate::start::Start;
use crate::sys::{self, Errno, Process};
use crate::{children, durable, named, pages, private, probe, unpack, way};
#[cfg(feature = "children")]
use crate::{compare, memory, system, tasks, view};

/// Runs the bundle. Returns only when nothing was executed: with the exit code.
pub fn main(process: &Process) -> i32 {
    if !cfg!(feature = "children")
        && let Some(code) = durable::beside(process)
    {
        return code;
    }
    match run(process) {
        Ok(code) => code,
        Err(error) => {
            // If standard error is closed, the exit code still says it.
            let _ = sys::stderr(error.lines());
            error.code()
        }
    }
}

fn run(process: &Process) -> Result<i32, Error> {
    let start = Start::read(process)?;
    let controls = Controls::read(process.env().iter().copied())?;
    let log = Log { on: controls.log };
    let file = BundleFile::open(start.bundle)?;
    let manifest = file.manifest()?;
    if start.probe {
        return probe::launcher_is_intact(start, file, &manifest);
    }
    #[cfg(not(feature = "children"))]
    if children::is_for_broker(controls, &manifest) {
        return Err(children::leave_to_broker(start, controls, log, file, &manifest));
    }
    #[cfg(feature = "children")]
    match controls.task {
        Task::Run => {}
        Task::Gc => return crate::gc::gc(start, controls, &manifest),
        Task::Info => return tasks::info(file, &manifest),
        Task::Notices => return tasks::texts(file, &manifest, BlobKind::Notices, b""),
        Task::Verify => tasks::verify(file, &manifest)?,
        Task::Extract => return tasks::extract(start, controls, file, &manifest),
    }
    #[cfg(feature = "children")]
    if controls.verify {
        tasks::check_blobs(file, &manifest)?;
    }
    let route = match Route::choose(&manifest, controls) {
        // A bundle can be verified where it does not run.
        Err(_) if cfg!(feature = "children") && controls.task == Task::Verify => return Ok(0),
        other => other?,
    };
    if let Route::Native(_) = route {
        for (variable, is_set) in [(&b"GDB"[..], controls.gdb.is_some()), (b"STRACE", controls.strace)] {
            if is_set && controls.task == Task::Run {
                return Err(Error::only_emulated(variable));
            }
        }
    }
    let entry = choose_entry(&manifest, route.variant(), controls.entry, start.argv0.to_bytes())?;
    let mut run = Run { start, controls, log, file, manifest: &manifest, route, entry };
    #[cfg(feature = "children")]
    if controls.task == Task::Verify {
        compare::with_caches(&run)?;
        return Ok(0);
    }
    // A broker was a launcher before, which has logged it, but for what it leaves to the broker at once.
    if !cfg!(feature = "children") || run.is_system() || controls.verify {
        log_route(&run);
    }
    Err(launch(&mut run))
}

/// Tries one candidate after the other until something has been executed.
fn launch(run: &mut Run<'_>) -> Error {
    #[cfg(feature = "children")]
    let mut last = None;
    let tried = candidates::each(run.start, run.controls, run.log, &mut |candidate| {
        let Err(error) = execute_from(run, candidate);
        #[cfg(feature = "children")]
        {
            last = Some(error);
        }
        error
    });
    let tried = match tried {
        Ok(tried) => tried,
        Err(error) => return error,
    };
    // No directory takes an upper, as in containers.
    #[cfg(feature = "children")]
    if run.is_system()
        && system::may_be_whole(run)
        && let Some(last) = last
    {
        let why = system::Why::Refused(last);
        for candidate in candidates(run.start, run.controls) {
            let started = Cache::open(candidate, is_launchers(run.start, candidate))
                .and_then(|cache| start_without_mounts(run, &cache, why));
            if let Err(error) = started
                && !error.next_candidate_may_do()
            {
                return error;
            }
        }
    }
    #[cfg(feature = "children")]
    if view::keeps(run) {
        return Error::no_cache(tried, b"what is kept would be lost");
    }
    #[cfg(feature = "children")]
    let Err(error) = memory::execute(run);
    #[cfg(not(feature = "children"))]
    let error = children::leave_to_broker_in_memory(run.start, run.file, run.manifest);
    if !error.next_candidate_may_do() {
        return error;
    }
    if let Some(user) = way::other_user() {
        return Error::told_another_user(sys::geteuid(), user);
    }
    // A system keeps what it changes, which memory would lose.
    if cfg!(feature = "children") && run.is_system() {
        return Error::no_cache(tried, error.text());
    }
    run.start = run.start.by_path();
    let why = match private::directory() {
        Ok(directory) => {
            run.log.step("no directory serves: one of this start's own, in memory, at {}", &[directory]);
            let Err(error) = execute_from(run, directory);
            if !error.next_candidate_may_do() {
                return error;
            }
            error.text()
        }
        Err(errno) => errno.text(),
    };
    Error::no_cache(tried, fill("{}\n  memory, mounted for this start alone: {}", &[error.text(), why]))
}

/// Unpacks into this candidate what is missing there, and executes it.
fn execute_from(run: &Run<'_>, candidate: &[u8]) -> Result<Infallible, Error> {
    let cache = Cache::open(candidate, is_launchers(run.start, candidate))?;
    #[cfg(feature = "children")]
    if run.is_system()
        && let Some(why) = system::without_mounts(run, &cache)?
        && system::whole::HAS_OWN
    {
        return start_without_mounts(run, &cache, why);
    }
    let app = run.ensure_app(&cache, is_made_anew(run, &cache))?;
    let tree = app.path_of(unpack::TREE.to_bytes());
    let program = app.path_of(join(&[unpack::TREE.to_bytes(), b"/", run.entry.path]));
    let places = Places { program, tree };
    let become_it = |path, translation, slot: Option<&Slot>| {
        #[cfg(feature = "children")]
        if run.is_system() {
            let runner = system::Runner { translation, emulator: path, slot };
            return system::start(run, &cache, &app, &runner);
        }
        let (union, attended) = attend(run, &cache, tree, translation, &places)?;
        app.hold();
        cache.hold();
        if let Some(slot) = slot {
            slot.hold();
        }
        if union {
            let places = Places::over_the_root(run);
            let native = matches!(translation, Translation::Native);
            let path = if native { places.program } else { path };
            return execute(run, path, translation, &places, &attended);
        }
        execute(run, path, translation, &places, &attended)
    };

    match &run.route {
        Route::Native(_) => become_it(program, Translation::Native, None),
        Route::UsersEmulator(_, emulator) => become_it(emulator, Translation::UsersEmulator, None),
        Route::Emulated(_, translators) => {
            let mut last = Error::of_candidate("no emulator", &[]);
            for translator in translators {
                if let Err(error) = pages::check(run, translator) {
                    last = error;
                    continue;
                }
                let mut slot = run.ensure(&cache, translator.blob, false)?;
                let mut found = named_link(run, &slot, translator);
                if found.is_none() {
                    drop(slot);
                    slot = run.ensure(&cache, translator.blob, true)?;
                    found = named_link(run, &slot, translator);
                }
                let link = found.ok_or(Errno::ENOENT)?;
                match probe::passes(run, &slot, link, translator, &places)? {
                    Some(true) => {}
                    Some(false) => {
                        last = Error::none_works(translator.name);
                        continue;
                    }
                    #[cfg(not(feature = "children"))]
                    None => return Err(children::leave_to_broker_in(run, &cache)),
                    #[cfg(feature = "children")]
                    None => {}
                }
                let Err(error) = become_it(link, Translation::By(translator), Some(&slot));
                last = error;
                // A system is entered once.
                if cfg!(feature = "children") && run.is_system() {
                    break;
                }
            }
            Err(last)
        }
    }
}

/// Executes a system whose root an emulator makes: no tree that is shared is needed.
#[cfg(feature = "children")]
fn start_without_mounts(run: &Run<'_>, cache: &Cache, why: system::Why) -> Result<Infallible, Error> {
    let mut last = Error::no_own_emulator();
    let translators = if let Route::Emulated(_, translators) = &run.route { &translators[..] } else { &[] };
    for translator in translators.iter().filter(|translator| system::whole::makes_root(run, translator)) {
        if let Err(error) = pages::check(run, translator) {
            last = error;
            continue;
        }
        for afresh in [false, true] {
            let slot = run.ensure(cache, translator.blob, afresh)?;
            let Some(emulator) = named_link(run, &slot, translator) else { continue };
            let translation = Translation::By(translator);
            let runner = system::Runner { translation, emulator, slot: Some(&slot) };
            return system::start_without_mounts(run, cache, &runner, why);
        }
    }
    Err(last)
}

/// Whether an app's tree that is there already must not be trusted.
#[cfg_attr(not(feature = "children"), expect(unused_variables, reason = "only a broker starts systems"))]
fn is_made_anew(run: &Run<'_>, cache: &Cache) -> bool {
    #[cfg(feature = "children")]
    if run.controls.verify && run.is_system() && system::is_running(run, cache) {
        // If standard error is closed, it is joined all the same.
        let _ = sys::stderr(Error::not_made_anew().lines());
        return false;
    }
    run.controls.verify
}

/// Gives the app its view by mounts, where it has one, and has the programs attended to that it will start:
/// they see what it sees, and so does whoever attends to them. Tells whether it has its view.
#[cfg(feature = "children")]
fn attend(
    run: &Run<'_>,
    cache: &Cache,
    tree: &CStr,
    translation: Translation<'_>,
    places: &Places<'_>,
) -> Result<(bool, Attended), Error> {
    let is_native = matches!(translation, Translation::Native);
    let union = (is_native || run.is_attended()) && view::enter(run, cache, tree, translation)?;
    Ok((union, children::attend(run, cache, translation, places, union)))
}

/// The same by a broker, which this launcher becomes. It comes back where there is none.
#[cfg(not(feature = "children"))]
fn attend(
    run: &Run<'_>,
    cache: &Cache,
    _: &CStr,
    _: Translation<'_>,
    _: &Places<'_>,
) -> Result<(bool, Attended), Error> {
    children::become_broker(run, cache)?;
    Ok((false, Attended::default()))
}

/// The emulator's path by which its process has the app's name.
fn named_link(run: &Run<'_>, slot: &Slot, translator: &Translator<'_>) -> Option<&'static CStr> {
    let called = base_name(run.start.argv0.to_bytes());
    named::link(slot, translator, if named::is_file_name(called) { called } else { run.entry.name })
}

fn log_route(run: &Run<'_>) {
    let Run { start, controls, log, route, entry, .. } = run;
    let target = route.variant().target.name().as_bytes();
    let how: &[u8] = match route {
        Route::Native(_) => b"native",
        Route::Emulated(..) | Route::UsersEmulator(..) => b"emulated",
    };
    if let (Some(named), Some(launcher)) = (controls.cache, start.launcher)
        && !launcher.to_bytes().starts_with(named.to_bytes())
    {
        log.step("UNIBIN_CACHE was not used: {} is not a directory that serves", &[named.to_bytes()]);
    }
    log.step("route: {} (host {}, target {}), entry {}", &[how, HOST.name().as_bytes(), target, entry.name]);
}
