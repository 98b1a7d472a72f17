//! `UNIBIN_DO=gc`: removes from this user's caches what has not been used for long, whichever bundle has
//! unpacked it. What a running process uses stays, and so does what is being unpacked. `unibin cache gc` does
//! the same.
//!
//! Only the broker does this, which keeps launchers small.

use alloc::vec::Vec;
use core::ffi::CStr;

use bundle::{Arch, Digest, Manifest};

use crate::bytes::{c_string, decimal, join, zeroed};
use crate::cache::{Cache, remove_tree};
use crate::candidates::candidates;
use crate::controls::Controls;
use crate::error::Error;
use crate::start::Start;
use crate::sys::{self, At, Buffers, Errno, Fd, Follow, Lock, OFlags, Stat};
use crate::system::upper;
use crate::tasks::print;
use crate::unpack::slot_of;

/// Seconds.
const DAY: i64 = 24 * 3600;

/// A launcher that was used within so many seconds stays in any case: between its check by a stub and its
/// execution nothing shows that it is about to run. File systems note the first use of a day only
/// (`relatime`, mount(8)).
const LAUNCHERS_KEPT: i64 = 2 * DAY;

/// Length of a slot's name: SHA-256 in hexadecimal digits.
const NAME: usize = 64;

/// A file of `/proc` is read in pieces of this size.
const PIECE: usize = 64 * 1024;

type Name = [u8; NAME];

/// What has gone and what has stayed.
#[derive(Default)]
struct Sum {
    bytes: u64,
    removed: u64,
    in_use: u64,
    young: u64,
}

/// Goes through every candidate that is there.
pub fn gc(start: &Start<'_>, controls: &Controls<'_>, manifest: &Manifest<'_>) -> Result<i32, Error> {
    let mut sum = Sum::default();
    let mut seen: Vec<Stat> = Vec::new();
    // One that is named is meant alone.
    let named = controls.cache.map(CStr::to_bytes);
    let asked = candidates(start, controls);
    for candidate in asked.filter(|candidate| named.is_none_or(|named| named == *candidate)) {
        for cache in Arch::HOSTS.into_iter().filter_map(|host| Cache::existing(candidate, host)) {
            // The same directory by several names: what the stub found, UNIBIN_CACHE, a link.
            let stat = cache.dir().stat()?;
            if !seen.iter().any(|seen| seen.same_file(&stat)) {
                seen.push(stat);
                upper::remove_thrown_away(&cache);
                forget(&cache, controls, manifest)?;
                clean(&cache, i64::from(controls.days) * DAY, &mut sum)?;
            }
        }
    }
    let Sum { bytes, removed, in_use, young } = sum;
    let [bytes, removed, in_use, young, days] =
        [bytes, removed, in_use, young, controls.days.into()].map(decimal);
    print(join(&[
        b"unibin: ",
        bytes,
        b" bytes in ",
        removed,
        b" entries removed, ",
        in_use,
        b" in use, ",
        young,
        b" used within ",
        days,
        b" days\n",
    ]))?;
    Ok(0)
}

/// What this bundle's systems and apps keep under the name that the user gives, who alone can know that it is
/// not wanted any longer.
fn forget(cache: &Cache, controls: &Controls<'_>, manifest: &Manifest<'_>) -> Result<(), Error> {
    let Some(name) = upper::named(controls)? else { return Ok(()) };
    for variant in manifest.variants() {
        let said: &[u8] = match upper::forget(cache, &slot_of(cache, &variant).to_hex(), name) {
            None => continue,
            Some(true) => b"removed: ",
            Some(false) => b"in use, and left alone: ",
        };
        print(join(&[b"unibin: what is kept as `", name, b"` is ", said, cache.path(), b"\n"]))?;
    }
    Ok(())
}

/// One CPU's directory of one cache: what was used within so many seconds stays.
fn clean(cache: &Cache, used_within: i64, sum: &mut Sum) -> Result<(), Error> {
    let lock = cache.dir().reopened()?;
    // First runs hold it while they unpack. Where there are no locks, what is unfinished is known by its
    // name.
    let locked = match lock.flock(Lock::TryExclusive) {
        Err(Errno::EAGAIN) => {
            return print(join(&[
                b"unibin: left alone, a first run is unpacking there: ",
                cache.path(),
                b"\n",
            ]));
        }
        other => other.is_ok(),
    };
    cache.remove_left_overs(locked);
    // Asked again for each directory: the answer ages.
    let used = used_by_processes()?;
    let now = sys::unix_seconds();
    let mut buffers = Buffers::default();
    let names: Vec<_> = crate::cache::names(&lock).collect();
    for name in names {
        let bytes = name.to_bytes();
        let is_slot = core::str::from_utf8(bytes).is_ok_and(|name| Digest::from_hex(name).is_some());
        if !is_slot && !bytes.starts_with(b"launcher-") {
            continue;
        }
        if used.iter().any(|used| used == bytes) {
            sum.in_use += 1;
            continue;
        }
        let (size, last_use) = measure(cache.dir(), name, &mut buffers);
        let kept = if is_slot { used_within } else { used_within.max(LAUNCHERS_KEPT) };
        if last_use.saturating_add(kept) > now {
            sum.young += 1;
            continue;
        }
        let Some(lock) = cache.unused(name) else {
            sum.in_use += 1;
            continue;
        };
        let removed = remove(cache, name);
        drop(lock);
        if removed {
            sum.removed += 1;
            sum.bytes += size;
        }
    }
    Ok(())
}

