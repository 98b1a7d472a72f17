//! What another user has planted where a cache could be is never executed, never followed, never filled: in
//! whatever shape, also when it is exchanged between a check and the use.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bundle::Arch;
use end_to_end::{Sandbox, compile, needs, neighbour, own, say, victim};

/// What a planted program would do. The kernel starts it as well as an ELF file.
const EVIL: &str = "#!/bin/sh\necho evil\nexit 66\n";

/// A copy of the real cache in which every program is evil, at `to`, everything in it `owner`'s and open to
/// all.
fn plant(sandbox: &Sandbox, to: &Path, owner: u32) {
    let copied =
        Command::new("cp").arg("-a").arg("--").arg(sandbox.at("model")).arg(to).status().expect("cp");
    assert!(copied.success());
    let own = |path: &Path| {
        std::os::unix::fs::lchown(path, Some(owner), Some(owner)).expect("chown");
        let kind = fs::symlink_metadata(path).expect("planted");
        if kind.is_file() && path.file_name() != Some("complete".as_ref()) {
            fs::write(path, EVIL).expect("planted");
        }
        if !kind.is_symlink() {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
    };
    own(to);
    let all = Sandbox::tree(to);
    assert!(all.len() > 5, "a cache was copied: {all:?}");
    for path in all {
        own(&to.join(path));
    }
}

/// The names of the real cache's launcher and slots.
fn names(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.at("model/x86_64")).expect("cache");
    entries.map(|entry| PathBuf::from(entry.expect("entry").file_name())).collect()
}

/// Runs with `variables`; the app itself must be what runs. Gives what the run said.
#[track_caller]
fn runs_its_own(what: &str, sandbox: &Sandbox, bundle: &Path, variables: &[(&str, &Path)]) -> String {
    let mut said = String::new();
    for start in ["first", "second"] {
        let mut command = sandbox.command(bundle);
        command.args(["exit", "5"]).env("UNIBIN_LOG", "1").envs(variables.iter().copied());
        let ran = Sandbox::finish(&mut command);
        assert_eq!((ran.code(), ran.text().as_str()), (Some(5), ""), "{what}, {start} start: {ran}");
        said += &ran.errors();
    }
    said
}

/// Everything below a directory with owner, mode and content.
fn state(directory: &Path) -> Vec<(PathBuf, u32, u32, Vec<u8>)> {
    let one = |path: PathBuf| {
        let kind = fs::symlink_metadata(directory.join(&path)).expect("there");
        let content =
            if kind.is_file() { fs::read(directory.join(&path)).expect("readable") } else { Vec::new() };
        (path, kind.uid(), kind.mode(), content)
    };
    Sandbox::tree(directory).into_iter().map(one).collect()
}

