//! A system without mounts: one of unibin's own emulators makes a directory the root of what it runs. That
//! is a copy of the tree, in which the system's programs make their changes: `whole`, where an upper would
//! be. It is unpacked from the bundle, not copied, and appears by rename.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Rule, Translator};

use super::remove::remove;
use super::upper::{self, Patience, WHOLE, is_named, is_taken};
use crate::attempt::Run;
use crate::bytes::{c_string, decimal};
use crate::cache::{UNFINISHED, names};
use crate::error::Error;
use crate::left_over;
use crate::progress::Progress;
use crate::route::Route;
use crate::sys::{self, Disposition, Errno, Fd, Lock, OFlags, Rename};
use crate::unpack::write_trees;

/// Whether there are emulators of unibin's own for this CPU: brokers for others need nothing of this.
pub const HAS_OWN: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"));

/// Whether the system can be started so.
pub fn is_possible(run: &Run<'_>) -> bool {
    let Route::Emulated(_, translators) = &run.route else { return false };
    HAS_OWN && translators.iter().any(|translator| makes_root(run, translator))
}

/// Whether a translator can make a directory the root of a system's programs.
pub fn makes_root(run: &Run<'_>, translator: &Translator<'_>) -> bool {
    let has = |is: fn(&Rule<&[u8]>) -> bool| run.manifest.rules(translator.rules).any(|rule| is(&rule));
    HAS_OWN
        && has(|rule| matches!(rule, Rule::Chroot(_)))
        && has(|rule| matches!(rule, Rule::Ids(_)))
        && has(|rule| matches!(rule, Rule::Children(_)))
}

/// A tree in use.
pub struct Whole {
    /// Its directory.
    pub tree: Fd,
    lock: Fd,
}

impl Whole {
    /// The program that is executed next, and what it starts, will hold it.
    pub fn hold(&self) {
        let _ = self.lock.hold_across_exec();
    }
}

/// The tree that is kept under a name, unpacked where it is missing. Several starts may use it at once.
/// `why`: no mounts do it.
pub fn kept(
    run: &Run<'_>,
    of_tree: &Fd,
    path: &[u8],
    name: &[u8],
    why: Option<&[u8]>,
) -> Result<Whole, Error> {
    let mut patience = Patience::default();
    let name_here = c_string(&[name]);
    loop {
        let (directory, lock) = upper::locked_directory(of_tree, name_here)?;
        // Whoever removes what is kept has the lock alone, and removes its name first.
        if let Some(tree) = upper::whole(&directory)? {
            if is_taken(&lock, Lock::TryShared) && is_named(&lock, of_tree, name_here) {
                return Ok(Whole { tree, lock });
            }
        } else if !upper::is_empty(&directory) {
            return Err(Error::kept_by_mounts(name, why.unwrap_or(b"UNIBIN_VIEW does without")));
        } else if is_taken(&lock, Lock::TryExclusive) && is_named(&lock, of_tree, name_here) {
            // Another start may have had the lock meanwhile.
            if upper::whole(&directory)?.is_none() {
                unpack(run, &directory, true)?;
            }
            continue;
        }
        if !patience.waits(&directory, path) {
            return Err(Error::system_in_use(name));
        }
    }
}

/// One that nobody finds again: it is thrown away.
pub fn thrown_away(run: &Run<'_>, of_tree: &Fd) -> Result<Whole, Error> {
    upper::remove_thrown_away_of(of_tree);
    let name = upper::nobodys();
    let (directory, lock) = upper::locked_directory(of_tree, name)?;
    let _ = lock.flock(Lock::TryExclusive);
    let made =
        unpack(run, &directory, false).and_then(|()| Ok(upper::whole(&directory)?.ok_or(Errno::ENOENT)?));
    if made.is_err() {
        remove(of_tree, name);
    }
    Ok(Whole { tree: made?, lock })
}

/// Unpacks the tree into a directory that is locked: all of it or nothing.
fn unpack(run: &Run<'_>, directory: &Fd, is_kept: bool) -> Result<(), Error> {
    run.log.step("unpacking the system, to be changed in its place", &[]);
    // As cache entries are made.
    let callers_umask = sys::umask(0o077);
    let callers_signal = sys::file_size_signal(Disposition::IGNORED);
    let left_over: Vec<_> =
        names(&directory.reopened()?).filter(|name| name.to_bytes().starts_with(UNFINISHED)).collect();
    for name in left_over {
        remove(directory, name);
    }
    let pid = decimal(u64::from(sys::getpid()));
    let here = left_over::here().unwrap_or_default();
    let temporary = c_string(&[UNFINISHED, b"whole-", here, b"-", pid]);
    let unpacked = fill(run, directory, temporary, is_kept);
    // What is still there under this name is a failed attempt.
    remove(directory, temporary);
    sys::file_size_signal(callers_signal);
    sys::umask(callers_umask);
    unpacked
}

fn fill(run: &Run<'_>, directory: &Fd, temporary: &CStr, is_kept: bool) -> Result<(), Error> {
    sys::mkdirat(directory.at(), temporary, 0o700)?;
    let tree = sys::openat(directory.at(), temporary, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)?;
    let blobs = [Some(run.route.variant().app), None];
    let mut progress = Progress::start(directory)?;
    if !write_trees(run.file, blobs, &tree, b"", &mut progress)? {
        run.log.step("owners are lost: this file system takes no user attributes", &[]);
    }
    // Like everybody's for those inside.
    tree.chmod(0o755)?;
    if is_kept {
        // Starts that wait for this one see nothing of it meanwhile.
        let _ = directory.set_mtime(sys::unix_seconds().saturating_add(left_over::ANNOUNCED));
        tree.syncfs()?;
    }
    match sys::renameat2(directory.at(), temporary, directory.at(), WHOLE, Rename::Replace) {
        // Where there are no locks, another start may have been faster.
        Err(Errno::EEXIST | Errno::ENOTEMPTY) => Ok(()),
        renamed => Ok(renamed?),
    }
}
