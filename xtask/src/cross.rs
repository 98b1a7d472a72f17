//! `cargo xtask cross HOST...`: `unibin` itself for other hosts, as one static program each, by the C
//! compiler of the tests for the C parts and the toolchain's own linker. The builds of `unibin.toml`. It
//! installs nothing: the standard library of a target is rustup's to bring.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use end_to_end::cargo;

use crate::rust_src;
use crate::workspace::{target_directory, workspace};

/// The toolchain's own linker, with the C library that it has for targets of musl.
const LINKER: &str = "rust-lld";

pub(crate) fn run(arguments: &[String]) -> Result<()> {
    ensure!(!arguments.is_empty(), "`cross` wants the hosts to build for");
    let hosts = arguments.iter().map(|name| host(name)).collect::<Result<Vec<_>>>()?;
    for (arch, triple) in &hosts {
        let library = rust_src::sysroot()?.join("lib/rustlib").join(triple).join("lib");
        ensure!(
            library.is_dir(),
            "the toolchain has no standard library for {arch}: `rustup target add {triple}` (rustup has none for s390x)"
        );
    }
    crate::tools::run()?;
    for (arch, triple) in hosts {
        let program = build(arch, triple)?;
        println!("{arch}: `{}`", program.display());
    }
    Ok(())
}

fn host(name: &str) -> Result<(Arch, &'static str)> {
    let arch = Arch::from_name(name).filter(|arch| arch.is_host());
    let arch =
        arch.with_context(|| format!("`{name}` is no host: {}", Arch::HOSTS.map(Arch::name).join(", ")))?;
    Ok((arch, arch.rust_target().with_context(|| format!("no Rust target for {arch}"))?))
}

/// Builds it, and gives the program, `target/cross/HOST/unibin`: a bundle's entry has the file's name.
fn build(arch: Arch, triple: &str) -> Result<PathBuf> {
    let directory = target_directory().join("cross");
    let tools = directory.join("tools").join(arch.name());
    write_tools(&tools, triple)?;
    let own = rust_src::sysroot()?.join("lib/rustlib").join(rust_src::compiler_triple()?).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([own].into_iter().chain(std::env::split_paths(&path)))?;
    let variable = triple.replace('-', "_");
    let status = cargo()
        .args(["build", "--release", "--locked", "--package=unibin", "--target", triple, "--target-dir"])
        .arg(directory.join("build"))
        .env("PATH", path)
        .env(format!("CC_{variable}"), tools.join("cc"))
        .env(format!("AR_{variable}"), tools.join("ar"))
        .env(format!("CARGO_TARGET_{}_LINKER", variable.to_uppercase()), LINKER)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "`unibin` does not build for {arch}");
    let built = directory.join("build").join(triple).join("release/unibin");
    let place = directory.join(arch.name());
    fs::create_dir_all(&place).with_context(|| format!("cannot make `{}`", place.display()))?;
    let program = place.join("unibin");
    fs::copy(&built, &program).with_context(|| format!("cannot copy `{}`", built.display()))?;
    Ok(program)
}

/// The C compiler and the archiver under the names that build scripts call them by.
fn write_tools(directory: &Path, triple: &str) -> Result<()> {
    let zig = workspace().join("target/tools/ziglang/zig");
    let zig = zig.to_str().context("the workspace's path is not UTF-8")?.replace('\'', "'\\''");
    // zig has other names for some. What it would add to the code is in a library that its own linker adds.
    let target = match triple.replace("-unknown", "").as_str() {
        "i686-linux-musl" => "x86-linux-musl".to_owned(),
        "armv7-linux-musleabi" => "arm-linux-musleabi".to_owned(),
        "riscv64gc-linux-musl" => "riscv64-linux-musl".to_owned(),
        other => other.to_owned(),
    };
    let compiler = format!(
        "#!/bin/sh\nfor word; do\n    shift\n    case $word in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac\n\
         done\nexec '{zig}' cc -target {target} -fno-sanitize=undefined -fno-stack-check \"$@\"\n"
    );
    let archiver = format!("#!/bin/sh\nexec '{zig}' ar \"$@\"\n");
    fs::create_dir_all(directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    for (name, text) in [("cc", compiler), ("ar", archiver)] {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Project {
        app: App,
    }

    #[derive(Deserialize)]
    struct App {
        version: String,
        build: Vec<Build>,
    }

    #[derive(Deserialize)]
    struct Build {
        arch: String,
        file: String,
        command: String,
    }

    #[test]
    fn the_project_file_is_of_this_version_and_builds_what_this_task_builds() {
        let text = fs::read_to_string(workspace().join("unibin.toml")).expect("a project file");
        let project: Project = crate::tables::read(&text).expect("a project");
        assert_eq!(project.app.version, env!("CARGO_PKG_VERSION"));
        for Build { arch, file, command } in project.app.build {
            assert!(host(&arch).is_ok(), "{arch}");
            assert_eq!(command, format!("cargo xtask cross {arch}"));
            assert_eq!(file, format!("target/cross/{arch}/{{name}}"));
        }
    }
}
