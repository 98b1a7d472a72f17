//! The cache: which directory serves, whether it is ours alone, and one slot per blob that appears by rename.
//!
//! Layout: `<candidate>/<host CPU>/<SHA-256 of the unpacked blob>/`, with the marker `complete` inside. A
//! candidate is used only if it, the CPU's directory and the slot are real directories of our user, the first
//! one closed to other writers, the others closed altogether; so everything inside was written by us.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::Digest;

use crate::bytes::{c_string, join};
use crate::error::Error;
use crate::log::Log;
use crate::route::HOST;
use crate::sys::{self, Access, At, Disposition, Errno, Fd, Follow, Lock, OFlags, Rename};

/// Says that a slot is whole: mere existence says nothing.
const MARKER: &CStr = c"complete";

/// Names of everything that is not finished begin with this; the stub's own temporary directories do too.
pub const UNFINISHED: &[u8] = b".new-";

/// The stub's temporary directories, which no lock protects: `.new-launcher-<pid>-<counter>`.
const UNFINISHED_STUB: &[u8] = b".new-launcher-";

/// An unfinished directory that no lock protects is left over once it is this old, in seconds.
const LEFT_OVER_AFTER: i64 = 3600;

/// How long a first run waits for another one that is unpacking, in steps of [`LOCK_STEP_MS`], before it goes
/// on alone.
const LOCK_STEPS: u32 = 6000;
const LOCK_STEP_MS: u32 = 10;

/// One CPU's directory in a candidate, checked.
pub struct Cache {
    dir: Fd,
    path: &'static [u8],
}

/// One unpacked blob.
pub struct Slot {
    /// The slot's directory.
    pub dir: Fd,
    /// Its path.
    pub path: &'static [u8],
}

impl Slot {
    /// The path of something in the slot.
    pub fn path_of(&self, name: &[u8]) -> &'static CStr {
        c_string(&[self.path, b"/", name])
    }
}

impl Cache {
    /// Opens a candidate, making its directories where they are missing.
    pub fn open(candidate: &[u8]) -> Result<Self, Error> {
        let top = c_string(&[candidate]);
        let top_dir = match open_dir(At::CWD, top) {
            Err(Errno::ENOENT) => {
                make_with_parent(candidate)?;
                open_dir(At::CWD, top)?
            }
            other => other?,
        };
        // A directory that the user made himself is usually open to readers. What counts is that nobody else
        // can put anything into it; everything below is closed.
        check_ours(&top_dir, candidate, 0o022)?;

        let path = join(&[candidate, b"/", HOST.name().as_bytes()]);
        let name = c_string(&[HOST.name().as_bytes()]);
        let dir = match open_dir(top_dir.at(), name) {
            Err(Errno::ENOENT) => {
                make(top_dir.at(), name)?;
                open_dir(top_dir.at(), name)?
            }
            other => other?,
        };
        check_ours(&dir, path, 0o077)?;
        Ok(Self { dir, path })
    }

    /// The directory of a CPU in a candidate, if it is there and ours alone.
    #[cfg(feature = "children")]
    pub fn existing(candidate: &[u8], host: bundle::Arch) -> Option<Self> {
        let top = open_dir(At::CWD, c_string(&[candidate])).ok()?;
        check_ours(&top, candidate, 0o022).ok()?;
        let path = join(&[candidate, b"/", host.name().as_bytes()]);
        let dir = open_dir(top.at(), c_string(&[host.name().as_bytes()])).ok()?;
        check_ours(&dir, path, 0o077).ok()?;
        Some(Self { dir, path })
    }

    /// The directory, by which nothing can be read but what is in it.
    #[cfg(feature = "children")]
    pub fn dir(&self) -> &Fd {
        &self.dir
    }

