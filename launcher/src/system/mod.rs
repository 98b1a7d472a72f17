//! Systems: a variant whose tree is a root file system. The broker becomes a program of the system, as root
//! inside and without being root outside: in namespaces of its own, or in those of the same system that runs
//! already. No process is started for it, so that number, parent, terminal, signals and exit code are the
//! program's.
//!
//! The files in the order in which they are used: [`upper`] finds where changes are kept, [`namespace`] makes
//! or enters namespaces, [`mounts`] lays tree and upper over each other and binds ([`bind`], [`place`]) what
//! is seen of the host, or an emulator makes a copy of the tree the root ([`whole`]). Among the system's
//! [`files`], [`identity`] finds the user, [`call`] and [`command`] what is executed, by [`program`].
//! [`remove`] is for what was thrown away.

pub mod bind;
pub mod call;
pub mod command;
pub mod files;
pub mod identity;
pub mod mounts;
pub mod namespace;
pub mod place;
pub mod program;
pub mod remove;
pub mod upper;
pub mod whole;

use alloc::vec::Vec;
use core::convert::Infallible;
use core::ffi::CStr;

use bundle::{Digest, Rule};

use crate::attempt::Run;
use crate::bytes::{c_string, join};
use crate::cache::{Cache, Slot};
use crate::candidates::{candidates, is_launchers};
use crate::controls::View;
use crate::error::Error;
use crate::launch::{Translation, rules_of};
use crate::route::HOST;
use crate::sys::{self, Errno, Fd, OFlags};
use crate::unpack;
use files::{Apart, Files};
use namespace::Caller;
use program::{Program, kind};
use upper::{Kept, Upper};

pub use program::Runner;

/// What a start knows of its system before it takes a way into it.
struct Prepared<'a> {
    program: Program<'a>,
    /// The name under which changes are kept.
    name: Option<&'a [u8]>,
    slot: &'static [u8],
    /// Where that is, and its path.
    of_tree: Fd,
    path: &'static [u8],
}

impl<'a> Prepared<'a> {
    fn new(run: &Run<'a>, cache: &Cache, runner: &'a Runner<'a>) -> Result<Self, Error> {
        let program = Program::new(run, runner)?;
        let name = upper::name(run.controls, program.root)?;
        let slot = join(&[&slot_name(run, cache).to_hex()]);
        let of_tree = upper::of_tree(cache, slot)?;
        let path = join(&[cache.path(), b"/", upper::SYSTEMS.to_bytes(), b"/", slot]);
        if let Some(name) = name {
            // Its name is the same in every cache.
            look_elsewhere(run, cache, &|_| slot, name)?;
        }
        Ok(Self { program, name, slot, of_tree, path })
    }

    fn binds(&self, run: &Run<'_>, tree: Option<&Fd>) -> Result<Vec<bind::Bind>, Error> {
        bind::all(run, self.program.root, tree, self.program.directory.map(CStr::to_bytes))
    }
}

/// Why a system does not begin.
enum Failed {
    /// A step into namespaces or mounts is refused.
    Refused(Error),
    /// Something else.
    For(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::For(error)
    }
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::For(errno.into())
    }
}

/// Becomes the system's program. Up to the step into a namespace another cache directory may do; after it
/// nothing else is tried, but for an emulator that needs none.
pub fn start(run: &Run<'_>, cache: &Cache, app: &Slot, runner: &Runner<'_>) -> Result<Infallible, Error> {
    let prepared = Prepared::new(run, cache, runner)?;
    let tree = sys::openat(app.dir.at(), unpack::TREE, OFlags::DIRECTORY, 0)?;
    let binds = prepared.binds(run, Some(&tree))?;
    let Prepared { name, of_tree, path, .. } = &prepared;
    let kept = name.map(|name| upper::kept(of_tree, path, name)).transpose()?;
    app.hold();
    if let Some(slot) = runner.slot {
        slot.hold();
    }

    let mut entering = None;
    let users = match kept {
        Some(Kept::Running(inside, until_executed)) => {
            entering = until_executed;
            run.log.step("system: joining the one that runs on `{}`", &[name.unwrap_or_default()]);
            if run.controls.bind.is_some() {
                return Err(Error::no_bind_in_running(name.unwrap_or_default()));
            }
            inside.join().map_err(Error::cannot_join)?
        }
        // Another start has made it meanwhile.
        Some(Kept::Whole) if !whole::HAS_OWN => return Err(Error::kept_whole(name.unwrap_or_default())),
        Some(Kept::Whole) => {
            let why = without_mounts(run, cache)?.unwrap_or(Why::Kept);
            return start_without_mounts(run, cache, runner, why);
        }
        Some(Kept::Free(upper)) => {
            run.log.step("system: changes are kept in {}/{}", &[path, name.unwrap_or_default()]);
            let was_empty = upper.is_empty();
            // A working directory is carried into new mounts, an open one is not.
            upper.directory.chdir()?;
            match begin(run, cache, runner, &prepared, &upper, &binds) {
                Err(Failed::Refused(error)) if was_empty && can_do_without(run, runner) => {
                    // Places of binds, at most.
                    remove::remove(&upper.directory, upper::UPPER);
                    drop(upper);
                    return by_emulator(run, runner, &prepared, Why::Refused(error)).map_err(Error::ended);
                }
                Err(Failed::Refused(error)) if !was_empty && can_do_without(run, runner) => {
                    return Err(Error::kept_by_mounts(name.unwrap_or_default(), error.text()));
                }
                begun => finally(begun)?,
            }
        }
        None => {
            upper::remove_thrown_away_of(of_tree);
            upper::discard(of_tree)?.chdir()?;
            match begin_discarded(run, cache, runner, &prepared, &binds) {
                Err(Failed::Refused(error)) if can_do_without(run, runner) => {
                    return by_emulator(run, runner, &prepared, Why::Refused(error)).map_err(Error::ended);
                }
                begun => finally(begun)?,
            }
        }
    };
    let Err(error) = prepared.program.execute(run, &mut Files::Mounted, users);
    drop(entering);
    Err(error.ended())
}

