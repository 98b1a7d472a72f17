//! Programs of the app that start programs: of the app's own CPU, of the host's, through scripts and through
//! each other, as they do where all are of one CPU; the same without a broker fails first. Nothing is
//! installed, nobody is root.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use end_to_end::{Outcome, Sandbox, attends, kill, needs, programs, shell_of_debian, until};

/// bash and the tools that scripts use, for riscv64.
fn tools(sandbox: &Sandbox) -> PathBuf {
    let packages = ["bash", "coreutils", "findutils", "util-linux"];
    packed(sandbox, &packages, &["bash"])
}

/// The same with what starts programs in other ways, each an entry.
fn more_tools(sandbox: &Sandbox) -> PathBuf {
    let packages = ["bash", "coreutils", "make", "git", "perl", "python3"];
    packed(sandbox, &packages, &["bash", "make", "git", "perl", "python3"])
}

fn packed(sandbox: &Sandbox, packages: &[&str], entries: &[&str]) -> PathBuf {
    let bundle = sandbox.copy(&programs(packages, entries), "bash");
    for entry in entries.iter().filter(|name| **name != "bash") {
        symlink("bash", sandbox.at(entry)).expect("link");
    }
    bundle
}

fn bash(sandbox: &Sandbox, script: &str) -> Outcome {
    sandbox.run(&sandbox.at("bash"), &["-c", script])
}

/// Brokers of this sandbox that still live.
fn brokers(sandbox: &Sandbox) -> Vec<u32> {
    let all = sandbox.processes().into_iter();
    all.filter(|process| process.name == "unibin-broker").map(|process| process.id).collect()
}

#[test]
fn a_shells_children_are_of_its_own_cpu_which_without_a_broker_they_are_not() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    // coreutils of the tree by the path that the host has too: untouched it is the host's.
    let none = sandbox.run_with(&[("UNIBIN_CHILDREN", "none")], &bundle, &["-c", "/usr/bin/uname -m"]);
    assert_eq!(none.must_succeed(), "x86_64\n");
    assert_eq!(bash(&sandbox, "/usr/bin/uname -m").must_succeed(), "riscv64\n");
    children_run(&sandbox, &bundle, "broker");
}

#[test]
fn the_emulator_runs_a_shells_children_too_where_nothing_else_can() {
    needs!("x86_64", "network", "strace", "setpriv");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    children_run(&sandbox, &bundle, "emulator");
    let script = "uname -m | cat; env -i /usr/bin/uname -m; exec -a other bash -c 'echo $0; uname -m'";
    let expected = "riscv64\nriscv64\nother\nriscv64\n";
    // There can be no second tracer, and no other way was allowed.
    let mut traced = sandbox.command("strace");
    traced.args(["-f", "-o", "/dev/null"]).arg(&bundle).args(["-c", script]);
    let traced = Sandbox::finish(traced.env("UNIBIN_CHILDREN", "emulator"));
    assert_eq!(traced.text(), expected, "{traced}");
    let mut unprivileged = sandbox.command("setpriv");
    unprivileged.arg("--no-new-privs").arg(&bundle).args(["-c", script]);
    let unprivileged = Sandbox::finish(unprivileged.env("UNIBIN_CHILDREN", "emulator"));
    assert_eq!(unprivileged.text(), expected, "{unprivileged}");
    // Debian's cannot.
    let refused = sandbox.copy(&shell_of_debian(), "debians");
    let log = [("UNIBIN_CHILDREN", "emulator"), ("UNIBIN_LOG", "1")];
    let ran = sandbox.run_with(&log, &refused, &["-c", "/usr/bin/uname -m"]);
    assert_eq!(ran.text(), "x86_64\n", "{ran}");
    assert!(ran.errors().contains("children: not by the emulator: qemu-user cannot do it"), "{ran}");
}