#[test]
fn a_whole_cache_that_is_another_users_is_not_used_wherever_it_lies() {
    for target in [Arch::X86_64, Arch::Riscv64] {
        let Some((sandbox, bundle)) = victim(target) else { continue };
        let uid = sandbox.uid();
        sandbox.make_directory("home/.cache");
        let places: [(&str, Option<&str>); 5] = [
            ("named", Some("UNIBIN_CACHE")),
            ("xdg/unibin", Some("XDG_CACHE_HOME")),
            ("home/.cache/unibin", None),
            ("run/unibin", Some("XDG_RUNTIME_DIR")),
            (&format!(".unibin-{uid}"), None),
        ];
        for (place, variable) in places {
            let path = sandbox.at(place);
            if place.contains('/') {
                sandbox.make_directory(Path::new(place).parent().expect("a directory"));
            }
            plant(&sandbox, &path, neighbour(&sandbox));
            let before = state(&path);
            let value =
                if place == "named" { path.clone() } else { path.parent().expect("a directory").to_owned() };
            let mut variables: Vec<(&str, &Path)> =
                variable.map(|name| (name, value.as_path())).into_iter().collect();
            if place.starts_with('.') || place.starts_with("run") {
                variables.push(("HOME", Path::new("/nonexistent")));
            }
            let said = runs_its_own(place, &sandbox, &bundle, &variables);
            assert!(!said.contains(&format!("executing {}", path.display())), "{place}: {said}");
            assert!(state(&path) == before, "{place}: nothing was changed there");
            fs::remove_dir_all(&path).expect("removed");
            // What served in its place would be found warm.
            let _ = fs::remove_dir_all(sandbox.cache());
            let _ = fs::remove_dir_all(sandbox.at(format!(".unibin-{uid}")));
            let _ = fs::remove_dir_all(format!("/var/tmp/unibin-{uid}"));
            let said = runs_its_own(place, &sandbox, &bundle, &variables);
            assert!(
                said.contains(&format!("executing {}", path.display())),
                "{place}: without the trap it serves: {said}"
            );
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[test]
fn a_shared_place_that_another_user_took_first_is_passed_over() {
    for target in [Arch::X86_64, Arch::Riscv64] {
        let Some((sandbox, bundle)) = victim(target) else { continue };
        let place = PathBuf::from(format!("/var/tmp/unibin-{}", sandbox.uid()));
        fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o555)).expect("chmod");
        let homeless: [(&str, &Path); 1] = [("HOME", Path::new("/nonexistent"))];
        plant(&sandbox, &place, neighbour(&sandbox));
        let said = runs_its_own("planted", &sandbox, &bundle, &homeless);
        assert!(said.contains(&format!("executing /tmp/unibin-{}", sandbox.uid())), "{said}");
        fs::remove_dir_all(&place).expect("removed");
        // A link of the neighbour's to a directory of ours: what is in it is ours, but he can turn the link
        // at any time.
        symlink(sandbox.at("model"), &place).expect("link");
        std::os::unix::fs::lchown(&place, Some(neighbour(&sandbox)), None).expect("chown");
        let said = runs_its_own("link", &sandbox, &bundle, &homeless);
        assert!(!said.contains("executing /var/tmp"), "{said}");
        fs::remove_file(&place).expect("removed");
    }
}

/// In a namespace of users that has no numbers, everybody's files look like one's own.
#[test]
fn what_looks_like_ours_where_everybody_is_nobody_is_not_used_unless_it_is() {
    needs!("namespaces");
    let places = ["/var/tmp", "/tmp", "/dev/shm"].map(|place| Path::new(place).join("unibin-65534"));
    let clear = || places.iter().for_each(|place| drop(fs::remove_dir_all(place)));
    for target in [Arch::X86_64, Arch::Riscv64] {
        let Some((sandbox, bundle)) = victim(target) else { continue };
        fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o555)).expect("chmod");
        clear();
        let run = || {
            let mut command = sandbox.command("unshare");
            command.arg("-U").arg(&bundle).args(["exit", "5"]).env("UNIBIN_LOG", "1");
            Sandbox::finish(command.env("HOME", "/nonexistent"))
        };
        plant(&sandbox, &places[0], neighbour(&sandbox));
        let ran = run();
        assert_eq!((ran.code(), ran.text().as_str()), (Some(5), ""), "{target}: {ran}");
        clear();
        // Nor is anything made where the neighbour could exchange it.
        let empty = places[0].join("x86_64");
        fs::create_dir_all(&empty).expect("directory");
        for (path, mode) in [(&places[0], 0o755), (&empty, 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
            chown(path, Some(neighbour(&sandbox)), None).expect("chown");
        }
        let changed = fs::metadata(&empty).expect("there").modified().expect("a time");
        let ran = run();
        assert_eq!((ran.code(), ran.text().as_str()), (Some(5), ""), "{target}: {ran}");
        assert_eq!(fs::metadata(&empty).expect("there").modified().expect("a time"), changed, "{target}");
        clear();
        // A place that is named is no other than one that is found.
        plant(&sandbox, &places[0], neighbour(&sandbox));
        let mut named = sandbox.command("unshare");
        named.arg("-U").arg(&bundle).args(["exit", "5"]).env("UNIBIN_CACHE", &places[0]);
        let ran = Sandbox::finish(named.env("HOME", "/nonexistent"));
        assert_eq!((ran.code(), ran.text().as_str()), (Some(5), ""), "{target}: {ran}");
        clear();
        assert!(run().errors().contains("executing /var/tmp/unibin-65534/"), "{target}: it is ours");
        clear();
    }
}

