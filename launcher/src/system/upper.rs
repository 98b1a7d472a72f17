//! Where a system's changes are kept. An overlay shows the unpacked tree, which nobody changes, below a
//! directory that takes the changes, the upper.
//!
//! Layout: `<cache>/<host>/systems/<name of the slot>/<NAME>/` with `upper`, `work` (the kernel's), `root`
//! (where it is mounted, empty for all others), `lock`, which those inside hold, and `entering`, which is
//! held by whoever is about to be inside, or looks whether somebody is. What is thrown away is in memory,
//! mounted over `discard`; where files in memory take no user attributes, which hold the owners of files, it
//! is in a directory like a kept one whose name begins with `.new-`, and which a later start or
//! `UNIBIN_DO=gc` removes.
//!
//! Where no overlay can be mounted, `whole` is there in place of `upper`: a copy of the tree, in which an
//! emulator lets the system's programs make their changes ([`super::whole`]).
//!
//! What an app with a view by mounts changes is kept in the same way ([`crate::view`]): in `upper` and `work`
//! it has directories of its own, one for each overlay.

use core::ffi::CStr;

use bundle::Root;

use super::namespace;
use crate::bytes::{c_string, decimal, join};
use crate::cache::{Cache, UNFINISHED, names};
use crate::controls::Controls;
use crate::error::Error;
use crate::sys::{self, Errno, Fd, Follow, Lock, OFlags};
use crate::{left_over, way};

/// All systems of a cache.
pub const SYSTEMS: &CStr = c"systems";
/// The upper that has no name of the user's.
const DEFAULT: &[u8] = b"default";
/// The value of `UNIBIN_KEEP` with which nothing is kept.
pub const NONE: &[u8] = b"none";

/// What is kept.
pub const UPPER: &CStr = c"upper";
/// The kernel's own directory beside it.
pub const WORK: &CStr = c"work";
/// A whole tree with its changes, in place of those, where an emulator makes it the root.
pub const WHOLE: &CStr = c"whole";
/// Where an overlay is mounted, in its own directory.
pub const MOUNTED: &CStr = c"root";
const LOCK: &CStr = c"lock";
const ENTERING: &CStr = c"entering";
/// Where the memory is mounted that takes what is thrown away.
pub const DISCARD: &CStr = c"discard";

/// `f_type` of an overlay (statfs(2)), which is no place for another one's upper.
const OVERLAY: u32 = 0x794c_7630;

/// A name is that long at most.
const NAME_MAX: usize = 200;

/// While another start holds an upper without being inside yet, this one looks again after so many
/// milliseconds, and gives up after so many.
const STEP_MS: u32 = 5;
const GIVEN_UP_AFTER_MS: u64 = 10_000;

/// When it says that it waits for one that unpacks, and how often it looks from then on, in milliseconds.
const TOLD_AFTER_MS: u64 = 2000;
const LONG_STEP_MS: u32 = 100;

/// How often an upper may vanish while it is opened.
const REMOVED_MAX: u32 = 100;

/// The name under which changes are kept; `None` where they are thrown away.
pub fn name<'a>(controls: &Controls<'a>, root: Root) -> Result<Option<&'a [u8]>, Error> {
    Ok(match (controls.keep.map(CStr::to_bytes), root) {
        (Some(NONE), _) | (None, Root::Image) => None,
        (None, Root::System) => Some(DEFAULT),
        (Some(_), _) => named(controls)?,
    })
}

/// The name that the user gives.
pub fn named<'a>(controls: &Controls<'a>) -> Result<Option<&'a [u8]>, Error> {
    let Some(name) = controls.keep.map(CStr::to_bytes) else { return Ok(None) };
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_free = name != DISCARD.to_bytes() && name.first().is_some_and(|first| *first != b'.');
    if name.iter().all(fits) && name.len() <= NAME_MAX && is_free {
        return Ok(Some(name));
    }
    let takes =
        "it takes a name of letters, digits, `.`, `_` and `-` that does not begin with `.`, or `none`";
    Err(Error::bad_control(b"KEEP", name, takes))
}