/// What a shell starts is of its own architecture, attended to in this way.
fn children_run(sandbox: &Sandbox, bundle: &Path, way: &str) {
    // The host's `sh` starts programs of the app, which takes a broker; bash is the app's.
    let sh = if way == "broker" { "sh -c" } else { "bash -c" };
    let bash = |sandbox: &Sandbox, script: &str| {
        sandbox.run_with(&[("UNIBIN_CHILDREN", way)], bundle, &["-c", script])
    };
    for (script, printed) in [
        ("uname -m | cat | tr a-z A-Z", "RISCV64\n"),
        ("echo $(uname -m) `uname -m`", "riscv64 riscv64\n"),
        ("(uname -m) & wait $!; echo $?", "riscv64\n0\n"),
        ("sh -c 'exit 3'; echo $?; false || echo no", "3\nno\n"),
        ("cat <<X\n$(uname -m)\nX", "riscv64\n"),
        ("exec env A=b sh -c 'echo $A $(uname -m)'", "b riscv64\n"),
        ("trap 'echo trapped' USR1; kill -USR1 $$; uname -m", "trapped\nriscv64\n"),
        ("sleep 100 & kill -9 $!; wait $! 2>/dev/null; echo $?", "137\n"),
        ("seq 40 | xargs -P4 -n1 sh -c 'uname -m' | sort | uniq -c | tr -s ' '", " 40 riscv64\n"),
        ("find /usr/bin/env -exec sh -c 'uname -m' {} +", "riscv64\n"),
        (
            "timeout 0.2 sleep 100; echo $?; nohup uname -m 2>/dev/null; setsid -w uname -m",
            "124\nriscv64\nriscv64\n",
        ),
        ("diff <(echo a) <(echo a) && echo same", "same\n"),
    ] {
        let ran = bash(sandbox, &script.replace("sh -c", sh));
        assert_eq!(ran.text(), printed, "{way}: {script}: {ran}");
    }
    assert_eq!(bash(sandbox, "exit 9").code(), Some(9));
    assert_eq!(bash(sandbox, "kill -TERM $$").signal(), Some(15));
}

#[test]
fn what_cannot_be_executed_is_refused_as_the_kernel_would() {
    needs!("network", "ptrace");
    let python = "
import errno, os, sys
def attempt(path, argv=['x']):
    try: os.execv(path, argv)
    except OSError as error: print(errno.errorcode[error.errno])
    sys.stdout.flush()
open('no-x', 'wb').write(open('/usr/bin/uname', 'rb').read())
attempt('nothing'); attempt('no-x'); os.chmod('no-x', 0o755)
held = open('no-x', 'r+b'); attempt('./no-x'); held.close()
open('text', 'w').write('words'); os.chmod('text', 0o755); attempt('./text')
open('loop', 'w').write('#!%s/loop\\n' % os.getcwd()); os.chmod('loop', 0o755); attempt('./loop')
attempt('/usr'); attempt('/etc/passwd/x'); attempt('a' * 5000)
attempt('/usr/bin/uname', ['x', 'y' * 200000])
os.execv('./no-x', ['uname', '-m'])
";
    for way in ["broker", "emulator"] {
        let sandbox = Sandbox::new();
        more_tools(&sandbox);
        let ran = sandbox.run_with(&[("UNIBIN_CHILDREN", way)], &sandbox.at("python3"), &["-c", python]);
        let expected = "ENOENT EACCES ETXTBSY ENOEXEC ELOOP EACCES ENOTDIR ENAMETOOLONG E2BIG riscv64";
        assert_eq!(ran.text().split_whitespace().collect::<Vec<_>>().join(" "), expected, "{way}: {ran}");
    }
}

