//! The story of one run: open bundle -> footer -> manifest -> route -> cache slot -> unpack what is missing -> launch.

use core::ffi::CStr;

use bundle::{Blob, BlobKind, Entry, Manifest, Translator};

use crate::bundle_file::BundleFile;
use crate::bytes::{fill, join};
use crate::cache::{Cache, Slot};
use crate::candidates::candidates;
use crate::controls::{Controls, Task};
use crate::error::Error;
#[cfg(feature = "children")]
use crate::gc;
use crate::launch::{Launch, Places};
use crate::log::Log;
use crate::route::{HOST, Route, base_name, choose_entry};
use crate::start::Start;
use crate::sys::{self, At, Errno, Follow, Process};
use crate::{children, memory, named, probe, tasks, unpack};

/// Runs the bundle. Returns only when nothing was executed: with the exit code.
pub fn main(process: &Process) -> i32 {
    match run(process) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell when standard error is closed; the exit code still says it.
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
    match controls.task {
        Task::Run => {}
        // The broker's, which is found as for a run.
        #[cfg(not(feature = "children"))]
        Task::Gc => {}
        #[cfg(feature = "children")]
        Task::Gc => return gc::gc(start, controls),
        Task::Info => return tasks::info(file, &manifest),
        Task::Notices => return tasks::texts(file, &manifest, BlobKind::Notices),
        Task::Verify => return tasks::verify(file, &manifest),
        Task::Extract => return tasks::extract(start, controls, file, &manifest),
    }
    if controls.verify {
        tasks::check_blobs(file, &manifest)?;
    }
    let route = Route::choose(&manifest, controls)?;
    let entry = choose_entry(&manifest, route.variant(), controls.entry, start.argv0.to_bytes())?;
    let run = Run { start, controls, log, file, manifest: &manifest, route, entry };
    // Who became a broker has said it before.
    if !cfg!(feature = "children") {
        run.log_route();
    }
    Err(run.launch())
}

/// Everything that is decided before a cache candidate is tried.
pub struct Run<'a> {
    /// How the run was started.
    pub start: &'a Start<'a>,
    /// The `UNIBIN_*` controls.
    pub controls: &'a Controls<'a>,
    /// Where steps are told.
    pub log: Log,
    /// The bundle.
    pub file: &'a BundleFile<'a>,
    /// Its manifest.
    pub manifest: &'a Manifest<'a>,
    /// What runs.
    pub route: Route<'a>,
    /// Which program.
    pub entry: Entry<'a>,
}

impl Run<'_> {
    /// Tries one candidate after the other until something has been executed.
    fn launch(&self) -> Error {
        let mut tried: &[u8] = b"";
        for candidate in candidates(self.start, self.controls) {
            let error = self.execute_from(candidate).unwrap_or_else(|error| error);
            if !error.next_candidate_may_do() {
                return error;
            }
            self.log.step("not using {}: {}", &[candidate, error.text()]);
            tried = fill("{}\n  {}: {}", &[tried, candidate, error.text()]);
        }
        let error = memory::execute(self).unwrap_or_else(|error| error);
        if !error.next_candidate_may_do() {
            return error;
        }
        Error::no_cache(tried, error.text())
    }

    /// Returns only when this candidate does not lead to an execution.
    fn execute_from(&self, candidate: &[u8]) -> Result<Error, Error> {
        let cache = Cache::open(candidate)?;
        #[cfg(not(feature = "children"))]
        if self.controls.task == Task::Gc {
            children::attend(self, &cache, None, &mut Places::new(c"", c""));
            return Ok(Error::no_broker());
        }
        let variant = self.route.variant();
        let app = self.ensure(&cache, variant.app, variant.shared, !variant.loader.is_empty())?;
        let tree = app.path_of(unpack::TREE.to_bytes());
        let program = app.path_of(join(&[unpack::TREE.to_bytes(), b"/", self.entry.path]));
        let mut places = Places::new(program, tree);
        sys::statat(At::CWD, program, Follow::Yes)?;

        match &self.route {
            Route::Native(_) => {
                children::attend(self, &cache, None, &mut places);
                Ok(self.execute(program, None, &places))
            }
            Route::Emulated(..) if self.controls.emulator.is_some() => {
                children::attend(self, &cache, None, &mut places);
                Ok(self.execute_users_emulator(&places))
            }
            Route::Emulated(_, translators) => {
                let mut last = Error::of_candidate("no emulator", &[]);
                for translator in translators {
                    #[cfg(feature = "children")]
                    if let Err(error) = children::pages::check(self, translator) {
                        last = error;
                        continue;
                    }
                    let slot = self.ensure(&cache, translator.blob, None, false)?;
                    let link = self.named_link(&slot, translator);
                    if !probe::passes(self, &slot, link, translator, &places)? {
                        last = Error::none_works(translator.name);
                        continue;
                    }
                    children::attend(self, &cache, Some(translator), &mut places);
                    last = self.execute(link, Some(translator), &places);
                }
                Ok(last)
            }
        }
    }

    /// The slot of a blob, filled where it is not there yet.
    pub fn ensure(
        &self,
        cache: &Cache,
        blob: Blob<'_>,
        shared: Option<Blob<'_>>,
        placed: bool,
    ) -> Result<Slot, Error> {
        unpack::ensure(cache, self.file, blob, shared, placed, self.controls.verify, self.log)
    }

    /// The emulator's path by which its process has the app's name.
    fn named_link(&self, slot: &Slot, translator: &Translator<'_>) -> &'static CStr {
        let called = base_name(self.start.argv0.to_bytes());
        named::link(slot, translator, if named::is_file_name(called) { called } else { self.entry.name })
    }

    fn execute(&self, path: &CStr, translator: Option<&Translator<'_>>, places: &Places<'_>) -> Error {
        self.not_executed(self.execute_errno(path, translator, places))
    }

    /// What a failed execution means: a directory mounted noexec is the directory's fault, anything else no other directory mends.
    pub fn not_executed(&self, errno: Errno) -> Error {
        match errno {
            Errno::EACCES | Errno::EPERM | Errno::ENOENT => {
                Error::of_candidate("cannot execute there: {}", &[errno.text()])
            }
            errno => Error::cannot_execute(self.start.argv0.to_bytes(), errno),
        }
    }

    /// Executes the emulator that `UNIBIN_EMULATOR` names.
    pub fn execute_users_emulator(&self, places: &Places<'_>) -> Error {
        let emulator = self.controls.emulator.unwrap_or_default();
        Error::bad_emulator(emulator.to_bytes(), self.execute_errno(emulator, None, places))
    }

    fn execute_errno(&self, path: &CStr, translator: Option<&Translator<'_>>, places: &Places<'_>) -> Errno {
        let launch = Launch::build(self, translator, places);
        self.log.step("executing {}", &[path.to_bytes()]);
        sys::execve(path, &launch.arguments(), &launch.environment())
    }

    fn log_route(&self) {
        let target = self.route.variant().target.name().as_bytes();
        let how: &[u8] = match &self.route {
            Route::Native(_) => b"native",
            Route::Emulated(..) => b"emulated",
        };
        let host = HOST.name().as_bytes();
        if let (Some(named), Some(launcher)) = (self.controls.cache, self.start.launcher)
            && !launcher.to_bytes().starts_with(named.to_bytes())
        {
            self.log
                .step("UNIBIN_CACHE was not used: {} is not a directory that serves", &[named.to_bytes()]);
        }
        self.log.step("route: {} (host {}, target {}), entry {}", &[how, host, target, self.entry.name]);
    }
}
