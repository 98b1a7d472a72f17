//! `UNIBIN_LOG=1`: one line per step on standard error.

use alloc::vec::Vec;

use crate::bytes::{fill, lines, name};
use crate::sys;

/// Whether steps are printed.
#[derive(Clone, Copy)]
pub struct Log {
    /// `UNIBIN_LOG`
    pub on: bool,
}

impl Log {
    /// Prints one step. The template is filled here, so that a silent run pays nothing for it.
    pub fn step(self, template: &str, values: &[&[u8]]) {
        if self.on {
            // If standard error is closed, there is nowhere else to report to.
            let values: Vec<&[u8]> = values.iter().map(|value| name(value)).collect();
            let _ = sys::stderr(lines(fill(template, &values)));
        }
    }
}