    /// The directory's path.
    pub fn path(&self) -> &'static [u8] {
        self.path
    }

    /// The slot of a blob, if it is complete.
    pub fn ready(&self, digest: &Digest) -> Result<Option<Slot>, Error> {
        let name = c_string(&[&digest.to_hex()]);
        let path = join(&[self.path, b"/", name.to_bytes()]);
        let dir = match open_dir(self.dir.at(), name) {
            Err(Errno::ENOENT) => return Ok(None),
            other => other?,
        };
        check_ours(&dir, path, 0o077)?;
        match sys::faccessat(dir.at(), MARKER, Access::Exists) {
            Ok(()) => Ok(Some(Slot { dir, path })),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The slot of a blob. `fill` fills it if it is incomplete, or if an older one must not be trusted
    /// (`afresh`).
    pub fn ensure(
        &self,
        digest: &Digest,
        afresh: bool,
        log: Log,
        fill: impl FnOnce(&Fd) -> Result<(), Error>,
    ) -> Result<Slot, Error> {
        if !afresh && let Some(slot) = self.ready(digest)? {
            return Ok(slot);
        }
        // Directories and files are ours alone whatever the caller's umask is, and a limit on their size is
        // an error like any other; the app gets back what was its caller's.
        let callers_umask = sys::umask(0o077);
        let callers_signal = sys::file_size_signal(Disposition::IGNORED);
        let filled = self.fill(digest, afresh, log, fill);
        sys::file_size_signal(callers_signal);
        sys::umask(callers_umask);
        filled
    }

    fn fill(
        &self,
        digest: &Digest,
        afresh: bool,
        log: Log,
        fill: impl FnOnce(&Fd) -> Result<(), Error>,
    ) -> Result<Slot, Error> {
        let lock = self.lock(log);
        if !afresh && let Some(slot) = self.ready(digest)? {
            return Ok(slot);
        }
        self.remove_left_overs(lock.is_some());

        let slot = c_string(&[&digest.to_hex()]);
        let temporary = Self::unfinished(slot.to_bytes());
        make(self.dir.at(), temporary)?;
        let filled = self.fill_and_publish(temporary, slot, (!afresh).then_some(digest), fill);
        // Whatever is still there under the temporary name is a failed attempt or the slot that was replaced.
        remove_tree(&self.dir, temporary);
        filled?;
        self.ready(digest)?
            .ok_or(Error::of_candidate("a cache entry disappeared while it was being made", &[]))
    }

    fn fill_and_publish(
        &self,
        temporary: &CStr,
        slot: &CStr,
        as_good: Option<&Digest>,
        fill: impl FnOnce(&Fd) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let dir = sys::openat(self.dir.at(), temporary, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)?;
        fill(&dir)?;
        let marker = OFlags::WRITE | OFlags::CREATE | OFlags::EXCLUSIVE | OFlags::NO_FOLLOW;
        drop(sys::openat(dir.at(), MARKER, marker, 0o600)?);

        let here = self.dir.at();
        match sys::renameat2(here, temporary, here, slot, Rename::Replace) {
            // A run that did not see our lock was faster: its slot is as good as ours, and may be in use
            // already.
            Err(Errno::EEXIST | Errno::ENOTEMPTY) if as_good.is_some_and(|digest| self.is_ready(digest)) => {
                Ok(())
            }
            // One without its marker, or not to be trusted. Not every file system can exchange two names in
            // one step.
            Err(Errno::EEXIST | Errno::ENOTEMPTY) => {
                if sys::renameat2(here, temporary, here, slot, Rename::Exchange).is_err() {
                    remove_tree(&self.dir, slot);
                    sys::renameat2(here, temporary, here, slot, Rename::Replace)?;
                }
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn is_ready(&self, digest: &Digest) -> bool {
        self.ready(digest).is_ok_and(|slot| slot.is_some())
    }

    /// A name for a slot in the making that no other run uses.
    fn unfinished(slot: &[u8]) -> &'static CStr {
        let mut random = Digest([0; 32]);
        if sys::fill_random(&mut random.0).is_err() {
            // Before the kernel's pool is ready; the lock makes a clash unlikely and `mkdirat` makes it
            // harmless.
            let here = u64::from(sys::getpid()).rotate_left(32) ^ sys::monotonic_milliseconds();
            random.0.iter_mut().zip(here.to_le_bytes()).for_each(|(to, from)| *to = from);
        }
        let hex = random.to_hex();
        let nonce = hex.get(..16).unwrap_or_default();
        c_string(&[UNFINISHED, slot.get(..16).unwrap_or_default(), b"-", nonce])
    }

    /// One first run at a time fills slots. The lock is advisory and its owner's death frees it; on a file
    /// system without locks, or when the owner takes too long, everybody unpacks for himself and all agree.
    fn lock(&self, log: Log) -> Option<Fd> {
        let dir = sys::openat(self.dir.at(), c".", OFlags::DIRECTORY, 0).ok()?;
        for step in 0..LOCK_STEPS {
            match dir.flock(Lock::TryExclusive) {
                Ok(()) => return Some(dir),
                Err(Errno::EAGAIN | Errno::EINTR) => {
                    if step == 0 {
                        log.step("waiting: another run is unpacking in {}", &[self.path]);
                    }
                    sys::sleep_milliseconds(LOCK_STEP_MS);
                }
                Err(_) => return None,
            }
        }
        None
    }

    /// Removes what killed runs left behind.
    pub fn remove_left_overs(&self, locked: bool) {
        let Ok(dir) = sys::openat(self.dir.at(), c".", OFlags::DIRECTORY, 0) else { return };
        let now = sys::unix_seconds();
        let names: Vec<_> = names(&dir).filter(|name| name.to_bytes().starts_with(UNFINISHED)).collect();
        for name in names {
            let dead = match name.to_bytes().strip_prefix(UNFINISHED_STUB) {
                Some(of_stub) => has_ended(of_stub),
                None => locked,
            };
            let old = sys::statat(self.dir.at(), name, Follow::No)
                .is_ok_and(|stat| stat.mtime.saturating_add(LEFT_OVER_AFTER) < now);
            if dead || old {
                remove_tree(&self.dir, name);
            }
        }
    }
}

/// Whether the process whose number a name begins with is gone. A stub in a container of its own, which looks
/// gone from here, finds its directory missing and takes the next candidate.
fn has_ended(name: &[u8]) -> bool {
    let pid = name.split(|byte| *byte == b'-').next().unwrap_or_default();
    let is_there = |path| sys::faccessat(At::CWD, path, Access::Exists).is_ok();
    is_there(c"/proc/self") && !is_there(c_string(&[b"/proc/", pid]))
}

/// A directory by path, never through a link in its last component.
fn open_dir(at: At<'_>, name: &CStr) -> Result<Fd, Errno> {
    sys::openat(at, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)
}

/// Refuses a directory that another user owns, or that has one of the mode bits `open`.
fn check_ours(dir: &Fd, path: &[u8], open: u32) -> Result<(), Error> {
    let stat = dir.stat()?;
    let ours = stat.is_dir() && stat.uid == sys::geteuid() && stat.permissions() & open == 0;
    if ours {
        Ok(())
    } else {
        Err(Error::of_candidate("{} is not a directory that only you can write to", &[path]))
    }
}

/// Makes a directory for us alone; one that is there already is for the caller to check.
fn make(at: At<'_>, name: &CStr) -> Result<(), Errno> {
    match sys::mkdirat(at, name, 0o700) {
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

/// Makes a candidate, and its parent where that is missing (`~/.cache` of a new user). Not the parent's
/// parent: a home that is not there is not ours to make.
fn make_with_parent(candidate: &[u8]) -> Result<(), Errno> {
    let callers_umask = sys::umask(0o077);
    let path = c_string(&[candidate]);
    let made = match make(At::CWD, path) {
        Err(Errno::ENOENT) => {
            let parent = bundle::directory_of(candidate);
            make(At::CWD, c_string(&[parent])).and_then(|()| make(At::CWD, path))
        }
        other => other,
    };
    sys::umask(callers_umask);
    made
}

/// The names in a directory, as far as it can be read.
pub fn names(dir: &Fd) -> impl Iterator<Item = &'static CStr> {
    dir.entries().map_while(|entry| entry.ok().map(|entry| entry.name))
}

/// Removes a directory and all in it, as far as that goes; what cannot be removed is tried again by a later
/// first run.
pub fn remove_tree(at: &Fd, name: &CStr) {
    let flags = OFlags::DIRECTORY | OFlags::NO_FOLLOW;
    if let Ok(dir) = sys::openat(at.at(), name, flags, 0) {
        let names: Vec<_> = names(&dir).collect();
        for name in names {
            if sys::unlinkat(dir.at(), name).is_err() {
                remove_tree(&dir, name);
            }
        }
    }
    let _ = sys::rmdirat(at.at(), name);
}
