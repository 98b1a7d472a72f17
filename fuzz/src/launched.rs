//! How the launcher's code is run: by itself, or with an allocator that reclaims what the code never frees.

use std::sync::OnceLock;

/// Runs the work, then frees what it has not freed.
pub type Once = fn(&mut dyn FnMut());

/// The launcher's code never frees memory, which adds up when it runs a million times: libFuzzer's program
/// sets this.
pub static ONCE: OnceLock<Once> = OnceLock::new();

/// Runs the launcher's code.
pub(crate) fn launched(mut work: impl FnMut()) {
    match ONCE.get() {
        Some(once) => once(&mut work),
        None => work(),
    }
}