#[test]
fn scripts_find_their_interpreters_in_the_tree_and_on_the_host() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    sandbox.write("one", b"#!/usr/bin/bash -u\necho \"$0 $1 $(uname -m)\"\n");
    let outer = format!("#!{} two words\n", sandbox.at("one").display());
    sandbox.write("outer", outer.as_bytes());
    sandbox.write("native", b"#!/usr/bin/awk -f\nBEGIN { \"uname -m\" | getline m; print m; exit 4 }\n");
    let ran = bash(&sandbox, "./one a; PATH=$PWD:$PATH; one b; outer c; native; echo $?");
    let here = sandbox.path().display().to_string();
    // awk is the host's; what it starts by the shell is the tree's again.
    let expected =
        format!("./one a riscv64\n{here}/one b riscv64\n{here}/one two words riscv64\nriscv64\n4\n");
    assert_eq!(ran.text(), expected, "{ran}");
}

#[test]
fn a_program_is_found_by_its_name_in_the_tree_before_the_host() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    // In the caller's first directory lies a program that has the name of one of the tree's.
    fs::create_dir(sandbox.at("mine")).expect("a directory");
    let mine = sandbox.write("mine/arch", b"#!/bin/sh\necho mine\n");
    sandbox.write("mine/own", b"#!/bin/sh\necho own $PATH\n");
    let mine = mine.parent().expect("a directory").display().to_string();
    for (way, path) in [
        ("broker", format!("{mine}:/usr/bin")),
        ("binfmt", format!("{mine}:/usr/bin")),
        ("broker", mine.clone()),
    ] {
        if !attends(way) {
            continue;
        }
        let run = |script: &str| {
            let variables = [("UNIBIN_CHILDREN", way), ("PATH", path.as_str())];
            sandbox.run_with(&variables, &bundle, &["-c", script]).text()
        };
        assert_eq!(run("arch"), "riscv64\n", "{way} {path}");
        // What only the caller has is found behind it, and whoever is of the host has the host's directories.
        let (found, directories) = (run("own"), run("echo $PATH"));
        if way == "broker" {
            assert_eq!(run("PATH=/first:$PATH; own"), format!("own /first:{path}\n"));
        }
        assert_eq!(directories, format!("/usr/bin:/usr/sbin:{path}\n"), "{way}");
        let seen = if way == "broker" { path.as_str() } else { directories.trim_end() };
        assert_eq!(found, format!("own {seen}\n"), "{way} {path}");
    }
    // Where programs of the tree cannot be started, they are in nobody's way.
    let run = |variables: &[(&str, &str)], script: &str| {
        sandbox.run_with(variables, &bundle, &["-c", script]).text()
    };
    let none = [("UNIBIN_CHILDREN", "none"), ("PATH", mine.as_str())];
    assert_eq!(run(&none, "arch; echo $PATH"), format!("mine\n{mine}\n"));
}

#[test]
fn a_program_of_the_apps_cpu_that_the_host_starts_finds_its_loader_in_the_tree() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    // A program that no tree has starts one that is dynamic, and not in the tree either.
    sandbox.write("host-env", &fs::read("/usr/bin/env").expect("env"));
    for way in ["broker", "binfmt"].into_iter().filter(|way| attends(way)) {
        let script = "cp /usr/bin/uname built; ./host-env ./built -m; rm built";
        let ran = sandbox.run_with(&[("UNIBIN_CHILDREN", way)], &bundle, &["-c", script]);
        assert_eq!(ran.text(), "riscv64\n", "{way}: {ran}");
    }
}

