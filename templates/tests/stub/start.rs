//! What reaches the launcher: path, arguments, environment, umask; and at what cost.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use end_to_end::{needs, say};

use crate::fixture::{Fixture, TELLS, Told, os};

#[test]
fn arguments_arrive_unchanged_cold_and_warm() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let arguments: [&[u8]; 9] =
        [b"", b"a b", b"-n", b"--", b"new\nline\n", b"*", b"$HOME `id` \"'\\", b"-", b"~"];
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        for _ in ["cold", "warm"] {
            let output =
                fixture.start(shell, &bundle, &cache).args(arguments.map(os)).output().expect("starts");
            let told = Told::from(&output, shell.name);
            assert_eq!(
                told.argv[..2],
                [bundle.as_os_str().as_encoded_bytes(), bundle.as_os_str().as_encoded_bytes()]
            );
            assert_eq!(told.argv[2..], arguments, "{}", shell.name);
        }
        assert_eq!(Fixture::names(&cache).len(), 1, "{}: one launcher and no rest", shell.name);
    }
}

#[test]
fn arguments_beyond_ascii_arrive_unchanged() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        if shell.name == "yash" {
            say("NOT RUN: under yash: it drops arguments that are no text in the locale");
            continue;
        }
        let output = fixture
            .start(shell, &bundle, &fixture.at("cache"))
            .args([os(b"caf\xc3\xa9"), os(b"\xff\xfe\x80")])
            .output();
        let told = Told::from(&output.expect("starts"), shell.name);
        assert_eq!(told.argv[2..], [&b"caf\xc3\xa9"[..], b"\xff\xfe\x80"], "{}", shell.name);
    }
}

#[test]
fn a_bundle_may_have_any_name() {
    let fixture = Fixture::new();
    let names: [&[u8]; 8] = [
        b"with space",
        b"new\nline",
        b"quote'\"",
        b"-dash",
        b"$(id)`id`*",
        b"back\\slash",
        b"caf\xc3\xa9",
        b"\xff\x80",
    ];
    for shell in &fixture.shells {
        for name in names {
            if shell.name == "yash" && !name.is_ascii() {
                say("NOT RUN: under yash: a name that is no text in the locale");
                continue;
            }
            let bundle = fixture.bundle(os(name), TELLS);
            let cache = fixture.at(format!("cache-{}", shell.name));
            let whole = fixture.start(shell, &bundle, &cache).output().expect("starts");
            assert_eq!(Told::from(&whole, shell.name).argv[0], bundle.as_os_str().as_encoded_bytes());

            fs::remove_dir_all(&cache).expect("cold again");
            let mut bare = Command::new(&shell.path);
            bare.arg("--").arg(os(name)).env_clear().env("PATH", "/usr/bin:/bin").env("UNIBIN_CACHE", &cache);
            let told = Told::from(&bare.current_dir(fixture.dir()).output().expect("starts"), shell.name);
            assert_eq!(told.argv, [[b"./", name].concat(), name.to_vec()], "{}", shell.name);
        }
    }
}

#[test]
fn the_kernel_starts_a_bundle_by_path_and_by_name() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let cache = fixture.at("cache");
    for name in [bundle.as_path(), "app".as_ref()] {
        let path = format!("{}:/usr/bin:/bin", fixture.dir().display());
        let mut command = Command::new(name);
        let output =
            command.env_clear().env("PATH", path).env("UNIBIN_CACHE", &cache).output().expect("starts");
        assert_eq!(Told::from(&output, "/bin/sh").argv[0], bundle.as_os_str().as_encoded_bytes());
    }
}

