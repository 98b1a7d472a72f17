//! Every message that the launcher can end with, in one place: what is wrong, with which file, what to try.
//! Built by joining byte strings: paths are bytes, and `core::fmt` would double the launcher's size.

use alloc::boxed::Box;

use bundle::{EmulatorKey, FormatError, Part};

use crate::bytes::{join, printable};
use crate::sys::Errno;

/// Exit code of our own failures (the convention of env(1), timeout(1), chroot(1)).
pub const EXIT_OURS: i32 = 125;
/// Exit code when the program is found but cannot be executed here.
pub const EXIT_CANNOT_EXECUTE: i32 = 126;
/// Exit code when the program is not found.
pub const EXIT_NOT_FOUND: i32 = 127;

/// A failure. Most end the run; one that [`Error::next_candidate_may_do`] only rules out a folder. One pointer wide:
/// results come back in registers, which makes the launcher a quarter smaller.
#[derive(Clone, Copy)]
pub struct Error(&'static Failure);

/// In place of an exit code: the failure is a candidate's.
const OF_CANDIDATE: i32 = 0;

struct Failure {
    code: i32,
    text: &'static [u8],
    hint: &'static [u8],
}

impl Error {
    #[inline(never)]
    fn new(code: i32, parts: &[&[u8]], hint: &'static str) -> Self {
        Self(Box::leak(Box::new(Failure { code, text: join(parts), hint: hint.as_bytes() })))
    }

    /// This folder does not serve, for this reason.
    pub fn of_candidate(why: &[&[u8]]) -> Self {
        Self::new(OF_CANDIDATE, why, "")
    }

    /// Whether only this folder is ruled out.
    pub fn next_candidate_may_do(self) -> bool {
        self.0.code == OF_CANDIDATE
    }

    /// What is wrong, without prefix and hint.
    pub fn text(self) -> &'static [u8] {
        self.0.text
    }

    /// The exit code.
    pub fn code(self) -> i32 {
        self.0.code
    }

    /// The lines for standard error, with their prefix and line feeds.
    pub fn lines(self) -> &'static [u8] {
        let Failure { text, hint, .. } = self.0;
        let message = join(&[b"unibin: ", text, b"\n"]);
        let lines = if hint.is_empty() { message } else { join(&[message, b"unibin: hint: ", hint, b"\n"]) };
        printable(lines)
    }

    /// The launcher was started by hand.
    pub fn no_bundle() -> Self {
        Self::new(
            EXIT_OURS,
            &[b"this is the launcher inside a bundle; it is started by the bundle"],
            "run the bundle itself, or `launcher BUNDLE NAME [ARGUMENT...]`",
        )
    }

    /// `AT_SECURE` is set: a set-user-ID or set-group-ID start, or file capabilities.
    pub fn secure_start() -> Self {
        Self::new(
            EXIT_OURS,
            &[b"refusing to start with the rights of another user (set-user-ID, set-group-ID or file capabilities)"],
            "remove these bits from the file: a bundle takes its cache folder from the environment",
        )
    }

    /// A `UNIBIN_*` variable has a value that means nothing.
    pub fn bad_control(name: &[u8], value: &[u8], hint: &'static str) -> Self {
        Self::new(EXIT_OURS, &[b"unknown value for ", name, b": `", value, b"`"], hint)
    }

    /// The bundle cannot be opened or read.
    pub fn cannot_read(path: &[u8], errno: Errno) -> Self {
        Self::new(
            EXIT_OURS,
            &[b"cannot read the bundle `", path, b"`: ", errno.text().as_bytes()],
            "a bundle must be readable, not only executable, by the user who runs it",
        )
    }

    /// The bundle is not a regular file.
    pub fn not_a_file(path: &[u8]) -> Self {
        Self::new(EXIT_OURS, &[b"`", path, b"` is not a regular file"], "")
    }

    /// The bytes are not a bundle of this version.
    pub fn format(path: &[u8], error: FormatError) -> Self {
        let part = match error {
            FormatError::NoFooter | FormatError::FileLength | FormatError::Version(_) => Part::Footer,
            FormatError::UnknownFlag(part)
            | FormatError::UnknownKind(part)
            | FormatError::OutOfBounds(part)
            | FormatError::Length(part) => part,
            FormatError::Reference | FormatError::Overlap | FormatError::Name => Part::Manifest,
        };
        let part = part.name().as_bytes();
        Self::new(
            EXIT_OURS,
            &[b"the bundle `", path, b"` is damaged in its ", part, b": ", error.text().as_bytes()],
            "copy it again and compare its size and checksum with the original",
        )
    }

    /// A digest differs. `part` names the part as people know it.
    pub fn damaged(path: &[u8], part: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            &[b"the bundle `", path, b"` is damaged: the checksum of its ", part, b" does not match"],
            "copy it again and compare its size and checksum with the original",
        )
    }

    /// The app's tar holds something that the format does not allow.
    pub fn bad_tree(path: &[u8], member: &[u8], why: &str) -> Self {
        Self::new(
            EXIT_OURS,
            &[b"the bundle `", path, b"` holds an impossible file: `", member, b"`: ", why.as_bytes()],
            "it was not written by unibin, or it was changed",
        )
    }

    /// No variant of the app runs here.
    pub fn no_route(key: EmulatorKey, inside: &[u8]) -> Self {
        let (target, host) = (key.target.name().as_bytes(), key.host.name().as_bytes());
        Self::new(
            EXIT_CANNOT_EXECUTE,
            &[
                b"this bundle holds a program for ",
                target,
                b" and no emulator that runs it on ",
                host,
                b" (hosts with one: ",
                inside,
                b")",
            ],
            "pack it again with `--hosts` naming this CPU, or give an emulator with UNIBIN_EMULATOR=FILE",
        )
    }

    /// No translator passed its probe; the last one is named.
    pub fn none_works(name: &[u8]) -> Self {
        Self::new(
            EXIT_CANNOT_EXECUTE,
            &[b"the emulator `", name, b"` does not work on this machine, and no other is inside"],
            "give an emulator with UNIBIN_EMULATOR=FILE",
        )
    }

    /// The route that was asked for does not exist in this bundle.
    pub fn no_such_route(route: &[u8], host: &[u8]) -> Self {
        Self::new(
            EXIT_CANNOT_EXECUTE,
            &[b"UNIBIN_ROUTE asks for the route `", route, b"`, which this bundle does not have on ", host],
            "unset UNIBIN_ROUTE, or see UNIBIN_DO=info",
        )
    }

    /// `UNIBIN_ENTRY` names no program of the bundle.
    pub fn no_entry(name: &[u8], inside: &[u8]) -> Self {
        Self::new(
            EXIT_NOT_FOUND,
            &[b"this bundle has no entry named `", name, b"` (it has: ", inside, b")"],
            "set UNIBIN_ENTRY to one of these, or unset it",
        )
    }

    /// The emulator that the user named cannot be executed.
    pub fn bad_emulator(path: &[u8], errno: Errno) -> Self {
        let code = if errno == Errno::ENOENT { EXIT_NOT_FOUND } else { EXIT_CANNOT_EXECUTE };
        Self::new(
            code,
            &[b"cannot execute UNIBIN_EMULATOR `", path, b"`: ", errno.text().as_bytes()],
            "it must be the path of an emulator built for this CPU",
        )
    }

    /// The kernel refuses to execute, for a reason that no other folder mends.
    pub fn cannot_execute(name: &[u8], errno: Errno) -> Self {
        let hint = match errno {
            Errno::E2BIG => "arguments and environment together are limited by `ulimit -s`",
            Errno::ENOEXEC => "this kernel does not run the program inside for this CPU",
            _ => "",
        };
        Self::new(EXIT_CANNOT_EXECUTE, &[b"cannot execute `", name, b"`: ", errno.text().as_bytes()], hint)
    }

    /// No candidate for the cache works. `tried` is a list of paths, each with its reason.
    pub fn no_cache(tried: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            &[b"no folder lets me write and execute:", tried],
            "set UNIBIN_CACHE to a folder of yours on a file system with room, mounted without noexec",
        )
    }

    /// `UNIBIN_DO=extract` cannot write.
    pub fn cannot_write(path: &[u8], why: &[u8]) -> Self {
        Self::new(
            EXIT_OURS,
            &[b"cannot write `", path, b"`: ", why],
            "name a folder that does not exist yet with UNIBIN_TO=FOLDER",
        )
    }
}

/// A system call that fails rules out the folder that it was about; whoever knows better says so.
impl From<Errno> for Error {
    #[inline(never)]
    fn from(errno: Errno) -> Self {
        Self::of_candidate(&[errno.text().as_bytes()])
    }
}