/// Removes what is kept under a name for one tree: whether it is gone, or in use. `None` where there is
/// nothing.
pub fn forget(cache: &Cache, tree: &[u8], name: &[u8]) -> Option<bool> {
    let flags = OFlags::DIRECTORY | OFlags::NO_FOLLOW;
    let systems = sys::openat(cache.dir().at(), SYSTEMS, flags, 0).ok()?;
    let of_tree = sys::openat(systems.at(), c_string(&[tree]), flags, 0).ok()?;
    let name = c_string(&[name]);
    sys::statat(of_tree.at(), name, Follow::No).ok()?;
    let Some(lock) = unused(&of_tree, name) else { return Some(false) };
    // No start finds half of it.
    let pid = decimal(u64::from(sys::getpid()));
    let aside = c_string(&[UNFINISHED, b"discarded-", left_over::here().unwrap_or_default(), b"-", pid]);
    let moved = sys::renameat2(of_tree.at(), name, of_tree.at(), aside, sys::Rename::NoReplace);
    if moved.is_ok() {
        super::remove::remove(&of_tree, aside);
    }
    drop(lock);
    Some(moved.is_ok())
}

/// Whether something is kept under a name for one tree.
pub fn is_kept(cache: &Cache, tree: &[u8], name: &[u8]) -> bool {
    [UPPER, WHOLE].iter().any(|kept| is_kept_as(cache, tree, name, kept))
}

/// The same of one of both ways in which it can be kept.
pub fn is_kept_as(cache: &Cache, tree: &[u8], name: &[u8], kept: &CStr) -> bool {
    let path = c_string(&[SYSTEMS.to_bytes(), b"/", tree, b"/", name, b"/", kept.to_bytes()]);
    sys::statat(cache.dir().at(), path, Follow::No).is_ok_and(|stat| stat.is_dir())
}

/// The directory of one tree's uppers.
pub fn of_tree(cache: &Cache, tree: &[u8]) -> Result<Fd, Error> {
    let systems = subdirectory(cache.dir(), SYSTEMS)?;
    Ok(subdirectory(&systems, c_string(&[tree]))?)
}

/// An upper that is this start's alone.
pub struct Upper {
    /// Its directory.
    pub directory: Fd,
    /// The name of the mount over it, by which it is found again.
    pub mark: &'static CStr,
    lock: Option<Fd>,
}

impl Upper {
    /// The program that is executed next, and what it starts, will hold it.
    pub fn hold(&self) {
        let _ = self.lock.as_ref().map(Fd::hold_across_exec);
    }

    /// Whether nothing has been changed.
    pub fn is_empty(&self) -> bool {
        is_empty(&self.directory)
    }
}

/// Whether nothing is in the upper that a directory may have.
pub fn is_empty(directory: &Fd) -> bool {
    let upper = sys::openat(directory.at(), UPPER, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0);
    upper.map_or_else(|errno| errno == Errno::ENOENT, |upper| upper.entries().next().is_none())
}

/// Whether a lock is still found by this name.
pub fn is_named(lock: &Fd, of_tree: &Fd, name: &CStr) -> bool {
    let path = c_string(&[name.to_bytes(), b"/", LOCK.to_bytes()]);
    match (lock.stat(), sys::statat(of_tree.at(), path, Follow::No)) {
        (Ok(ours), Ok(named)) => ours.same_file(&named),
        _ => false,
    }
}

/// What a start finds under a name.
pub enum Kept {
    /// Nobody uses it.
    Free(Upper),
    /// A system runs on it: a process that is inside; and what says that another one is about to be, until it
    /// executes a program.
    Running(namespace::Inside, Option<Fd>),
    /// A tree that an emulator makes the root.
    Whole,
}

/// The upper of this name, made where it is missing.
pub fn kept(of_tree: &Fd, path: &[u8], name: &[u8]) -> Result<Kept, Error> {
    let mut patience = Patience::default();
    let name_here = c_string(&[name]);
    let (mut opened, mut removed) = (None, 0);
    loop {
        let upper = match opened.take().map_or_else(|| open(of_tree, name_here, path), Ok) {
            // Somebody may have just removed it; or it cannot be made.
            Err(_)
                if sys::statat(of_tree.at(), name_here, Follow::No) == Err(Errno::ENOENT)
                    && removed < REMOVED_MAX =>
            {
                removed += 1;
                sys::sleep_milliseconds(STEP_MS);
                continue;
            }
            other => other?,
        };
        // In this order: whoever has lost the lock is inside, or is about to be, or is no more.
        let locked = upper.lock.as_ref().is_none_or(|lock| is_taken(lock, Lock::TryExclusive));
        if locked && !upper.lock.as_ref().is_none_or(|lock| is_named(lock, of_tree, name_here)) {
            // Removed since it was opened: what is kept there is lost.
            continue;
        }
        if whole(&upper.directory)?.is_some() {
            return Ok(Kept::Whole);
        }
        // Alone, nobody is about to be inside; several may be at once. Those who find nobody there stay
        // out of the way of the one who is to be the first.
        if locked || namespace::running(upper.mark).is_some() {
            let how = if locked { Lock::TryExclusive } else { Lock::TryShared };
            let entering = entering(&upper.directory);
            if entering.as_ref().is_none_or(|entering| is_taken(entering, how)) {
                if let Some(inside) = namespace::running(upper.mark) {
                    if let Some(entering) = &entering {
                        let _ = entering.flock(Lock::TryShared);
                    }
                    return Ok(Kept::Running(inside, entering));
                }
                if locked {
                    return Ok(Kept::Free(upper));
                }
            }
        }
        if !patience.waits(&upper.directory, path) {
            return Err(Error::system_in_use(name));
        }
        opened = Some(upper);
    }
}

