//! unibin's own emulators, called by hand, and what they run.

use std::path::PathBuf;

use bundle::Arch;

use crate::pack::pack;
use crate::sandbox::Sandbox;
use crate::zig::{compile, own};

/// unibin's own emulator of programs for `target`, on this machine.
pub fn own_emulator(sandbox: &Sandbox, target: Arch) -> PathBuf {
    let only = ["--emulator-only", "--offline", "--target", target.name(), "--hosts", "x86_64"];
    let bundle = sandbox.copy(&pack(&[&only[..], &["--level", "1"]].concat()), target.name());
    let directory = sandbox.at(format!("emulator of {target}"));
    let extract = [("UNIBIN_DO", "extract".as_ref()), ("UNIBIN_TO", directory.as_os_str())];
    Sandbox::finish(sandbox.command(&bundle).envs(extract)).must_succeed();
    directory.join(format!("qemu-{}", target.qemu_name()))
}

/// A program of `tests/programs` for `target`. Wants zig.
pub fn own_program(sandbox: &Sandbox, name: &str, target: Arch) -> PathBuf {
    let compiled = compile(name, &[own(&format!("{name}.c"))], target).expect("zig");
    sandbox.copy(&compiled, format!("{name}-{target}"))
}
