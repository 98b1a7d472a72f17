//! The cache: which directory serves, whether it is ours alone, and a slot per blob, which appears by rename.
//!
//! Layout: `<candidate>/<host CPU>/<what names the blob>/`, with the marker `complete` inside, or
//! one of this boot (`durable`): mere existence says nothing. A candidate is used only if it, the CPU's
//! directory and the slot are real directories of our user, the first one closed to other writers, the
//! others closed altogether; so everything inside was written by us.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::Digest;

use crate::bytes::{c_string, decimal, join};
use crate::directory::{NOBODY, obeys_us_as_owner, open_dir, open_or_make, touch};
use crate::durable::{self, MARKER};
use crate::error::Error;
use crate::left_over;
use crate::log::Log;
use crate::route::HOST;
use crate::sys::{self, At, Disposition, Errno, Fd, Follow, Lock, OFlags, Rename};
use crate::way;

pub use crate::directory::{names, remove_tree};
pub use crate::left_over::UNFINISHED;

/// The stub's temporary directories, which no lock protects: `.new-launcher-<pid>-<counter>`.
const UNFINISHED_STUB: &[u8] = b".new-launcher-";

/// An unfinished directory that no lock protects is left over once it is this old, in seconds.
const LEFT_OVER_AFTER: i64 = 3600;

/// Directories whose files a cleaner removes when they are old.
const TEMPORARY: [&[u8]; 3] = [b"/var/tmp", b"/tmp", b"/dev/shm"];

/// In seconds.
const DAY: i64 = 24 * 3600;

/// While another run unpacks, a first run looks for what it needs in steps that grow from the first to the
/// second of these, in milliseconds.
const SHORTEST_STEP_MS: u32 = 10;
const LONGEST_STEP_MS: u32 = 1000;

/// When a run that waits says so, in milliseconds.
const TOLD_AFTER_MS: u64 = 2000;

/// A run that unpacks shows every second that it goes on. A run that waits goes on beside one that has not
/// done so for this many milliseconds: it was stopped, or its disk hangs.
const STALLED_AFTER_MS: u64 = 15_000;

/// One CPU's directory in a candidate, checked.
pub struct Cache {
    dir: Fd,
    path: &'static [u8],
    /// Our user.
    us: u32,
    /// In a directory for temporary files, whose cleaner passes over what is locked: the candidate, with a
    /// shared lock (systemd-tmpfiles(8), tmpfiles.d(5)).
    temporary: Option<Fd>,
}

/// One unpacked blob.
pub struct Slot {
    /// The slot's directory.
    pub dir: Fd,
    /// Its path.
    pub path: &'static [u8],
    /// Its marker, with a shared lock: as long as one copy of this descriptor is open, nobody removes the
    /// slot. `None` where files cannot be locked.
    lock: Option<Fd>,
}

impl Slot {
    /// The path of something in the slot.
    pub fn path_of(&self, name: &[u8]) -> &'static CStr {
        c_string(&[self.path, b"/", name])
    }

    /// The program that is executed next, and what it starts, will hold the slot. Where so few descriptors
    /// are allowed that it might miss one, `/proc` alone shows what it uses.
    pub fn hold(&self) {
        let _ = self.lock.as_ref().map(Fd::hold_across_exec);
    }
}

impl Cache {
    /// Opens a candidate, making its directories where they are missing, but not its parent's parent: a home
    /// that is not there is not ours to make. `checked`: this launcher was executed from there, so whoever
    /// could exchange a directory above has done it already.
    pub fn open(candidate: &[u8], checked: bool) -> Result<Self, Error> {
        let candidate = way::trimmed(candidate);
        let top_dir = if checked {
            open_dir(At::CWD, c_string(&[candidate]))?
        } else {
            let parent = way::open(bundle::directory_of(candidate))?;
            open_or_make(&parent, bundle::file_name_of(candidate))?
        };
        let us = sys::geteuid();
        // A directory that the user made himself is usually open to readers. What counts is that nobody else
        // can put anything into it; everything below is closed.
        check_ours(&top_dir, candidate, 0o022, us)?;

        let path = join(&[candidate, b"/", HOST.name().as_bytes()]);
        let dir = open_or_make(&top_dir, HOST.name().as_bytes())?;
        check_ours(&dir, path, 0o077, us)?;
        let temporary = TEMPORARY.contains(&bundle::directory_of(candidate)).then(|| {
            let top = top_dir.reopened().ok()?;
            top.flock(Lock::TryShared).is_ok().then_some(top)
        });
        Ok(Self { dir, path, us, temporary: temporary.flatten() })
    }

