//! Who traces this process: some tracers change what it can do, or what becomes of it.

use crate::bytes::{c_string, zeroed};
use crate::proc;

/// The name of the process that traces this one.
pub fn tracer() -> Option<&'static [u8]> {
    // proc_pid_status(5): the eighth of its lines.
    let tracer = proc::line(proc::read(c"/proc/self/status", zeroed(1024))?, b"TracerPid:")?;
    proc::read(c_string(&[b"/proc/", tracer, b"/comm"]), zeroed(64))
}

/// Whether that is proot, which executes programs in its own way and ends with the exit code of whatever ends
/// last.
pub fn is_proot() -> bool {
    tracer().is_some_and(|name| name.starts_with(b"proot"))
}
