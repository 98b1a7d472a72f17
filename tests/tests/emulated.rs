//! A bundle of a foreign CPU is, to whoever starts it, the app itself: exit code, signals, arguments,
//! environment, descriptors, process.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use bundle::Arch;
use end_to_end::{Sandbox, busybox, kill, needs};

const SIGSEGV: i32 = 11;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// A sandbox with a riscv64 busybox in it.
fn riscv64() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    (sandbox, bundle)
}

#[test]
fn every_target_reports_its_own_cpu_and_the_apps_own_exit_code() {
    needs!("network");
    for (target, name) in [
        (Arch::Riscv64, "riscv64"),
        (Arch::Aarch64, "aarch64"),
        (Arch::S390x, "s390x"),
        (Arch::Armv7, "armv7l"),
        (Arch::Ppc64le, "ppc64le"),
    ] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&busybox(target), "busybox");
        assert_eq!(sandbox.run(&bundle, &["uname", "-m"]).must_succeed().trim(), name);
        for code in [0, 1, 7, 125, 255] {
            let ended = sandbox.run(&bundle, &["sh", "-c", &format!("exit {code}")]);
            assert_eq!(ended.code(), Some(code), "{target}: {ended}");
        }
    }
}

#[test]
fn a_signal_that_ends_the_app_ends_the_process_that_the_caller_started() {
    needs!("network");
    for target in [Arch::Riscv64, Arch::S390x] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&busybox(target), "busybox");
        for signal in [SIGKILL, SIGTERM, SIGSEGV] {
            let ended = sandbox.run(&bundle, &["sh", "-c", &format!("kill -{signal} $$")]);
            assert_eq!(ended.signal(), Some(signal), "{target}: {ended}");
        }
    }
}

#[test]
fn arguments_arrive_byte_for_byte() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let long = vec![b'x'; 100 * 1024];
    let odd: Vec<OsString> = [
        b"".as_slice(),
        b" ",
        b"two  words",
        b"line\nfeed\n",
        b"\xff\xfe\x80",
        b"'\"`$(id)\\",
        b"-0",
        b"--",
        b"-L",
        b"*",
        &long,
    ]
    .map(|bytes| OsString::from_vec(bytes.to_vec()))
    .to_vec();
    let many: Vec<OsString> = (0..2000).map(|number| format!("argument {number}").into()).collect();
    for arguments in [odd, many] {
        let mut all = vec![OsString::from("sh"), "-c".into(), "printf '%s\\0' \"$@\"".into(), "sh".into()];
        all.extend(arguments.iter().cloned());
        let outcome = sandbox.run(&bundle, &all);
        outcome.must_succeed();
        let mut printed: Vec<&[u8]> = outcome.stdout.split(|byte| *byte == 0).collect();
        printed.pop();
        let given: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
        assert!(printed == given, "{} arguments did not arrive as they were given", given.len());
    }
}

#[test]
fn the_environment_is_the_callers_and_three_variables_more() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let mut command = sandbox.command(&bundle);
    command.arg("env").arg("-0");
    command.env("ODD", OsStr::from_bytes(b"two\nlines \xff")).env("EMPTY", "").env("LD_PRELOAD_NOT", "x");
    command.env("UNIBIN_ROUTE", "any").env("UNIBIN_ENTRY", "busybox");
    // Read by QEMU, not by the app: with them it would log, or run another CPU.
    command.env("QEMU_LOG", "page").env("QEMU_CPU", "no-such-cpu").env("QEMU_STRACE", "1");
    let outcome = Sandbox::finish(&mut command);
    outcome.must_succeed();
    assert_eq!(outcome.errors(), "");
    // busybox prints line by line; a null byte separates where its `env` has `-0`.
    let end = if outcome.stdout.contains(&0) { 0 } else { b'\n' };
    let printed: BTreeSet<Vec<u8>> = outcome
        .stdout
        .split(|byte| *byte == end)
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    let home = format!("HOME={}", sandbox.home().display());
    let file = format!("UNIBIN_FILE={}", bundle.display());
    let expected: BTreeSet<Vec<u8>> = [
        b"EMPTY=".as_slice(),
        home.as_bytes(),
        b"LD_PRELOAD_NOT=x",
        b"ODD=two\nlines \xff",
        b"PATH=/usr/local/bin:/usr/bin:/bin",
        file.as_bytes(),
        b"UNIBIN_HOST=x86_64",
        b"UNIBIN_TARGET=riscv64",
    ]
    .map(<[u8]>::to_vec)
    .into();
    // The stub is a shell, and POSIX lets a shell set PWD; dash exports it when it has no OLDPWD to keep.
    let printed: BTreeSet<_> = printed
        .into_iter()
        .filter(|variable| !variable.starts_with(b"PWD=") && !variable.starts_with(b"_="))
        .collect();
    assert_eq!(lossy(&printed), lossy(&expected));
}