/// On the native route every part of a cache, on the emulated one the emulator's slot.
fn counts(path: &Path, target: Arch) -> bool {
    target == Arch::X86_64 || path.join("emulator").exists()
}

/// Puts something of `shape` at `path`, the neighbour's; leads to or holds what is evil at `evil`.
fn put(shape: &str, path: &Path, evil: &Path, owner: u32) {
    match shape {
        "file" => drop(fs::copy(evil, path).expect("copied")),
        "directory" => fs::create_dir(path).expect("directory"),
        "symlink" => symlink(evil, path).expect("link"),
        "dangling symlink" => symlink("/nonexistent/x", path).expect("link"),
        "hard link" => fs::hard_link(evil, path).expect("link"),
        "fifo" => assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success()),
        other => panic!("no shape {other}"),
    }
    std::os::unix::fs::lchown(path, Some(owner), Some(owner)).expect("chown");
}

#[test]
fn whatever_stands_in_the_place_of_a_part_of_the_cache_is_neither_executed_nor_waited_for() {
    for target in [Arch::X86_64, Arch::Riscv64] {
        let Some((sandbox, bundle)) = victim(target) else { continue };
        let other = neighbour(&sandbox);
        let evil = sandbox.write("evil", EVIL.as_bytes());
        chown(&evil, Some(other), Some(other)).expect("chown");
        plant(&sandbox, &sandbox.at("evil-cache"), other);
        let mut parts: Vec<PathBuf> = vec!["".into(), "x86_64".into()];
        parts.extend(names(&sandbox).into_iter().map(|name| Path::new("x86_64").join(name)));
        for part in parts.into_iter().filter(|part| counts(&sandbox.at("model").join(part), target)) {
            let shapes = ["file", "directory", "symlink", "dangling symlink", "hard link", "fifo"];
            for shape in shapes {
                let cache = sandbox.at("cache");
                let copy = |from: &str| {
                    assert!(
                        Command::new("cp")
                            .arg("-a")
                            .arg(sandbox.at(from))
                            .arg(&cache)
                            .status()
                            .expect("cp")
                            .success()
                    );
                };
                copy("model");
                let path = if part.as_os_str().is_empty() { cache.clone() } else { cache.join(&part) };
                let kind = fs::symlink_metadata(&path).expect("a part");
                if kind.is_dir() {
                    fs::remove_dir_all(&path).expect("removed");
                } else {
                    fs::remove_file(&path).expect("removed");
                }
                let planted = sandbox.at("evil-cache").join(&part);
                let leads_to = if kind.is_dir() && shape == "symlink" { &planted } else { &evil };
                put(shape, &path, leads_to, other);
                let what = format!("{target}: {shape} for `{}`", part.display());
                runs_its_own(&what, &sandbox, &bundle, &[("UNIBIN_CACHE", &cache)]);
                let _ = fs::remove_dir_all(&cache);
                let _ = fs::remove_file(&cache);
            }
        }
    }
}

