//! Paths that still mean the same file after the app has changed its working directory.

use core::ffi::CStr;

use crate::bytes::join;
use crate::sys::{self, At};

/// `path` from the root. Where the working directory has no path (it was deleted), it stays as it was given.
pub fn absolute(path: &[u8]) -> &[u8] {
    // This one will mean the emulator once that runs.
    if path == b"/proc/self/exe" {
        return sys::readlinkat(At::CWD, c"/proc/self/exe").map_or(path, CStr::to_bytes);
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
