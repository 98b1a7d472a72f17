//! Checks by trying. The stub executes a launcher that it has just cut out, to see whether it runs here and
//! is the one that the bundle holds. The launcher executes an emulator, to see whether it works on this
//! machine.

use core::ffi::CStr;

use bundle::{Digest, Manifest, Translator};

use crate::attempt::Run;
use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::{c_string, zeroed};
use crate::cache::Slot;
use crate::error::Error;
use crate::hash::Sha256;
use crate::launch::{Attended, Launch, Places, Translation};
use crate::left_over;
use crate::route::HOST;
use crate::start::Start;
use crate::sys::{self, Access, Argv, At, Errno, NOT_EXECUTED, OFlags};

/// Exit code 0 when the launcher's own file has the digest that the manifest gives for this host.
pub fn launcher_is_intact(
    start: &Start<'_>,
    file: &BundleFile<'_>,
    manifest: &Manifest<'_>,
) -> Result<i32, Error> {
    let damaged = || Error::damaged(file.name(), b"launcher");
    let launcher = manifest.launchers().find(|launcher| launcher.host == HOST).ok_or_else(damaged)?;
    // The bytes in the bundle first: they are what the next run would cut out.
    BlobReader::open(file, launcher.blob)?.finish()?;
    let own = start.launcher.ok_or_else(damaged)?;
    if digest_of_file(own, launcher.blob.length()) == Some(launcher.blob.digest()) {
        Ok(0)
    } else {
        Err(damaged())
    }
}

/// Whether a translator may be taken: it has no probe, or ends that with code 0. That it does is kept in its
/// slot until `UNIBIN_VERIFY=1` fills the slot anew, for this boot of this machine: others that share the
/// cache have other kernels and CPUs. A failure may be this start's alone (a limit, a process that was
/// killed): the next start asks again. `None`: nothing is kept, and the broker asks.
pub fn passes(
    run: &Run<'_>,
    slot: &Slot,
    path: &CStr,
    translator: &Translator<'_>,
    places: &Places<'_>,
) -> Result<Option<bool>, Error> {
    let mut arguments = Argv::new();
    arguments.push(run.start.argv0);
    for rule in run.manifest.rules(translator.rules) {
        if let Some(argument) = rule.probe() {
            arguments.push(c_string(&[argument]));
        }
    }
    if arguments.len() == 1 {
        return Ok(Some(true));
    }
    // Where the kernel does not name the boot, nothing can have the name.
    let boot = left_over::boot().unwrap_or(b"/");
    let mark = c_string(&[b"works-", translator.member, b"-", boot]);
    if sys::faccessat(slot.dir.at(), mark, Access::Exists).is_ok() {
        return Ok(Some(true));
    }
    if !cfg!(feature = "children") {
        return Ok(None);
    }
    let launch = Launch::build(run, Translation::By(translator), places, &Attended::default());
    let works = match sys::ending(path, &arguments, &launch.environment()) {
        // Whoever started us takes no notice of children, so that neither can we; or there can be no
        // other process (`ulimit -u`), and what the app itself needs is for it to say.
        Err(Errno::ECHILD | Errno::EAGAIN | Errno::ENOMEM) => return Ok(Some(true)),
        Ok(status) if status == NOT_EXECUTED.unsigned_abs() => {
            return Err(Error::of_candidate("cannot execute there", &[]));
        }
        other => other? == 0,
    };
    if works {
        // A short link takes no block of its own.
        let _ = sys::symlinkat(c".", slot.dir.at(), mark);
    } else {
        run.log.step("not using {} {}: it fails its probe", &[translator.name, translator.version]);
    }
    Ok(Some(works))
}

/// SHA-256 of the first `length` bytes of a file; the stub cuts out whole blocks, so zeros follow.
fn digest_of_file(path: &CStr, length: u64) -> Option<Digest> {
    let fd = sys::openat(At::CWD, path, OFlags::READ, 0).ok()?;
    let mut hasher = Sha256::begin();
    let piece = zeroed(64 * 1024);
    let mut offset = 0u64;
    while offset < length {
        let want = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX).min(piece.len());
        let read = fd.pread(piece.get_mut(..want)?, offset).ok().filter(|read| *read != 0)?;
        hasher.update(piece.get(..read)?);
        offset = offset.saturating_add(read as u64);
    }
    Some(hasher.digest())
}
