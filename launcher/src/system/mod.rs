//! Systems: a variant whose tree is a root file system. The broker becomes a program of the system, as root
//! inside and without being root outside: in namespaces of its own, or in those of the same system that runs
//! already. No process is started for it, so that number, parent, terminal, signals and exit code are the
//! program's.
//!
//! The files in the order in which they are used: [`upper`] finds where changes are kept, [`namespace`] makes
//! or enters namespaces, [`mounts`] lays tree and upper over each other and binds ([`bind`], [`place`]) what
//! is seen of the host, [`identity`] finds the user, [`call`] and [`command`] what is executed. [`remove`] is
//! for what was thrown away.

pub mod bind;
pub mod call;
pub mod command;
pub mod identity;
pub mod mounts;
pub mod namespace;
pub mod place;
pub mod remove;
pub mod upper;

use core::convert::Infallible;
use core::ffi::CStr;

use bundle::{Digest, Root, Rule, directory_of, file_name_of};

use crate::attempt::Run;
use crate::bytes::{c_string, decimal, join, list};
use crate::cache::{Cache, Slot};
use crate::candidates::{candidates, is_launchers};
use crate::error::Error;
use crate::launch::{Translation, rules_of};
use crate::route::HOST;
use crate::sys::{self, At, Errno, Fd, OFlags};
use crate::unpack;
use call::Call;
use identity::Identity;
use namespace::Caller;
use upper::{Kept, Upper};

/// What runs a system's programs.
pub struct Runner<'r> {
    /// By what.
    pub translation: Translation<'r>,
    /// The emulator's path, if there is one.
    pub emulator: &'r CStr,
    /// The emulator's slot, if it has one.
    pub slot: Option<&'r Slot>,
}

/// Becomes the system's program. Up to the step into a namespace another cache directory may do; after it
/// nothing else is tried.
pub fn start(run: &Run<'_>, cache: &Cache, app: &Slot, runner: &Runner<'_>) -> Result<Infallible, Error> {
    let root = kind(run);
    let directory = sys::getcwd().ok();
    // What is opened now is reached where no path leads to it any longer.
    let tree = sys::openat(app.dir.at(), unpack::TREE, OFlags::DIRECTORY, 0)?;
    let emulator = match runner.translation {
        Translation::Native => None,
        Translation::By(_) | Translation::UsersEmulator => Some(Emulator::open(runner)?),
    };
    let binds = bind::all(run, root, &tree, directory.map(CStr::to_bytes))?;
    let name = upper::name(run.controls, root)?;
    let slot = join(&[&slot_name(run, cache).to_hex()]);
    let of_tree = upper::of_tree(cache, slot)?;
    let path = join(&[cache.path(), b"/", upper::SYSTEMS.to_bytes(), b"/", slot]);
    if let Some(name) = name {
        // Its name is the same in every cache.
        look_elsewhere(run, cache, &|_| slot, name)?;
    }
    let kept = name.map(|name| upper::kept(&of_tree, path, name)).transpose()?;
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
        Some(Kept::Free(upper)) => {
            run.log.step("system: changes are kept in {}/{}", &[path, name.unwrap_or_default()]);
            // A working directory is carried into new mounts, an open one is not.
            upper.directory.chdir()?;
            let users = enter(run, cache)?;
            become_root(run, runner, emulator.as_ref(), &upper, slot, &binds, users).map_err(Error::ended)?;
            users
        }
        None => {
            upper::remove_thrown_away_of(&of_tree);
            upper::discard(&of_tree)?.chdir()?;
            let users = enter(run, cache)?;
            let upper = discarded(run, &of_tree, path).map_err(Error::ended)?;
            become_root(run, runner, emulator.as_ref(), &upper, slot, &binds, users).map_err(Error::ended)?;
            users
        }
    };
    let Err(error) = execute(run, root, runner, emulator.as_ref(), directory, users);
    drop(entering);
    Err(error.ended())
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

/// Which kind of system the variant is.
fn kind(run: &Run<'_>) -> Root {
    let found = run.manifest.rules(run.route.variant().rules).find_map(|rule| rule.root());
    found.unwrap_or(Root::System)
}

