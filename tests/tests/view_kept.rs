//! What an app changes of its packaged files, kept under a name of the user's: natively with a view by
//! mounts, and under any emulator. Each test shows first what happens without.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use end_to_end::{Namespace, Outcome, Sandbox, needs, pack, shell, shell_of_debian, shell_on, store, until};

/// Names that no host has.
const CONF: &str = "/etc/unibin-kept.conf";
const VENDORS: &str = "/opt/unibin-vendor/etc/conf";
const STATE: &str = "/var/lib/unibin-vendor/state";
const ALL: [&str; 3] = [CONF, VENDORS, STATE];

/// bash, coreutils and sed, with a file of configuration at three places.
fn app(options: &[&str]) -> Sandbox {
    let top = store().with_file_name("view-kept");
    fs::create_dir_all(&top).expect("a directory");
    let file = top.join("conf");
    if fs::read_to_string(&file).ok().as_deref() != Some("packed\n") {
        fs::write(&file, "packed\n").expect("written");
    }
    let adds = ALL.map(|to| format!("{}:{to}", file.display()));
    let shell = ["--deb", "bash", "--deb", "coreutils", "--deb", "sed", "--entry", "bash=/usr/bin/bash"];
    let adds: Vec<&str> = adds.iter().flat_map(|add| ["--add", add]).collect();
    let packed = pack(&[&shell, options, &["--hosts", "x86_64", "--level", "3"], &adds].concat());
    let sandbox = Sandbox::new();
    sandbox.copy(&packed, "bash");
    sandbox
}

fn natively() -> Sandbox {
    app(&["--target", "x86_64", "--view", "union"])
}

fn by_unibins_own() -> Sandbox {
    app(&["--target", "riscv64"])
}

fn run(sandbox: &Sandbox, keep: &str, script: &str) -> Outcome {
    sandbox.run_with(&[("UNIBIN_KEEP", keep)], &sandbox.at("bash"), &["-c", script])
}

fn read(sandbox: &Sandbox, keep: &str) -> String {
    run(sandbox, keep, &format!("cat {}", ALL.join(" "))).must_succeed()
}

/// Writes in place, by a new file that is renamed, and behind the end.
fn edit() -> String {
    format!("echo edited >{CONF} && sed -i s/packed/renamed/ {VENDORS} && echo more >>{STATE}")
}

fn edits_are_kept(sandbox: &Sandbox) {
    let packed = "packed\n".repeat(3);
    for without in ["", "none"] {
        let refused = run(sandbox, without, &edit());
        assert!(refused.errors().contains("Read-only file system"), "{refused}");
        assert_eq!(read(sandbox, without), packed);
    }
    let more = "mkdir /etc/unibin-new && echo beside >/opt/unibin-vendor/etc/new && \
                rm /usr/share/doc/coreutils/copyright";
    run(sandbox, "one", &format!("{} && {more}", edit())).must_succeed();
    assert_eq!(read(sandbox, "one"), "edited\nrenamed\npacked\nmore\n");
    let after = run(
        sandbox,
        "one",
        "ls -d /etc/unibin-new; cat /opt/unibin-vendor/etc/*; ls /usr/share/doc/coreutils/copyright 2>/dev/null; id -u",
    );
    let wanted = format!("/etc/unibin-new\nrenamed\nbeside\n{}\n", sandbox.uid());
    assert_eq!(after.text(), wanted, "{after}");
    // Another name has nothing of it, nor has a start without one.
    assert_eq!(read(sandbox, "two"), packed);
    assert_eq!(read(sandbox, ""), packed);
    for path in ALL.iter().chain(&["/etc/unibin-new"]) {
        assert!(!Path::new(path).exists(), "{path} is on the host");
    }
    sandbox.run_with(&[("UNIBIN_DO", "verify")], &sandbox.at("bash"), &[] as &[&str]).must_succeed();

    let forget = |name: &str| {
        let variables = [("UNIBIN_DO", "gc"), ("UNIBIN_KEEP", name)];
        sandbox.run_with(&variables, &sandbox.at("bash"), &[] as &[&str]).must_succeed()
    };
    assert!(forget("one").contains("what is kept as `one` is removed"));
    assert_eq!(read(sandbox, "one"), packed);
}

#[test]
fn what_a_native_app_edits_is_kept_under_a_name_and_nowhere_else() {
    needs!("x86_64", "network", "namespaces");
    edits_are_kept(&natively());
}

#[test]
fn what_an_app_under_anothers_emulator_edits_is_kept_too() {
    needs!("x86_64", "network", "namespaces", "ptrace");
    edits_are_kept(&app(&["--target", "riscv64", "--debian-emulators"]));
}

#[test]
fn what_an_app_under_unibins_own_emulator_edits_is_kept_too() {
    needs!("x86_64", "network", "namespaces");
    edits_are_kept(&by_unibins_own());
}

