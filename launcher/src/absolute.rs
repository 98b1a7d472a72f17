//! Paths that still mean the same file after the app has changed its working directory.

use core::ffi::CStr;

use crate::bytes::{c_string, decimal, join};
use crate::sys::{self, At};

/// The file that the kernel has executed.
pub const OWN: &CStr = c"/proc/self/exe";

/// `path` from the root. Where the working directory has no path (it was deleted), it stays as it was given.
pub fn absolute(path: &[u8]) -> &[u8] {
    // This one will mean the emulator once that runs.
    if path == OWN.to_bytes() {
        return sys::readlinkat(At::CWD, OWN).map_or(path, CStr::to_bytes);
    }
    if path.first() == Some(&b'/') {
        return path;
    }
    let path = path.strip_prefix(b"./").unwrap_or(path);
    match sys::getcwd().map(CStr::to_bytes) {
        // The root itself ends in a slash already.
        Ok(directory) => join(&[directory.strip_suffix(b"/").unwrap_or(directory), b"/", path]),
        Err(_) => path,
    }
}

/// How a file that this process has open is opened again, by it or by what it executes.
pub fn of_descriptor(number: i32) -> &'static CStr {
    c_string(&[b"/proc/self/fd/", decimal(u64::from(number.unsigned_abs()))])
}
