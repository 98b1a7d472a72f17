//! Who traces this process: some tracers change what it can do, or what becomes of it.

use crate::bytes::{c_string, zeroed};
use crate::sys::{self, At, OFlags};

/// The name of the process that traces this one.
pub fn tracer() -> Option<&'static [u8]> {
    let read = |path, buffer: &'static mut [u8]| -> Option<&'static [u8]> {
        let length = sys::openat(At::CWD, path, OFlags::READ, 0).and_then(|file| file.read(buffer)).ok()?;
        buffer.get(..length)
    };
    // proc_pid_status(5): the eighth of its lines.
    let status = read(c"/proc/self/status", zeroed(1024))?;
    let tracer = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"TracerPid:\t"))?;
    read(c_string(&[b"/proc/", tracer, b"/comm"]), zeroed(64))
}

/// Whether that is proot, which executes programs in its own way and ends with the exit code of whatever ends
/// last.
pub fn is_proot() -> bool {
    tracer().is_some_and(|name| name.starts_with(b"proot"))
}