fn lossy(variables: &BTreeSet<Vec<u8>>) -> Vec<String> {
    variables.iter().map(|variable| String::from_utf8_lossy(variable).into_owned()).collect()
}

#[test]
fn working_directory_and_umask_are_the_callers_also_at_the_first_start() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let directory = sandbox.make_directory("somewhere else");
    for start in ["first", "second"] {
        let ran =
            sandbox.shell("umask 0027; cd \"$2\" && exec \"$1\" sh -c 'pwd; umask'", &[&bundle, &directory]);
        assert_eq!(ran.must_succeed(), format!("{}\n0027\n", directory.display()), "{start} start");
    }
}

#[test]
fn standard_input_is_left_to_the_app_to_its_last_byte() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[number as usize % 2]).collect();
    for start in ["first", "second"] {
        let mut command = sandbox.command(&bundle);
        command.arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let mut input = child.stdin.take().expect("piped");
        let copy = bytes.clone();
        let writer = std::thread::spawn(move || input.write_all(&copy));
        let output = child.wait_with_output().expect("ended");
        writer.join().expect("writer").expect("written");
        assert!(output.stdout == bytes, "{start} start: {} bytes came back", output.stdout.len());
    }
}

#[test]
fn closed_descriptors_stay_closed_and_nothing_else_is_open() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    for start in ["first", "second"] {
        let ran = sandbox.shell("\"$1\" sh -c 'exit 9' <&- >&- 2>&-; echo $?", &[&bundle]);
        assert_eq!(ran.must_succeed().trim(), "9", "{start} start");
        let app = sleeping(&sandbox, &bundle);
        // Whoever runs the tests may have left something open for all his children.
        let shell = sleeping(&sandbox, Path::new("/usr/bin/env"));
        // From 256 on, the app holds its cache entries: its own and that of its emulator.
        let (held, open): (BTreeSet<u32>, BTreeSet<u32>) =
            descriptors(&app).into_iter().partition(|number| *number >= 256);
        assert_eq!(open, descriptors(&shell), "{start} start");
        assert_eq!(held, BTreeSet::from([256, 257]), "{start} start");
    }
}

/// The open descriptors of a child.
fn descriptors(child: &Sleeping) -> BTreeSet<u32> {
    let open = fs::read_dir(format!("/proc/{}/fd", child.0.id())).expect("/proc");
    let number =
        |name: std::ffi::OsString| name.to_str().and_then(|name| name.parse().ok()).expect("a number");
    open.map(|entry| number(entry.expect("entry").file_name())).collect()
}

/// A child that is killed when the test is done with it.
struct Sleeping(Child);

impl Drop for Sleeping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the app `sleep` and waits until it is the app that runs: it has said a word.
fn sleeping(sandbox: &Sandbox, bundle: &Path) -> Sleeping {
    let mut command = sandbox.command(bundle);
    command.args(["sh", "-c", "echo ready; read never"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().expect("started");
    let mut word = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut word).expect("it starts");
    Sleeping(child)
}

#[test]
fn the_app_is_the_process_that_was_started_and_leaves_no_other() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    for start in ["first", "second"] {
        let child = sleeping(&sandbox, &bundle);
        let pid = child.0.id();
        let proc = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("/proc");
        assert_eq!(proc("comm").trim(), "busybox", "{start} start");
        let stat = proc("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        assert_eq!(fields[1], std::process::id().to_string(), "the parent is the caller: {stat}");
        assert_eq!(fields[2], pid.to_string(), "the process group is the one it was started in: {stat}");
        assert_eq!(group(pid), [pid], "nothing but the app runs");
        drop(child);
        assert_eq!(group(pid), [0_u32; 0], "nothing is left");
    }
    let ran = sandbox.shell("echo $$; exec \"$1\" sh -c 'echo $$'", &[&bundle]).must_succeed();
    let pids: Vec<&str> = ran.lines().collect();
    assert_eq!(pids[0], pids[1], "the app sees the pid that its caller knows");
}

/// The processes of a process group.
fn group(id: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").expect("/proc");
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_in = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(2)) == Some(&id.to_string())
    };
    pids.filter(is_in).collect()
}