/// The whole tree that a directory may have.
pub fn whole(directory: &Fd) -> Result<Option<Fd>, Errno> {
    match sys::openat(directory.at(), WHOLE, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0) {
        Ok(whole) => Ok(Some(whole)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// How long a start waits for another one: as long as that unpacks, which the time of its directory shows.
#[derive(Default)]
pub struct Patience {
    begin: Option<u64>,
    shown: Option<i64>,
    shown_at: u64,
    /// Whether the other one unpacks, and whether that has been said.
    unpacks: bool,
    told: bool,
}

impl Patience {
    /// Waits for a moment; whether that is worth it.
    pub fn waits(&mut self, directory: &Fd, path: &[u8]) -> bool {
        let now = sys::monotonic_milliseconds();
        let begin = *self.begin.get_or_insert(now);
        let latest = sys::unix_seconds().saturating_add(left_over::ANNOUNCED);
        let shown = directory.stat().ok().map(|stat| stat.mtime).filter(|shown| *shown <= latest);
        let announced = shown.is_some_and(|shown| shown > sys::unix_seconds());
        if shown != self.shown || announced {
            self.unpacks = self.shown_at != 0;
            (self.shown, self.shown_at) = (shown, now.max(1));
        }
        if self.unpacks && !self.told && now.saturating_sub(begin) >= TOLD_AFTER_MS {
            self.told = true;
            // If standard error is closed, it waits all the same.
            let _ = sys::stderr(Error::waiting(path).lines());
        }
        let waits = now.saturating_sub(self.shown_at) < GIVEN_UP_AFTER_MS;
        if waits {
            sys::sleep_milliseconds(if self.told { LONG_STEP_MS } else { STEP_MS });
        }
        waits
    }
}

/// Whether a lock is ours now. Where there are no locks, everybody has them.
pub fn is_taken(lock: &Fd, how: Lock) -> bool {
    lock.flock(how) != Err(Errno::EAGAIN)
}

fn entering(directory: &Fd) -> Option<Fd> {
    let flags = OFlags::READ_WRITE | OFlags::CREATE | OFlags::NO_FOLLOW;
    sys::openat(directory.at(), ENTERING, flags, 0o600).ok()
}

/// A name that nobody has had, for what is thrown away.
pub fn nobodys() -> &'static CStr {
    let here = left_over::here().unwrap_or_default();
    let (pid, now) = (decimal(u64::from(sys::getpid())), decimal(sys::monotonic_milliseconds()));
    c_string(&[UNFINISHED, b"discarded-", here, b"-", pid, b"-", now])
}

/// The directory of this name, made where it is missing, and the lock of whoever uses what is kept there.
pub fn locked_directory(of_tree: &Fd, name: &CStr) -> Result<(Fd, Fd), Errno> {
    let directory = subdirectory(of_tree, name)?;
    let flags = OFlags::READ_WRITE | OFlags::CREATE | OFlags::NO_FOLLOW;
    let lock = sys::openat(directory.at(), LOCK, flags, 0o600)?;
    Ok((directory, lock))
}

/// A new upper on the disk that nobody finds again, and its name.
pub fn thrown_away(of_tree: &Fd, path: &[u8]) -> Result<(Upper, &'static CStr), Error> {
    let name = nobodys();
    let upper = open(of_tree, name, path)?;
    if let Some(lock) = &upper.lock {
        let _ = lock.flock(Lock::TryExclusive);
    }
    Ok((upper, name))
}

fn open(of_tree: &Fd, name: &CStr, path: &[u8]) -> Result<Upper, Error> {
    let (directory, lock) = locked_directory(of_tree, name)?;
    let shown = join(&[path, b"/", name.to_bytes()]);
    if sys::file_system(c_string(&[shown, b"/"])) == Ok(OVERLAY) {
        return Err(Error::of_candidate(
            "{} is on an overlay, which cannot keep a system's changes",
            &[shown],
        ));
    }
    let upper = subdirectory(&directory, UPPER)?;
    let work = subdirectory(&directory, WORK)?;
    subdirectory(&directory, MOUNTED)?;
    match work.set_attribute(c"user.unibin.try", b"1") {
        Err(Errno::EOPNOTSUPP) => {
            return Err(Error::of_candidate("{} takes no user attributes, which a system needs", &[shown]));
        }
        other => other?,
    }
    // Like everybody's for those inside: a user of the system enters it.
    upper.chmod(0o755)?;
    let mark = mark(&upper)?;
    Ok(Upper { directory, mark, lock: Some(lock) })
}

/// The name of an overlay's mount: no other upper has it while that is mounted.
fn mark(upper: &Fd) -> Result<&'static CStr, Errno> {
    let stat = upper.stat()?;
    let number = |number: u32| decimal(u64::from(number));
    Ok(c_string(&[b"unibin-system:", number(stat.dev.0), b":", number(stat.dev.1), b":", decimal(stat.ino)]))
}

/// A directory for us alone, made where it is missing.
fn subdirectory(above: &Fd, name: &CStr) -> Result<Fd, Errno> {
    way::make(above.at(), name)?;
    sys::openat(above.at(), name, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0)
}

/// Memory's own directories: what [`open`] makes on a disk.
pub fn in_memory(memory: &Fd) -> Result<Upper, Errno> {
    for name in [UPPER, WORK, MOUNTED] {
        subdirectory(memory, name)?;
    }
    let upper = subdirectory(memory, UPPER)?;
    upper.chmod(0o755)?;
    upper.set_attribute(c"user.unibin.try", b"1")?;
    let directory = memory.reopened()?;
    Ok(Upper { directory, mark: c"unibin-system", lock: None })
}

/// The memory's mount point.
pub fn discard(of_tree: &Fd) -> Result<Fd, Errno> {
    subdirectory(of_tree, DISCARD)
}

/// Removes what was thrown away in all systems of a cache; how many there were. What is in use stays.
pub fn remove_thrown_away(cache: &Cache) -> u64 {
    let mut removed = 0;
    let Ok(systems) = sys::openat(cache.dir().at(), SYSTEMS, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0) else {
        return removed;
    };
    let trees: alloc::vec::Vec<_> = names(&systems).collect();
    for tree in trees {
        if let Ok(tree) = sys::openat(systems.at(), tree, OFlags::DIRECTORY | OFlags::NO_FOLLOW, 0) {
            removed += remove_thrown_away_of(&tree);
        }
    }
    removed
}

/// The same for one tree.
pub fn remove_thrown_away_of(of_tree: &Fd) -> u64 {
    let mut removed = 0;
    let Ok(again) = of_tree.reopened() else { return removed };
    let thrown: alloc::vec::Vec<_> =
        names(&again).filter(|name| name.to_bytes().starts_with(UNFINISHED)).collect();
    for name in thrown {
        // Whoever made it is gone, and nobody is inside any longer.
        if left_over::was_made_by_dead(name.to_bytes(), left_over::here())
            && let Some(lock) = unused(of_tree, name)
        {
            super::remove::remove(of_tree, name);
            drop(lock);
            removed += 1;
        }
    }
    removed
}

/// An upper that nobody holds and nobody is inside of, or is about to be; nobody can begin to use it while
/// this is kept.
struct Unused(#[expect(dead_code, reason = "the locks are held by being there")] [Option<Fd>; 2]);

fn unused(of_tree: &Fd, name: &CStr) -> Option<Unused> {
    let open = |inside: &CStr, flags| {
        let path = c_string(&[name.to_bytes(), b"/", inside.to_bytes()]);
        sys::openat(of_tree.at(), path, flags | OFlags::NO_FOLLOW, 0)
    };
    // In the order in which a start takes them.
    let locks = [LOCK, ENTERING].map(|lock| open(lock, OFlags::READ_WRITE).ok());
    if !locks.iter().flatten().all(|lock| is_taken(lock, Lock::TryExclusive)) {
        return None;
    }
    let is_inside = |upper: Fd| mark(&upper).is_ok_and(namespace::is_mounted);
    (!open(UPPER, OFlags::DIRECTORY).is_ok_and(is_inside)).then_some(Unused(locks))
}
