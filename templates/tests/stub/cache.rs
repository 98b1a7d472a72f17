//! Where launchers are put and which are trusted: planted files, directories that cannot execute, races and
//! kills.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use end_to_end::{is_ignored, kill, say};

use crate::fixture::{Fixture, Shell, TELLS, Told, stderr};

/// An ordinary user's id, for tests that run as root.
const SOMEBODY: u32 = 12_345;

/// What a planted launcher would do; no test may see it.
const EVIL: &str = "#!/bin/sh\necho evil\n";

fn plant(path: &Path) {
    fs::create_dir_all(path.parent().expect("parent")).expect("directory");
    fs::write(path, EVIL).expect("planted");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

/// Starts the bundle as [`SOMEBODY`]: what root made is then of another owner.
fn as_somebody(fixture: &Fixture, shell: &Shell, bundle: &Path, cache: &Path) -> Output {
    let direct = fixture.start(shell, bundle, cache);
    let id = SOMEBODY.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&shell.path).arg(bundle);
    command.env_clear().envs(direct.get_envs().map(|(name, value)| (name, value.expect("set"))));
    command.current_dir(fixture.dir()).stdin(Stdio::null()).output().expect("setpriv")
}

fn root() -> bool {
    // And then be somebody else.
    end_to_end::have(&["root", "setpriv"])
}

/// A directory that only its owner, [`SOMEBODY`], may use.
fn private(fixture: &Fixture, name: &str) -> std::path::PathBuf {
    let path = fixture.directory(name);
    std::os::unix::fs::chown(&path, Some(SOMEBODY), Some(SOMEBODY)).expect("chown");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("chmod");
    path
}

#[test]
fn the_cache_is_closed_to_other_users_and_its_launcher_is_the_one_inside() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let cache = fixture.at(format!("{}/deep/cache", shell.name));
        Told::from(&fixture.start(shell, &bundle, &cache).output().expect("starts"), shell.name);
        let file = Fixture::cached(&cache, TELLS);
        for path in [&cache, &file, file.parent().expect("directory")] as [&Path; 3] {
            assert_eq!(fs::metadata(path).expect("there").mode() & 0o7777, 0o700, "{}: {path:?}", shell.name);
        }
        assert!(fs::read(&file).expect("launcher").starts_with(TELLS.as_bytes()));
    }
}

#[test]
fn a_launcher_planted_as_a_symlink_is_never_started() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    plant(&fixture.at("evil"));
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache-{}", shell.name));
        let file = Fixture::cached(&cache, TELLS);
        plant(&file);
        fs::remove_file(&file).expect("removed");
        symlink(fixture.at("evil"), &file).expect("symlink");
        Told::from(&fixture.start(shell, &bundle, &cache).output().expect("starts"), shell.name);
        assert!(fs::symlink_metadata(&file).expect("still there").is_symlink(), "{}", shell.name);

        // The same for the cache itself.
        let linked = fixture.at(format!("linked-{}", shell.name));
        plant(&Fixture::cached(&fixture.at("evil-cache"), TELLS));
        symlink(fixture.at("evil-cache"), &linked).expect("symlink");
        Told::from(&fixture.start(shell, &bundle, &linked).output().expect("starts"), shell.name);
    }
}

#[test]
fn what_another_user_planted_is_never_started() {
    if !root() {
        return;
    }
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let shared = format!("vt/unibin-{SOMEBODY}");
    for shell in &fixture.shells {
        // The file alone; then the CPU's directory; then the whole cache.
        for (level, name) in ["file", "directory", "cache"].iter().enumerate() {
            let cache = private(&fixture, &format!("{name}-{}", shell.name));
            let file = Fixture::cached(&cache, TELLS);
            plant(&file);
            for path in file.ancestors().skip(1).take(2 - level) {
                std::os::unix::fs::chown(path, Some(SOMEBODY), Some(SOMEBODY)).expect("chown");
            }
            for path in file.ancestors().take(3) {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
            }
            let good = private(&fixture, &shared);
            Told::from(&as_somebody(&fixture, shell, &bundle, &cache), &format!("{} {name}", shell.name));
            assert_eq!(fs::read(&file).expect("untouched"), EVIL.as_bytes());
            fs::remove_dir_all(good).expect("removed");
        }
    }
}