#[test]
fn an_app_under_unibins_own_emulator_that_keeps_changes_starts_its_programs_and_the_hosts() {
    needs!("x86_64", "network", "namespaces", "ptrace", "python3");
    let sandbox = by_unibins_own();
    let script = "import platform, subprocess, sys; print(platform.machine(), flush=True); \
                  subprocess.run(sys.argv[1:])";
    sandbox.write("host.py", script.as_bytes());
    sandbox.write("script", b"#!/usr/bin/bash\necho $0; uname -m\n");
    // Programs that are made here: a copy, and a script that is found by its name.
    let make = "cp /usr/bin/uname /usr/bin/unibin-uname && \
                printf '#!/usr/bin/env bash\\necho made by $BASH; unibin-uname -m\\n' >/usr/bin/unibin-script && \
                chmod +x /usr/bin/unibin-script && unibin-script";
    let refused = run(&sandbox, "", make);
    assert!(refused.errors().contains("cannot create"), "{refused}");
    assert_eq!(run(&sandbox, "own", make).must_succeed(), "made by /usr/bin/bash\nriscv64\n");

    let itself = "echo $0 $BASH; type -p uname; ./script; bash -c unibin-script; python3 host.py";
    let wanted = "/usr/bin/bash /usr/bin/bash\n/usr/bin/uname\n./script\nriscv64\n\
                  made by /usr/bin/bash\nriscv64\nx86_64\n";
    let made = "made by /usr/bin/bash\nriscv64\n";
    // What a program of the host starts, the emulator never sees.
    for (way, program, then) in [
        ("broker", "unibin-script", made),
        ("binfmt", "unibin-script", made),
        ("emulator", "python3 -c pass", ""),
    ] {
        if way == "binfmt" && !end_to_end::has("binfmt") {
            continue;
        }
        let variables = [("UNIBIN_KEEP", "own"), ("UNIBIN_CHILDREN", way)];
        let script = format!("{itself} {program}");
        let ran = sandbox.run_with(&variables, &sandbox.at("bash"), &["-c", &script]);
        assert_eq!((ran.text(), ran.errors()), ([wanted, then].concat(), String::new()), "{way}");
    }
}

#[test]
fn an_app_that_keeps_changes_starts_its_own_bundle_which_keeps_none() {
    needs!("x86_64", "network", "namespaces");
    let sandbox = natively();
    let inner = format!("cat {CONF}; echo ${{UNIBIN_KEEP-unset}}");
    let script = format!("echo edited >{CONF}; echo ${{UNIBIN_KEEP-unset}}; \"$UNIBIN_FILE\" -c '{inner}'");
    assert_eq!(run(&sandbox, "mine", &script).must_succeed(), "unset\npacked\nunset\n");
    assert_eq!(run(&sandbox, "mine", &format!("cat {CONF}")).must_succeed(), "edited\n");
}

#[test]
fn two_at_once_are_in_the_same_mounts() {
    needs!("x86_64", "network", "namespaces");
    two_at_once(&natively());
}

#[test]
fn two_at_once_under_unibins_own_emulator_are_too() {
    needs!("x86_64", "network", "namespaces");
    two_at_once(&by_unibins_own());
}

fn two_at_once(sandbox: &Sandbox) {
    read(sandbox, "both");
    let script = format!("echo first >{CONF}; read line; cat {CONF}; readlink /proc/self/ns/mnt");
    let mut command: Command = sandbox.command(sandbox.at("bash"));
    let command = command.args(["-c", &script]).env("UNIBIN_KEEP", "both");
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let second =
        format!("[ $(cat {CONF}) = first ] && echo second >{CONF} && pwd && readlink /proc/self/ns/mnt");
    let ran = until("the first one has written", || {
        let ran = run(sandbox, "both", &second);
        ran.status.success().then_some(ran)
    });
    let in_use = [("UNIBIN_DO", "gc"), ("UNIBIN_KEEP", "both")];
    let in_use = sandbox.run_with(&in_use, &sandbox.at("bash"), &[] as &[&str]);
    assert!(in_use.must_succeed().contains("in use, and left alone"), "{in_use}");
    drop(first.stdin.take());
    let first = Outcome::from(first.wait_with_output().expect("it has ended"));
    let text = ran.text();
    let (directory, mounts) = text.split_once('\n').expect("lines");
    assert_eq!(Path::new(directory), sandbox.path());
    assert_eq!(first.must_succeed(), format!("second\n{mounts}"));
    // One that nobody is in begins with what the last one has left.
    assert!(read(sandbox, "both").starts_with("second\n"));
}

#[test]
fn where_nothing_can_be_kept_it_is_said() {
    needs!("x86_64", "network", "namespaces", "setpriv");
    let sandbox = natively();
    // An app that is told not to have mounts keeps nothing, and neither does one that was packed so.
    sandbox.copy(&shell(), "own");
    sandbox.copy(&shell_on("x86_64", &["--view", "host"]), "unseen");
    sandbox.copy(&shell_of_debian(), "debians");
    for (name, view) in [("own", "host"), ("unseen", "packed"), ("debians", "host"), ("bash", "host")] {
        let variables = [("UNIBIN_KEEP", "it"), ("UNIBIN_VIEW", view)];
        let ran = sandbox.run_with(&variables, &sandbox.at(name), &["-c", "echo up"]);
        assert_eq!(ran.must_succeed(), "up\n");
        assert!(ran.errors().contains("nothing of the app is kept as `it`"), "{name}: {ran}");
        let none = [("UNIBIN_KEEP", "none"), ("UNIBIN_VIEW", view)];
        assert_eq!(sandbox.run_with(&none, &sandbox.at(name), &["-c", "echo up"]).errors(), "");
    }
    run(&sandbox, "../it", "true").must_fail_with(125, &["unknown value for UNIBIN_KEEP"]);
    // What is asked for and refused is no start without it.
    let own = tempfile::tempdir().expect("a directory");
    let none = "echo 0 >/proc/sys/user/max_user_namespaces; UNIBIN_CACHE=$1 UNIBIN_KEEP=it exec \
                setpriv --bounding-set -all --inh-caps -all ./$2 -c true";
    for name in ["bash", "own", "debians"] {
        let refused = Namespace::OwnUsers.run(&sandbox, none, &[own.path().as_os_str(), name.as_ref()]);
        refused.must_fail_with(125, &["it is not started", "max_user_namespaces"]);
    }
}
