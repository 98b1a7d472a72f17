//! The last step: the launcher becomes the app or its emulator. What a failure means is decided here.

use core::convert::Infallible;
use core::ffi::CStr;

use crate::attempt::Run;
use crate::error::Error;
use crate::launch::{Attended, Launch, Places, Translation};
use crate::sys::{self, Errno};

/// Executes the file at `path`: the app itself, or the emulator that `translation` means.
pub fn execute(
    run: &Run<'_>,
    path: &CStr,
    translation: Translation<'_>,
    places: &Places<'_>,
    attended: &Attended,
) -> Result<Infallible, Error> {
    let launch = Launch::build(run, translation, places, attended);
    run.log.step("executing {}", &[path.to_bytes()]);
    let errno = sys::execve(path, &launch.arguments(), &launch.environment());
    match translation {
        Translation::UsersEmulator => Err(Error::bad_emulator(path.to_bytes(), errno)),
        Translation::Native | Translation::By(_) => Err(not_executed(run, errno)),
    }
}

/// What a failed execution means: with these errors another directory may do (noexec), with all others it
/// would be the same.
pub fn not_executed(run: &Run<'_>, errno: Errno) -> Error {
    match errno {
        Errno::EACCES | Errno::EPERM | Errno::ENOENT => {
            Error::of_candidate("cannot execute there: {}", &[errno.text()])
        }
        errno => Error::cannot_execute(run.start.argv0.to_bytes(), errno),
    }
}
