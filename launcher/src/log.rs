//! `UNIBIN_LOG=1`: one line per step on standard error.

use crate::bytes::{join, printable};
use crate::sys;

/// Whether steps are printed.
#[derive(Clone, Copy)]
pub struct Log {
    /// `UNIBIN_LOG`
    pub on: bool,
}

impl Log {
    /// Prints one step. The parts are joined here, so that a silent run pays nothing for them.
    pub fn step(self, parts: &[&[u8]]) {
        if self.on {
            let line = printable(join(&[b"unibin: ", join(parts), b"\n"]));
            // Nobody is left to tell when standard error is closed.
            let _ = sys::stderr(line);
        }
    }
}
