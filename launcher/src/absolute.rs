//! Paths that still mean the same file after the app has changed its working folder.

use core::ffi::CStr;

use crate::bytes::join;
use crate::sys::{self, At};

/// `path` from the root. Where the working folder has no path (it was deleted), it stays as it was given.
pub fn absolute(path: &[u8]) -> &'static [u8] {
    // This one will mean the emulator once that runs.
    if path == b"/proc/self/exe" {
        let target = sys::readlinkat(At::CWD, c"/proc/self/exe");
        return join(&[target.map_or(path, CStr::to_bytes)]);
    }
    if path.first() == Some(&b'/') {
        return join(&[path]);
    }
    let path = path.strip_prefix(b"./").unwrap_or(path);
    match sys::getcwd() {
        Ok(folder) if folder.to_bytes() == b"/" => join(&[b"/", path]),
        Ok(folder) => join(&[folder.to_bytes(), b"/", path]),
        Err(_) => join(&[path]),
    }
}
