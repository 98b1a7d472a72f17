//! Becoming another program, and ending.
//!
//! The lists are checked by construction: [`Argv`] is always terminated and keeps what it points to alive.

use super::call::call;
use super::fork::{ended, fork};
use super::{At, Errno, Fd, OFlags, openat};
use alloc::ffi::CString;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::{CStr, c_char};
use core::marker::PhantomData;
use core::ptr;
use linux_raw_sys::general as raw;

/// A list of strings as execve(2) takes it, for arguments or environment.
#[derive(Debug)]
pub struct Argv<'a> {
    /// Ends with the null that the kernel stops at, always.
    pointers: Vec<*const c_char>,
    /// Strings that the list itself keeps; moving a `CString` does not move its bytes.
    owned: Vec<CString>,
    borrowed: PhantomData<&'a CStr>,
}

impl<'a> Argv<'a> {
    /// The empty list.
    pub fn new() -> Self {
        Self { pointers: vec![ptr::null()], owned: Vec::new(), borrowed: PhantomData }
    }

    /// Adds a string that outlives the list.
    pub fn push(&mut self, string: &'a CStr) {
        self.push_pointer(string.as_ptr());
    }

    /// Adds a string that the list keeps.
    pub fn push_owned(&mut self, string: CString) {
        self.push_pointer(string.as_ptr());
        self.owned.push(string);
    }

    /// How many strings.
    pub fn len(&self) -> usize {
        self.pointers.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The strings in their order.
    pub fn iter(&self) -> impl Iterator<Item = &CStr> {
        // SAFETY: every pointer but the last is to a string that `self` owns or borrows.
        self.pointers[..self.len()].iter().map(|&pointer| unsafe { CStr::from_ptr(pointer) })
    }

    fn push_pointer(&mut self, pointer: *const c_char) {
        let last = self.pointers.len() - 1;
        self.pointers[last] = pointer;
        self.pointers.push(ptr::null());
    }

    fn argument(&self) -> usize {
        self.pointers.as_ptr() as usize
    }
}

impl Default for Argv<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a> Extend<&'a CStr> for Argv<'a> {
    fn extend<T: IntoIterator<Item = &'a CStr>>(&mut self, strings: T) {
        strings.into_iter().for_each(|string| self.push(string));
    }
}

/// Becomes the program at `path`. Returns only on failure.
pub fn execve(path: &CStr, argv: &Argv<'_>, envp: &Argv<'_>) -> Errno {
    let arguments = [path.as_ptr() as usize, argv.argument(), envp.argument()];
    // SAFETY: `path` is NUL-terminated, both lists end in a null and their strings are alive.
    failure(unsafe { call(raw::__NR_execve, arguments) })
}

/// Becomes the program that `file` is. Returns only on failure. Linux 3.19. A file in memory must have been
/// kept across exec if it is a script.
pub fn execveat(file: &Fd, argv: &Argv<'_>, envp: &Argv<'_>) -> Errno {
    let path = c"".as_ptr() as usize;
    let arguments = [file.argument(), path, argv.argument(), envp.argument(), raw::AT_EMPTY_PATH as usize];
    // SAFETY: the path is NUL-terminated, both lists end in a null and their strings are alive.
    failure(unsafe { call(raw::__NR_execveat, arguments) })
}

/// Becomes the program called `name` in a directory, also where no path leads to that any longer: the process
/// is called by this name. Returns only on failure.
#[cfg(feature = "children")]
pub fn execveat_name(directory: At<'_>, name: &CStr, argv: &Argv<'_>, envp: &Argv<'_>) -> Errno {
    let arguments = [directory.argument(), name.as_ptr() as usize, argv.argument(), envp.argument(), 0];
    // SAFETY: `name` is NUL-terminated, both lists end in a null and their strings are alive.
    failure(unsafe { call(raw::__NR_execveat, arguments) })
}

/// Executes a program in a child whose standard streams lead nowhere, waits for it, and gives its status as
/// wait(2) does: 0 when it ended with code 0. [`NOT_EXECUTED`] when it did not start. `ECHILD` when the
/// caller's caller ignores its children.
pub fn ending(path: &CStr, argv: &Argv<'_>, envp: &Argv<'_>) -> Result<u32, Errno> {
    // No signal at its end, so that the program that we become has none waiting.
    let Some(pid) = fork()? else {
        for number in 0..3 {
            // SAFETY: no pointers; what the parent has open stays open there.
            let _ = unsafe { call(raw::__NR_close, [number]) };
            if let Ok(nowhere) = openat(At::CWD, c"/dev/null", OFlags::READ_WRITE, 0) {
                let _ = nowhere.keep_across_exec();
                nowhere.leak();
            }
        }
        execve(path, argv, envp);
        exit(NOT_EXECUTED >> 8);
    };
    ended(pid)
}

/// The status of a child that ended with code 126.
pub const NOT_EXECUTED: i32 = 126 << 8;

/// A return from exec is a failure; were it ever none, the call is not there.
fn failure(result: Result<usize, Errno>) -> Errno {
    result.err().unwrap_or(Errno::ENOSYS)
}

/// Ends the process. The caller of `wait` sees the low eight bits of `code`.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: no pointers. Does not return; the loop is for the type.
        let _ = unsafe { call(raw::__NR_exit_group, [code as usize]) };
    }
}