    /// The program that is executed next, and what it starts, will hold what must not be cleaned away.
    pub fn hold(&self) {
        let _ = self.temporary.as_ref().map(Fd::hold_across_exec);
    }

    /// The same for a system, from the mounts that are this process's own by now, where the candidate is at
    /// `path`: a copy of its mount that nothing lies above. By the directory itself its programs would reach
    /// the host's root. Whether it is held, where it has to be.
    #[cfg(feature = "children")]
    pub fn hold_apart(&self, path: &CStr) -> Result<(), Errno> {
        if self.temporary.is_none() {
            return Ok(());
        }
        let apart = sys::clone_mount(path)?;
        let top = apart.reopened()?;
        top.flock(Lock::TryShared)?;
        top.hold_across_exec().map(drop)
    }

    /// The directory of a CPU in a candidate, if it is there and ours alone.
    pub fn existing(candidate: &[u8], host: bundle::Arch) -> Option<Self> {
        let us = sys::geteuid();
        let candidate = way::trimmed(candidate);
        let top = open_dir(At::CWD, c_string(&[candidate])).ok()?;
        check_ours(&top, candidate, 0o022, us).ok()?;
        let path = join(&[candidate, b"/", host.name().as_bytes()]);
        let dir = open_dir(top.at(), c_string(&[host.name().as_bytes()])).ok()?;
        check_ours(&dir, path, 0o077, us).ok()?;
        Some(Self { dir, path, us, temporary: None })
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
        let Some((dir, path)) = self.open_slot(digest)? else { return Ok(None) };
        let (marker, name) = match durable::open_marker(&dir, marker_flags()) {
            Err(Errno::ENOENT) => return Ok(None),
            other => other?,
        };
        let locked = match marker.flock(Lock::TryShared) {
            // Somebody is about to remove it, and may have done so before it was locked.
            Err(Errno::EAGAIN) => return Ok(None),
            other => other.is_ok(),
        };
        let stat = marker.stat()?;
        if stat.nlink == 0 {
            return Ok(None);
        }
        if name != MARKER {
            durable::sync_again(&dir, &marker, stat.mtime, name);
        } else if self.temporary.is_some() {
            refresh(&dir, &marker, stat.mtime);
        }
        Ok(Some(Slot { dir, path, lock: locked.then_some(marker) }))
    }

    /// A slot's directory, if it is there, and its path.
    fn open_slot(&self, digest: &Digest) -> Result<Option<(Fd, &'static [u8])>, Error> {
        let name = c_string(&[&digest.to_hex()]);
        let path = join(&[self.path, b"/", name.to_bytes()]);
        let dir = match open_dir(self.dir.at(), name) {
            Err(Errno::ENOENT) => return Ok(None),
            other => other?,
        };
        check_ours(&dir, path, 0o077, self.us)?;
        Ok(Some((dir, path)))
    }

    /// A slot for whoever wants to remove it: `None` if it is in use, or if that cannot be found out. Nobody
    /// can begin to use it while the descriptor is open. Where there are no locks, `/proc` alone has told.
    pub fn unused(&self, name: &CStr) -> Option<Option<Fd>> {
        let opened = open_dir(self.dir.at(), name)
            .and_then(|dir| Ok((durable::open_any_marker(&dir, to_take())?, dir)));
        match opened {
            Ok(((marker, name), dir)) => self.take(&dir, &marker, name).then_some(Some(marker)),
            // Not complete, or no slot but a launcher.
            Err(Errno::ENOENT | Errno::ENOTDIR) => Some(None),
            Err(_) => None,
        }
    }

