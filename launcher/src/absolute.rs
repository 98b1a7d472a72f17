//! Paths that still mean the same file after the app has changed its working folder.

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::sys::{self, At};

/// `path` from the root. Where the working folder has no path (it was deleted), it stays as it was given.
pub fn absolute(path: &[u8]) -> Vec<u8> {
    // This one will mean the emulator once that runs.
    if path == b"/proc/self/exe" {
        return sys::readlinkat(At::CWD, c"/proc/self/exe")
            .map_or_else(|_| path.to_vec(), CString::into_bytes);
    }
    if path.first() == Some(&b'/') {
        return path.to_vec();
    }
    let path = path.strip_prefix(b"./").unwrap_or(path);
    match sys::getcwd() {
        Ok(folder) if folder.as_bytes() == b"/" => [b"/", path].concat(),
        Ok(folder) => [folder.as_bytes(), b"/", path].concat(),
        Err(_) => path.to_vec(),
    }
}
