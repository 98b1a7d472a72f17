//! Every message that the launcher can end with, in one place: what is wrong, with which file, what to try.
//! Templates filled with byte strings: paths are bytes, and `core::fmt` would double the launcher's size.

mod systems;

use bundle::{EmulatorKey, FormatError, Part};

use crate::bytes::{decimal, fill, join, keep, lines, name};
use crate::sys::Errno;

/// Exit code of our own failures (the convention of env(1), timeout(1), chroot(1)).
pub const EXIT_OURS: i32 = 125;
/// Exit code when the program is found but cannot be executed here.
pub const EXIT_CANNOT_EXECUTE: i32 = 126;
/// Exit code when the program is not found.
pub const EXIT_NOT_FOUND: i32 = 127;

/// What the allocator says before it ends the program: there is no memory to build a message in.
pub const NO_MEMORY: &[u8] = b"unibin: there is not enough memory\nunibin: hint: see `ulimit -a`\n";

/// A failure. Most end the run; one that [`Error::next_candidate_may_do`] only rules out a directory. One
/// pointer wide, so that results come back in registers.
#[derive(Clone, Copy)]
pub struct Error(&'static Failure);

/// In place of an exit code: the failure is a candidate's.
const OF_CANDIDATE: i32 = 0;

/// The cure for damage of any kind.
const COPY_AGAIN: &[u8] = b"\nhint: copy it again and compare its checksum with the original";

struct Failure {
    code: i32,
    text: &'static [u8],
}

/// What may help where namespaces are refused.
#[cfg(feature = "children")]
fn of_namespaces(errno: Errno) -> &'static [u8] {
    match errno {
        Errno::ENOSPC => {
            b"the limit is in `user.max_user_namespaces`; a sandbox (`bwrap --disable-userns`) sets it to 0"
        }
        Errno::ENOSYS | Errno::EINVAL => b"this kernel has none: it takes CONFIG_USER_NS and Linux 5.11",
        _ => {
            b"a container's filter, a chroot or `kernel.unprivileged_userns_clone=0` forbids it; \
              in Docker, `--security-opt seccomp=unconfined`"
        }
    }
}

/// What may help where they are allowed, and mounts in them are not.
#[cfg(feature = "children")]
const OF_MOUNTS: &[u8] =
    b"on Ubuntu, `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or an AppArmor \
                           profile that allows `userns` to this program";

impl Error {
    /// `template` may have several lines; see [`fill`].
    #[inline(never)]
    fn new(code: i32, template: &str, values: &[&[u8]]) -> Self {
        Self(keep(Failure { code, text: fill(template, values) }))
    }

    /// This directory does not serve, for this reason.
    pub fn of_candidate(why: &str, values: &[&[u8]]) -> Self {
        Self::new(OF_CANDIDATE, why, values)
    }

    /// Whether only this directory is ruled out.
    pub fn next_candidate_may_do(self) -> bool {
        self.0.code == OF_CANDIDATE
    }