    /// Takes the marker of a slot away, unless it is in use, or that cannot be found out.
    fn take(&self, dir: &Fd, marker: &Fd, name: &CStr) -> bool {
        match marker.flock(Lock::TryExclusive) {
            // No lock tells what another machine does: after a day it has had its time to sync.
            Ok(()) if durable::is_of_other_boot(name) && !durable::is_own(self.path) && !is_old(marker) => {
                false
            }
            // Whoever opened the marker before it was locked sees that it is gone.
            Ok(()) => sys::unlinkat(dir.at(), name).is_ok(),
            Err(errno) => {
                matches!(errno, Errno::ENOLCK | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EINVAL)
            }
        }
    }

    /// The slot of a blob that has the marker of another boot, if an app uses it. Another container may
    /// have a number of its own for this boot; or the file system is another machine's. Otherwise a power
    /// cut lies between, and it is one no longer.
    fn of_other_boot(&self, digest: &Digest, locked: bool) -> Result<Option<Slot>, Error> {
        let Some((dir, path)) = self.open_slot(digest)? else { return Ok(None) };
        match durable::open_any_marker(&dir, to_take()) {
            Ok((marker, name)) if durable::is_of_other_boot(name) && !self.take(&dir, &marker, name) => {}
            _ => return Ok(None),
        }
        // The kernel that has written it runs, then, and all who use it have it from there. Others who ask
        // hold the marker alone for a moment, but not while the cache's directory is locked.
        let (marker, _) = durable::open_any_marker(&dir, marker_flags())?;
        let serves = locked && durable::is_own(self.path) && marker.flock(Lock::TryShared).is_ok();
        if serves && marker.stat()?.nlink != 0 {
            return Ok(Some(Slot { dir, path, lock: Some(marker) }));
        }
        Err(Error::of_candidate(
            "{} is in use in another boot of the machine, and not on the disk yet",
            &[path],
        ))
    }

    /// The slot of a blob. `fill` fills it if it is incomplete, or if an older one must not be trusted
    /// (`afresh`).
    pub fn ensure(
        &self,
        digest: &Digest,
        afresh: bool,
        log: Log,
        fill: impl FnOnce(&Fd) -> Result<Option<Fd>, Error>,
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
        fill: impl FnOnce(&Fd) -> Result<Option<Fd>, Error>,
    ) -> Result<Slot, Error> {
        let lock = self.lock(digest, afresh, log);
        if !afresh && let Some(slot) = self.ready(digest)? {
            return Ok(slot);
        }
        if !afresh && let Some(slot) = self.of_other_boot(digest, lock.is_some())? {
            return Ok(slot);
        }
        self.remove_left_overs(lock.is_some());

        let slot = c_string(&[&digest.to_hex()]);
        let temporary = Self::unfinished(slot.to_bytes());
        way::make(self.dir.at(), temporary)?;
        let filled = self.fill_and_publish(temporary, slot, (!afresh).then_some(digest), fill);
        // Whatever is still there under the temporary name is a failed attempt or the slot that was replaced.
        self.remove(temporary);
        filled?;
        self.ready(digest)?
            .ok_or(Error::of_candidate("a cache entry disappeared while it was being made", &[]))
    }

