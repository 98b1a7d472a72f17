//! What tests need and a machine may lack: one table, checked beforehand. A test names its needs first. If
//! one of them is lacking, the test says NOT RUN and passes; if `UNIBIN_TEST_REQUIRE` names that need, as in
//! continuous integration, it fails.
//!
//! | variable | meaning |
//! |---|---|
//! | `UNIBIN_TEST_WITHOUT=id,id` | these count as lacking, whatever the machine has |
//! | `UNIBIN_TEST_PROBED=1` | nothing else is lacking: whoever starts the tests has looked (`cargo xtask test` does) |
//! | `UNIBIN_TEST_REQUIRE=all` or `id,id` | a lack of these is a failure |
//! | `UNIBIN_TEST_NOT_RUN=FILE` | each NOT RUN line is added to this file too |

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Mutex;

use crate::probes;

/// One thing that a machine may lack.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// How tests name it: `needs!("network")`.
    pub id: &'static str,
    /// What it is.
    pub what: &'static str,
    /// What brings it.
    pub cure: &'static str,
    /// Other needs without which this one is not looked for.
    after: &'static [&'static str],
    probe: Probe,
}

#[derive(Clone, Copy, Debug)]
enum Probe {
    /// A file of the archive that no other can stand for; gives the reason when the mirror lacks it. Looked
    /// for by the tests that need it only, and never a failure: a mirror lacks a file of its own index for a
    /// while after a point release.
    Archive(fn() -> Result<(), String>),
    /// A program in `PATH`.
    Program(&'static str),
    /// Gives the reason when it is lacking.
    Look(fn() -> Result<(), String>),
}

const fn program(id: &'static str, cure: &'static str) -> Need {
    Need { id, what: "a program in PATH", cure, after: &[], probe: Probe::Program(id) }
}

const fn look(
    id: &'static str,
    what: &'static str,
    cure: &'static str,
    after: &'static [&'static str],
    probe: fn() -> Result<(), String>,
) -> Need {
    Need { id, what, cure, after, probe: Probe::Look(probe) }
}

const fn archive(id: &'static str, what: &'static str, probe: fn() -> Result<(), String>) -> Need {
    let cure = "another mirror (UNIBIN_MIRROR), or some days";
    Need { id, what, cure, after: &["network"], probe: Probe::Archive(probe) }
}

/// Everything that some test needs and some machine lacks.
#[rustfmt::skip] // a row is a line
pub const NEEDS: &[Need] = &[
    look("network", "a mirror of Debian's archive that answers", "a network, and UNIBIN_MIRROR where another mirror is wanted", &[], probes::network),
    look("apt-mirror", "a Debian mirror in this machine's apt sources", "Debian, or UNIBIN_MIRROR", &["network"], probes::apt_mirror),
    archive("mirror-whole", "a mirror that has every package of its index", || Ok(())),
    archive("older-qemu", "QEMU 7.2 of Debian 12 on the mirror", probes::older_qemu),
    archive("binfmt.d", "the package qemu-user of Debian 13 on the mirror", probes::binfmt_d),
    look("x86_64", "an x86_64 machine", "another machine", &[], probes::x86_64),
    look("root", "the tests run as root", "`sudo`, or a container's root", &[], probes::root),
    look("mounts", "private mounts of root (unshare --mount)", "a container with CAP_SYS_ADMIN", &["root"], probes::mounts),
    look("fuse", "file systems in user space", "a kernel with FUSE and /dev/fuse", &["mounts"], probes::fuse),
    look("namespaces", "user namespaces (unshare -Urm)", "a kernel or container that allows them", &[], probes::namespaces),
    look("binfmt", "a binfmt_misc of one's own (Linux 6.7)", "a newer kernel, and user namespaces", &["namespaces"], probes::binfmt),
    look("ptrace", "ptrace(2)", "a container with CAP_SYS_PTRACE, kernel.yama.ptrace_scope below 3", &[], probes::ptrace),
    look("suid", "set-user-ID programs have an effect", "a TMPDIR without nosuid, no_new_privs off", &["root"], probes::suid),
    look("i386", "a kernel that runs 32-bit x86 programs", "CONFIG_IA32_EMULATION", &["x86_64"], probes::i386),
    look("executable-tmp", "programs in TMPDIR can be executed", "a TMPDIR without noexec", &[], probes::executable_tmp),
    look("minutes", "somebody who waits for tests of more than ten seconds", "`cargo xtask test` without `--quick`", &[], || Ok(())),
    look("zig", "the C compiler of the tests in target/tools", "cargo xtask tools (python3 with pip, a network)", &[], probes::zig),
    look("trivy", "the scanner for vulnerabilities in target/pip, or in PATH", "cargo xtask tools (python3 with pip, a network)", &["x86_64"], probes::trivy),
    look("sh-is-dash", "/bin/sh is dash", "Debian's default", &["dash"], probes::sh_is_dash),
    program("bash", "apt install bash"),
    program("busybox", "apt install busybox"),
    program("dash", "apt install dash"),
    program("docker-registry", "apt install docker-registry"),
    program("fish", "apt install fish"),
    program("gdb-multiarch", "apt install gdb-multiarch"),
    program("go", "apt install golang-go"),
    program("gpgv", "apt install gpgv"),
    program("ksh93", "apt install ksh93u+m"),
    program("minisign", "apt install minisign"),
    program("mksh", "apt install mksh"),
    program("node", "apt install nodejs"),
    program("patch", "apt install patch"),
    program("perl", "apt install perl"),
    program("posh", "apt install posh"),
    program("proot", "apt install proot"),
    program("python3", "apt install python3"),
    program("runc", "apt install runc"),
    program("script", "apt install bsdutils"),
    program("setfattr", "apt install attr"),
    program("setpriv", "apt install util-linux"),
    program("shellcheck", "apt install shellcheck"),
    program("skopeo", "apt install skopeo"),
    program("ssh-agent", "apt install openssh-client"),
    program("ssh-keygen", "apt install openssh-client"),
    program("strace", "apt install strace"),
    program("taskset", "apt install util-linux"),
    program("tcsh", "apt install tcsh"),
    program("tmux", "apt install tmux"),
    program("toybox", "apt install toybox"),
    program("umoci", "apt install umoci"),
    program("xz", "apt install xz-utils"),
    program("yash", "apt install yash"),
    program("zsh", "apt install zsh"),
];

