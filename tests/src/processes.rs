//! The processes of this machine, and the sandboxes that they belong to. A user ID does not tell them apart,
//! since without root all sandboxes have the tester's. What a process executes does.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// How the name of each sandbox's directory begins.
pub(crate) const SANDBOX: &str = "unibin-test-";

/// A process that has not ended yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// Its name (`/proc/PID/comm`).
    pub name: String,
    /// The file that it executes.
    pub program: PathBuf,
}

/// All whose program this tester may know. One that has ended and was not waited for has none.
fn all() -> impl Iterator<Item = Process> {
    fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let program = fs::read_link(entry.path().join("exe")).ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(Process { id, name: name.trim_end().to_owned(), program })
    })
}

/// Those that execute something below this directory.
pub(crate) fn below(directory: &Path) -> Vec<Process> {
    // The kernel names files without links.
    let directory = fs::canonicalize(directory).expect("directory");
    all().filter(|process| process.program.starts_with(&directory)).collect()
}

/// Whether one executes something of a sandbox, whichever it is.
pub(crate) fn is_a_sandbox_alive() -> bool {
    let is_sandbox = |part: &OsStr| part.as_encoded_bytes().starts_with(SANDBOX.as_bytes());
    all().any(|process| process.program.iter().any(is_sandbox))
}

/// Sends a signal to a process, or to a group by its number with a minus; whether that was there. By the
/// shell's own `kill`: not every machine has a program of that name.
pub fn kill(signal: &str, whom: impl Display) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -s \"$1\" -- \"$2\" 2>/dev/null", "sh", signal, &whom.to_string()]);
    shell.status().expect("sh").success()
}

/// A shell that is there already when a signal is to be sent at once: until one has started, whoever should
/// be interrupted may have ended.
#[derive(Debug)]
pub struct Killer(Child);

impl Killer {
    /// One that waits.
    pub fn ready() -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo ready; read -r signal whom; kill -s \"$signal\" -- \"$whom\""]);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
        let mut line = String::new();
        BufReader::new(shell.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        Self(shell)
    }

    /// As [`kill`].
    pub fn kill(mut self, signal: &str, whom: impl Display) -> bool {
        let mut input = self.0.stdin.take().expect("piped");
        writeln!(input, "{signal} {whom}").expect("told");
        self.0.wait().expect("it ends").success()
    }
}

/// Whether whoever has started the tests ignores this signal, and so everything below them does: in the
/// background of a shell, for example.
pub fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("our status");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("a line").trim();
    u64::from_str_radix(mask, 16).expect("a mask") >> (signal - 1) & 1 == 1
}