    fn fill_and_publish(
        &self,
        temporary: &CStr,
        slot: &CStr,
        as_good: Option<&Digest>,
        fill: impl FnOnce(&Fd) -> Result<Option<Fd>, Error>,
    ) -> Result<(), Error> {
        let dir = sys::openat(self.dir.at(), temporary, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)?;
        let only_file = fill(&dir)?;
        let written = durable::marker(self.path);
        if written.is_some() {
            // No program can be executed while it is open for writing.
            drop(only_file);
        } else {
            // Nothing shows meanwhile that this run goes on: runs that wait for it may wait for so long.
            let _ = dir.set_mtime(sys::unix_seconds().saturating_add(left_over::ANNOUNCED));
            // Of many files one call for all. After a power cut the slot is whole or not there.
            only_file.map_or_else(|| dir.syncfs(), |file| file.fdatasync())?;
        }
        let marker = OFlags::WRITE | OFlags::CREATE | OFlags::EXCLUSIVE | OFlags::NO_FOLLOW;
        drop(sys::openat(dir.at(), written.unwrap_or(MARKER), marker, 0o600)?);
        let published = self.publish(temporary, slot, as_good)?;
        if let Some(written) = written.filter(|_| published) {
            durable::sync_later(&dir, written);
        }
        Ok(())
    }

