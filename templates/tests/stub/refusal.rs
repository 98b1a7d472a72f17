//! What the stub refuses and in which words, directories that cannot execute or are full, and its text as
//! `shellcheck` sees it.

use std::fs;
use std::path::Path;
use std::process::Command;

use end_to_end::needs;

use crate::fixture::{Fixture, TELLS, Told, stderr};

#[test]
fn a_cpu_without_a_launcher_is_named_with_those_inside() {
    let fixture = Fixture::new();
    let bundle = fixture.at("app");
    fs::write(fixture.at("arch"), "mips64\n").expect("CPU");
    let text = fixture.text(TELLS.as_bytes());
    let foreign = text.replace("/proc/sys/kernel/arch", &fixture.at("arch").display().to_string());
    // In a container for another CPU than the kernel's only `uname` says what runs there.
    Fixture::write(&bundle, &foreign, TELLS.as_bytes());
    for shell in &fixture.shells {
        let output = fixture.start(shell, &bundle, &fixture.at("emulated")).output().expect("starts");
        Told::from(&output, shell.name);
    }
    let foreign = foreign.replace("ub_do uname -m", "echo mips32");
    Fixture::write(&bundle, &foreign, TELLS.as_bytes());
    for shell in &fixture.shells {
        let output = fixture.start(shell, &bundle, &fixture.at("cache")).output().expect("starts");
        assert_eq!(output.status.code(), Some(126), "{}", shell.name);
        let host = bundle::Arch::HOST.expect("host").name();
        let expected = format!("unibin: this bundle has no launcher for 'mips64' (it has: {host})\nhint: ");
        assert!(stderr(&output).starts_with(&expected), "{}: {}", shell.name, stderr(&output));
        assert!(!fixture.at("cache").exists());
    }
    // No such file before Linux 6.1: `uname` tells.
    Fixture::write(
        &bundle,
        &text.replace("/proc/sys/kernel/arch", "/proc/sys/kernel/none"),
        TELLS.as_bytes(),
    );
    for shell in &fixture.shells {
        let output = fixture.start(shell, &bundle, &fixture.at("cache")).output().expect("starts");
        Told::from(&output, shell.name);
    }
}

#[test]
fn without_any_directory_the_message_names_them_and_the_way_out() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let text = fixture.text(TELLS.as_bytes()).replace("\"${ub_f%/*}/.unibin-\"", "/proc/.unibin-");
    Fixture::write(&bundle, &text, TELLS.as_bytes());
    for shell in &fixture.shells {
        let output = fixture.start(shell, &bundle, Path::new("/proc/none")).output().expect("starts");
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(125), "{}: {message}", shell.name);
        assert!(
            message.starts_with("unibin: no usable cache directory:\nunibin:   /proc/none: ")
                && message.contains("\nunibin:   /proc/.unibin-"),
            "{}: {message}",
            shell.name
        );
        assert!(
            message.contains("\nhint: set UNIBIN_CACHE to a directory") && message.lines().count() == 7,
            "{message}"
        );
    }
}

#[test]
fn a_damaged_launcher_is_not_started() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let whole = fs::read(&bundle).expect("bundle");
    let mut altered = whole.clone();
    altered[8192 + 20] ^= 1;
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        for bad in [&altered[..], &whole[..8200], &whole[..8192]] {
            fs::write(&bundle, bad).expect("damaged");
            let output = fixture.start(shell, &bundle, &cache).output().expect("starts");
            assert_eq!(output.status.code(), Some(125), "{} {}: {output:?}", shell.name, bad.len());
            let message = stderr(&output);
            assert!(
                message.starts_with("unibin: '") && message.contains("' is damaged: "),
                "{}: {message}",
                shell.name
            );
            assert_eq!(Fixture::names(&cache).len(), 0, "{}", shell.name);
        }
        fs::write(&bundle, &whole).expect("restored");
        Told::from(&fixture.start(shell, &bundle, &cache).output().expect("starts"), shell.name);
    }
}

