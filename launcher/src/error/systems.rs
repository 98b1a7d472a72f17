//! What a start of a system can end with.

#[cfg(not(feature = "children"))]
use super::EXIT_CANNOT_EXECUTE;
#[cfg(feature = "children")]
use super::EXIT_NOT_FOUND;
use super::Error;
#[cfg(feature = "children")]
use super::{EXIT_CANNOT_EXECUTE, EXIT_OURS, OF_MOUNTS, of_namespaces};
#[cfg(feature = "children")]
use crate::bytes::{join, name};
#[cfg(feature = "children")]
use crate::sys::Errno;
#[cfg(feature = "children")]
use bundle::cut;

impl Error {
    /// A system is started by the broker alone.
    #[cfg(not(feature = "children"))]
    pub fn no_system_broker(tried: &[u8]) -> Self {
        Self::new(
            EXIT_CANNOT_EXECUTE,
            "this bundle holds a system, and has no broker for this CPU that starts it:{}\n\
             hint: set UNIBIN_CACHE to a directory not mounted noexec, or pack it with `--hosts` naming this CPU; \
             `unibin extract` unpacks it",
            &[tried],
        )
    }

    /// What would rule out a directory alone is final once this process is in other namespaces.
    #[cfg(feature = "children")]
    #[must_use]
    pub fn ended(self) -> Self {
        if self.next_candidate_may_do() {
            Self::new(
                EXIT_OURS,
                "the system does not start: {}\nhint: set UNIBIN_CACHE to a directory with free space on ext4, xfs, btrfs or tmpfs",
                &[self.text()],
            )
        } else {
            self
        }
    }

    /// Its programs would see the old tree vanish.
    #[cfg(feature = "children")]
    pub fn not_made_anew() -> Self {
        Self::new(
            EXIT_OURS,
            "the system is running, so that its files are not made anew\n\
             hint: UNIBIN_VERIFY=1 makes them when all that runs in it has ended; UNIBIN_DO=verify compares them",
            &[],
        )
    }

    /// A system cannot have namespaces of its own.
    #[cfg(feature = "children")]
    pub fn no_namespaces(errno: Errno) -> Self {
        let hint = of_namespaces(errno);
        Self::new(
            EXIT_OURS,
            "a system needs a user namespace, which is refused here: {}\nhint: {}\n\
             hint: UNIBIN_DO=extract unpacks its files without one",
            &[errno.text(), hint],
        )
    }