#[test]
fn a_slot_that_others_may_write_to_or_own_is_not_used() {
    for target in [Arch::X86_64, Arch::Riscv64] {
        let Some((sandbox, bundle)) = victim(target) else { continue };
        let cache = sandbox.at("model");
        let variables: [(&str, &Path); 1] = [("UNIBIN_CACHE", &cache)];
        // A warm start that is native does without the broker.
        let is_used = |path: &Path| target != Arch::X86_64 || path.join("tree").exists();
        let slots = names(&sandbox)
            .into_iter()
            .map(|name| cache.join("x86_64").join(name))
            .filter(|path| path.is_dir() && counts(path, target) && is_used(path));
        for slot in slots.collect::<Vec<_>>() {
            let serves = |what: &str| {
                let said = runs_its_own(what, &sandbox, &bundle, &variables);
                let executed = said.lines().filter(|line| line.contains("executing ")).collect::<Vec<_>>();
                // Without its broker an app runs all the same, and nobody attends to what it starts.
                let attended = target == Arch::X86_64 || said.contains("children: attended to");
                attended && executed.iter().all(|line| line.contains(cache.to_str().expect("text")))
            };
            for mode in [0o777, 0o770, 0o707, 0o720, 0o702, 0o750, 0o705] {
                fs::set_permissions(&slot, fs::Permissions::from_mode(mode)).expect("chmod");
                assert!(!serves("mode"), "{target}: {} with mode {mode:o}", slot.display());
            }
            fs::set_permissions(&slot, fs::Permissions::from_mode(0o700)).expect("chmod");
            assert!(serves("closed"), "{target}: closed again it serves");
            chown(&slot, Some(neighbour(&sandbox)), None).expect("chown");
            assert!(!serves("owner"), "{target}: {} is the neighbour's", slot.display());
            chown(&slot, Some(sandbox.uid()), None).expect("chown");
            assert!(serves("ours"), "{target}: ours again it serves");
        }
    }
}

/// Runs the bundle while the neighbour exchanges `place` and something else for each other.
fn while_swapping(
    sandbox: &Sandbox,
    bundle: &Path,
    place: &Path,
    other: &Path,
    variables: &[(&str, &OsStr)],
) {
    let Some(swap) = compile("swap", &[own("swap.c")], Arch::X86_64) else { return };
    let mut attacker = Command::new(sandbox.copy(&swap, "swap"));
    let neighbour = neighbour(sandbox);
    attacker.arg(place).arg(other).uid(neighbour).gid(neighbour).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut attacker = attacker.spawn().expect("starts");
    let mut word = [0; 9];
    attacker.stdout.as_mut().expect("piped").read_exact(&mut word).expect("it swaps");
    let mut evil = 0;
    for _ in 0..300 {
        let mut command = sandbox.command(bundle);
        let ran = Sandbox::finish(command.args(["exit", "5"]).envs(variables.iter().copied()));
        if ran.code() != Some(5) || !ran.text().is_empty() {
            evil += 1;
            say(&format!("{ran}"));
        }
    }
    drop(attacker.stdin.take());
    assert!(attacker.wait().expect("ends").success(), "the attacker could go on to the end");
    assert_eq!(evil, 0, "of 300 starts");
}

