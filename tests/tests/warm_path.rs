//! A start with everything in the cache makes the system calls that docs/warm-path.md lists, and no others:
//! it starts no process and reads of the bundle only its head and its end.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{Sandbox, User, bundle_of, needs, settled};

/// One system call: its name, and what it is about in the words of docs/warm-path.md.
type Call = (String, String);

/// A traced warm start, cut at its executions.
struct Trace {
    stub: Vec<Call>,
    launcher: Vec<Call>,
    /// All lines up to the execution of the emulator, as strace wrote them.
    lines: Vec<String>,
}

/// Traces the second start.
fn warm_start() -> Trace {
    // Where nobody else can create names, as in a home; in /tmp `ls` would have to look.
    let sandbox = Sandbox::inside(User::Tester, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let bundle = sandbox.copy(&bare(), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    // A marker has another name until the disk has its entry.
    settled(&sandbox.cache());
    let log = sandbox.at("trace");
    let mut strace = sandbox.command("strace");
    // -y: descriptors with their paths.
    let traced = strace.args(["-f", "-y", "-qq", "-o"]).arg(&log).arg(&bundle).arg("true");
    Sandbox::finish(traced).must_succeed();
    Trace::read(&fs::read_to_string(log).expect("trace"), &Names::of(&sandbox, &bundle))
}

impl Trace {
    fn read(text: &str, names: &Names) -> Self {
        let all: Vec<&str> = text.lines().collect();
        let executions: Vec<usize> =
            all.iter().enumerate().filter(|(_, line)| line.contains(" execve(")).map(|(at, _)| at).collect();
        assert!(executions.len() >= 3, "bundle, launcher, emulator: {executions:?}");
        let calls = |lines: &[&str]| lines.iter().map(|line| names.call(line)).collect::<Vec<_>>();
        let stub = calls(&all[executions[0] + 1..=executions[1]]);
        // What the shell does before it reads the stub is its own start.
        let first = stub.iter().position(|call| *call == ("read".into(), "bundle".into()));
        Self {
            stub: stub[first.expect("the shell reads the stub")..].to_vec(),
            launcher: calls(&all[executions[1] + 1..=executions[2]]),
            lines: all[..=executions[2]].iter().map(|line| (*line).to_owned()).collect(),
        }
    }
}

/// The words of docs/warm-path.md for the paths of one start.
struct Names(Vec<(PathBuf, &'static str)>);

impl Names {
    fn of(sandbox: &Sandbox, bundle: &Path) -> Self {
        let cpu = sandbox.cache().join("x86_64");
        let mut names = vec![
            (bundle.to_owned(), "bundle"),
            (sandbox.home(), "home"),
            (sandbox.cache(), "cache directory"),
            (sandbox.home().join(".cache"), "parent directory"),
            (cpu.clone(), "host directory"),
            (sandbox.path().to_owned(), "directory above"),
            ("/proc/sys/kernel/arch".into(), "architecture name"),
        ];
        names.extend(sandbox.path().ancestors().map(|above| (above.to_owned(), "directory above")));
        for entry in fs::read_dir(&cpu).expect("cache") {
            let path = entry.expect("entry").path();
            if path.is_file() {
                names.push((path, "launcher"));
            } else if path.join("emulator").exists() {
                names.push((path.join("complete"), "emulator's marker"));
                names.push((path.join("as/busybox"), "emulator"));
                names.push((path, "emulator's cache entry"));
            } else {
                names.push((path.join("complete"), "app's marker"));
                names.push((path.join("tree/usr/bin/busybox"), "app"));
                names.push((path, "app's cache entry"));
            }
        }
        Self(names)
    }

    /// A line of strace: `PID NAME(ARGUMENTS) = RESULT`.
    fn call(&self, line: &str) -> Call {
        let line = line.trim_start_matches(|character: char| character.is_ascii_digit()).trim_start();
        let (name, arguments) = line.split_once('(').unwrap_or((line, ""));
        let arguments = arguments.rsplit_once(") = ").map_or(arguments, |(arguments, _)| arguments);
        let between = |from: char, to: char| {
            let rest = arguments.split_once(from)?.1;
            Some(rest.split_once(to)?.0)
        };
        let (descriptor, quoted) = (between('<', '>'), between('"', '"'));
        let takes_path =
            matches!(name, "openat" | "newfstatat" | "statx" | "faccessat" | "faccessat2" | "execve");
        let path = match (descriptor, quoted) {
            (directory, Some(path)) if takes_path && !path.is_empty() => {
                Path::new(directory.unwrap_or("")).join(path)
            }
            (_, Some("")) if takes_path && arguments.starts_with("AT_FDCWD") => {
                return (name.into(), "no name".into());
            }
            // The test reads what the bundle says through a pipe.
            (Some(path), _) if path.starts_with("pipe:") => return (name.into(), "standard error".into()),
            (Some(path), _) => path.into(),
            _ => return (name.into(), "-".into()),
        };
        let known = self.0.iter().find(|(known, _)| *known == path).map(|(_, word)| *word);
        (name.into(), known.map_or_else(|| path.display().to_string(), str::to_owned))
    }
}

/// The rows `| call | about | why |` below a heading of docs/warm-path.md.
fn table(heading: &str) -> Vec<Call> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/warm-path.md");
    let text = fs::read_to_string(path).expect("docs/warm-path.md");
    let part = text.split("\n## ").find(|part| part.starts_with(heading)).expect("the heading");
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Call> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert!(cells.len() == 5 && cells[3].len() > 5, "a row without a reason: {row}");
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
        })
        .collect();
    assert!(!rows.is_empty(), "a table below {heading}");
    rows
}

/// A bundle whose brokers only unpack: what a broker does beside that is no part of the way to the app.
fn bare() -> PathBuf {
    bundle_of(Arch::Riscv64, "x86_64", &["--children", "none"])
}

#[test]
fn a_warm_start_starts_no_process() {
    needs!("network", "strace", "ptrace", "sh-is-dash");
    let trace = warm_start();
    let starts = |line: &&String| ["fork(", "clone(", "clone3("].iter().any(|call| line.contains(call));
    let found: Vec<_> = trace.lines.iter().filter(starts).collect();
    assert!(found.is_empty(), "{found:?}");
    let pids: std::collections::BTreeSet<_> =
        trace.lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(pids.len(), 1, "one process from the bundle to the emulator");
}

#[test]
fn a_warm_start_reads_only_the_head_and_the_end_of_the_bundle() {
    needs!("network", "strace", "ptrace", "sh-is-dash");
    let trace = warm_start();
    let bundle = fs::read(bare()).expect("bundle").len();
    let reads = trace.lines.iter().filter(|line| line.contains("read(") || line.contains("pread64("));
    let of_bundle: Vec<&String> = reads.filter(|line| line.contains("/busybox>,")).collect();
    let bytes = |line: &&String| line.rsplit("= ").next().and_then(|number| number.parse::<usize>().ok());
    let read: usize = of_bundle.iter().filter_map(bytes).sum();
    assert!((1..=8192 + 16384).contains(&read), "{read} of {bundle} bytes: {of_bundle:?}");
}

#[test]
fn the_launchers_calls_are_the_tables_in_their_order() {
    needs!("network", "strace", "ptrace", "sh-is-dash");
    let trace = warm_start();
    assert_eq!(listed(&trace.launcher), listed(&table("The launcher")));
}

#[test]
fn the_stubs_calls_are_the_tables() {
    needs!("network", "strace", "ptrace", "sh-is-dash");
    let trace = warm_start();
    let mut table = table("The stub");
    let mut made = trace.stub;
    for calls in [&mut made, &mut table] {
        calls.sort();
        calls.dedup();
    }
    assert_eq!(listed(&made), listed(&table));
}

/// One call a line, so that a difference can be read.
fn listed(calls: &[Call]) -> Vec<String> {
    calls.iter().map(|(name, about)| format!("{name} {about}")).collect()
}