/// Enters namespaces of this process's own, from an upper's directory.
fn enter(run: &Run<'_>, cache: &Cache) -> Result<bool, Error> {
    let users = Caller::new().enter_own()?;
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
    emulator: Option<&Emulator>,
    upper: &Upper,
    slot: &[u8],
    binds: &[bind::Bind],
    users: bool,
) -> Result<(), Error> {
    let root = mounts::overlay(upper, slot)?;
    mounts::bind(&root, binds, run.log)?;
    if let Some(emulator) = emulator.filter(|_| !starts_programs(run, runner)) {
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
    root.become_root().map_err(Error::no_root)
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

/// An emulator that is reached from any root.
struct Emulator {
    /// Its absolute path.
    path: &'static CStr,
    directory: Fd,
    name: &'static CStr,
}

impl Emulator {
    fn open(runner: &Runner<'_>) -> Result<Self, Error> {
        let path = crate::absolute::absolute(runner.emulator.to_bytes());
        let directory = c_string(&[directory_of(path), b"/"]);
        let opened = sys::openat(At::CWD, directory, OFlags::PATH | OFlags::DIRECTORY, 0);
        let directory = match (opened, runner.translation) {
            (Err(errno), Translation::UsersEmulator) => return Err(Error::bad_emulator(path, errno)),
            (opened, _) => opened?,
        };
        Ok(Self { path: c_string(&[path]), directory, name: c_string(&[file_name_of(path)]) })
    }
}

/// All that happens inside.
fn execute(
    run: &Run<'_>,
    root: Root,
    runner: &Runner<'_>,
    emulator: Option<&Emulator>,
    directory: Option<&CStr>,
    users: bool,
) -> Result<Infallible, Error> {
    let (passwd, group) = (command::read(c"/etc/passwd"), command::read(c"/etc/group"));
    let wanted = call::user(run).unwrap_or(identity::ROOT);
    let identity = identity::identity(wanted, passwd, group).map_err(|_| Error::no_user(wanted))?;
    let call = Call::build(run, root, runner.translation, &identity)?;
    stand(run, root, &identity, directory)?;
    let call = call.finish(run, runner.translation, &identity)?;

    let Identity { uid, gid, .. } = identity;
    if !call.keeps_ids && (uid, gid) != (0, 0) {
        if !users {
            return Err(Error::cannot_become(wanted, Errno::EPERM));
        }
        namespace::become_user(uid, gid).map_err(|errno| Error::cannot_become(wanted, errno))?;
    }
    let groups = list(identity.groups.iter().map(|gid| decimal(u64::from(*gid))), b",");
    let ids = [decimal(u64::from(uid)), decimal(u64::from(gid)), groups];
    run.log.step("system: user {}, group {}, groups {}", &ids);
    run.log.step("executing {}", &[call.path.to_bytes()]);
    let (arguments, environment) = (call.arguments(), call.environment());
    match emulator.filter(|_| call.emulated) {
        None => {
            let errno = sys::execve(call.path, &arguments, &environment);
            Err(Error::not_in_system(call.path.to_bytes(), errno))
        }
        Some(emulator) => {
            let errno = sys::execveat_name(emulator.directory.at(), emulator.name, &arguments, &environment);
            Err(match runner.translation {
                Translation::UsersEmulator => Error::bad_emulator(runner.emulator.to_bytes(), errno),
                _ => Error::cannot_execute(runner.emulator.to_bytes(), errno),
            })
        }
    }
}

/// The working directory: the user's, the rules', the caller's where the system is a machine's, else the home
/// of the user inside.
fn stand(run: &Run<'_>, root: Root, identity: &Identity<'_>, caller: Option<&CStr>) -> Result<(), Error> {
    if let Some(named) = run.controls.workdir {
        if named.to_bytes().first() != Some(&b'/') {
            let takes = "it takes the absolute path of a directory in the system";
            return Err(Error::bad_control(b"WORKDIR", named.to_bytes(), takes));
        }
        return sys::chdir(named).map_err(|errno| Error::no_directory(named.to_bytes(), errno));
    }
    if let Some(named) = call::directory(run) {
        let slash = sys::openat(At::CWD, c"/", OFlags::PATH | OFlags::DIRECTORY, 0)?;
        // An image's need not be there.
        let entered = place::make(&slash, named, true).and_then(|directory| directory.chdir());
        return entered.map_err(|errno| Error::no_directory(named, errno));
    }
    let caller = caller.filter(|_| root == Root::System);
    let entered = caller.is_some_and(|directory| sys::chdir(directory).is_ok());
    let home = c_string(&[identity.home]);
    if !entered && (root == Root::Image || sys::chdir(home).is_err()) {
        sys::chdir(c"/")?;
    }
    Ok(())
}
