//! What a committed launcher, broker or emulator must be, checked against the file's bytes: the guard against
//! a compiler, linker or person that slips something in.
//!
//! An allow-list: what is not known good is refused. It does not rebuild; `launchers --check` does.

use crate::elf_rules::{self, Machine};
use crate::launchers::committed::{DIRECTORY, Program, SIZES, SUMS, sha256, sizes};
use anyhow::{Context, Result, ensure};
use bundle::Arch;
use std::fs;
use std::path::Path;

/// The most bytes that a program may have. Each launcher is stored uncompressed in every bundle, since the
/// stub cuts it out with `dd`; a broker is compressed.
const fn budget(program: Program) -> usize {
    match program {
        Program::Launcher => 96 * 1024,
        Program::Broker => 240 * 1024,
    }
}
/// What the directory holds besides the programs.
const COMPANIONS: [&str; 3] = [SUMS, SIZES, "README.md"];
/// The slot by which a launcher or broker knows what its bundle begins with (`sys/head.rs`).
const HEAD: &[u8] = b"unibin-head:sh\0\0";
/// Directories of build machines: none belongs into a file that is the same from every machine.
const MACHINE_PATHS: [&str; 5] = ["/home/", "/root/", "/rustc", ".cargo/", ".rustup/"];
/// What looks like one and is two constants side by side: a broker looks at `/proc/PID/root`.
const NO_MACHINE_PATH: &[u8] = b"/root/proc/";

/// `e_flags` (each CPU's psABI): armv7 EABI 5 soft-float, riscv64 RVC and lp64d, ppc64le `ELFv2`, loongarch64
/// object ABI 1 lp64d.
const MACHINES: [Machine; 8] = [
    Machine { host: Arch::X86_64, flags: 0, page: 0x1000 },
    Machine { host: Arch::Aarch64, flags: 0, page: 0x10000 },
    Machine { host: Arch::Riscv64, flags: 5, page: 0x1000 },
    Machine { host: Arch::Ppc64le, flags: 2, page: 0x10000 },
    Machine { host: Arch::S390x, flags: 0, page: 0x1000 },
    Machine { host: Arch::Loongarch64, flags: 0x43, page: 0x10000 },
    Machine { host: Arch::I686, flags: 0, page: 0x1000 },
    Machine { host: Arch::Armv7, flags: 0x0500_0200, page: 0x1000 },
];

pub(crate) fn run() -> Result<()> {
    let directory = crate::workspace().join(DIRECTORY);
    let checked = check_directory(&directory)?;
    println!("{checked} programs in `{DIRECTORY}` keep every rule");
    crate::foundry::verify_committed()
}

/// Exactly the eight launchers and the eight brokers, each as its list says and within the rules; how many
/// there are.
fn check_directory(directory: &Path) -> Result<usize> {
    let names = |program: Program| Arch::HOSTS.map(|host| program.file_name(host));
    let wanted = Program::ALL.map(names).concat();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list `{}`", directory.display()))? {
        let name = entry?.file_name();
        let known = wanted.iter().map(String::as_str).chain(COMPANIONS).any(|known| name == known);
        ensure!(known, "`{}` does not belong into `{DIRECTORY}`", name.display());
    }
    let mut sums = Vec::new();
    let of_each = |program| MACHINES.iter().map(move |machine| (program, machine));
    for (program, machine) in Program::ALL.into_iter().flat_map(of_each) {
        let name = program.file_name(machine.host);
        let bytes = fs::read(directory.join(&name)).with_context(|| format!("cannot read `{name}`"))?;
        check_program(program, machine, &bytes).with_context(|| format!("`{name}` breaks a rule"))?;
        sums.push(format!("{}  {name}", sha256(&bytes)));
    }
    let listed = fs::read_to_string(directory.join(SUMS)).with_context(|| format!("cannot read `{SUMS}`"))?;
    let mut listed: Vec<&str> = listed.lines().collect();
    sums.sort_unstable();
    listed.sort_unstable();
    ensure!(listed == sums, "`{SUMS}` does not list the programs as they are");
    let listed =
        fs::read_to_string(directory.join(SIZES)).with_context(|| format!("cannot read `{SIZES}`"))?;
    ensure!(listed == sizes(directory)?, "`{SIZES}` does not list the programs' sizes as they are");
    Ok(sums.len())
}

fn check_program(program: Program, machine: &Machine, bytes: &[u8]) -> Result<()> {
    let budget = budget(program);
    ensure!(bytes.len() <= budget, "it has {} bytes, {budget} are allowed", bytes.len());
    for path in MACHINE_PATHS {
        let begins = |at: usize| bytes.get(at..).unwrap_or_default();
        let is_path =
            |at| begins(at).starts_with(path.as_bytes()) && !begins(at).starts_with(NO_MACHINE_PATH);
        let found = (0..bytes.len()).any(is_path);
        ensure!(!found, "it holds a path of the machine that built it (`{path}`)");
    }
    elf_rules::check(machine, bytes)?;
    let heads = bytes.windows(HEAD.len()).filter(|window| *window == HEAD).count();
    ensure!(heads == 1, "it has {heads} slots that say `unibin-head:sh`, not one");
    Ok(())
}

#[cfg(test)]
mod tests;
