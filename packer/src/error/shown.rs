//! Names and kinds of files as messages have them.

use std::fs::FileType;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use bundle::Shown;

/// A name as shown in messages and lists: on one line, by the rule of crate `bundle`.
pub(crate) fn readable(bytes: &[u8]) -> String {
    Shown(bytes).to_string()
}

/// A path, likewise.
pub(crate) fn shown(path: &Path) -> String {
    readable(path.as_os_str().as_bytes())
}

/// What something is that is not a regular file.
pub(crate) fn kind_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a fifo"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "a special file"
    }
}
