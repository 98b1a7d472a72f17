//! What is said where a program cannot be attended to because it has made itself opaque. The broker has no
//! standard error, and that of such a program cannot be opened: the program that has started it has one.

use super::place::path_of;
use crate::bytes::c_str;
use crate::error::Error;
use crate::{proc, sys};

/// More than the lines of a `/proc/NUMBER/status` up to the one that is looked for.
const STATUS: usize = 1024;

/// Says it of a thread's process, unless no program that this process traces has started it, or Linux before
/// 5.6 or a filter forbids to borrow a descriptor. Whether it was said.
pub fn say_of(thread: u32) -> bool {
    let standard_error = || {
        let parent = number(thread, b"PPid:")?;
        let ours = number(parent, b"TracerPid:")? == sys::getpid();
        if ours { sys::descriptor_of(parent, 2).ok() } else { None }
    };
    let Some(standard_error) = standard_error() else { return false };
    // It may be a pipe that is full.
    let written = sys::aside(|| {
        let _ = standard_error.write_all(Error::opaque().lines());
    });
    written.is_ok()
}

/// A number of a process's status (`proc_pid_status(5)`).
fn number(process: u32, name: &[u8]) -> Option<u32> {
    let path = path_of(process, b"/status");
    let mut status = [0; STATUS];
    let status = proc::read(c_str(&path), &mut status)?;
    u32::try_from(proc::number(proc::line(status, name)?)?).ok()
}
