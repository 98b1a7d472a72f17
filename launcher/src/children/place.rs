//! Where the file of an execve lies, as the thread that calls it sees it: from its working directory, its
//! root and its descriptors; and the tree's file where the tree has one of that path.

use bundle::PATH_MAX;

use super::scratch::{Digits, Scratch};
use crate::proc;
use crate::sys::trace::Memory;
use crate::sys::{self, At, Errno, Fd, Follow, OFlags};

/// `AT_EMPTY_PATH` and `AT_SYMLINK_NOFOLLOW` of `<linux/fcntl.h>`.
const EMPTY_PATH: u32 = 0x1000;
const NO_FOLLOW: u32 = 0x100;

/// Files by the paths of other processes.
#[derive(Default)]
pub struct Place {
    /// The file for us.
    pub view: Scratch,
    /// The file for the thread that executes it.
    pub name: Scratch,
    /// Whether it is the tree's, where another path was asked for.
    pub mapped: bool,
    /// Whether the thread has it open under no name, by a descriptor that the execution closes: whoever would
    /// open it afterwards does not find it.
    pub closes: bool,
    process: Scratch,
    /// The directory that the call begins in, opened by this process.
    directory: Option<Fd>,
    /// Whether that closes when the thread executes a program.
    directory_closes: bool,
    base: Scratch,
    link: Link,
}

/// The memory of a traced thread.
pub fn memory_of(thread: u32) -> Result<Memory, Errno> {
    Memory::open(crate::bytes::c_str(&path_of(thread, b"/mem")))
}

/// The path of a thread's file below `/proc`, with its NUL, without an allocation. `name` has at most 15
/// bytes.
pub fn path_of(thread: u32, name: &[u8]) -> [u8; 32] {
    // The longest number is of 10 digits.
    let mut path = [0; 32];
    let digits = Digits::of(thread);
    let parts: [&[u8]; 3] = [b"/proc/", digits.bytes(), name];
    let bytes = parts.iter().flat_map(|part| part.iter());
    path.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    path
}