#[test]
fn a_shared_place_must_be_ours_and_closed() {
    if !root() {
        return;
    }
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let none = Path::new("/proc/nothing");
        // Open to the writing of others: refused, with a launcher inside that would pass. Of another owner:
        // refused.
        for (owner, mode) in
            [(SOMEBODY, 0o770), (SOMEBODY, 0o702), (SOMEBODY, 0o1777), (0, 0o700), (0, 0o777)]
        {
            let cache = private(&fixture, &format!("vt/unibin-{SOMEBODY}"));
            let file = Fixture::cached(&cache, TELLS);
            plant(&file);
            for path in file.ancestors().take(3) {
                std::os::unix::fs::chown(path, Some(SOMEBODY), Some(SOMEBODY)).expect("chown");
            }
            std::os::unix::fs::chown(&cache, Some(owner), Some(owner)).expect("chown");
            fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).expect("chmod");
            let output = as_somebody(&fixture, shell, &bundle, none);
            assert_eq!(output.status.code(), Some(125), "{} {owner} {mode:o}", shell.name);
            assert_eq!(output.stdout, b"", "{} {owner} {mode:o}", shell.name);
            fs::remove_dir_all(&cache).expect("removed");
        }
        let cache = private(&fixture, &format!("vt/unibin-{SOMEBODY}"));
        for _ in ["cold", "warm"] {
            Told::from(&as_somebody(&fixture, shell, &bundle, none), shell.name);
        }
        assert_eq!(Fixture::names(&cache).len(), 1);
        fs::remove_dir_all(&cache).expect("removed");
    }
}

#[test]
fn nothing_is_made_in_the_home_of_somebody_else() {
    if !root() {
        return;
    }
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let home = private(&fixture, "home");
    for shell in &fixture.shells {
        let mut command = fixture.start(shell, &bundle, Path::new(""));
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", &home);
        Told::from(&command.output().expect("starts"), shell.name);
        assert_eq!(fs::read_dir(&home).expect("home").count(), 0, "{}", shell.name);
    }
}

#[test]
fn the_directory_that_the_user_names_comes_before_one_that_is_warm() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in fixture.shells.iter().filter(|shell| shell.name != "posh") {
        let [home, named] = ["h", "n"].map(|name| fixture.directory(&format!("{name}-{}", shell.name)));
        let start = |cache: &Path| {
            let mut command = fixture.start(shell, &bundle, cache);
            command.env("HOME", &home);
            Told::from(&command.output().expect("starts"), shell.name);
        };
        start(Path::new(""));
        assert_eq!(Fixture::names(&home.join(".cache/unibin")).len(), 1, "{}: warm", shell.name);
        assert!(Fixture::names(&named).is_empty());
        start(&named);
        assert_eq!(
            Fixture::names(&named).len(),
            1,
            "{}: the named directory has its own launcher",
            shell.name
        );
    }
}

#[test]
fn the_private_places_are_tried_in_order() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in fixture.shells.iter().filter(|shell| shell.name != "posh") {
        let [home, xdg, run] =
            ["h", "x", "r"].map(|name| fixture.directory(&format!("{name}-{}", shell.name)));
        let start = |xdg: &Path| {
            let mut command = fixture.start(shell, &bundle, Path::new(""));
            command.env("HOME", &home).env("XDG_CACHE_HOME", xdg).env("XDG_RUNTIME_DIR", &run);
            Told::from(&command.output().expect("starts"), shell.name);
        };
        start(&xdg);
        assert_eq!(Fixture::names(&xdg.join("unibin")).len(), 1, "{}", shell.name);
        assert!(!home.join(".cache").exists());
        fs::remove_dir_all(&xdg).expect("removed");
        start(Path::new("relative"));
        assert_eq!(Fixture::names(&home.join(".cache/unibin")).len(), 1, "{}", shell.name);
        fs::remove_dir_all(&home).expect("removed");
        start(Path::new(""));
        assert!(!home.exists(), "{}: a home that is not there is not made", shell.name);
        assert_eq!(Fixture::names(&run.join("unibin")).len(), 1, "{}", shell.name);
    }
    assert!(!fixture.at("relative").exists());
}