#[test]
fn the_environment_and_umask_of_the_caller_reach_the_launcher() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        for posix in [None, None, Some("y")] {
            let mut command = fixture.start(shell, &bundle, &cache);
            command.env("ODD", "a b\n*$x\\").env("EMPTY", "").env("HOME", fixture.dir()).env("LC_ALL", "C");
            posix.map(|posix| command.env("POSIXLY_CORRECT", posix));
            let given: BTreeSet<Vec<u8>> = command
                .get_envs()
                .map(|(name, value)| {
                    [name, os(b"="), value.expect("set")].map(|s| s.as_encoded_bytes().to_vec()).concat()
                })
                .collect();
            let umasked = Command::new(&shell.path)
                .args(["-c", "umask 027; exec \"$@\"", "-"])
                .arg(&shell.path)
                .arg(&bundle)
                .env_clear()
                .envs(command.get_envs().map(|(name, value)| (name, value.expect("set"))))
                .output();
            let told = Told::from(&umasked.expect("starts"), shell.name);
            assert_eq!(told.umask, b"0027\n", "{}", shell.name);
            // Every sh sets these by itself, whatever the script does (zsh LOGNAME, mksh and ksh `_`).
            let own = |entry: &Vec<u8>| {
                [&b"_="[..], b"PWD=", b"OLDPWD=", b"SHLVL=", b"LOGNAME="]
                    .iter()
                    .any(|name| entry.starts_with(name))
            };
            let got: BTreeSet<Vec<u8>> = told.env.into_iter().filter(|entry| !own(entry)).collect();
            assert_eq!(got, given, "{}", shell.name);
        }
    }
}

/// Called `sh`, it changes the variable itself.
#[test]
fn what_bash_is_told_about_posix_reaches_the_launcher() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let Some(shell) = fixture.shells.iter().find(|shell| shell.name == "bash") else { return };
    let bash = fs::canonicalize(&shell.path).expect("a program");
    for posix in [None, Some("no"), Some(""), Some("1")] {
        let mut command = Command::new(&bash);
        command.arg(&bundle).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("UNIBIN_CACHE", fixture.at("cache"));
        posix.map(|posix| command.env("POSIXLY_CORRECT", posix));
        let told = Told::from(&command.output().expect("starts"), "bash");
        let of = |entry: &Vec<u8>| Some(entry.strip_prefix(b"POSIXLY_CORRECT=")?.to_vec());
        let got = told.env.iter().find_map(of);
        assert_eq!(got, posix.map(|posix| posix.as_bytes().to_vec()));
    }
}

#[test]
fn a_bundle_starts_with_its_standard_streams_closed() {
    let fixture = Fixture::new();
    let launcher =
        format!("#!/bin/sh\n[ \"$1\" = - ] && exit 0\necho \"$*\" >{}/ran\n", fixture.dir().display());
    let bundle = fixture.bundle("app", &launcher);
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        for _ in ["cold", "warm"] {
            let script = "exec \"$0\" \"$@\" <&- >&- 2>&-";
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", script])
                .arg(&shell.path)
                .arg(&bundle)
                .arg("word")
                .env("UNIBIN_CACHE", &cache);
            let status = command.status().expect("starts");
            assert!(status.success(), "{}: {status:?}", shell.name);
            let ran = fs::read_to_string(fixture.at("ran")).expect("the launcher ran");
            assert!(ran.ends_with(" word\n"), "{}: {ran}", shell.name);
            fs::remove_file(fixture.at("ran")).expect("removed");
        }
    }
}

#[test]
fn standard_input_is_left_to_the_app() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", "#!/bin/sh\nexec cat\n");
    fs::write(fixture.at("input"), "all of it\n").expect("input");
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        for _ in ["cold", "warm"] {
            let input = fs::File::open(fixture.at("input")).expect("input");
            let output =
                fixture.start(shell, &bundle, &cache).stdin(Stdio::from(input)).output().expect("starts");
            assert_eq!(output.stdout, b"all of it\n", "{}", shell.name);
        }
    }
}

#[test]
fn a_warm_start_forks_nothing() {
    needs!("strace", "ptrace");
    let fixture = Fixture::unshared();
    // The launcher itself must not fork either: builtins only.
    let bundle = fixture.bundle("app", "#!/bin/sh\nexit 0\n");
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache-{}", shell.name));
        let mut forks = [0; 2];
        for count in &mut forks {
            let log = fixture.at("strace");
            let mut command = Command::new("strace");
            command
                .args(["-f", "-e", "trace=clone,clone3,fork,vfork", "-o"])
                .arg(&log)
                .arg(&shell.path)
                .arg(&bundle);
            let status = command.env("UNIBIN_CACHE", &cache).stdout(Stdio::null()).status().expect("strace");
            assert!(status.success(), "{}", shell.name);
            let log = fs::read_to_string(&log).expect("log");
            *count = log.lines().filter(|line| line.contains("clone") || line.contains("fork(")).count();
        }
        assert!(forks[0] > 0, "{}: a cold start is seen to fork", shell.name);
        if shell.name == "posh" {
            say("posh has no `-O`: its warm start asks `ls` for the owner");
        } else {
            assert_eq!(forks[1], 0, "{}", shell.name);
        }
    }
}