#[test]
fn programs_of_the_host_have_the_hosts_environment_and_start_programs_of_the_app() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    // A program that no tree has: found by its own path, run by the kernel.
    let host = sandbox.write("host-env", &fs::read("/usr/bin/env").expect("env"));
    let variables = [("LD_LIBRARY_PATH", "/nowhere"), ("QEMU_STRACE", "1"), ("KEPT", "a=b")];
    let strings = |outcome: &Outcome| {
        let text = outcome.must_succeed();
        text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let script = format!("exec {}", host.display());
    let seen = strings(&sandbox.run_with(&variables, &bundle, &["-c", &script]));
    for variable in ["LD_LIBRARY_PATH=/nowhere", "QEMU_STRACE=1", "KEPT=a=b"] {
        assert!(seen.contains(variable), "{variable}: {seen:#?}");
    }
    assert!(!seen.iter().any(|variable| variable.starts_with("UNIBIN_")), "{seen:#?}");

    // Back in the app, from a program of the host, they are the app's again.
    let script = format!("exec {} /usr/bin/env", host.display());
    let seen = strings(&sandbox.run_with(&variables, &bundle, &["-c", &script]));
    assert!(seen.contains("UNIBIN_TARGET=riscv64") && !seen.contains("QEMU_STRACE=1"), "{seen:#?}");

    // What the app has changed itself reaches both worlds.
    let script = format!("export UNIBIN_TARGET=changed; exec {}", host.display());
    let seen = strings(&sandbox.run_with(&variables, &bundle, &["-c", &script]));
    assert!(seen.contains("UNIBIN_TARGET=changed"), "{seen:#?}");
}

#[test]
fn python_perl_make_and_git_start_programs_in_all_their_ways() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    more_tools(&sandbox);
    let python = "
import multiprocessing, os, subprocess, sys, threading
def machine(_): return os.uname().machine
def wait(pid): print(os.waitpid(pid, 0)[1])
if __name__ == '__main__':
    run = lambda *a, **k: subprocess.run(*a, capture_output=True, text=True, check=True, **k).stdout.strip()
    print(run(['uname', '-m']), run('uname -m | cat', shell=True))
    print(run([sys.executable, '-c', 'import os; print(os.uname().machine)']))
    wait(os.posix_spawn('/usr/bin/true', ['true'], os.environ))
    wait(os.posix_spawnp('false', ['false'], os.environ))
    for way in ('spawn', 'fork', 'forkserver'):
        with multiprocessing.get_context(way).Pool(2) as pool: print(way, set(pool.map(machine, range(4))))
    sys.stdout.flush()
    for program in (os.open('/usr/bin/uname', os.O_RDONLY), '/usr/bin/uname'):
        pid = os.fork()
        if pid == 0: os.execve(program, ['uname', '-m'], os.environ)
        wait(pid); sys.stdout.flush()
    memory = os.memfd_create('m', 0); os.write(memory, open('/usr/bin/uname', 'rb').read())
    pid = os.fork()
    if pid == 0: os.execve(memory, ['uname', '-m'], os.environ)
    wait(pid); sys.stdout.flush()
    pid = os.fork()
    if pid == 0: os.execve('/proc/self/exe', ['again', '-c', 'import os; print(os.uname().machine)'], os.environ)
    wait(pid); sys.stdout.flush()
    thread = threading.Thread(target=lambda: os.execv('/usr/bin/uname', ['uname', '-s'])); thread.start(); thread.join()
";
    sandbox.write("t.py", python.as_bytes());
    let ran = sandbox.run(&sandbox.at("python3"), &["t.py"]);
    let expected = "riscv64 riscv64\nriscv64\n0\n256\nspawn {'riscv64'}\nfork {'riscv64'}\nforkserver {'riscv64'}\n\
                    riscv64\n0\nriscv64\n0\nriscv64\n0\nriscv64\n0\nLinux\n";
    assert_eq!(ran.text(), expected, "{ran}");

    let perl = "$| = 1; print `uname -m`; system('uname', '-m'); open(F, '-|', 'uname -m | cat'); print <F>; exec 'uname', '-m'";
    let ran = sandbox.run(&sandbox.at("perl"), &["-e", perl]);
    assert_eq!(ran.text(), "riscv64\n".repeat(4), "{ran}");

    sandbox
        .write("Makefile", b"all: $(addprefix t,$(shell seq 1 1000))\n\t@uname -m\nt%:\n\t@/usr/bin/true\n");
    assert_eq!(sandbox.run(&sandbox.at("make"), &["-j8"]).must_succeed(), "riscv64\n");

    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=n", "-c", "user.email=e"];
        sandbox.run(&sandbox.at("git"), &[&identity, arguments].concat()).must_succeed()
    };
    git(&["init", "-q", "repo"]);
    git(&["-C", "repo", "commit", "-q", "--allow-empty", "-m", "first"]);
    git(&["clone", "-q", "--no-local", "repo", "clone"]);
    assert!(git(&["-C", "clone", "log", "--oneline"]).ends_with(" first\n"));
}