#[test]
fn a_relative_cache_is_refused_before_anything_is_made() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let name = format!("-cache {}", shell.name);
        let refused = fixture.start(shell, &bundle, Path::new(&name)).output().expect("starts");
        assert_eq!(refused.status.code(), Some(125), "{}", shell.name);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("UNIBIN_CACHE"), "{}", shell.name);
        assert!(!fixture.at(name).exists(), "{}", shell.name);
    }
}

/// A directory of another user looked ours when the caller's environment had a variable of the stub's own
/// name.
#[test]
fn a_variable_of_the_stubs_own_name_says_nothing() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let cache = fixture.directory(&format!("c-{}", shell.name));
        let mut command = fixture.start(shell, &bundle, &cache);
        for name in [
            "ub_a", "ub_c", "ub_d", "ub_h", "ub_i", "ub_l", "ub_m", "ub_p", "ub_q", "ub_s", "ub_w", "ub_x",
            "ub_y",
        ] {
            command.env(name, "/nowhere");
        }
        Told::from(&command.output().expect("starts"), shell.name);
        assert_eq!(Fixture::names(&cache).len(), 1, "{}", shell.name);
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/stub.sh")).expect("stub.sh");
    let first = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("{needle} is in the stub"));
    assert!(first("\nub_i=\n") < first("${ub_i:="), "the uid is asked for, whatever the caller says");
}

#[test]
fn twenty_first_starts_at_once_all_start_and_leave_one_launcher() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        let start = || {
            let mut command = fixture.start(shell, &bundle, &cache);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts")
        };
        let children: Vec<_> = (0..20).map(|_| start()).collect();
        for child in children {
            Told::from(&child.wait_with_output().expect("ends"), shell.name);
        }
        assert_eq!(Fixture::names(&cache).len(), 1, "{}: {:?}", shell.name, Fixture::names(&cache));
    }
}

#[test]
fn a_first_start_that_was_killed_does_not_hinder_the_next() {
    let fixture = Fixture::new();
    // Killed while the launcher is tried, and so before it is renamed; `$PPID` is the stub's subshell.
    let flag = fixture.at("kill");
    let launcher = format!(
        "#!/bin/sh\nif [ \"$1\" = - ]; then [ -e {} ] && kill -KILL $PPID; exit 0; fi\necho ran\n",
        flag.display()
    );
    let bundle = fixture.bundle("app", &launcher);
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        fs::write(&flag, "").expect("flag");
        let status = fixture.start(shell, &bundle, &cache).stderr(Stdio::null()).status().expect("starts");
        assert!(!status.success(), "{}: {status:?}", shell.name);
        assert!(!Fixture::cached(&cache, &launcher).exists(), "{}", shell.name);
        fs::remove_file(&flag).expect("removed");
        let output = fixture.start(shell, &bundle, &cache).output().expect("starts");
        assert_eq!(output.stdout, b"ran\n", "{}: {}", shell.name, stderr(&output));
    }
}

#[test]
fn an_interrupted_first_start_ends_and_cleans_up() {
    let fixture = Fixture::new();
    for (name, signal) in [("INT", 2), ("TERM", 15)] {
        if is_ignored(signal) {
            say(&format!("NOT RUN: {name} is ignored here"));
            continue;
        }
        let launcher =
            format!("#!/bin/sh\nif [ \"$1\" = - ]; then kill -{name} $PPID; exit 0; fi\necho ran\n");
        let bundle = fixture.bundle(name, &launcher);
        for shell in &fixture.shells {
            let cache = fixture.at(format!("cache {} {name}", shell.name));
            let output = fixture.start(shell, &bundle, &cache).output().expect("starts");
            assert_eq!(output.stdout, b"", "{} {name}", shell.name);
            assert!(
                output.status.code() == Some(128 + signal) || output.status.signal() == Some(signal),
                "{} {name}: {output:?}",
                shell.name
            );
            assert_eq!(Fixture::names(&cache).len(), 0, "{} {name}", shell.name);
        }
    }
}