    /// Mounts are refused in the namespaces that were allowed.
    #[cfg(feature = "children")]
    pub fn no_mounts(errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "a system needs mounts in its own namespace, which are refused here: {}\n\
             hint: {}\n\
             hint: UNIBIN_DO=extract unpacks its files without one",
            &[errno.text(), OF_MOUNTS],
        )
    }

    /// The overlay of tree and upper.
    #[cfg(feature = "children")]
    pub fn no_overlay(errno: Errno) -> Self {
        if matches!(errno, Errno::EACCES | Errno::EPERM) {
            return Self::no_mounts(errno);
        }
        let hint: &[u8] = match errno {
            Errno::ENODEV => b"`modprobe overlay` as root",
            Errno::ENOSPC => b"free some space, or set UNIBIN_CACHE to a directory with more",
            _ => b"set UNIBIN_CACHE to a directory on a disk (ext4, xfs, btrfs) or in memory; it takes Linux 5.11",
        };
        Self::new(EXIT_OURS, "cannot mount the system: {}\nhint: {}", &[errno.text(), hint])
    }

    /// Its own kind of emulator would do without namespaces.
    #[cfg(feature = "children")]
    #[must_use]
    pub fn without_own_emulator(self) -> Self {
        let hint =
            b"\nhint: a system of another CPU needs none under unibin's own emulators (`unibin hosts`), \
                     unless UNIBIN_VIEW=mounts";
        Self::again(self.code(), join(&[self.text(), hint]))
    }

    /// An emulator makes the root, and no mounts do, for this reason. No end: the system starts.
    #[cfg(feature = "children")]
    pub fn by_emulator(why: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "{}: the emulator alone makes the system the root, without mounts or programs of this CPU: {}",
            &[cut(why, b'\n').0, b"UNIBIN_VIEW=emulator does the same and says nothing"],
        )
    }

    /// What is kept is an upper, over which nothing can be mounted, for this reason.
    #[cfg(feature = "children")]
    pub fn kept_by_mounts(upper: &[u8], why: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "what is kept as `{}` was made with mounts, and takes them: {}\n\
             hint: UNIBIN_KEEP=other begins another one; UNIBIN_VIEW says which way is taken",
            &[name(upper), cut(why, b'\n').0],
        )
    }

    /// What is kept is a whole tree.
    #[cfg(feature = "children")]
    pub fn kept_whole(upper: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "what is kept as `{}` was made without mounts, by an emulator of unibin's own\n\
             hint: run it so, without UNIBIN_VIEW and UNIBIN_EMULATOR; or UNIBIN_KEEP=other begins another one",
            &[name(upper)],
        )
    }

    /// There is none that makes a directory the root.
    #[cfg(feature = "children")]
    pub fn no_own_emulator() -> Self {
        Self::new(
            EXIT_CANNOT_EXECUTE,
            "no emulator of unibin's own runs this system here, which alone makes it the root without mounts\n\
             hint: unset UNIBIN_VIEW, UNIBIN_EMULATOR and UNIBIN_ROUTE; `unibin hosts` lists those emulators",
            &[],
        )
    }

    /// Paths of what is open are not to be had.
    #[cfg(feature = "children")]
    pub fn no_path(errno: Errno) -> Self {
        Self::new(EXIT_OURS, "the system's directory has no path: {}\nhint: mount /proc", &[errno.text()])
    }

    /// The last step into a system.
    #[cfg(feature = "children")]
    pub fn no_root(errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "cannot make the system the root: {}\nhint: UNIBIN_DO=extract unpacks its files",
            &[errno.text()],
        )
    }

    /// A bind that the user has asked for.
    #[cfg(feature = "children")]
    pub fn no_bind(source: &[u8], target: &[u8], errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "cannot bind `{}` to `{}` in the system: {}\n\
             hint: see UNIBIN_BIND; a directory is bound to a directory, a file to a file",
            &[source, target, errno.text()],
        )
    }

    /// Mounts are those of the first start.
    #[cfg(feature = "children")]
    pub fn no_bind_in_running(upper: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "UNIBIN_BIND comes too late: the system on `{}` runs already\n\
             hint: end what runs in it, or start another one with UNIBIN_KEEP=NAME",
            &[name(upper)],
        )
    }

    /// Somebody holds an upper, and is not inside.
    #[cfg(feature = "children")]
    pub fn system_in_use(upper: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "what is kept as `{}` is in use by a start that cannot be joined\n\
             hint: wait for its end, or start another one with UNIBIN_KEEP=NAME",
            &[name(upper)],
        )
    }

    /// What is kept is in a directory that does not serve any longer.
    #[cfg(feature = "children")]
    pub fn kept_elsewhere(upper: &[u8], there: &[u8], here: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "what is kept as `{}` is in `{}`, which cannot be used now; what starts in `{}` begins without\n\
             hint: make that one writable again (UNIBIN_LOG=1 says why it is not used), or name the other one \
             with UNIBIN_CACHE",
            &[name(upper), name(there), name(here)],
        )
    }

    /// A running system cannot be entered.
    #[cfg(feature = "children")]
    pub fn cannot_join(errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "cannot join the mounts of the start that runs already: {}\n\
             hint: it takes Linux 5.8; start another one with UNIBIN_KEEP=NAME",
            &[errno.text()],
        )
    }

    /// The user whom a start asks for is not in the system.
    #[cfg(feature = "children")]
    pub fn no_user(user: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "the system has no user or group `{}`\n\
             hint: UNIBIN_USER takes NAME or NUMBER, and perhaps :GROUP, of its /etc/passwd and /etc/group",
            &[name(user)],
        )
    }

    /// A program that does not keep ids itself cannot run as this user.
    #[cfg(feature = "children")]
    pub fn cannot_become(user: &[u8], errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "cannot run as `{}` in the system: {}\nhint: unset UNIBIN_USER",
            &[name(user), errno.text()],
        )
    }

    /// The working directory that was asked for.
    #[cfg(feature = "children")]
    pub fn no_directory(directory: &[u8], errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "cannot enter the directory `{}` in the system: {}\n\
             hint: UNIBIN_WORKDIR takes another one",
            &[name(directory), errno.text()],
        )
    }

    /// A program of the system that is not there or cannot be executed, as a shell says it.
    #[cfg(feature = "children")]
    pub fn not_in_system(program: &[u8], errno: Errno) -> Self {
        let code = if errno == Errno::ENOENT { EXIT_NOT_FOUND } else { EXIT_CANNOT_EXECUTE };
        Self::new(
            code,
            "cannot run `{}` in the system: {}\n\
             hint: the first argument is a program of the system",
            &[name(program), errno.text()],
        )
    }
}
