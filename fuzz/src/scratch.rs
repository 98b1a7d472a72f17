//! One file in memory per thread, for readers that need a path.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

thread_local! {
    static FILE: File =
        tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).expect("a temporary file");
}

/// A path to these bytes, valid until the next call.
pub(crate) fn file(bytes: &[u8]) -> PathBuf {
    FILE.with(|file| {
        file.write_all_at(bytes, 0).expect("room");
        file.set_len(bytes.len() as u64).expect("cut");
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    })
}