/// Whoever ends a first start, as a session does that closes, is told nothing about the shell's limits.
#[test]
fn a_signal_that_ends_a_slow_first_start_is_no_fault_of_the_shell() {
    if is_ignored(15) {
        return say("NOT RUN: TERM is ignored here");
    }
    let fixture = Fixture::new();
    let begun = fixture.at("begun");
    let launcher =
        format!("#!/bin/sh\n[ \"$1\" = - ] && {{ echo >{}; exec sleep 2; }}\necho ran\n", begun.display());
    let bundle = fixture.bundle("app", &launcher);
    // ksh93 was seen not to end at all when TERM reaches it while it waits for the one that copies.
    for shell in fixture.shells.iter().filter(|shell| shell.name != "ksh93") {
        for whom in ["", "-"] {
            let _ = fs::remove_file(&begun);
            let cache = fixture.at(format!("cache {} {whom}", shell.name));
            let mut command = fixture.start(shell, &bundle, &cache);
            command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
            let child = command.spawn().expect("starts");
            let pid = child.id();
            while !begun.exists() {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            assert!(kill("TERM", format!("{whom}{pid}")));
            let output = child.wait_with_output().expect("ends");
            // The one that copies goes on if the shell alone was ended.
            let _ = kill("TERM", format!("-{pid}"));
            assert_eq!(stderr(&output), "", "{} {whom}", shell.name);
            assert!(
                output.status.code() == Some(143) || output.status.signal() == Some(15),
                "{} {whom}: {output:?}",
                shell.name
            );
        }
    }
}

#[test]
fn a_launcher_that_a_crash_left_empty_is_made_again() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        let cache = fixture.at(format!("cache {}", shell.name));
        let file = Fixture::cached(&cache, TELLS);
        plant(&file);
        fs::write(&file, "").expect("emptied");
        Told::from(&fixture.start(shell, &bundle, &cache).output().expect("starts"), shell.name);
        assert!(fs::metadata(&file).expect("there").len() > 0, "{}", shell.name);
    }
}

/// A directory above the cache that is somebody else's: he can exchange what is in it after every check.
#[test]
fn nothing_below_a_directory_of_another_user_is_used_or_made() {
    if !root() {
        return;
    }
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let other = fixture.directory("other");
    std::os::unix::fs::chown(&other, Some(SOMEBODY + 1), Some(SOMEBODY + 1)).expect("chown");
    for shell in &fixture.shells {
        let good = private(&fixture, &format!("vt/unibin-{SOMEBODY}"));
        // What the other one offers: a directory of the user's that passes every test of its own, a link to
        // one, and places where one could be made.
        let warm = private(&fixture, &format!("warm-{}", shell.name));
        Told::from(&as_somebody(&fixture, shell, &bundle, &warm), shell.name);
        let own = private(&fixture, &format!("other/own-{}", shell.name));
        assert!(Command::new("cp").arg("-a").arg(warm.join(".")).arg(&own).status().expect("cp").success());
        let link = fixture.at(format!("other/link-{}", shell.name));
        symlink(&warm, &link).expect("link");
        for path in [&own, &link] {
            for end in ["", "/", "/.", "//./"] {
                let named = format!("{}{end}", path.display());
                let output = as_somebody(&fixture, shell, &bundle, Path::new(&named));
                let told = Told::from(&output, &format!("{} {named}", shell.name));
                assert_eq!(told.argv[0], bundle.as_os_str().as_encoded_bytes());
                let launcher = told.launcher;
                assert!(launcher.starts_with(&good), "{} {named}: {}", shell.name, launcher.display());
            }
        }
        let before = fs::read_dir(&other).expect("other").count();
        let open = fixture.at("other/open");
        fs::create_dir_all(&open).expect("directory");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("chmod");
        for named in [open.join("new"), open.join("new/deep"), open.join("../open/new")] {
            let told = Told::from(&as_somebody(&fixture, shell, &bundle, &named), shell.name);
            assert!(told.launcher.starts_with(&good), "{} {}", shell.name, named.display());
        }
        assert_eq!(fs::read_dir(&open).expect("open").count(), 0, "{}: nothing was made", shell.name);
        fs::remove_dir(&open).expect("removed");
        assert_eq!(fs::read_dir(&other).expect("other").count(), before);
        fs::remove_dir_all(good).expect("removed");
    }
}