/// What is refused, or has failed, with what would have worked.
fn finally(begun: Result<bool, Failed>) -> Result<bool, Error> {
    begun.map_err(|failed| match failed {
        Failed::Refused(error) => error.ended().without_own_emulator(),
        Failed::For(error) => error,
    })
}

/// Enters namespaces and mounts the system there.
fn begin(
    run: &Run<'_>,
    cache: &Cache,
    runner: &Runner<'_>,
    prepared: &Prepared<'_>,
    upper: &Upper,
    binds: &[bind::Bind],
) -> Result<bool, Failed> {
    let users = enter(run, cache)?;
    become_root(run, runner, prepared, upper, binds, users)?;
    Ok(users)
}

/// The same with changes that are thrown away.
fn begin_discarded(
    run: &Run<'_>,
    cache: &Cache,
    runner: &Runner<'_>,
    prepared: &Prepared<'_>,
    binds: &[bind::Bind],
) -> Result<bool, Failed> {
    let users = enter(run, cache)?;
    let upper = discarded(run, &prepared.of_tree, prepared.path).map_err(Failed::Refused)?;
    become_root(run, runner, prepared, &upper, binds, users)?;
    Ok(users)
}

/// Why an emulator makes a system's root, and no mounts do.
#[derive(Clone, Copy)]
pub enum Why {
    /// It is asked for.
    Asked,
    /// What is kept was made so.
    Kept,
    /// Something that it takes is refused.
    Refused(Error),
}

/// Whether the system may be started without mounts where those are refused.
pub fn may_be_whole(run: &Run<'_>) -> bool {
    whole::is_possible(run) && run.controls.view != View::Mounts
}

/// The same of what is to run it.
fn can_do_without(run: &Run<'_>, runner: &Runner<'_>) -> bool {
    let makes_root = |translation| match translation {
        Translation::By(translator) => whole::makes_root(run, translator),
        Translation::Native | Translation::UsersEmulator => false,
    };
    may_be_whole(run) && makes_root(runner.translation)
}

/// Whether a start of this system is one without mounts, as far as that is known before anything is unpacked.
/// What is kept must not depend on what is allowed on a day.
pub fn without_mounts(run: &Run<'_>, cache: &Cache) -> Result<Option<Why>, Error> {
    let is_possible = whole::is_possible(run);
    if run.controls.view == View::Emulator {
        return if is_possible { Ok(Some(Why::Asked)) } else { Err(Error::no_own_emulator()) };
    }
    if !whole::HAS_OWN {
        return Ok(None);
    }
    let tree = slot_name(run, cache);
    if let Some(name) = upper::name(run.controls, kind(run))?
        && upper::is_kept_as(cache, &tree.to_hex(), name, upper::WHOLE)
    {
        return if may_be_whole(run) { Ok(Some(Why::Kept)) } else { Err(Error::kept_whole(name)) };
    }
    // A tree that nothing can be laid over is not unpacked in vain.
    if !may_be_whole(run) || cache.ready(&tree)?.is_some() {
        return Ok(None);
    }
    Ok(Caller::new().refused().map(|refused| Why::Refused(refused.into())))
}

/// Becomes the system's program by an emulator that makes a directory the root.
pub fn start_without_mounts(
    run: &Run<'_>,
    cache: &Cache,
    runner: &Runner<'_>,
    why: Why,
) -> Result<Infallible, Error> {
    let prepared = Prepared::new(run, cache, runner)?;
    by_emulator(run, runner, &prepared, why)
}