#[test]
fn damage_that_the_launcher_finds_is_told_once_and_ends_the_start() {
    let fixture = Fixture::new();
    let launcher = "#!/bin/sh\n[ \"$1\" = - ] && { echo 'unibin: the manifest is cut short' >&2; exit 125; }\necho ran\n";
    let bundle = fixture.bundle("app", launcher);
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        let output = fixture.start(shell, &bundle, &cache).output().expect("starts");
        assert_eq!(output.status.code(), Some(125), "{}", shell.name);
        assert_eq!(stderr(&output), "unibin: the manifest is cut short\n", "{}", shell.name);
        assert_eq!(output.stdout, b"", "{}", shell.name);
        assert_eq!(Fixture::names(&cache).len(), 0, "{}", shell.name);
    }
}

#[test]
fn a_directory_that_cannot_execute_or_is_full_is_passed_over() {
    needs!("namespaces");
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let place = fixture.directory("place");
        let next = fixture.at(format!("next {}", shell.name));
        let [noexec, full] = ["mode=0755,noexec", "mode=0755,size=4k,nr_inodes=9"];
        for options in [noexec, full] {
            let script = "mount -t tmpfs -o \"$1\" none \"$2\" || exit 99; shift 2
                case $0 in *size*) dd if=/dev/zero of=place/filler bs=4096 2>/dev/null;; esac
                \"$@\" && \"$@\" && [ -z \"$(ls -A place/*/)\" ]";
            let mut command = Command::new("unshare");
            command
                .args(["-Urm", "sh", "-c", script, options, options])
                .arg(&place)
                .arg(&shell.path)
                .arg(&bundle);
            command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("UNIBIN_CACHE", &place);
            let output =
                command.env("XDG_CACHE_HOME", &next).current_dir(fixture.dir()).output().expect("unshare");
            assert!(output.status.success(), "{} {options}: {}", shell.name, stderr(&output));
            assert_eq!(stderr(&output), "", "{} {options}", shell.name);
            assert_eq!(Fixture::names(&next.join("unibin")).len(), 1, "{} {options}", shell.name);
            fs::remove_dir_all(&next).expect("removed");
        }
    }
}

#[test]
fn the_rendered_text_pleases_shellcheck() {
    needs!("shellcheck");
    let fixture = Fixture::new();
    let text = fixture.at("stub.sh");
    fs::write(&text, fixture.text(TELLS.as_bytes())).expect("text");
    // `ls` is the only tool that tells a mode everywhere, and the mode's pattern is meant as one; `ub_2`
    // takes what `ls` says besides; the trap's number is filled in when it is set; what a subshell finds is
    // found again outside; the bundle is standard input because it is a file that can be opened.
    let exclude = "--exclude=SC2012,SC2254,SC2034,SC2064,SC2030,SC2031,SC2094";
    let output = Command::new("shellcheck")
        .args(["--shell=sh", "--color=never", exclude])
        .arg(&text)
        .output()
        .expect("shellcheck");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_shell_that_cannot_fork_says_so() {
    needs!("root", "setpriv", "bash");
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    // Nobody else has this number; bash and mksh try again for half a minute, ksh93 for ever.
    let user = (2_000_000_000 + std::process::id()).to_string();
    for shell in
        fixture.shells.iter().filter(|shell| !["bash", "ksh93", "mksh", "posh"].contains(&shell.name))
    {
        // At another limit another part of a first start is the one that cannot begin.
        for limit in 1..=5 {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
            let script = format!("ulimit -u {limit}; exec \"$@\"");
            command.args(["bash", "-c", &script, "bash"]).arg(&shell.path).arg(&bundle);
            let output = command.env_clear().env("PATH", "/usr/bin:/bin").output().expect("setpriv");
            let said = stderr(&output);
            if output.status.success() && limit > 1 {
                continue;
            }
            assert_eq!(output.status.code(), Some(125), "{} {limit}: {said}", shell.name);
            let ours = [
                "unibin: the shell cannot start a process or has no memory\nhint: ulimit -a shows the limits\n",
                "hint: set UNIBIN_CACHE to a directory that is not mounted noexec",
            ];
            let shown = if limit == 1 { &ours[..1] } else { &ours[..] };
            assert!(shown.iter().any(|ours| said.contains(ours)), "{} {limit}: {said}", shell.name);
        }
    }
}
