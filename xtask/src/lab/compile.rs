//! The lab's own C programs for a CPU, by the compiler of the tests.

use std::path::PathBuf;

use anyhow::{Context, Result};
use bundle::Arch;

/// The static program `name` of `guest/`: `as` becomes a user, see its first lines; `pages` can do what a
/// program that believes in pages of 4 KiB can do.
pub(crate) fn compile(name: &str, cpu: Arch) -> Result<PathBuf> {
    let source = crate::workspace().join(format!("xtask/src/lab/guest/{name}.c"));
    end_to_end::compile(name, &[source], cpu).context("there is no C compiler")
}