#[test]
fn the_broker_is_nobodys_child_keeps_nothing_open_and_ends_with_the_last_program() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    let mut command = sandbox.command(&bundle);
    command
        .args(["-c", "echo $$ $PPID; read x; uname -m & wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut app = command.spawn().expect("starts");
    let mut output = BufReader::new(app.stdout.take().expect("output"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    // The process that was started is the app, and the caller its parent.
    assert_eq!(line.trim(), format!("{} {}", app.id(), std::process::id()));
    let alive = brokers(&sandbox);
    assert_eq!(alive.len(), 1);
    let proc = PathBuf::from(format!("/proc/{}", alive[0]));
    let stat = fs::read_to_string(proc.join("stat")).expect("stat");
    let parent: u32 =
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)?.parse().ok()).expect("parent");
    assert!(parent != app.id() && parent != std::process::id(), "{stat}");
    assert_eq!(fs::read_dir(proc.join("fd")).expect("fd").count(), 0, "nothing is open");
    assert_eq!(fs::read_link(proc.join("cwd")).expect("cwd"), Path::new("/"));

    drop(app.stdin.take());
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("text");
    assert_eq!((rest.as_str(), app.wait().expect("ends").code()), ("riscv64\n", Some(0)));
    until("the broker ends", || brokers(&sandbox).is_empty().then_some(()));
}

fn started(sandbox: &Sandbox, script: &str) -> Child {
    let mut command = sandbox.command(sandbox.at("bash"));
    command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0);
    command.spawn().expect("starts")
}

#[test]
fn a_killed_broker_leaves_what_runs_running_and_a_killed_app_takes_its_broker_along() {
    needs!("x86_64", "network", "ptrace");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    // The app's own programs, which its emulator starts by itself, and one of the host's.
    sandbox.write("host-true", &fs::read("/usr/bin/true").expect("a program"));
    let script = "echo up; read x; /usr/bin/uname -m; echo $?; ./host-true; echo $?; echo still here";
    let mut app = started(&sandbox, script);
    let mut output = BufReader::new(app.stdout.take().expect("output"));
    output.read_line(&mut String::new()).expect("a line");
    assert!(kill("KILL", brokers(&sandbox)[0]));
    until("the broker is gone", || brokers(&sandbox).is_empty().then_some(()));
    drop(app.stdin.take());
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    assert_eq!(text, "riscv64\n0\n126\nstill here\n");
    let mut errors = String::new();
    app.stderr.take().expect("errors").read_to_string(&mut errors).expect("text");
    assert!(errors.contains("Function not implemented"), "{errors}");
    app.wait().expect("ends");

    let mut app = started(&sandbox, "echo up; read x; true");
    let mut output = BufReader::new(app.stdout.take().expect("output"));
    output.read_line(&mut String::new()).expect("a line");
    assert_eq!(brokers(&sandbox).len(), 1);
    app.kill().expect("killed");
    app.wait().expect("ends");
    until("the broker is gone", || brokers(&sandbox).is_empty().then_some(()));
}

#[test]
fn stopping_and_continuing_reaches_the_whole_app() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    let mut app = started(&sandbox, "echo up; sleep 0.1; read x; uname -m");
    let mut output = BufReader::new(app.stdout.take().expect("output"));
    output.read_line(&mut String::new()).expect("a line");
    let state = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next())
    };
    assert!(kill("STOP", app.id()));
    // `t`: stopped, and traced.
    until("it stops", || matches!(state(app.id()), Some('t' | 'T')).then_some(()));
    drop(app.stdin.take());
    thread::sleep(Duration::from_millis(200));
    assert!(app.try_wait().expect("status").is_none(), "a stopped app went on");
    assert!(kill("CONT", app.id()));
    let mut text = String::new();
    output.read_to_string(&mut text).expect("text");
    assert_eq!((text.as_str(), app.wait().expect("ends").code()), ("riscv64\n", Some(0)));
}

