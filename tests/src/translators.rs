//! Translators of the user's own.

use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::sandbox::Sandbox;
use crate::smallest::smallest;

/// A row of `emulators.toml` for programs of `target` on `x86_64`, of which `more` is said.
pub fn translator_row(target: Arch, name: &str, version: &str, program: &Path, more: &str) -> String {
    format!(
        "[[translator]]\nhost = \"x86_64\"\ntarget = \"{target}\"\nname = \"{name}\"\nversion = \"{version}\"\n\
         program = \"{}\"\n{more}\n",
        program.display()
    )
}

/// A program that is no emulator: it ends with code 42, whatever it is asked.
pub fn broken_emulator(sandbox: &Sandbox) -> PathBuf {
    sandbox.write("broken", &smallest(Arch::X86_64).elf())
}
