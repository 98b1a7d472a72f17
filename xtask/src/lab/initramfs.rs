//! The first root of a booted machine, and the directory tree of an emulated one: busybox, the helper `as`,
//! the words of the cases and the cases themselves. Nothing else is installed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use end_to_end::Cpio;

use super::abis;
use super::archive::Kernel;
use super::cases::Case;
use super::machines::Machine;
use super::power;

const INIT: &str = include_str!("guest/init");
const RUN: &str = include_str!("guest/run");
const CASE_HEAD: &str = include_str!("guest/case-head");

/// How long a case may take, in seconds. Its programs are emulated by something that is emulated itself.
const LIMIT: u32 = 240;

/// One file, directory or link of the tree.
enum Entry {
    Directory(u32),
    File(u32, Vec<u8>),
    Link(&'static str),
}

/// What is needed of a CPU.
pub(crate) struct Programs {
    /// Debian's static busybox.
    pub(crate) busybox: PathBuf,
    /// The helper that becomes a user.
    pub(crate) r#as: PathBuf,
}

fn tree(machine: &Machine, programs: &Programs, cases: &[&Case]) -> Result<Vec<(String, Entry)>> {
    let mut tree: Vec<(String, Entry)> = Vec::new();
    let mut add = |path: &str, entry: Entry| tree.push((path.to_owned(), entry));
    for directory in [
        "bin",
        "bundles",
        "dev",
        "etc",
        "home",
        "home/user",
        "jail",
        "lab",
        "lab/cases",
        "lab/modules",
        "lab/other",
        "power",
        "proc",
        "run",
        "shared",
        "sys",
        "var",
    ] {
        add(directory, Entry::Directory(0o755));
    }
    for shared in ["tmp", "var/tmp"] {
        add(shared, Entry::Directory(0o1777));
    }
    add("bin/busybox", Entry::File(0o755, fs::read(&programs.busybox)?));
    add("bin/as", Entry::File(0o755, fs::read(&programs.r#as)?));
    for name in busybox_names()? {
        add(&format!("bin/{name}"), Entry::Link("busybox"));
    }
    add(
        "etc/passwd",
        Entry::File(0o644, b"root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n".to_vec()),
    );
    add("init", Entry::File(0o755, INIT.into()));
    add("lab/run", Entry::File(0o644, format!("LIMIT={LIMIT}\n{RUN}").into()));
    add("lab/case-head", Entry::File(0o644, CASE_HEAD.into()));
    add("lab/cut", Entry::File(0o644, power::BEFORE.into()));
    for starter in abis::of(machine.host) {
        add(&format!("lab/other/{}", starter.name), Entry::File(0o755, abis::program(starter)));
    }
    for (number, case) in cases.iter().enumerate() {
        let path = format!("lab/cases/{number:02}-{}", case.name);
        add(&path, Entry::File(0o644, case.script_on(machine).into()));
    }
    Ok(tree)
}

/// The names that busybox has on every CPU that the lab knows: asked of nobody, since a foreign one cannot
/// answer here.
fn busybox_names() -> Result<Vec<&'static str>> {
    let names = include_str!("guest/busybox-names").split_whitespace().collect::<Vec<_>>();
    ensure!(names.contains(&"sh"), "no names of busybox");
    Ok(names)
}

/// The archive for a machine that boots.
pub(crate) fn archive(
    machine: &Machine,
    kernel: &Kernel,
    programs: &Programs,
    cases: &[&Case],
) -> Result<Vec<u8>> {
    let mut archive = Cpio::default();
    for (path, entry) in tree(machine, programs, cases)? {
        match entry {
            Entry::Directory(mode) => archive.directory(&path, mode),
            Entry::File(mode, bytes) => archive.file(&path, mode, &bytes),
            Entry::Link(target) => archive.link(&path, target),
        }
    }
    archive.device("dev/console", 0o600, (5, 1));
    archive.device("dev/null", 0o666, (1, 3));
    let mut order = String::new();
    for module in &kernel.modules {
        let name = module.file_name().and_then(|name| name.to_str()).context("a module's name")?;
        archive.file(&format!("lab/modules/{name}"), 0o644, &fs::read(module)?);
        order.push_str(name);
        order.push('\n');
    }
    archive.file("lab/modules/order", 0o644, order.as_bytes());
    Ok(archive.finish())
}

/// The same as a directory, for a machine that is emulated.
pub(crate) fn directory(machine: &Machine, programs: &Programs, cases: &[&Case], to: &Path) -> Result<()> {
    for (path, entry) in tree(machine, programs, cases)? {
        let path = to.join(path);
        match entry {
            Entry::Directory(mode) => {
                fs::create_dir_all(&path)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
            Entry::File(mode, bytes) => {
                fs::write(&path, bytes)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
            Entry::Link(target) => symlink(target, &path)?,
        }
    }
    Ok(())
}