#[test]
fn the_launcher_keeps_the_pid_and_the_signals_of_the_caller() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", "#!/bin/sh\n[ \"$1\" = - ] && exit 0\nkill -TERM $$\nexit 9\n");
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        for _ in ["cold", "warm"] {
            let mut command = fixture.start(shell, &bundle, &cache);
            command.arg0("sh");
            let status = command.status().expect("starts");
            assert_eq!(
                std::os::unix::process::ExitStatusExt::signal(&status),
                Some(15),
                "{}: {status:?}",
                shell.name
            );
        }
    }
}

/// bash takes options out of the environment (`export SHELLOPTS`), and a caller may name a shell with them.
#[test]
fn a_bundle_starts_in_a_shell_that_ends_at_errors_and_unset_variables() {
    for fixture in [Fixture::new(), Fixture::unshared()] {
        let bundle = fixture.bundle("app", TELLS);
        for shell in &fixture.shells {
            for option in ["-u", "-e", "-eu"] {
                let cache = fixture.at(format!("cache {} {option}", shell.name));
                for _ in ["cold", "warm"] {
                    let mut command = Command::new(&shell.path);
                    command.arg(option).arg(&bundle).arg("word").env_clear().env("PATH", "/usr/bin:/bin");
                    command.env("UNIBIN_CACHE", &cache).stdin(Stdio::null());
                    let output = command.output().expect("starts");
                    let told = Told::from(&output, &format!("{} {option}", shell.name));
                    assert_eq!(told.argv[2], b"word", "{} {option}", shell.name);
                }
                // Nothing that is there, and nothing that can be made.
                let mut command = Command::new(&shell.path);
                // posh takes `$@` without an argument for unset.
                command.arg(option).arg(&bundle).arg("word").env_clear().env("PATH", "/usr/bin:/bin");
                let output = command.env("UNIBIN_CACHE", "/proc/none").output().expect("starts");
                Told::from(&output, &format!("{} {option}, no such place", shell.name));
            }
        }
        let mut command = Command::new("/bin/sh");
        command.arg(&bundle).env_clear().env("PATH", "/usr/bin:/bin").env("UNIBIN_CACHE", fixture.at("opts"));
        let output = command.env("SHELLOPTS", "errexit:nounset").output().expect("starts");
        Told::from(&output, "SHELLOPTS");
    }
}

/// Nothing in the text opens `/dev/null`, and root leaves no file of that name where it is missing.
#[test]
fn a_bundle_starts_where_dev_null_is_missing_or_cannot_be_opened() {
    needs!("namespaces");
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let missing = "mount -t tmpfs none /dev";
        let closed =
            "touch null; chmod 0 null; mount --bind null /dev/null; mount -o remount,bind,ro /dev/null";
        for (what, mounts) in [("missing", missing), ("closed", closed)] {
            let cache = fixture.at(format!("cache {what} {}", shell.name));
            let script = format!("{mounts}\n\"$@\" && \"$@\" >&2 && [ ! -f /dev/null -o -e null ]");
            let mut command = Command::new("unshare");
            command.args(["-Urm", "sh", "-euc", &script, "sh"]).arg(&shell.path).arg(&bundle);
            command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("UNIBIN_CACHE", &cache);
            let output = command.current_dir(fixture.dir()).stdin(Stdio::null()).output().expect("unshare");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{} {what}: {said}", shell.name);
            assert!(said.contains("=ENV=") && !said.contains("null"), "{} {what}: {said}", shell.name);
            assert_eq!(Fixture::names(&cache).len(), 1, "{} {what}", shell.name);
        }
        let _ = fs::remove_file(fixture.at("null"));
    }
}

#[test]
fn a_bundle_from_a_pipe_says_what_to_do_and_blames_no_file() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    // posh does not tell where its script comes from.
    for shell in fixture.shells.iter().filter(|shell| shell.name != "posh") {
        let mut command = Command::new(&shell.path);
        command.stdin(Stdio::from(fs::File::open(&bundle).expect("bundle")));
        let output = command.env("UNIBIN_CACHE", fixture.at("cache")).output().expect("starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(125), "{}: {said}", shell.name);
        assert_eq!(
            said, "unibin: a bundle cannot run from a pipe\nhint: save it in a file, and run that file\n",
            "{}",
            shell.name
        );
    }
}
