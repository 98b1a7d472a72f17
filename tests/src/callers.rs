//! Programs that start programs, each with what it takes to make it start one: shells, C libraries,
//! languages, tools.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bundle::Arch;

use crate::needs::{has, say};
use crate::probes::path_of;
use crate::sandbox::Sandbox;
use crate::unibin::kept;
use crate::zig::{compile, compile_for_glibc, own};

/// One way to be started.
#[derive(Clone, Debug)]
pub struct Caller {
    /// As docs/callers.md names it.
    pub name: String,
    /// What it says of its version.
    pub version: String,
    /// What is executed; the program to be started and its arguments follow.
    pub command: Vec<OsString>,
    /// Whether it passes on bytes that are no text.
    pub bytes: bool,
    /// Whether it adds an empty argument by itself: tcsh cannot pass one on out of its list.
    pub adds_empty: bool,
}

/// Shells by their names: how a line is given to each, and how each tells its version.
const SHELLS: [(&str, &[&str], &str); 10] = [
    ("bash", &["bash", "-c", "\"$@\"; exit $?", "bash"], "bash --version"),
    ("dash", &["dash", "-c", "\"$@\"; exit $?", "dash"], "dpkg-query -W -f '${Version}' dash"),
    ("busybox ash", &["busybox", "ash", "-c", "\"$@\"; exit $?", "ash"], "busybox"),
    ("toybox sh", &["toybox", "sh", "-c", "\"$@\"; exit $?", "sh"], "toybox --version"),
    ("mksh", &["mksh", "-c", "\"$@\"; exit $?", "mksh"], "mksh -c 'echo $KSH_VERSION'"),
    ("ksh93", &["ksh93", "-c", "\"$@\"; exit $?", "ksh93"], "ksh93 --version 2>&1"),
    ("yash", &["yash", "-c", "\"$@\"; exit $?", "yash"], "yash --version"),
    ("zsh", &["zsh", "-f", "-c", "\"$@\"; exit $?", "zsh"], "zsh --version"),
    ("fish", &["fish", "--no-config", "-c", "$argv; exit $status"], "fish --version"),
    ("tcsh", &["tcsh", "-f", "-c", "$argv:q ''; exit $status"], "tcsh --version"),
];

/// Of coreutils and util-linux.
const ESSENTIAL: [&str; 4] = ["env", "timeout", "nice", "setsid"];

/// Languages and tools.
const PROGRAMS: [(&str, &[&str], &str); 12] = [
    (
        "Python subprocess",
        &["python3", "-c", "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"],
        "python3 --version",
    ),
    (
        "Python os.posix_spawn",
        &[
            "python3",
            "-c",
            "import os, sys; p = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); \
             sys.exit(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]))",
        ],
        "python3 --version",
    ),
    (
        "Python os.execv",
        &["python3", "-c", "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"],
        "python3 --version",
    ),
    ("Perl system", &["perl", "-e", "exit(system({$ARGV[0]} @ARGV) >> 8)", "--"], "perl -e 'print $^V'"),
    ("Perl exec", &["perl", "-e", "exec {$ARGV[0]} @ARGV; exit 95", "--"], "perl -e 'print $^V'"),
    (
        "Node spawnSync",
        &[
            "node",
            "-e",
            "const [f, ...a] = process.argv.slice(1); \
             process.exit(require('child_process').spawnSync(f, a, {stdio: 'inherit'}).status ?? 95)",
            "--",
        ],
        "node --version",
    ),
    ("env", &["env"], "env --version"),
    ("timeout", &["timeout", "100"], "timeout --version"),
    ("nice", &["nice"], "nice --version"),
    ("setsid", &["setsid", "--wait"], "setsid --version"),
    ("strace", &["strace", "-f", "-o", "/dev/null"], "strace --version"),
    ("busybox env", &["busybox", "env"], "busybox"),
];

/// The ways of `tests/programs/caller.c`.
const WAYS: [(&str, &str); 5] = [
    ("execv", "execv"),
    ("execvp", "execvp"),
    ("fexecve", "fexecve"),
    ("posix_spawn", "spawn"),
    ("posix_spawnp", "spawnp"),
];

/// What `script` prints first.
fn first_line(script: &str) -> String {
    let script = format!("PATH=/usr/local/bin:/usr/bin:/bin:$PATH; {script}");
    let output = Command::new("sh").args(["-c", &script]).output().expect("sh");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find(|line| !line.is_empty()).unwrap_or("no version").trim().to_owned()
}

/// A Go program of this repository's `tests/programs`, compiled once for this machine. `None` without Go.
pub fn compile_go(name: &str) -> Option<PathBuf> {
    if !has("go") {
        return None;
    }
    let program = kept().join("programs").join(format!("{name}-go"));
    let mut build = Command::new("go");
    build.args(["build", "-trimpath", "-o"]).arg(&program).arg(own(&format!("{name}.go")));
    build.env("GO111MODULE", "off").env("CGO_ENABLED", "0").env("GOCACHE", kept().join("go"));
    assert!(build.status().expect("go starts").success(), "{name}.go does not compile");
    Some(program)
}

/// All callers that this machine has, set up in `sandbox`; what it lacks is said loudly, and fails where it
/// must not lack.
pub fn callers(sandbox: &Sandbox) -> Vec<Caller> {
    let mut all = Vec::new();
    for (name, command, version) in SHELLS.into_iter().chain(PROGRAMS) {
        // Tools that every machine has are no row of the table of needs.
        if !ESSENTIAL.contains(&command[0]) && !has(command[0]) {
            continue;
        }
        // Not what the tester has put in front for himself: a user of a sandbox cannot go there.
        let program = path_of(command[0]).unwrap_or_else(|| panic!("no {}", command[0]));
        // Debian builds toybox without its shell.
        if name == "toybox sh" && !first_line("toybox").split(' ').any(|command| command == "sh") {
            say("NOT RUN: toybox sh: the toybox here was built without it");
            continue;
        }
        let rest = command[1..].iter().map(OsString::from);
        all.push(Caller {
            name: name.to_owned(),
            version: first_line(version),
            command: std::iter::once(program.into()).chain(rest).collect(),
            // yash keeps words as text of the locale, Node as UTF-16.
            bytes: !matches!(name, "yash" | "Node spawnSync"),
            adds_empty: name == "tcsh",
        });
    }
    let source = [own("caller.c")];
    let libraries =
        [("musl", compile("caller", &source, Arch::X86_64)), ("glibc", compile_for_glibc("caller", &source))];
    for (library, program) in libraries {
        let Some(program) = program else { continue };
        let program = sandbox.copy(&program, format!("caller-{library}"));
        let version =
            if library == "musl" { "of zig 0.17".to_owned() } else { first_line("getconf GNU_LIBC_VERSION") };
        all.extend(WAYS.map(|(name, way)| Caller {
            name: format!("{library} {name}"),
            version: version.clone(),
            command: vec![program.clone().into(), way.into()],
            bytes: true,
            adds_empty: false,
        }));
    }
    if let Some(program) = compile_go("caller") {
        let program = sandbox.write("caller-go", &fs::read(program).expect("caller-go"));
        let (version, command) = (first_line("go version"), vec![program.into()]);
        all.push(Caller { name: "Go os/exec".into(), version, command, bytes: true, adds_empty: false });
    }
    all
}
