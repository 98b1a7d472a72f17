//! The last resort where no directory can be written or executed from: emulator and program live in memory
//! only. Serves static programs; an app that needs its other files has to have a directory. Nothing is probed
//! here, since nothing could be remembered: the first translator is taken that serves the kernel's pages.

use core::convert::Infallible;

use bundle::{Blob, Encoding, Translator};

use crate::absolute::of_descriptor;
use crate::attempt::Run;
use crate::blob_reader::BlobReader;
use crate::error::Error;
use crate::execute::{execute as execute_path, not_executed};
use crate::launch::{Attended, Launch, Places, Translation};
use crate::pages;
use crate::route::Route;
use crate::sys::{self, Access, At, Disposition, Fd};
use crate::tar::{Kind, TWICE, TarReader};
use crate::unpack::{write_at, write_file};

/// Returns only when nothing was executed.
pub fn execute(run: &Run<'_>) -> Result<Infallible, Error> {
    if cfg!(feature = "children") && run.is_system() {
        return Err(Error::of_candidate("a system needs its files in a directory", &[]));
    }
    if !run.route.variant().loader.is_empty() || run.has_mounts() {
        return Err(Error::of_candidate("its program needs its files in a directory", &[]));
    }
    run.log.step("no directory serves: unpacking into memory", &[]);
    let native = matches!(run.route, Route::Native(_));
    if !native && sys::faccessat(At::CWD, c"/proc/self/fd", Access::Exists).is_err() {
        return Err(Error::of_candidate("its emulator needs /proc to open a program in memory", &[]));
    }
    // `ulimit -f` counts for files in memory too. The program gets back what was the caller's.
    let callers_signal = sys::file_size_signal(Disposition::IGNORED);
    let program = program_in_memory(run)?;
    let path = of_descriptor(program.raw());
    let places = Places { program: path, tree: c"/" };
    match &run.route {
        Route::Native(_) => execute_fd(run, &program, Translation::Native, &places, callers_signal),
        Route::UsersEmulator(_, emulator) => {
            sys::file_size_signal(callers_signal);
            execute_path(run, emulator, Translation::UsersEmulator, &places, &Attended::default())
        }
        Route::Emulated(_, translators) => {
            let single = |translator: &&Translator<'_>| translator.blob.encoding != Encoding::TarZstd;
            let mut last = Error::of_candidate("its emulator needs a directory", &[]);
            for translator in translators.iter().filter(single) {
                if let Err(error) = pages::check(run, translator) {
                    last = error;
                    continue;
                }
                let emulator = file_in_memory(run, translator.blob)?;
                let translation = Translation::By(translator);
                let Err(error) = execute_fd(run, &emulator, translation, &places, callers_signal);
                last = error;
            }
            Err(last)
        }
    }
}

fn execute_fd(
    run: &Run<'_>,
    fd: &Fd,
    translation: Translation<'_>,
    places: &Places<'_>,
    callers_signal: Disposition,
) -> Result<Infallible, Error> {
    let launch = Launch::build(run, translation, places, &Attended::default());
    let ignored = sys::file_size_signal(callers_signal);
    let errno = sys::execveat(fd, &launch.arguments(), &launch.environment());
    sys::file_size_signal(ignored);
    Err(not_executed(run, errno))
}

/// A whole blob; closed by the execution.
fn file_in_memory(run: &Run<'_>, blob: Blob<'_>) -> Result<Fd, Error> {
    let fd = sys::memfd_create(c"emulator")?;
    write_file(BlobReader::open(run.file, blob)?, &fd, None)?;
    Ok(fd)
}

/// The entry's file out of the app's tree. It stays open in the app, since an emulator opens it by its
/// number.
fn program_in_memory(run: &Run<'_>) -> Result<Fd, Error> {
    let native = matches!(run.route, Route::Native(_));
    let mut members = TarReader::open(run.file, run.route.variant().app)?;
    let mut found = None;
    while let Some(member) = members.next_member()? {
        if member.path != run.entry.path || !matches!(member.kind, Kind::File { .. }) {
            continue;
        }
        // No file system tells.
        if found.is_some() {
            return Err(Error::bad_tree(run.file.name(), member.path, TWICE));
        }
        let mut fd = sys::memfd_create(c"program")?;
        if !native {
            fd = fd.keep_across_exec()?;
        }
        let mut end = 0u64;
        loop {
            let bytes = members.content(usize::MAX)?;
            if bytes.is_empty() {
                break;
            }
            write_at(&fd, bytes, end)?;
            end = end.saturating_add(bytes.len() as u64);
        }
        fd.truncate(end)?;
        found = Some(fd);
    }
    members.finish()?;
    found.ok_or(Error::of_candidate("its program is not a plain file", &[]))
}
