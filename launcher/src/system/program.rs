//! The system's program: as whom, where and by what it is executed, once its files are where it will find
//! them.

use core::convert::Infallible;
use core::ffi::CStr;

use bundle::{Root, directory_of, file_name_of};

use super::call::{self, Call};
use super::command;
use super::files::Files;
use super::identity::{self, Identity};
use super::namespace;
use crate::attempt::Run;
use crate::bytes::{c_string, decimal, list};
use crate::cache::Slot;
use crate::error::Error;
use crate::launch::Translation;
use crate::sys::{self, At, Errno, Fd, OFlags};

/// What runs a system's programs.
pub struct Runner<'r> {
    /// By what.
    pub translation: Translation<'r>,
    /// The emulator's path, if there is one.
    pub emulator: &'r CStr,
    /// The emulator's slot, if it has one.
    pub slot: Option<&'r Slot>,
}

/// An emulator that is reached from any root.
pub struct Emulator {
    /// Its absolute path.
    pub path: &'static CStr,
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

/// What a system runs, of which all is known that its root does not tell.
pub struct Program<'r> {
    /// What kind of system it is.
    pub root: Root,
    /// The caller's working directory.
    pub directory: Option<&'static CStr>,
    /// By what it is run.
    pub runner: &'r Runner<'r>,
    /// The emulator, if there is one.
    pub emulator: Option<Emulator>,
}

impl<'r> Program<'r> {
    /// What is opened now is reached where no path leads to it any longer.
    pub fn new(run: &Run<'_>, runner: &'r Runner<'r>) -> Result<Self, Error> {
        let directory = sys::getcwd().ok();
        let emulator = match runner.translation {
            Translation::Native => None,
            Translation::By(_) | Translation::UsersEmulator => Some(Emulator::open(runner)?),
        };
        Ok(Self { root: kind(run), directory, runner, emulator })
    }

    /// All that happens inside. `users`: whether there is a namespace of users.
    pub fn execute(&self, run: &Run<'_>, files: &mut Files, users: bool) -> Result<Infallible, Error> {
        let Self { root, runner, directory, .. } = *self;
        let (passwd, group) = (command::read(files, c"/etc/passwd"), command::read(files, c"/etc/group"));
        let wanted = call::user(run).unwrap_or(identity::ROOT);
        let identity = identity::identity(wanted, passwd, group).map_err(|_| Error::no_user(wanted))?;
        let call = Call::build(run, root, runner.translation, &identity)?;
        stand(run, files, root, &identity, directory)?;
        let call = call.finish(run, files, runner.translation, &identity)?;

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
        match self.emulator.as_ref().filter(|_| call.emulated) {
            // The kernel would look for it in the host's root.
            None if matches!(files, Files::Apart(_)) => {
                Err(Error::not_in_system(call.path.to_bytes(), Errno::ENOEXEC))
            }
            None => {
                let errno = sys::execve(call.path, &arguments, &environment);
                Err(Error::not_in_system(call.path.to_bytes(), errno))
            }
            Some(emulator) => {
                let errno =
                    sys::execveat_name(emulator.directory.at(), emulator.name, &arguments, &environment);
                Err(match runner.translation {
                    Translation::UsersEmulator => Error::bad_emulator(runner.emulator.to_bytes(), errno),
                    _ => Error::cannot_execute(runner.emulator.to_bytes(), errno),
                })
            }
        }
    }
}

/// Which kind of system the variant is.
pub fn kind(run: &Run<'_>) -> Root {
    let found = run.manifest.rules(run.route.variant().rules).find_map(|rule| rule.root());
    found.unwrap_or(Root::System)
}

/// The working directory: the user's, the rules', the caller's where the system is a machine's, else the home
/// of the user inside.
fn stand(
    run: &Run<'_>,
    files: &mut Files,
    root: Root,
    identity: &Identity<'_>,
    caller: Option<&CStr>,
) -> Result<(), Error> {
    if let Some(named) = run.controls.workdir {
        if named.to_bytes().first() != Some(&b'/') {
            let takes = "it takes the absolute path of a directory in the system";
            return Err(Error::bad_control(b"WORKDIR", named.to_bytes(), takes));
        }
        return files.enter(named).map_err(|errno| Error::no_directory(named.to_bytes(), errno));
    }
    if let Some(named) = call::directory(run) {
        // An image's need not be there.
        return files.make_and_enter(named).map_err(|errno| Error::no_directory(named, errno));
    }
    let caller = caller.filter(|_| root == Root::System);
    let entered = caller.is_some_and(|directory| files.enter(directory).is_ok());
    let home = c_string(&[identity.home]);
    if !entered && (root == Root::Image || files.enter(home).is_err()) {
        files.enter(c"/")?;
    }
    Ok(())
}