/// What a symbolic link says, in a buffer that is used again.
struct Link(&'static mut [u8]);

impl Default for Link {
    fn default() -> Self {
        Self(crate::bytes::zeroed(PATH_MAX))
    }
}

impl Place {
    /// Begins with the calls of another thread.
    pub fn of_thread(&mut self, number: u32) {
        self.process.join(&[b"/proc/", Digits::of(number).bytes()]);
    }

    /// Begins with the calls of another thread, whose working directory and open directory `directory` this
    /// process takes for its own before it loses the right to look at them. `None` where it cannot see
    /// everything as the thread does.
    pub fn as_thread(&mut self, directory: i32) -> Option<()> {
        self.base.join(&[self.process.bytes(), b"/root"]);
        if !has_our_root(&self.base) {
            return None;
        }
        self.base.join(&[self.process.bytes(), b"/cwd"]);
        sys::chdir(self.base.c_str()).ok()?;
        if directory != sys::CURRENT_DIRECTORY {
            self.base.join(&[self.process.bytes(), b"/fd/", Digits::of(directory.unsigned_abs()).bytes()]);
            self.directory = Some(sys::openat(At::CWD, self.base.c_str(), OFlags::PATH, 0).ok()?);
            self.view.join(&[self.base.bytes()]);
            self.directory_closes = self.closes_on_exec();
        }
        Some(())
    }

    /// From here on, this process stands for the thread.
    pub fn of_self(&mut self) {
        self.process.join(&[b"/proc/self"]);
    }

    /// The directory of the thread below `/proc`.
    pub fn process(&self) -> &[u8] {
        self.process.bytes()
    }

    /// Finds the file that `path` means; `None` where the kernel's own answer is the right one.
    pub fn find(&mut self, tree: &[u8], dir: i32, path: &[u8], flags: u32) -> Option<()> {
        (self.mapped, self.closes) = (false, false);
        let process = self.process.bytes();
        if path.first() == Some(&b'/') {
            if let Some((directory, rest)) = magic(path) {
                self.view.join(&[process, directory, rest]);
                return self.named_by_link(path);
            }
            let within =
                |directory: &[u8]| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"));
            if !tree.is_empty() && !within(tree) {
                self.view.join(&[tree, path]);
                if is_file(&self.view) {
                    self.name.join(&[self.view.bytes()]);
                    self.mapped = true;
                    return Some(());
                }
            }
            self.base.join(&[process, b"/root"]);
            let root = if has_our_root(&self.base) { &b""[..] } else { self.base.bytes() };
            self.view.join(&[root, path]);
            self.name.join(&[path]);
        } else {
            let at_directory = dir == sys::CURRENT_DIRECTORY;
            let opened = self.directory.as_ref().map_or(dir, Fd::raw);
            let (digits, theirs) = (Digits::of(opened.unsigned_abs()), Digits::of(dir.unsigned_abs()));
            let (directory, number): (&[u8], &[u8]) =
                if at_directory { (b"/cwd", b"") } else { (b"/fd/", digits.bytes()) };
            self.base.join(&[process, directory, number]);
            if path.is_empty() {
                if at_directory || flags & EMPTY_PATH == 0 {
                    return None;
                }
                self.view.join(&[self.base.bytes()]);
                self.base.join(&[b"/proc/self/fd/", theirs.bytes()]);
                let own = core::mem::take(&mut self.base);
                let found = self.named_by_link(own.bytes());
                self.base = own;
                return found;
            }
            self.view.join(&[self.base.bytes(), b"/", path]);
            if at_directory {
                self.name.join(&[path]);
            } else {
                let directory = self.link.read(&self.base).ok()?;
                self.name.join(&[directory, b"/", path]);
            }
        }
        let is_link =
            || sys::statat(At::CWD, self.view.c_str(), Follow::No).is_ok_and(|stat| stat.is_symlink());
        (flags & NO_FOLLOW == 0 || !is_link()).then_some(())
    }

    /// An open or running file: by its path where it still has one, else by `path`.
    fn named_by_link(&mut self, path: &[u8]) -> Option<()> {
        let stat = sys::statat(At::CWD, self.view.c_str(), Follow::Yes).ok()?;
        let target = self.link.read(&self.view).unwrap_or_default();
        self.name.join(&[target]);
        let same =
            sys::statat(At::CWD, self.name.c_str(), Follow::Yes).is_ok_and(|there| there.same_file(&stat));
        if !same {
            self.name.join(&[path]);
            self.closes =
                if self.directory.is_some() { self.directory_closes } else { self.closes_on_exec() };
        }
        Some(())
    }

    /// Whether the file of `view` is open by a descriptor that an execution closes (`proc_pid_fdinfo(5)`).
    fn closes_on_exec(&mut self) -> bool {
        const FLAG: u32 = 0o200_0000;
        let rest = self.view.bytes().strip_prefix(self.process.bytes());
        let Some(number) = rest.and_then(|rest| rest.strip_prefix(b"/fd/")) else { return false };
        self.base.join(&[self.process.bytes(), b"/fdinfo/", number]);
        let mut text = [0; 128];
        let text = proc::read(self.base.c_str(), &mut text).unwrap_or_default();
        let digits = proc::line(text, b"flags:").unwrap_or_default();
        let digit = |number: u32, digit: &u8| number << 3 | u32::from(digit & 7);
        digits.iter().fold(0, digit) & FLAG != 0
    }
}

impl Link {
    fn read(&mut self, path: &Scratch) -> Result<&[u8], Errno> {
        let length = sys::readlink_into(path.c_str(), self.0)?;
        Ok(self.0.get(..length).unwrap_or_default())
    }
}

/// A path through the caller's own process: the directory below `/proc/NUMBER`, and the rest.
fn magic(path: &[u8]) -> Option<(&'static [u8], &[u8])> {
    const WAYS: [(&[u8], &[u8]); 6] = [
        (b"/proc/self/", b"/"),
        (b"/proc/thread-self/", b"/"),
        (b"/dev/fd/", b"/fd/"),
        (b"/dev/stdin", b"/fd/0"),
        (b"/dev/stdout", b"/fd/1"),
        (b"/dev/stderr", b"/fd/2"),
    ];
    WAYS.iter().find_map(|(way, directory)| path.strip_prefix(*way).map(|rest| (*directory, rest)))
}

fn is_file(path: &Scratch) -> bool {
    sys::statat(At::CWD, path.c_str(), Follow::Yes).is_ok_and(|stat| stat.is_file())
}

fn has_our_root(root: &Scratch) -> bool {
    let stat = |path| sys::statat(At::CWD, path, Follow::Yes);
    match (stat(root.c_str()), stat(c"/")) {
        (Ok(theirs), Ok(ours)) => theirs.same_file(&ours),
        _ => true,
    }
}