/// The needs of a test, as its first line. Where one is lacking, the test ends here and says so.
#[macro_export]
macro_rules! needs {
    ($($id:literal),+ $(,)?) => {
        if !$crate::have(&[$($id),+]) {
            return;
        }
    };
}

/// A line for whoever reads the tests' log, of tests that pass too: `eprintln!` would be kept back for those.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
    if line.starts_with("NOT RUN")
        && let Some(list) = env::var_os("UNIBIN_TEST_NOT_RUN")
        && let Ok(mut list) = File::options().append(true).create(true).open(list)
    {
        // In one write: other tests add lines at the same time.
        let _ = list.write_all(format!("{line}\n").as_bytes());
    }
}

/// Whether the machine has all of them; else says NOT RUN.
///
/// # Panics
///
/// When one is lacking that `UNIBIN_TEST_REQUIRE` names.
pub fn have(ids: &[&str]) -> bool {
    for id in ids {
        if let Err(why) = lack(id) {
            not_run(id, &why);
            return false;
        }
    }
    true
}

/// What of these the machine lacks is said; whether it has this one, of several that a test does not need
/// all.
pub fn has(id: &str) -> bool {
    have(&[id])
}

/// Whether programs that an app starts can be attended to in this `way` of `UNIBIN_CHILDREN`.
pub fn attends(way: &str) -> bool {
    match way {
        "broker" => has("ptrace"),
        "binfmt" => has("binfmt"),
        _ => true,
    }
}

/// Says that a test, or a part of it, does not run for lack of `id`.
///
/// # Panics
///
/// When `UNIBIN_TEST_REQUIRE` names it.
pub fn not_run(id: &str, why: &str) {
    let need = need(id);
    let required = named("UNIBIN_TEST_REQUIRE");
    assert!(
        need.is_of_the_archive() || !required.iter().any(|name| name == id || name == "all"),
        "this test needs `{id}`, {}: {why}; what brings it: {}",
        need.what,
        need.cure
    );
    say(&format!("NOT RUN: {}: lacks `{id}`, {}: {why}", test(), need.what));
}

/// The name of the test that runs: that of its thread, or what nextest says.
fn test() -> String {
    let thread = std::thread::current().name().filter(|name| *name != "main").map(str::to_owned);
    thread.or_else(|| env::var("NEXTEST_TEST_NAME").ok()).unwrap_or_else(|| "a test".to_owned())
}

fn need(id: &str) -> &'static Need {
    NEEDS
        .iter()
        .find(|need| need.id == id)
        .unwrap_or_else(|| panic!("`{id}` is no row of the table of needs"))
}

fn named(variable: &str) -> Vec<String> {
    let all = env::var(variable).unwrap_or_default();
    all.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

/// `Err` with the reason when the machine lacks it; looked for once in a process.
fn lack(id: &str) -> Result<(), String> {
    static FOUND: Mutex<BTreeMap<&str, Result<(), String>>> = Mutex::new(BTreeMap::new());
    let need = need(id);
    let without = named("UNIBIN_TEST_WITHOUT");
    if without.iter().any(|name| name == id) {
        return Err("UNIBIN_TEST_WITHOUT says so".to_owned());
    }
    for other in need.after {
        lack(other).map_err(|why| format!("`{other}` is lacking: {why}"))?;
    }
    if env::var_os("UNIBIN_TEST_PROBED").is_some() && !need.is_of_the_archive() {
        return Ok(());
    }
    let mut found = FOUND.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.entry(need.id).or_insert_with(|| need.probe()).clone()
}

impl Need {
    fn probe(&self) -> Result<(), String> {
        match self.probe {
            Probe::Program(name) => probes::program(name),
            Probe::Look(look) | Probe::Archive(look) => look(),
        }
    }

    fn is_of_the_archive(&self) -> bool {
        matches!(self.probe, Probe::Archive(_))
    }
}

/// What this machine lacks of the table, with the reason; for whoever starts the tests. What only some
/// packages of the archive tell is found by the tests.
pub fn lacks() -> Vec<(&'static Need, String)> {
    let now = NEEDS.iter().filter(|need| !need.is_of_the_archive());
    now.filter_map(|need| Some((need, lack(need.id).err()?))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_need_has_a_name_of_its_own_and_stands_behind_what_it_needs_itself() {
        let mut seen = BTreeSet::new();
        for need in NEEDS {
            assert!(seen.insert(need.id), "`{}` stands there twice", need.id);
            for other in need.after {
                assert!(NEEDS.iter().any(|need| need.id == *other), "`{other}` is no need");
            }
        }
    }
}
