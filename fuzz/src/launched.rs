//! How the launcher's code is run: by itself, or with an allocator behind it that takes back what it never frees.

use std::sync::OnceLock;

/// Does its work, and afterwards frees what that has not freed.
pub type Once = fn(&mut dyn FnMut());

/// The launcher's code never frees what it takes, which is too much where it runs a million times: libFuzzer's program sets this.
pub static ONCE: OnceLock<Once> = OnceLock::new();

/// Runs the launcher's code.
pub(crate) fn launched(mut work: impl FnMut()) {
    match ONCE.get() {
        Some(once) => once(&mut work),
        None => work(),
    }
}