#[test]
fn the_name_by_which_the_bundle_is_called_is_the_apps_name() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    for (target, link) in [("busybox", "uname"), ("uname", "arch")] {
        symlink(target, sandbox.at(link)).expect("link");
    }
    assert_eq!(sandbox.run(&sandbox.at("uname"), &["-m"]).must_succeed().trim(), "riscv64");
    assert_eq!(sandbox.run(Path::new("./uname"), &["-m"]).must_succeed().trim(), "riscv64");
    // A name that busybox has no program for: it says so itself, with that name.
    symlink(&bundle, sandbox.at("no-such-applet")).expect("link");
    let unknown = sandbox.run(&sandbox.at("no-such-applet"), &["-m"]);
    assert_eq!(
        (unknown.code(), unknown.errors().as_str()),
        (Some(127), "no-such-applet: applet not found\n")
    );
}

#[test]
fn a_bundle_starts_wherever_it_lies_and_however_it_is_named() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let names: [&[u8]; 7] =
        [b"with space", b"quote's \"name\"", b"\xff\xfe", b"-dash", b"$(exit 3)", b"line\nfeed", b"*"];
    for name in names {
        let directory = sandbox.make_directory(OsStr::from_bytes(&[b"in ", name].concat()));
        let name = OsStr::from_bytes(name);
        fs::hard_link(&bundle, directory.join(name)).expect("link");
        let by_path = sandbox.run(&directory.join(name), &["sh", "-c", "echo fine"]);
        // busybox takes a name that it does not know for a request; what matters is that it was busybox.
        assert!(by_path.text() == "fine\n" || by_path.errors().contains("applet not found"), "{by_path}");
        let mut from_path = sandbox.command("sh");
        from_path.arg("-c").arg("cd / && exec \"$1\" sh -c 'echo fine'").arg("sh").arg(name);
        let path = [b"/usr/bin:/bin:".as_slice(), directory.as_os_str().as_bytes()].concat();
        let from_path = Sandbox::finish(from_path.env("PATH", OsStr::from_bytes(&path)));
        assert!(
            from_path.text() == "fine\n" || from_path.errors().contains("applet not found"),
            "{name:?} through PATH: {from_path}"
        );
    }
}

#[test]
fn a_bundle_starts_by_sh_from_a_deleted_directory_and_from_a_file_that_cannot_be_written() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let run = ["sh", "-c", "echo fine"];
    let by_sh = sandbox.run(Path::new("sh"), &["busybox", "uname", "-m"]);
    assert_eq!(by_sh.must_succeed().trim(), "riscv64");
    let deleted =
        sandbox.shell("mkdir gone && cd gone && rmdir ../gone && exec \"$1\" sh -c 'echo fine'", &[&bundle]);
    assert_eq!(deleted.must_succeed(), "fine\n");
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o555)).expect("chmod");
    assert_eq!(sandbox.run(&bundle, &run).must_succeed(), "fine\n");
    // Executable but not readable: no interpreter can read it, so neither can ours.
    fs::set_permissions(&bundle, fs::Permissions::from_mode(0o111)).expect("chmod");
    assert!(!sandbox.run(&bundle, &run).status.success(), "a bundle that cannot be read cannot run");
}

#[test]
fn a_stopped_app_is_stopped_and_goes_on() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let mut child = sleeping(&sandbox, &bundle);
    assert!(kill("STOP", child.0.id()));
    let state = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("/proc");
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    // `t`: stopped, and attended to by a broker.
    while !matches!(state(child.0.id()), Some('T' | 't')) {
        std::thread::yield_now();
    }
    assert!(kill("CONT", child.0.id()));
    assert!(kill("TERM", child.0.id()));
    assert_eq!(child.0.wait().expect("ended").signal(), Some(SIGTERM));
}