/// What the stub calls by its name and is, or may be, a builtin.
const BUILTINS: [&str; 20] = [
    "[", ":", "break", "cd", "command", "continue", "echo", "exec", "exit", "false", "printf", "pwd", "read",
    "return", "set", "shift", "test", "trap", "umask", "unset",
];

/// The tools come from the system's directories, whatever PATH and functions the caller has.
#[test]
fn no_tool_comes_from_the_callers_path_or_functions() {
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    let evil = fixture.directory("evil");
    let mark = fixture.at("mark");
    let tools = ["ls", "id", "mkdir", "dd", "sha256sum", "chmod", "mv", "rm", "uname"];
    for tool in tools {
        let path = evil.join(tool);
        fs::write(&path, format!("#!/bin/sh\necho {tool} >>{}\nexit 1\n", mark.display())).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let marked = |name: &&str| mark.with_extension(name).exists();
    for shell in &fixture.shells {
        // Below /tmp, where `ls` must look.
        let cache = fixture.at(format!("cache {}", shell.name));
        for _ in ["cold", "warm"] {
            let mut command = fixture.start(shell, &bundle, &cache);
            command.env("PATH", format!("{}:/usr/bin:/bin", evil.display()));
            for name in tools.iter().chain(&BUILTINS) {
                let function = format!("() {{ >>{}; }}", mark.with_extension(name).display());
                command.env(format!("BASH_FUNC_{name}%%"), function);
            }
            // What it tells is told by tools of the same PATH.
            let said = stderr(&command.output().expect("starts"));
            let used = fs::read_to_string(&mark);
            let called: Vec<&str> = tools.iter().chain(&BUILTINS).copied().filter(marked).collect();
            assert!(used.is_err() && called.is_empty(), "{}: {called:?} {used:?} {said}", shell.name);
        }
        assert_eq!(Fixture::names(&cache).len(), 1, "{}", shell.name);
    }
}

#[test]
fn where_another_user_has_taken_every_name_one_is_made_that_nobody_knew() {
    if !root() {
        return;
    }
    let fixture = Fixture::new();
    let bundle = fixture.bundle("app", TELLS);
    for shell in &fixture.shells {
        for name in ["vt", "tmp", "shm"] {
            let place = fixture.directory(name);
            fs::set_permissions(&place, fs::Permissions::from_mode(0o1777)).expect("chmod");
            fixture.directory(&format!("{name}/unibin-{SOMEBODY}"));
        }
        let none = Path::new("/proc/nothing");
        let mut launchers = Vec::new();
        for _ in ["cold", "warm"] {
            launchers.push(Told::from(&as_somebody(&fixture, shell, &bundle, none), shell.name).launcher);
        }
        assert_eq!(launchers[0], launchers[1], "{}: found again", shell.name);
        let expected = fixture.at(format!("vt/unibin-{SOMEBODY}."));
        assert!(launchers[0].display().to_string().starts_with(&expected.display().to_string()));
        fs::remove_dir_all(fixture.at("vt")).expect("removed");
        // Without any room the message names what stands in the way.
        for name in ["vt", "tmp", "shm"] {
            fixture.directory(&format!("{name}/unibin-{SOMEBODY}"));
            fs::set_permissions(fixture.at(name), fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        let output = as_somebody(&fixture, shell, &bundle, none);
        assert_eq!(output.status.code(), Some(125), "{}", shell.name);
        let why = format!("/vt/unibin-{SOMEBODY}: it is, or lies in, a directory that others can write to\n");
        assert!(stderr(&output).contains(&why), "{}: {}", shell.name, stderr(&output));
    }
}