/// Renames it first, so that no run ever starts from half of it.
fn remove(cache: &Cache, name: &CStr) -> bool {
    let here = cache.dir().at();
    let aside = c_string(&[crate::cache::UNFINISHED, b"removed-", decimal(u64::from(sys::getpid()))]);
    if sys::unlinkat(here, name).is_ok() {
        return true;
    }
    let moved = sys::renameat2(here, name, here, aside, sys::Rename::Replace).is_ok();
    if moved {
        remove_tree(cache.dir(), aside);
    }
    moved
}

/// The bytes of all files at `name`, and when one was last read or made. Whatever disappears meanwhile counts
/// for nothing.
///
/// A directory is read by whoever looks around in it, so that only its making counts; a file is read when it
/// is started.
fn measure(at: &Fd, name: &CStr, buffers: &mut Buffers) -> (u64, i64) {
    let Ok(stat) = sys::statat(at.at(), name, Follow::No) else { return (0, 0) };
    if stat.is_file() {
        return (stat.size, stat.atime.max(stat.ctime));
    }
    let mut sum = (0, stat.ctime);
    if stat.is_dir()
        && let Ok(dir) = sys::openat(at.at(), name, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)
    {
        let _ = buffers.each_name(&dir, &mut |buffers, name, _| {
            let (size, last_use) = measure(&dir, name, buffers);
            sum = (sum.0 + size, sum.1.max(last_use));
            false
        });
    }
    sum
}

/// The names of slots in which a living process has its program, a mapped file or its working directory, or
/// which its arguments name: an emulated program's own file is told by the arguments of its emulator.
fn used_by_processes() -> Result<Vec<Name>, Error> {
    let proc = sys::openat(At::CWD, c"/proc/", OFlags::DIRECTORY, 0).map_err(Error::no_processes)?;
    let piece = zeroed(PIECE);
    let mut used = Names::default();
    let mut seen_self = false;
    let own = decimal(u64::from(sys::getpid()));
    for entry in crate::cache::names(&proc) {
        let pid = entry.to_bytes();
        if !pid.iter().all(u8::is_ascii_digit) {
            continue;
        }
        seen_self |= pid == own;
        // A process may end meanwhile, or belong to another user: then it cannot use this user's cache.
        for told in [c"maps", c"cmdline"] {
            let path = c_string(&[pid, b"/", told.to_bytes()]);
            if let Ok(file) = sys::openat(proc.at(), path, OFlags::READ, 0) {
                while let Ok(length @ 1..) = file.read(piece) {
                    used.look_through(piece.get(..length).unwrap_or_default());
                }
                used.end();
            }
        }
        // A system's tree is mounted where a process lives in it, which may have closed what it was given.
        if is_elsewhere(&proc, pid)
            && let Ok(file) = sys::openat(proc.at(), c_string(&[pid, b"/mountinfo"]), OFlags::READ, 0)
        {
            while let Ok(length @ 1..) = file.read(piece) {
                used.look_through(piece.get(..length).unwrap_or_default());
            }
            used.end();
        }
        for link in [c"exe", c"cwd"] {
            let path = c_string(&[b"/proc/", pid, b"/", link.to_bytes()]);
            if let Ok(length) = sys::readlink_into(path, piece) {
                used.look_through(piece.get(..length).unwrap_or_default());
                used.end();
            }
        }
    }
    // An empty directory of that name says nothing.
    if seen_self { Ok(used.all) } else { Err(Error::no_processes(Errno::ENOENT)) }
}

/// Whether a process of our user's has other mounts than this one.
fn is_elsewhere(proc: &Fd, pid: &[u8]) -> bool {
    let mounts = |pid: &[u8]| sys::statat(proc.at(), c_string(&[pid, b"/ns/mnt"]), Follow::Yes);
    match (mounts(pid), mounts(b"self")) {
        (Ok(other), Ok(own)) => !other.same_file(&own),
        _ => false,
    }
}

/// The components of paths that have the form of a slot's name, out of text that comes in pieces.
struct Names {
    all: Vec<Name>,
    /// The component that the text is in, as far as it may be a name.
    part: Name,
    length: usize,
}

impl Default for Names {
    fn default() -> Self {
        Self { all: Vec::new(), part: [0; NAME], length: 0 }
    }
}

impl Names {
    fn look_through(&mut self, text: &[u8]) {
        for byte in text {
            match byte {
                b'/' | b'\n' | b' ' | 0 => self.end(),
                // Too long, or no digit: no name until the next separator.
                byte => {
                    if let (Some(at), true) = (self.part.get_mut(self.length), byte.is_ascii_hexdigit()) {
                        *at = *byte;
                        self.length += 1;
                    } else {
                        self.length = usize::MAX;
                    }
                }
            }
        }
    }

    /// The text, or a component of it, ends here.
    fn end(&mut self) {
        if self.length == NAME && !self.all.contains(&self.part) {
            self.all.push(self.part);
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pieces: &[&[u8]]) -> Vec<Name> {
        let mut names = Names::default();
        for piece in pieces {
            names.look_through(piece);
        }
        names.end();
        names.all
    }

    #[test]
    fn names_are_found_across_pieces_and_nothing_that_is_longer_or_shorter() {
        let (one, other) = ("0123456789abcdef".repeat(4), "f".repeat(64));
        let text = format!("r-xp 1 /h/{one}/tree/a\n-0\0/c/{other}\0/x/{one}f/y /{} g{other}", &one[1..]);
        let expected: Vec<Name> =
            [one, other].iter().map(|name| name.as_bytes().try_into().expect("64 digits")).collect();
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(found(&[head, tail]), expected, "cut at {cut}");
        }
        assert!(found(&[b"", b"/", b"//"]).is_empty());
    }
}