    /// What is wrong, without the prefix of its lines.
    pub fn text(self) -> &'static [u8] {
        self.0.text
    }

    /// The exit code.
    pub fn code(self) -> i32 {
        self.0.code
    }

    /// The lines for standard error.
    pub fn lines(self) -> &'static [u8] {
        lines(self.0.text)
    }

    /// The launcher was started by hand.
    pub fn no_bundle() -> Self {
        Self::new(
            EXIT_OURS,
            "this is the launcher inside a bundle; it is started by the bundle\n\
             hint: run the bundle itself",
            &[],
        )
    }

    /// `AT_SECURE` is set: a set-user-ID or set-group-ID start, or file capabilities.
    pub fn secure_start() -> Self {
        Self::new(
            EXIT_OURS,
            "refusing to start with the rights of another user (set-user-ID, set-group-ID or file capabilities)\n\
             hint: remove these bits from the file",
            &[],
        )
    }

    /// The variable `UNIBIN_` and `name` has a value that means nothing.
    pub fn bad_control(variable: &[u8], value: &[u8], hint: &'static str) -> Self {
        Self::new(
            EXIT_OURS,
            "unknown value for UNIBIN_{}: `{}`\nhint: {}",
            &[variable, name(value), hint.as_bytes()],
        )
    }

    /// A control of the emulator's, where the app runs without one.
    pub fn only_emulated(variable: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "UNIBIN_{} works where the app is emulated, and here it runs natively\n\
             hint: use the machine's own gdb and strace",
            &[variable],
        )
    }

    /// Another start has been unpacking for a while. No end: this one waits for it.
    pub fn waiting(path: &[u8]) -> Self {
        Self::new(EXIT_OURS, "waiting for another start that unpacks into `{}` or cleans it", &[path])
    }

    /// What only the broker does: the bundle has none for this host.
    #[cfg(not(feature = "children"))]
    pub fn no_broker() -> Self {
        Self::new(
            EXIT_OURS,
            "this bundle has no broker for this CPU, which unpacks it\n\
             hint: pack it again; `unibin extract` unpacks it, and `unibin cache gc` cleans the cache",
            &[],
        )
    }

    /// Programs of the app's CPU that the app starts cannot run. A warning: the app runs all the same.
    #[cfg(feature = "children")]
    pub fn no_children(target: &[u8], why: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "child programs for {} cannot run here:{}\n\
             hint: allow one of these ways, or register emulators with the kernel (`unibin binfmt register`); \
             `UNIBIN_CHILDREN=none` turns this warning off",
            &[target, why],
        )
    }

    /// An app cannot have the view that it was packed with. A warning, unless it is not to run without.
    #[cfg(feature = "children")]
    pub fn no_view(namespaces: bool, errno: Errno, refused: bool) -> Self {
        let (takes, hint): (&[u8], _) = match errno {
            _ if namespaces => (b"a user namespace", of_namespaces(errno)),
            Errno::EACCES | Errno::EPERM => (b"mounts", OF_MOUNTS),
            _ => (b"mounts", b"it takes Linux 5.12, /proc, and a cache outside of what is laid over"),
        };
        let so: &[u8] = if refused { b"it is not started" } else { b"it sees the host's files" };
        Self::new(
            EXIT_OURS,
            "the app's view by mounts takes {}, refused here: {}: {}\n\
             hint: {}\n\
             hint: UNIBIN_VIEW=host runs it without",
            &[takes, errno.text(), so, hint],
        )
    }

    /// What the app changes is not kept: a warning, since it may be meant for what the app starts.
    #[cfg(feature = "children")]
    pub fn keeps_nothing(name: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "nothing of the app is kept as `{}`: no mounts of its own give it its view here\n\
             hint: UNIBIN_KEEP is for systems, emulated apps, and apps packed with `--view union`",
            &[name],
        )
    }

    /// A program below the app could not be executed, because the one that executes it cannot be looked into.
    #[cfg(feature = "children")]
    pub fn opaque() -> Self {
        Self::new(
            EXIT_OURS,
            "a program that has made itself opaque (PR_SET_DUMPABLE) cannot start programs of the app\n\
             hint: register emulators with the kernel (`unibin binfmt register`)",
            &[],
        )
    }

    /// What is in use cannot be found out.
    #[cfg(feature = "children")]
    pub fn no_processes(errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "nothing is removed: /proc does not show which programs are running: {}\n\
             hint: mount it, or remove the cache by hand while no bundle runs",
            &[errno.text()],
        )
    }

    /// The bundle cannot be opened or read.
    pub fn cannot_read(path: &[u8], errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            "cannot read the bundle `{}`: {}\n\
             hint: it must be readable, not only executable",
            &[name(path), errno.text()],
        )
    }

    /// The bundle is not a regular file.
    pub fn not_a_file(path: &[u8]) -> Self {
        Self::new(EXIT_OURS, "`{}` is not a regular file", &[name(path)])
    }

    /// The bytes are not a bundle of this version.
    pub fn format(path: &[u8], error: FormatError) -> Self {
        let part = match error {
            FormatError::NoFooter | FormatError::FileLength | FormatError::Version(_) => Part::Footer,
            FormatError::UnknownFlag(part)
            | FormatError::UnknownKind(part)
            | FormatError::OutOfBounds(part)
            | FormatError::Length(part) => part,
            FormatError::Order => Part::Signatures,
            FormatError::Reference
            | FormatError::Overlap
            | FormatError::Twice
            | FormatError::Root
            | FormatError::Name => Part::Manifest,
        };
        let part = part.name().as_bytes();
        Self::new(
            EXIT_OURS,
            "the bundle `{}` is damaged in its {}: {}{}",
            &[name(path), part, error.text().as_bytes(), COPY_AGAIN],
        )
    }

    /// A digest differs. `part` names the part as people know it.
    pub fn damaged(path: &[u8], part: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "the bundle `{}` is damaged: the checksum of its {} does not match{}",
            &[name(path), part, COPY_AGAIN],
        )
    }

    /// The app's tar holds something that the format does not allow.
    pub fn bad_tree(path: &[u8], member: &[u8], why: &str) -> Self {
        Self::new(
            EXIT_OURS,
            "the bundle `{}` holds an invalid file: `{}`: {}\n\
             hint: it was not written by unibin, or it was modified",
            &[name(path), name(member), why.as_bytes()],
        )
    }

    /// What another process has said.
    pub fn again(code: i32, text: &[u8]) -> Self {
        Self(keep(Failure { code, text: join(&[text]) }))
    }

    /// There is no memory to unpack anything.
    pub fn no_memory() -> Self {
        Self::new(
            EXIT_OURS,
            "there is not enough memory\nhint: see `ulimit -a` and the machine's free memory",
            &[],
        )
    }

    /// A process that helped to unpack did not come to its end.
    pub fn worker_killed() -> Self {
        Self::new(
            EXIT_OURS,
            "unpacking failed: one of the processes that unpack was killed\n\
             hint: start it again, with more free memory",
            &[],
        )
    }

    /// No variant of the app runs here.
    pub fn no_route(key: EmulatorKey, inside: &[u8]) -> Self {
        let (target, host) = (key.target.name().as_bytes(), key.host.name().as_bytes());
        Self::new(
            EXIT_CANNOT_EXECUTE,
            "this bundle holds a program for {} and no emulator that runs it on {} (hosts with one: {})\n\
             hint: pack it again with `--hosts` naming this CPU, or give an emulator with UNIBIN_EMULATOR=FILE",
            &[target, host, inside],
        )
    }

    /// No translator passed its probe; the last one is named.
    pub fn none_works(emulator: &[u8]) -> Self {
        Self::new(
            EXIT_CANNOT_EXECUTE,
            "the emulator `{}` does not work on this machine, and no other is inside\n\
             hint: give an emulator with UNIBIN_EMULATOR=FILE",
            &[name(emulator)],
        )
    }

    /// A translator that the kernel's pages are too large for.
    pub fn pages_too_large(emulator: &[u8], pages: &[u8], most: &[u8]) -> Self {
        Self::new(
            EXIT_CANNOT_EXECUTE,
            "the emulator `{}` does not work with this kernel's pages of {} bytes (at most {})\n\
             hint: boot a kernel with smaller pages, or give a newer one with UNIBIN_EMULATOR=FILE",
            &[name(emulator), pages, name(most)],
        )
    }

    /// The route that was asked for does not exist in this bundle.
    pub fn no_such_route(route: &[u8], host: &[u8]) -> Self {
        Self::new(
            EXIT_CANNOT_EXECUTE,
            "UNIBIN_ROUTE asks for the route `{}`, which this bundle does not have on {}\n\
             hint: unset UNIBIN_ROUTE, or see UNIBIN_DO=info",
            &[name(route), host],
        )
    }

    /// `UNIBIN_ENTRY` names no program of the bundle.
    pub fn no_entry(entry: &[u8], inside: &[u8]) -> Self {
        Self::new(
            EXIT_NOT_FOUND,
            "this bundle has no entry named `{}` (it has: {})\n\
             hint: set UNIBIN_ENTRY to one of these, or unset it",
            &[name(entry), name(inside)],
        )
    }

    /// The emulator that the user named cannot be executed.
    pub fn bad_emulator(path: &[u8], errno: Errno) -> Self {
        let code = if errno == Errno::ENOENT { EXIT_NOT_FOUND } else { EXIT_CANNOT_EXECUTE };
        Self::new(
            code,
            "cannot execute UNIBIN_EMULATOR `{}`: {}\n\
             hint: it must be the path of an emulator built for this CPU",
            &[name(path), errno.text()],
        )
    }

    /// The kernel refuses to execute, for a reason that is the same in every directory.
    pub fn cannot_execute(program: &[u8], errno: Errno) -> Self {
        let hint: &[u8] = match errno {
            Errno::E2BIG => b"\nhint: arguments and environment together are limited by `ulimit -s`",
            Errno::ENOEXEC => b"\nhint: this kernel does not run the program inside for this CPU",
            _ => b"",
        };
        Self::new(EXIT_CANNOT_EXECUTE, "cannot execute `{}`: {}{}", &[name(program), errno.text(), hint])
    }

    /// No candidate for the cache works. `tried` is a list of paths, each with its reason; `memory` is the
    /// reason of the last resort.
    pub fn no_cache(tried: &[u8], memory: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "no usable cache directory (it must be writable and not mounted noexec):{}\n  memory: {}\n\
             hint: set UNIBIN_CACHE to a directory of your own, on a file system with free space; \
             in a container, mount one (`--tmpfs /tmp:exec`)",
            &[tried, memory],
        )
    }

    /// No candidate can be ours: `proot -0` says to a process that it is root, but old ones let statx(2) say
    /// whose its files are.
    pub fn told_another_user(told: u32, user: u32) -> Self {
        Self::new(
            EXIT_OURS,
            "this process is told to be user {}, but is {} (proot -0): no directory seems to be its own\n\
             hint: start it without `-0`, or with a proot that knows statx(2)",
            &[decimal(told.into()), decimal(user.into())],
        )
    }

    /// What an earlier start has unpacked is no longer what the bundle holds.
    pub fn changed(entry: &[u8], file: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "the cache entry `{}` is damaged: `{}` is missing or was changed\n\
             hint: a start with UNIBIN_VERIFY=1 makes it anew",
            &[entry, file],
        )
    }

    /// `UNIBIN_DO=extract` cannot write.
    pub fn cannot_write(path: &[u8], why: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            "cannot write `{}`: {}\n\
             hint: name a directory that does not exist yet with UNIBIN_TO=DIR",
            &[name(path), name(why)],
        )
    }
}

/// A failed system call rules out the directory that it was about, unless the caller says otherwise.
impl From<Errno> for Error {
    #[inline(never)]
    fn from(errno: Errno) -> Self {
        Self::of_candidate("{}", &[errno.text()])
    }
}
