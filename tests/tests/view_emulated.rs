//! What an app sees of files whose emulator is not one of unibin's: the union, by mounts, where a namespace
//! of mounts is allowed; else what QEMU's `-L` shows. Each test says what the host has, and what a program of
//! the app sees under Debian's emulator.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use bundle::Arch;
use end_to_end::{Namespace, Outcome, Sandbox, needs, pack_by_hand, settled, shell_of_debian, smallest};

const LIBRARIES: &str = "/usr/lib/riscv64-linux-gnu";

fn app() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.copy(&shell_of_debian(), "bash");
    sandbox
}

/// Runs a script in the app's shell. The view is asked for, since root has it only then.
fn bash(sandbox: &Sandbox, script: &str) -> Outcome {
    with(sandbox, &[("UNIBIN_VIEW", "union")], script)
}

fn with(sandbox: &Sandbox, variables: &[(&str, &str)], script: &str) -> Outcome {
    sandbox.run_with(variables, &sandbox.at("bash"), &["-c", script])
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("mounts")
}

fn names(directory: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

/// Calls that `-L` does not cover: of a file and a directory that only the tree has.
const CALLS: &str = "
    cd /usr/lib/riscv64-linux-gnu 2>/dev/null && pwd || echo no chdir
    /usr/bin/test -x /usr/lib/riscv64-linux-gnu/libc.so.6 && echo faccessat || echo no faccessat
    stat -c %n /usr/lib/riscv64-linux-gnu/libc.so.6 2>/dev/null || echo no statx";

#[test]
fn an_app_under_anothers_emulator_sees_the_union_by_mounts() {
    needs!("x86_64", "network", "namespaces", "ptrace");
    let sandbox = app();
    assert!(!Path::new(LIBRARIES).exists(), "{LIBRARIES} is the tree's alone");
    let before = mounts();
    let lacking = with(&sandbox, &[("UNIBIN_VIEW", "host")], CALLS);
    assert_eq!(lacking.text(), "no chdir\nno faccessat\nno statx\n", "{lacking}");
    let covered = bash(&sandbox, CALLS);
    let wanted = format!("{LIBRARIES}\nfaccessat\n{LIBRARIES}/libc.so.6\n");
    assert_eq!((covered.text(), covered.errors()), (wanted, String::new()), "{covered}");

    // The host's files are there too, in directories that both have.
    for directory in ["/", "/etc", "/usr/bin", "/usr/share", "/tmp"] {
        let text = bash(&sandbox, &format!("ls -A {directory}")).must_succeed();
        let listed: BTreeSet<String> = text.lines().map(str::to_owned).collect();
        // Other tests make and remove files there.
        let lacking: Vec<_> = names(directory)
            .difference(&listed)
            .filter(|name| directory != "/tmp" && Path::new(directory).join(name).exists())
            .cloned()
            .collect();
        assert!(!listed.is_empty() && lacking.is_empty(), "{directory}: {lacking:?}");
        assert!(directory != "/" || !listed.iter().any(|name| name.starts_with(".unibin-")), "{listed:?}");
    }
    let itself =
        bash(&sandbox, "echo $0 $BASH; type -p uname; /bin/uname -m; uname -m; cd /usr/bin; ./uname -m");
    let wanted = "/usr/bin/bash /usr/bin/bash\n/usr/bin/uname\nriscv64\nriscv64\nriscv64\n";
    assert_eq!(itself.must_succeed(), wanted);
    settled(&sandbox.cache());
    assert_eq!(mounts(), before, "nothing is mounted outside");
}

#[test]
fn it_is_usual_for_users_and_root_has_to_ask_for_it() {
    needs!("x86_64", "network", "namespaces", "ptrace");
    let sandbox = app();
    let script = "cd /usr/lib/riscv64-linux-gnu 2>/dev/null && echo union || echo paths";
    if sandbox.uid() != 0 {
        assert_eq!(with(&sandbox, &[], script).must_succeed(), "union\n");
    }
    let own = tempfile::tempdir().expect("a directory");
    let cache = own.path().to_str().expect("text");
    let as_root = |variables: &str| {
        let run = [variables, " UNIBIN_CACHE=$1 exec ./bash -c \"$2\""].concat();
        let ran = Namespace::OwnUsers.run(&sandbox, &run, &[cache, script]);
        assert_eq!(ran.errors(), "", "{ran}");
        ran.must_succeed()
    };
    assert_eq!(as_root("UNIBIN_LOG="), "paths\n", "root could not write to /etc");
    assert_eq!(as_root("UNIBIN_VIEW=union"), "union\n");
}

#[test]
fn where_namespaces_are_refused_it_is_as_with_dash_l_and_nothing_is_said() {
    needs!("x86_64", "network", "namespaces", "ptrace", "setpriv");
    let sandbox = app();
    let own = tempfile::tempdir().expect("a directory");
    let cache = own.path().to_str().expect("text");
    let run = |variables: &str| {
        // Whoever is not root, and may have no namespace.
        let none = "echo 0 >/proc/sys/user/max_user_namespaces; export UNIBIN_CACHE=$1; export ";
        let rest = "\nexec setpriv --bounding-set -all --inh-caps -all ./bash -c \"$2\"";
        let script = [CALLS, "\necho $BASH | grep -o tree/usr/bin/bash; uname -m"].concat();
        Namespace::OwnUsers.run(&sandbox, &[none, variables, rest].concat(), &[cache, &script])
    };
    let paths = "no chdir\nno faccessat\nno statx\ntree/usr/bin/bash\nriscv64\n";
    let silent = run("UNIBIN_VIEW=packed");
    assert_eq!((silent.must_succeed().as_str(), silent.errors().as_str()), (paths, ""));
    run("UNIBIN_VIEW=union").must_fail_with(125, &["it is not started", "max_user_namespaces"]);
}

#[test]
fn programs_of_the_host_in_between_are_the_hosts_own_and_see_the_union() {
    needs!("x86_64", "network", "namespaces", "ptrace", "python3");
    let sandbox = app();
    let script = "import os, platform, subprocess, sys; print(platform.machine(), os.environ['PATH'], flush=True); \
                  subprocess.run(['uname', '-m']); print(os.path.isdir('/usr/lib/riscv64-linux-gnu'))";
    sandbox.write("script", b"#!/usr/bin/bash\nuname -m\n");
    let python = sandbox.write("host.py", script.as_bytes());
    let run = format!("python3 {}; ./script", python.display());
    let callers = "/usr/local/bin:/usr/bin:/bin";
    for way in ["broker", "binfmt"] {
        let variables = [("UNIBIN_VIEW", "union"), ("UNIBIN_CHILDREN", way), ("PATH", callers)];
        if way == "binfmt" && !end_to_end::has("binfmt") {
            continue;
        }
        let ran = with(&sandbox, &variables, &run);
        let path = if way == "broker" { callers.to_owned() } else { format!("/usr/bin:/usr/sbin:{callers}") };
        let text = ran.must_succeed();
        assert!(text.starts_with(&format!("x86_64 {path}\nriscv64\nTrue\nriscv64\n")), "{way}: {ran}");
    }
}

#[test]
fn nothing_of_the_tree_and_of_directories_of_both_can_be_written() {
    needs!("x86_64", "network", "namespaces", "ptrace");
    let sandbox = app();
    symlink("bash", sandbox.at("linked")).expect("a link");
    let script = "
        for path in /usr/bin/uname /usr/lib/riscv64-linux-gnu/new /etc/new; do
            (echo x >$path) 2>/dev/null || echo refused $path
        done
        echo written >home/file; mkdir -p /tmp/unibin-view-$$ && rmdir /tmp/unibin-view-$$ && echo tmp";
    let wanted = "refused /usr/bin/uname\nrefused /usr/lib/riscv64-linux-gnu/new\nrefused /etc/new\ntmp\n";
    assert_eq!(bash(&sandbox, script).text(), wanted);
    assert_eq!(fs::read_to_string(sandbox.at("home/file")).expect("written"), "written\n");
    assert!(!Path::new("/etc/new").exists());
    sandbox.run_with(&[("UNIBIN_DO", "verify")], &sandbox.at("bash"), &[] as &[&str]).must_succeed();
}

#[test]
fn pack_says_where_it_is_so_and_can_be_told_otherwise() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    let program = sandbox.write("program", &smallest(Arch::Riscv64).elf());
    let data = sandbox.write("data", b"data\n");
    let library = sandbox.write("libown.so", &smallest(Arch::Riscv64).elf());
    let add = |file: &Path, to: &str| format!("{}:{to}", file.display());
    let (data, library) = (add(&data, "/etc/unibin-data"), add(&library, "/usr/lib/libown.so"));
    let told = |more: &[&str]| {
        let usual =
            [program.to_str().expect("text"), "--add", &data, "--hosts", "x86_64", "--debian-emulators"];
        let packed = pack_by_hand(&[&usual, more].concat(), &sandbox.at("packed")).must_succeed();
        let line = packed.lines().find(|line| line.starts_with("  view"));
        line.unwrap_or_default().split(" on x86_64").next().unwrap_or_default().trim().to_owned()
    };
    assert_eq!(told(&[]), "view  mounts, else paths");
    assert_eq!(told(&["--view", "union"]), "view  mounts, else paths");
    assert_eq!(told(&["--view", "host"]), "view  paths");
    assert_eq!(told(&["--children", "none"]), "view  paths");
    assert_eq!(told(&["--add", &library]), "view  paths", "the host's libraries are there");
}