    /// Whether the slot is the one that was under the temporary name.
    fn publish(&self, temporary: &CStr, slot: &CStr, as_good: Option<&Digest>) -> Result<bool, Error> {
        let here = self.dir.at();
        match sys::renameat2(here, temporary, here, slot, Rename::Replace) {
            // A run that did not see our lock was faster: its slot is as good as ours, and may be in use
            // already.
            Err(Errno::EEXIST | Errno::ENOTEMPTY) if as_good.is_some_and(|digest| self.is_ready(digest)) => {
                Ok(false)
            }
            // One without its marker, or not to be trusted. Not every file system can exchange two names in
            // one step.
            Err(Errno::EEXIST | Errno::ENOTEMPTY) => {
                if sys::renameat2(here, temporary, here, slot, Rename::Exchange).is_err() {
                    let aside = Self::unfinished(slot.to_bytes());
                    let moved = sys::renameat2(here, slot, here, aside, Rename::Replace);
                    // A container's image may have it, whose directories overlayfs moves nowhere.
                    let alone = if moved == Err(Errno::EXDEV) { self.unused(slot) } else { None };
                    match alone {
                        Some(_) => remove_tree(&self.dir, slot),
                        None => moved?,
                    }
                    sys::renameat2(here, temporary, here, slot, Rename::Replace)?;
                    self.remove(aside);
                }
                Ok(true)
            }
            other => Ok(other.map(|()| true)?),
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
        let pid = decimal(u64::from(sys::getpid()));
        let slot = slot.get(..16).unwrap_or_default();
        c_string(&[UNFINISHED, slot, b"-", left_over::here().unwrap_or_default(), b"-", pid, b"-", nonce])
    }

    /// One first run at a time fills slots. The lock is advisory and its owner's death frees it. `None` as
    /// soon as another run has filled this slot; where there are no locks, or the owner does not go on,
    /// everybody unpacks for himself and all agree.
    fn lock(&self, digest: &Digest, afresh: bool, log: Log) -> Option<Fd> {
        let dir = self.dir.reopened().ok()?;
        let begin = sys::monotonic_milliseconds();
        let (mut shown, mut shown_at) = (None, begin);
        let (mut step, mut told) = (SHORTEST_STEP_MS, false);
        loop {
            match dir.flock(Lock::TryExclusive) {
                Ok(()) => return Some(dir),
                Err(Errno::EAGAIN) => {}
                Err(_) => return None,
            }
            if !afresh && self.is_ready(digest) {
                return None;
            }
            let now = sys::monotonic_milliseconds();
            let shows = self.last_sign_of_life();
            let announced = shows.is_some_and(|shows| shows > sys::unix_seconds());
            if shows != shown || announced {
                (shown, shown_at) = (shows, now);
            }
            if step == SHORTEST_STEP_MS {
                log.step("waiting: another run is unpacking in {}", &[self.path]);
            }
            if !told && now.saturating_sub(begin) >= TOLD_AFTER_MS {
                told = true;
                // If standard error is closed, it waits all the same.
                let _ = sys::stderr(Error::waiting(self.path).lines());
            }
            // Not all of a hundred at the same moment.
            let jitter = u32::from(random_byte()).saturating_mul(step) / 512;
            if now.saturating_sub(shown_at) >= STALLED_AFTER_MS.saturating_add(u64::from(jitter) * 8) {
                log.step("not waiting any longer: nothing happens there", &[]);
                return None;
            }
            sys::sleep_milliseconds(step.saturating_add(jitter));
            step = step.saturating_mul(2).min(LONGEST_STEP_MS);
        }
    }

    /// When a run that unpacks last showed that it goes on, by the time of its unfinished directory: ahead of
    /// now if it syncs. What is farther ahead says nothing.
    fn last_sign_of_life(&self) -> Option<i64> {
        let dir = self.dir.reopened().ok()?;
        let unfinished = names(&dir).filter(|name| name.to_bytes().starts_with(UNFINISHED));
        let time = |name| sys::statat(dir.at(), name, Follow::No).ok().map(|stat| stat.mtime);
        let latest = sys::unix_seconds().saturating_add(left_over::ANNOUNCED);
        unfinished.filter_map(time).filter(|time| *time <= latest).max()
    }

    /// Removes what is no slot any more, unless it was one and is still in use: a running system has it
    /// mounted.
    fn remove(&self, name: &CStr) {
        if let Some(_alone) = self.unused(name) {
            remove_tree(&self.dir, name);
        }
    }

    /// Removes what killed runs left behind, and what was replaced while it was in use.
    pub fn remove_left_overs(&self, locked: bool) {
        let Ok(dir) = self.dir.reopened() else { return };
        let now = sys::unix_seconds();
        let names: Vec<_> = names(&dir).filter(|name| name.to_bytes().starts_with(UNFINISHED)).collect();
        if names.is_empty() {
            return;
        }
        let here = left_over::here();
        for name in names {
            let shown = sys::statat(self.dir.at(), name, Follow::No).map_or(now, |stat| stat.mtime);
            let dead = match name.to_bytes().strip_prefix(UNFINISHED_STUB) {
                Some(of_stub) => left_over::has_ended(of_stub),
                None => {
                    locked
                        && (!left_over::may_be_alive(shown, now)
                            || left_over::was_made_by_dead(name.to_bytes(), here))
                }
            };
            let old = shown.saturating_add(LEFT_OVER_AFTER) < now;
            if dead || old {
                self.remove(name);
            }
        }
    }
}

/// A marker is read by nobody; it must not be waited for where somebody put a FIFO.
fn marker_flags() -> OFlags {
    OFlags::READ | OFlags::NO_FOLLOW | OFlags::NON_BLOCK
}

/// NFS gives an exclusive lock to those only who can write (flock(2)).
fn to_take() -> OFlags {
    OFlags::READ_WRITE | OFlags::NO_FOLLOW | OFlags::NON_BLOCK
}

fn is_old(marker: &Fd) -> bool {
    marker.stat().is_ok_and(|stat| stat.mtime.saturating_add(DAY) < sys::unix_seconds())
}

fn random_byte() -> u8 {
    let mut byte = [0];
    match sys::fill_random(&mut byte) {
        Ok(()) => byte[0],
        Err(_) => sys::getpid().to_le_bytes()[0],
    }
}

/// Refuses a directory that another user than `us` owns, or that has one of the mode bits `open`.
fn check_ours(dir: &Fd, path: &[u8], open: u32, us: u32) -> Result<(), Error> {
    let stat = dir.stat()?;
    let shown = stat.is_dir() && stat.uid == us && stat.permissions() & open == 0;
    let ours = shown && (us != NOBODY || obeys_us_as_owner(dir));
    if ours {
        Ok(())
    } else {
        Err(Error::of_candidate("{} is not a directory that only you can write to", &[path]))
    }
}

/// Once a day, gives all files of a slot in a directory for temporary files a new time of change: cleaners
/// remove what has not been touched for ten or thirty days, and most files of an app are hardly ever read.
fn refresh(slot: &Fd, marker: &Fd, changed: i64) {
    let now = sys::unix_seconds();
    if changed.saturating_add(DAY) < now && marker.set_mtime(now).is_ok() {
        touch(slot);
    }
}