#[test]
fn ten_thousand_children_later_the_broker_has_what_it_had() {
    needs!("network", "ptrace", "dash");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    // The host's programs under names that no tree has: as fast as processes can be.
    for name in ["dash", "true"] {
        sandbox.write(format!("host-{name}"), &fs::read(format!("/usr/bin/{name}")).expect("a program"));
    }
    let script = "round() { ./host-dash -c 'for i in $(seq $0); do ./host-true; done' $1; for i in $(seq $2); do true | /usr/bin/true; done; }
        round 50 10; echo warm; read x; round 9800 200; echo done; read y";
    let mut app = started(&sandbox, script);
    let mut output = BufReader::new(app.stdout.take().expect("output"));
    let mut input = app.stdin.take().expect("input");
    let mut line = || {
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        line
    };
    let size = |pid: u32| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("alive");
        let memory = read("status").lines().find(|line| line.starts_with("VmSize")).map(str::to_owned);
        (memory, fs::read_dir(format!("/proc/{pid}/fd")).expect("fd").count())
    };
    assert_eq!(line(), "warm\n");
    let broker = brokers(&sandbox)[0];
    let before = size(broker);
    std::io::Write::write_all(&mut input, b"\n").expect("told");
    assert_eq!(line(), "done\n");
    assert_eq!(size(broker), before);
    drop(input);
    app.wait().expect("ends");
    until("the broker ends", || brokers(&sandbox).is_empty().then_some(()));
}

#[test]
fn five_hundred_children_at_once_all_run() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    // Each says that it is there; when all are, all go on.
    let fifo = "mkfifo gate up; exec 3<>gate 4<>up
        for ((i = 0; i < 500; i++)); do sh -c 'echo >&4; read x <&3; uname -m' & done
        for ((i = 0; i < 500; i++)); do read x <&4; done
        for ((i = 0; i < 500; i++)); do echo; done >&3; wait";
    let ran = bash(&sandbox, fifo);
    assert_eq!(ran.text(), "riscv64\n".repeat(500), "{}", ran.errors());
}

#[test]
fn the_way_is_said_in_the_log_and_an_unknown_one_is_refused() {
    needs!("network", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    let ran = sandbox.run_with(&[("UNIBIN_CHILDREN", "sideways")], &bundle, &["-c", "true"]);
    ran.must_fail_with(125, &["UNIBIN_CHILDREN", "auto, broker, binfmt, emulator or none"]);
    let log = sandbox.run_with(&[("UNIBIN_LOG", "1")], &bundle, &["-c", "true"]).errors();
    assert!(log.contains("children: attended to by a broker"), "{log}");
    let mode = fs::metadata(sandbox.cache()).expect("cache").permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

#[test]
fn process_1_and_a_process_without_new_privileges_start_programs_too() {
    needs!("network", "ptrace", "namespaces", "setpriv");
    let sandbox = Sandbox::new();
    let bundle = tools(&sandbox);
    let first = Sandbox::finish(
        sandbox
            .command("unshare")
            .args(["-Urpf", "--mount-proc"])
            .arg(&bundle)
            .args(["-c", "echo $$; uname -m; (sleep 0.1 &); wait; uname -m | cat"]),
    );
    assert_eq!(first.text(), "1\nriscv64\nriscv64\n", "{first}");
    for way in ["broker", "binfmt"] {
        if !attends(way) {
            continue;
        }
        let mut command = sandbox.command("setpriv");
        command.arg("--no-new-privs").arg(&bundle).args(["-c", "uname -m | cat"]).env("UNIBIN_CHILDREN", way);
        assert_eq!(Sandbox::finish(&mut command).text(), "riscv64\n", "{way}");
    }
}