#[test]
fn a_cache_that_is_exchanged_between_check_and_use_is_never_executed() {
    let Some((sandbox, bundle)) = victim(Arch::X86_64) else { return };
    let (uid, other) = (sandbox.uid(), neighbour(&sandbox));
    // As /tmp: everybody may make names, and nobody may take another's away.
    let shared = sandbox.at("shared");
    fs::create_dir(&shared).expect("directory");
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).expect("chmod");
    for (place, named) in
        [(format!("/var/tmp/unibin-{uid}"), false), (shared.join("cache").display().to_string(), true)]
    {
        let place = PathBuf::from(place);
        let trap = place.with_extension("trap");
        plant(&sandbox, &trap, other);
        symlink(sandbox.at("model"), &place).expect("link");
        std::os::unix::fs::lchown(&place, Some(other), Some(other)).expect("chown");
        let variables: [(&str, &OsStr); 1] = if named {
            [("UNIBIN_CACHE", place.as_os_str())]
        } else {
            [("HOME", OsStr::new("/nonexistent"))]
        };
        if !named {
            fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o555)).expect("chmod");
        }
        while_swapping(&sandbox, &bundle, &place, &trap, &variables);
        fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        for path in [place, trap] {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// A directory above the cache is another user's: what he does there must not decide what runs.
#[test]
fn a_cache_below_a_directory_of_another_user_is_never_used() {
    for target in [Arch::X86_64, Arch::Riscv64] {
        let Some((sandbox, bundle)) = victim(target) else { continue };
        let other = neighbour(&sandbox);
        let theirs = sandbox.make_directory("theirs");
        chown(&theirs, Some(other), Some(other)).expect("chown");
        // Real directories of ours, and a link that leads to them: he can exchange either.
        let moved = theirs.join("cache");
        let copied = Command::new("cp").arg("-a").arg(sandbox.at("model")).arg(&moved).status();
        assert!(copied.expect("cp").success());
        let link = theirs.join("link");
        symlink(sandbox.path(), &link).expect("link");
        let named = |path: &str| theirs.join(path);
        for (variable, value) in [
            ("UNIBIN_CACHE", named("cache")),
            ("UNIBIN_CACHE", named("cache/")),
            ("UNIBIN_CACHE", named("cache/.")),
            ("UNIBIN_CACHE", named("link/model")),
            ("UNIBIN_CACHE", named("link/model/.")),
            ("XDG_CACHE_HOME", theirs.clone()),
            ("XDG_RUNTIME_DIR", named("link/home")),
            ("HOME", named("link/home")),
        ] {
            let said = runs_its_own(&value.display().to_string(), &sandbox, &bundle, &[(variable, &value)]);
            assert!(!said.contains(&format!("executing {}", theirs.display())), "{variable}: {said}");
            assert!(!said.contains("executing /model"), "{variable}: {said}");
        }
        // Without a stub it is the launcher that has to see it.
        let launcher = names(&sandbox).into_iter().find(|name| name.to_string_lossy().contains("launcher-"));
        let launcher = sandbox.copy(&sandbox.at("model/x86_64").join(launcher.expect("one")), "launcher");
        for value in ["cache", "link/model/.", "cache/new"] {
            let mut command = sandbox.command(&launcher);
            command.arg(&bundle).args(["tell", "exit", "5"]).env("UNIBIN_LOG", "1");
            let ran = Sandbox::finish(command.env("UNIBIN_CACHE", named(value)));
            assert_eq!(ran.code(), Some(5), "{value}: {ran}");
            assert!(!ran.errors().contains(&format!("executing {}", theirs.display())), "{value}: {ran}");
            assert!(
                ran.errors().contains("someone other than you could replace what is in "),
                "{value}: {ran}"
            );
        }
        assert!(!moved.join("new").exists());
    }
}

/// With an access control list the group's bits are what the list may allow at most, to anybody.
#[test]
fn a_directory_that_an_acl_opens_to_somebody_else_is_passed_over_by_the_launcher() {
    needs!("network", "python3");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&end_to_end::busybox(Arch::X86_64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let host = sandbox.cache().join("x86_64");
    let launcher = fs::read_dir(&host).expect("cache").map(|entry| entry.expect("entry").path());
    let launcher = launcher.filter(|path| path.is_file()).last().expect("a launcher");
    let launcher = sandbox.copy(&launcher, "launcher");
    let open = sandbox.make_directory("open");
    let script = "import os, struct, sys\n\
        none = 0xffffffff\n\
        rows = [(1, 7, none), (2, 7, 12345), (4, 5, none), (16, 7, none), (32, 5, none)]\n\
        acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *row) for row in rows)\n\
        os.setxattr(sys.argv[1], 'system.posix_acl_access', acl)";
    let set =
        std::process::Command::new("python3").args(["-c", script]).arg(&open).output().expect("python3");
    if !set.status.success() {
        return end_to_end::say("NOT RUN: no ACL here");
    }
    let mut command = sandbox.command(&launcher);
    command.arg(&bundle).args(["busybox", "true"]).env("UNIBIN_LOG", "1");
    let ran = Sandbox::finish(command.env("UNIBIN_CACHE", open.join("cache")));
    ran.must_succeed();
    let why = format!("someone other than you could replace what is in {}", open.display());
    assert!(ran.errors().contains(&why), "{ran}");
    assert_eq!(fs::read_dir(&open).expect("open").count(), 0);
}
