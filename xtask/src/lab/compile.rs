//! The lab's own C programs for a CPU, by the compiler of the tests, and kept by the digest of their sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use debian::digest;

use super::archive::appear;

/// Becomes a user: see its first lines.
pub(crate) const AS: (&str, &str) = ("as", include_str!("guest/as.c"));
/// What a program that believes in pages of 4 KiB can do.
pub(crate) const PAGES: (&str, &str) = ("pages", include_str!("guest/pages.c"));

/// The program, static.
pub(crate) fn compile((name, source): (&str, &str), cpu: Arch, directory: &Path) -> Result<PathBuf> {
    let key = &digest::of(source.as_bytes()).to_string()[..16];
    let directory = directory.join(format!("{}-{key}", cpu.name()));
    let program = directory.join(name);
    if program.exists() {
        return Ok(program);
    }
    let triple = match cpu {
        Arch::Armv7 => "arm-linux-musleabihf".to_owned(),
        Arch::I686 => "x86-linux-musl".to_owned(),
        Arch::Riscv64 => "riscv64-linux-musl".to_owned(),
        other => {
            let name = other.rust_target().and_then(|name| name.split('-').next()).unwrap_or(other.name());
            format!("{name}-linux-musl")
        }
    };
    fs::create_dir_all(&directory)?;
    let file = directory.join(format!("{name}.c"));
    fs::write(&file, source)?;
    let target = crate::workspace().join("target");
    appear(&program, |new| {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", target.join("tools")).args(["-m", "ziglang", "cc", "-target", &triple]);
        for cache in ["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"] {
            command.env(cache, target.join("end-to-end/zig"));
        }
        let compiled = command.args(["-static", "-O1", "-s", "-o"]).arg(new).arg(&file).status();
        ensure!(compiled.context("cannot run python3")?.success(), "`{}` does not compile", file.display());
        Ok(())
    })?;
    Ok(program)
}
