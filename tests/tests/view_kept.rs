//! What an app with a view by mounts changes of its packaged files, kept under a name of the user's:
//! natively, and under an emulator that is not unibin's. Each test shows first what happens without.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use end_to_end::{Namespace, Outcome, Sandbox, needs, pack, shell, shell_of_debian, store, until};

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
    run(
        sandbox,
        "one",
        &[&edit(), " && mkdir /etc/unibin-new && rm /usr/share/doc/coreutils/copyright"].concat(),
    )
    .must_succeed();
    assert_eq!(read(sandbox, "one"), "edited\nrenamed\npacked\nmore\n");
    let after = run(
        sandbox,
        "one",
        "ls -d /etc/unibin-new; ls /usr/share/doc/coreutils/copyright 2>/dev/null; id -u",
    );
    assert_eq!(after.text(), format!("/etc/unibin-new\n{}\n", sandbox.uid()), "{after}");
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
    let sandbox = natively();
    read(&sandbox, "both");
    let script = format!("echo first >{CONF}; read line; cat {CONF}; readlink /proc/self/ns/mnt");
    let mut command: Command = sandbox.command(sandbox.at("bash"));
    let command = command.args(["-c", &script]).env("UNIBIN_KEEP", "both");
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let second =
        format!("[ $(cat {CONF}) = first ] && echo second >{CONF} && pwd && readlink /proc/self/ns/mnt");
    let ran = until("the first one has written", || {
        let ran = run(&sandbox, "both", &second);
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
    assert!(read(&sandbox, "both").starts_with("second\n"));
}

#[test]
fn where_nothing_can_be_kept_it_is_said() {
    needs!("x86_64", "network", "namespaces", "setpriv");
    let sandbox = natively();
    // unibin's own emulators have no mounts, and one that is told not to have them has none either.
    sandbox.copy(&shell(), "own");
    sandbox.copy(&shell_of_debian(), "debians");
    for (name, view) in [("own", "packed"), ("debians", "host"), ("bash", "host")] {
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
                setpriv --bounding-set -all --inh-caps -all ./bash -c true";
    let refused = Namespace::OwnUsers.run(&sandbox, none, &[own.path()]);
    refused.must_fail_with(125, &["it is not started", "max_user_namespaces"]);
}