fn by_emulator(
    run: &Run<'_>,
    runner: &Runner<'_>,
    prepared: &Prepared<'_>,
    why: Why,
) -> Result<Infallible, Error> {
    let Prepared { name, of_tree, path, .. } = prepared;
    let told = match why {
        Why::Asked => None,
        Why::Kept => Some(&b"what the system keeps was made without mounts"[..]),
        Why::Refused(error) => Some(error.text()),
    };
    let whole = match name {
        Some(name) => whole::kept(run, of_tree, path, name, told)?,
        None => whole::thrown_away(run, of_tree)?,
    };
    if let Some(why) = told {
        // If standard error is closed, it starts all the same.
        let _ = sys::stderr(Error::by_emulator(why).lines());
    }
    // Not the cache in a directory for temporary files, from which `..` leads to the host's root.
    whole.hold();
    if let Some(slot) = runner.slot {
        slot.hold();
    }
    let mut apart = Apart::new(whole.tree)?;
    bind::show(&mut apart, &prepared.binds(run, None)?, run.log)?;
    prepared.program.execute(run, &mut Files::Apart(apart), false)
}

/// Whether programs are inside that see the app's tree.
pub fn is_running(run: &Run<'_>, cache: &Cache) -> bool {
    namespace::has_mounted(&slot_name(run, cache).to_hex())
}

fn slot_name(run: &Run<'_>, cache: &Cache) -> Digest {
    unpack::slot_name(cache, run.route.variant().app, None, false)
}

/// A directory that comes before this cache, and served once, may hold what is kept under this name: a system
/// that begins afresh would look like one that has lost it. `slot_in`: the name of its slot in a cache.
pub fn look_elsewhere(
    run: &Run<'_>,
    cache: &Cache,
    slot_in: &dyn Fn(&Cache) -> &'static [u8],
    name: &[u8],
) -> Result<(), Error> {
    let ours = cache.dir().stat()?;
    // Where the stub has found this launcher comes first, and says nothing about the order.
    let mut is_first = true;
    for candidate in candidates(run.start, run.controls) {
        if core::mem::take(&mut is_first) && is_launchers(run.start, candidate) {
            continue;
        }
        let Some(other) = Cache::existing(candidate, HOST) else { continue };
        if other.dir().stat()?.same_file(&ours) {
            break;
        }
        if upper::is_kept(&other, slot_in(&other), name) {
            let elsewhere = Error::kept_elsewhere(name, other.path(), cache.path());
            if run.controls.keep.is_some() {
                return Err(elsewhere);
            }
            // If standard error is closed, it begins afresh all the same.
            let _ = sys::stderr(elsewhere.lines());
        }
    }
    Ok(())
}

/// Enters namespaces of this process's own, from an upper's directory.
fn enter(run: &Run<'_>, cache: &Cache) -> Result<bool, Failed> {
    let users = Caller::new().enter_own().map_err(|refused| Failed::Refused(refused.into()))?;
    // `<candidate>/<host>/systems/<digest>/<NAME>`.
    if let Err(errno) = cache.hold_apart(c"../../../..") {
        run.log.step("system: a cleaner of temporary files may clean its cache: {}", &[errno.text()]);
    }
    if !users {
        run.log.step("system: without a namespace of users, as root", &[]);
    }
    Ok(users)
}

/// An upper whose changes are thrown away.
fn discarded(run: &Run<'_>, of_tree: &Fd, path: &[u8]) -> Result<Upper, Error> {
    match mounts::memory() {
        Ok(upper) => {
            run.log.step("system: changes are in memory, and thrown away", &[]);
            Ok(upper)
        }
        Err(errno) => {
            run.log.step("system: changes are thrown away; not in memory: {}", &[errno.text()]);
            let (upper, name) = upper::thrown_away(of_tree, path)?;
            sys::chdir(c_string(&[b"../", name.to_bytes()]))?;
            Ok(upper)
        }
    }
}

/// Mounts the system, and leaves the host's root for it.
fn become_root(
    run: &Run<'_>,
    runner: &Runner<'_>,
    prepared: &Prepared<'_>,
    upper: &Upper,
    binds: &[bind::Bind],
    users: bool,
) -> Result<(), Failed> {
    let mut root = mounts::overlay(upper, prepared.slot).map_err(Failed::Refused)?;
    bind::show(&mut root, binds, run.log).map_err(Error::ended)?;
    if let Some(emulator) = prepared.program.emulator.as_ref().filter(|_| !starts_programs(run, runner)) {
        let target = run.route.variant().target;
        let registered = if users {
            mounts::register(&root, target, emulator.path)
        } else {
            // It would be the machine's own.
            Err(Errno::EPERM)
        };
        match registered {
            Ok(()) => run.log.step("system: the kernel starts {}", &[emulator.path.to_bytes()]),
            Err(errno) => {
                let why = errno.text();
                run.log.step("system: programs that its programs start do not run: {}", &[why]);
            }
        }
    }
    upper.hold();
    root.become_root().map_err(|errno| Failed::Refused(Error::no_root(errno)))
}

/// Whether programs of the system can start others without the kernel's help.
fn starts_programs(run: &Run<'_>, runner: &Runner<'_>) -> bool {
    match runner.translation {
        Translation::Native => true,
        Translation::UsersEmulator => false,
        translation @ Translation::By(_) => rules_of(run.manifest, run.route.variant().target, translation)
            .iter()
            .any(|rule| matches!(rule, Rule::Children(_))),
    }
}
