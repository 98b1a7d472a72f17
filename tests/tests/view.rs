//! What an emulated app sees of files: its tree laid over the host's root. Each test says what the kernel
//! shows on the host, and what a program of the app sees there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use end_to_end::{Outcome, Sandbox, needs, programs, shell_of_debian};

/// bash, coreutils, git, perl and python3 for riscv64.
fn tools(sandbox: &Sandbox) {
    let packages = ["bash", "coreutils", "make", "git", "perl", "python3"];
    sandbox.copy(&programs(&packages, &["bash", "make", "git", "perl", "python3"]), "bash");
    for name in ["git", "perl", "python3"] {
        symlink("bash", sandbox.at(name)).expect("link");
    }
}

fn bash(sandbox: &Sandbox, script: &str) -> Outcome {
    sandbox.run(&sandbox.at("bash"), &["-c", script])
}

fn python(sandbox: &Sandbox, script: &str) -> Outcome {
    sandbox.run(&sandbox.at("python3"), &["-c", script])
}

fn names(directory: impl AsRef<Path>) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn directories_show_what_the_host_has_and_what_the_tree_adds() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    sandbox.write("of-the-host", b"");
    let listed = |path: &str| -> BTreeSet<String> {
        let script = format!("import os; print('\\n'.join(os.listdir({path:?})))");
        python(&sandbox, &script).must_succeed().lines().map(str::to_owned).collect()
    };
    // A path of which the tree has nothing, some of the top, and all.
    assert_eq!(listed(sandbox.path().to_str().expect("text")), names(sandbox.path()));
    for path in ["/", "/usr/bin", "/etc"] {
        let (seen, hosts) = (listed(path), names(path));
        let lacking: Vec<_> = hosts.difference(&seen).collect();
        assert!(lacking.is_empty(), "{path}: {lacking:?}");
    }
    let counted = bash(&sandbox, "ls -A /home | wc -l; ls -A / | grep -c unibin");
    let text = counted.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(&*names("/home").len().to_string()));
    assert_eq!(lines.next(), Some("0"), "the map is no file of the app's");
    // With Debian's emulator a directory of the tree hides the host's: the tree must have none there.
    let other = sandbox.copy(&shell_of_debian(), "other");
    let listed = sandbox.run(&other, &["-c", "ls -A /tmp | grep -c ."]);
    assert!(listed.text().trim().parse::<usize>().expect("a number") > 0, "{listed}");
}

#[test]
fn a_copy_has_the_files_of_both_and_nothing_is_lost() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    // Some of it an ordinary user cannot read.
    sandbox.shell("cp -a /etc natively", &[] as &[&str]);
    let copied = bash(&sandbox, "cp -a /etc copy");
    let seen: BTreeSet<_> = Sandbox::tree(&sandbox.at("copy")).into_iter().collect();
    let hosts: BTreeSet<_> = Sandbox::tree(&sandbox.at("natively")).into_iter().collect();
    let lacking: Vec<_> = hosts.difference(&seen).collect();
    assert!(hosts.len() > 50 && lacking.is_empty(), "{lacking:?}: {copied}");
    assert!(sandbox.at("copy/bash.bashrc").exists(), "what the tree has");
}

#[test]
fn a_program_is_the_trees_by_its_path_by_its_name_and_before_one_that_path_names_first() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    let decoys = sandbox.make_directory("decoys");
    for name in ["uname", "only-here"] {
        sandbox.write(format!("decoys/{name}"), b"#!/bin/sh\necho decoy\n");
    }
    let script =
        "/usr/bin/uname -m; /bin/uname -m; uname -m; command -v uname; only-here; cd /usr/bin; ./uname -m";
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", decoys.display());
    let ran = sandbox.run_with(&[("PATH", &path)], &sandbox.at("bash"), &["-c", script]);
    let wanted = "riscv64\nriscv64\nriscv64\n/usr/bin/uname\ndecoy\nriscv64\n";
    assert_eq!(ran.text(), wanted, "{ran}");
    // Without the emulator's view the same program is found, but not by a path relative to a directory.
    let ran = sandbox.run(&sandbox.copy(&shell_of_debian(), "other"), &["-c", "/usr/bin/uname -m; uname -m"]);
    assert_eq!(ran.text(), "riscv64\nriscv64\n", "{ran}");
}

#[test]
fn what_the_host_says_of_itself_is_the_hosts_and_what_a_package_ships_is_the_trees() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    let read = |path: &str| bash(&sandbox, &format!("cat {path}")).text();
    for path in ["/etc/passwd", "/etc/group", "/etc/hosts"] {
        assert_eq!(read(path), fs::read_to_string(path).expect("a file"), "{path}");
    }
    let script = "import os, sys; print(os.path.realpath(sys.executable), os.__file__); print(sys.path)";
    let text = python(&sandbox, script).must_succeed();
    let first = text.lines().next().unwrap_or_default();
    assert!(first.starts_with("/usr/bin/python3.") && first.contains(" /usr/lib/python3."), "{text}");
    assert!(!text.contains(".cache"), "{text}");
}

#[test]
fn no_way_leads_to_changing_what_is_unpacked() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    bash(&sandbox, "true").must_succeed();
    let script = "
        echo x 2>/dev/null >/usr/bin/uname || echo write
        chmod 755 /usr/bin/uname 2>/dev/null || echo chmod
        touch /usr/bin/uname 2>/dev/null || echo touch
        ln /usr/bin/uname linked 2>/dev/null || echo link
        rm -f /usr/bin/uname 2>/dev/null || echo remove
        mv /usr/bin/uname moved 2>/dev/null || echo move
        exec 5</usr/bin/uname
        echo x 2>/dev/null >/proc/self/fd/5 || echo reopen
        chmod 755 /proc/self/fd/5 2>/dev/null || echo reopened
        mkdir /usr/lib/python3/new 2>/dev/null || echo mkdir
        test -w /usr/bin/uname || echo access
        uname -m
    ";
    let ran = bash(&sandbox, script);
    let wanted = "write\nchmod\ntouch\nlink\nremove\nmove\nreopen\nreopened\nmkdir\naccess\nriscv64\n";
    assert_eq!(ran.text(), wanted, "{ran}");
    let verified = sandbox.run_with(&[("UNIBIN_DO", "verify")], &sandbox.at("bash"), &[] as &[&str]);
    verified.must_succeed();
}

#[test]
fn programs_of_the_host_in_between_have_the_callers_environment() {
    needs!("x86_64", "network", "ptrace");
    let sandbox = Sandbox::new();
    tools(&sandbox);
    // A native program between two of the app's.
    let native = sandbox.write("native", b"#!/usr/bin/env -S sh\necho \"$PATH\"\n./script\n");
    let shebang = format!("#!{}\n/usr/bin/uname -m\n", "/usr/bin/bash");
    sandbox.write("script", shebang.as_bytes());
    assert_eq!(fs::metadata(&native).expect("a file").permissions().mode() & 0o111, 0o111);
    let callers = "/usr/local/bin:/usr/bin:/bin";
    let ran = bash(&sandbox, "./script; cp /usr/bin/env host-env 2>/dev/null; ./native");
    let text = ran.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.first(), Some(&"riscv64"), "{ran}");
    assert_eq!(lines.last(), Some(&"riscv64"), "{ran}");
    assert!(lines.contains(&callers) || text.contains(":/usr/local/bin:"), "{ran}");
}
