//! Which file systems come first, and what is made where directories have rules of their own.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use end_to_end::{needs, say};

use crate::fixture::{Fixture, TELLS, Told, stderr};

#[test]
fn a_directory_of_the_nodes_own_comes_before_one_on_a_network() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in fixture.shells.iter().filter(|shell| shell.name != "posh") {
        let [home, node] = ["h", "n"].map(|name| fixture.directory(&format!("{name}-{}", shell.name)));
        fixture.directory("vt");
        let shared = fixture.at(format!("vt/unibin-{}", fs::metadata(&home).expect("ours").uid()));
        let start = |slurm: &[(&str, &Path)]| {
            let mut command = fixture.start(shell, &bundle, Path::new(""));
            command.env("HOME", &home).envs(slurm.iter().copied());
            Told::from(&command.output().expect("starts"), shell.name).launcher
        };
        Fixture::write(&bundle, &fixture.text(TELLS.as_bytes()), TELLS.as_bytes());
        let slurm = [("SLURM_TMPDIR", node.as_path()), ("SLURM_JOB_ID", Path::new("7"))];
        assert!(start(&slurm).starts_with(node.join("unibin")), "{}", shell.name);
        assert!(start(&slurm[..1]).starts_with(&home), "{}: no job", shell.name);
        fs::remove_dir_all(home.join(".cache")).expect("removed");
        // The home's file system stands for NFS, whose number is 6969.
        let kind = Command::new("stat").args(["-f", "-c", "%t"]).arg(&home).output().expect("stat");
        let kind = String::from_utf8(kind.stdout).expect("text");
        let text = fixture.text(TELLS.as_bytes()).replace("\n6969 |", &format!("\n{} |", kind.trim()));
        Fixture::write(&bundle, &text, TELLS.as_bytes());
        assert!(start(&[]).starts_with(&shared), "{}", shell.name);
        assert!(!home.join(".cache").exists(), "{}", shell.name);
        fs::remove_dir_all(&shared).expect("removed");
        // Better than none.
        let none = text.replace(&format!("{}/", fixture.dir().display()), "/proc/");
        Fixture::write(&bundle, &none.replace("\"${ub_f%/*}/.unibin-\"", "/proc/.unibin-"), TELLS.as_bytes());
        assert!(start(&[]).starts_with(&home), "{}", shell.name);
    }
}

/// Where a directory has a default ACL, mkdir(2) does not look at the umask.
#[test]
fn a_default_acl_opens_nothing_to_a_group() {
    needs!("python3");
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in fixture.shells.iter().filter(|shell| shell.name != "posh") {
        let home = fixture.directory(&format!("home-{}", shell.name));
        // Version 2 of `struct posix_acl_xattr_header` (linux/posix_acl_xattr.h): owner, group and mask may
        // do everything, others may look.
        let script = "import os, struct, sys\n\
            rows = [(1, 7), (4, 7), (16, 7), (32, 5)]\n\
            acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *row, 0xffffffff) for row in rows)\n\
            os.setxattr(sys.argv[1], 'system.posix_acl_default', acl)";
        let set = Command::new("python3").args(["-c", script]).arg(&home).output().expect("python3");
        if !set.status.success() {
            say(&format!("NOT RUN: no ACL here: {}", stderr(&set)));
            return;
        }
        for _ in ["cold", "warm"] {
            let mut command = fixture.start(shell, &bundle, Path::new(""));
            let told = Told::from(&command.env("HOME", &home).output().expect("starts"), shell.name);
            assert!(told.launcher.starts_with(&home), "{}: {}", shell.name, told.launcher.display());
        }
        let cpu = Fixture::cached(&home.join(".cache/unibin"), TELLS);
        for path in cpu.ancestors().skip(1).take(3) {
            let mode = fs::metadata(path).expect("there").mode() & 0o777;
            assert_eq!(mode, 0o700, "{}: {}", shell.name, path.display());
        }
    }
}

/// With an access control list the group's bits say nothing about the group: they are what the list may allow
/// at most.
#[test]
fn a_directory_that_an_acl_opens_to_somebody_else_is_passed_over() {
    needs!("python3");
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let open = fixture.directory(&format!("open-{}", shell.name));
        // The owner, user 12345, the group, the mask, others: all may write but the group and others.
        let script = "import os, struct, sys\n\
            none = 0xffffffff\n\
            rows = [(1, 7, none), (2, 7, 12345), (4, 5, none), (16, 7, none), (32, 5, none)]\n\
            acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *row) for row in rows)\n\
            os.setxattr(sys.argv[1], 'system.posix_acl_access', acl)";
        let set = Command::new("python3").args(["-c", script]).arg(&open).output().expect("python3");
        if !set.status.success() {
            say(&format!("NOT RUN: no ACL here: {}", stderr(&set)));
            return;
        }
        let ls = Command::new("/bin/sh").args(["-c", "ls -ldn \"$0\""]).arg(&open).output().expect("ls");
        if ls.stdout.get(10) != Some(&b'+') {
            say("NOT RUN: this ls does not show that there is an ACL");
            return;
        }
        let output = fixture.start(shell, &bundle, &open.join("cache")).output().expect("starts");
        let launcher = Told::from(&output, shell.name).launcher;
        assert!(!launcher.starts_with(&open), "{}: {}", shell.name, launcher.display());
        assert_eq!(fs::read_dir(&open).expect("open").count(), 0, "{}", shell.name);
    }
}

/// In a build of Nix or Guix there is nothing in the system's directories.
#[test]
fn tools_that_the_system_lacks_come_from_the_callers_path() {
    let fixture = Fixture::new();
    let bundle = fixture.at("app");
    let text = fixture.text(TELLS.as_bytes()).replace("ub_0=/usr/bin:/bin:", "ub_0=/none:");
    Fixture::write(&bundle, &text, TELLS.as_bytes());
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        for _ in ["cold", "warm"] {
            let output = fixture.start(shell, &bundle, &cache).output().expect("starts");
            assert!(Told::from(&output, shell.name).launcher.starts_with(&cache), "{}", shell.name);
        }
    }
}
