//! Where the cache is, whom it trusts, and what is left of a first start that was disturbed.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use bundle::{Arch, BlobKind};
use end_to_end::{Namespace, Outcome, Parts, Sandbox, bundle_of, busybox, needs, pack, settled};

const RUN: [&str; 3] = ["sh", "-c", "echo ran"];

/// A sandbox with a small bundle in it, which runs natively.
fn native() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    (sandbox, bundle)
}

/// Which directory a run said it executed from.
fn executed_from(ran: &Outcome) -> PathBuf {
    assert_eq!(ran.must_succeed(), "ran\n");
    let errors = ran.errors();
    let line = errors.lines().rfind(|line| line.contains("executing ")).expect("it said what it executes");
    PathBuf::from(line.split("executing ").nth(1).expect("a path"))
}

/// Slots and temporary directories in a cache.
fn directories(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache.join("x86_64")).expect("cache");
    let directories = entries.map(|entry| entry.expect("entry")).filter(|entry| entry.path().is_dir());
    directories.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The same, without the slot of the broker, which unpacks the others.
fn without_broker(cache: &Path) -> Vec<String> {
    let slots = directories(cache).into_iter();
    slots.filter(|slot| !cache.join("x86_64").join(slot).join("emulator").exists()).collect()
}

#[test]
fn the_candidates_are_tried_in_their_order() {
    needs!("network");
    let (sandbox, bundle) = native();
    let [own, xdg, runtime] = ["own", "xdg", "runtime"].map(|name| sandbox.make_directory(name));
    fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).expect("chmod");
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let mut variables = vec![
        ("UNIBIN_CACHE", text(&own)),
        ("XDG_CACHE_HOME", text(&xdg)),
        ("XDG_RUNTIME_DIR", text(&runtime)),
    ];
    for expected in [own, xdg.join("unibin"), sandbox.cache()] {
        let given: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let all = [given.as_slice(), &[("UNIBIN_LOG", "1")]].concat();
        let exe = executed_from(&sandbox.run_with(&all, &bundle, &RUN));
        assert!(
            exe.starts_with(expected.join("x86_64")),
            "{} is not in {}",
            exe.display(),
            expected.display()
        );
        variables.remove(0);
        // The next run must not find what this one has left.
        settled(&expected);
        fs::remove_dir_all(&expected).expect("removed");
    }
    // Without a home, or with one of somebody else, it is the runtime directory, and then the bundle's own.
    let (sandbox, bundle) = native();
    let runtime = sandbox.make_directory("runtime");
    let mut homeless = sandbox.command(&bundle);
    homeless.args(RUN).env("UNIBIN_LOG", "1").env_remove("HOME").env("XDG_RUNTIME_DIR", &runtime);
    assert!(executed_from(&Sandbox::finish(&mut homeless)).starts_with(runtime.join("unibin")));
    let mut homeless = sandbox.command(&bundle);
    homeless.args(RUN).env("UNIBIN_LOG", "1").env("HOME", "/nonexistent");
    let beside = sandbox.at(format!(".unibin-{}", sandbox.uid()));
    assert!(executed_from(&Sandbox::finish(&mut homeless)).starts_with(&beside));
    assert_eq!(fs::metadata(&beside).expect("directory").permissions().mode() & 0o7777, 0o700);
}

#[test]
fn a_relative_directory_is_refused_where_it_was_meant_and_ignored_where_the_standard_says_so() {
    needs!("network");
    let (sandbox, bundle) = native();
    sandbox
        .run_with(&[("UNIBIN_CACHE", "here")], &bundle, &RUN)
        .must_fail_with(125, &["UNIBIN_CACHE", "here"]);
    // XDG Base Directory Specification: all paths must be absolute; a relative one is to be ignored.
    let ran = sandbox.run_with(&[("XDG_CACHE_HOME", "there"), ("UNIBIN_LOG", "1")], &bundle, &RUN);
    let exe = executed_from(&ran);
    assert!(
        exe.is_absolute() && !sandbox.at("there/unibin/x86_64").join(exe.file_name().expect("name")).exists()
    );
}

/// Runs with a home whose cache `spoil` has made unusable; something else must serve, and the trap stay as it
/// is.
fn passed_over(spoil: impl Fn(&Sandbox, &Path)) {
    let (sandbox, bundle) = native();
    fs::create_dir(sandbox.home().join(".cache")).expect("directory");
    sandbox.give(sandbox.home().join(".cache"));
    let cache = sandbox.cache();
    spoil(&sandbox, &cache);
    let before = Sandbox::tree(&cache);
    let mode = fs::symlink_metadata(&cache).expect("trap").permissions().mode();
    let exe = executed_from(&sandbox.run_with(&[("UNIBIN_LOG", "1")], &bundle, &RUN));
    assert!(!exe.starts_with(&cache), "{}", exe.display());
    assert_eq!(Sandbox::tree(&cache), before, "nothing was put where others can be");
    assert_eq!(fs::symlink_metadata(&cache).expect("trap").permissions().mode(), mode);
}

#[test]
fn a_cache_that_is_not_a_directory_of_ours_alone_is_passed_over() {
    needs!("network");
    passed_over(|_, cache| fs::write(cache, "in the way").expect("file"));
    passed_over(|sandbox, cache| {
        let elsewhere = sandbox.make_directory("elsewhere");
        symlink(elsewhere, cache).expect("link");
    });
    passed_over(|sandbox, cache| {
        fs::create_dir(cache).expect("directory");
        sandbox.give(cache);
        fs::set_permissions(cache, fs::Permissions::from_mode(0o500)).expect("chmod");
    });
    // Only root can make a directory of another user.
    needs!("root");
    passed_over(|sandbox, cache| {
        fs::create_dir(cache).expect("directory");
        fs::set_permissions(cache, fs::Permissions::from_mode(0o777)).expect("chmod");
        chown(cache, Some(sandbox.uid() + 1), Some(sandbox.uid() + 1)).expect("chown");
    });
}

#[test]
fn what_another_user_could_have_written_is_never_executed() {
    needs!("network");
    let (sandbox, bundle) = native();
    sandbox.run(&bundle, &RUN).must_succeed();
    let cache = sandbox.cache();
    // The directory that the user may have made himself can be open to readers; what lies in it is closed.
    let levels = [
        (cache.clone(), &[0o777, 0o770, 0o707, 0o702][..]),
        (cache.join("x86_64"), &[0o777, 0o770, 0o750, 0o705]),
    ];
    for (level, modes) in levels {
        for mode in modes.iter().copied() {
            fs::set_permissions(&level, fs::Permissions::from_mode(mode)).expect("chmod");
            let exe = executed_from(&sandbox.run_with(&[("UNIBIN_LOG", "1")], &bundle, &RUN));
            assert!(!exe.starts_with(&cache), "{} with mode {mode:o}: {}", level.display(), exe.display());
        }
        fs::set_permissions(&level, fs::Permissions::from_mode(0o700)).expect("chmod");
        let exe = executed_from(&sandbox.run_with(&[("UNIBIN_LOG", "1")], &bundle, &RUN));
        assert!(exe.starts_with(&cache), "closed again it serves again: {}", exe.display());
    }
}

#[test]
fn a_cache_that_others_may_read_serves() {
    needs!("network");
    let (sandbox, bundle) = native();
    let named = sandbox.make_directory("named");
    fs::set_permissions(&named, fs::Permissions::from_mode(0o755)).expect("chmod");
    let set = [("UNIBIN_CACHE", named.to_str().expect("text")), ("UNIBIN_LOG", "1")];
    let exe = executed_from(&sandbox.run_with(&set, &bundle, &RUN));
    assert!(exe.starts_with(&named), "{}", exe.display());
    assert_eq!(fs::metadata(named.join("x86_64")).expect("directory").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_slot_without_its_marker_is_made_anew() {
    needs!("network");
    let (sandbox, bundle) = native();
    sandbox.run(&bundle, &RUN).must_succeed();
    settled(&sandbox.cache());
    let slot = sandbox.cache().join("x86_64").join(&without_broker(&sandbox.cache())[0]);
    let program = slot.join("tree/usr/bin/busybox");
    let right = fs::read(&program).expect("program");
    fs::write(&program, "#!/bin/sh\necho wrong\n").expect("written");
    assert_eq!(sandbox.run(&bundle, &RUN).must_succeed(), "wrong\n", "with its marker a slot is trusted");
    fs::remove_file(slot.join("complete")).expect("removed");
    assert_eq!(sandbox.run(&bundle, &RUN).must_succeed(), "ran\n");
    settled(&sandbox.cache());
    assert!(fs::read(&program).expect("program") == right && slot.join("complete").exists());
    assert_eq!(without_broker(&sandbox.cache()).len(), 1);
}

#[test]
fn a_changed_slot_is_replaced_when_asked() {
    needs!("network");
    let (sandbox, bundle) = native();
    sandbox.run(&bundle, &RUN).must_succeed();
    let slot = sandbox.cache().join("x86_64").join(&without_broker(&sandbox.cache())[0]);
    fs::write(slot.join("tree/usr/bin/busybox"), "#!/bin/sh\necho wrong\n").expect("written");
    assert_eq!(sandbox.run(&bundle, &RUN).must_succeed(), "wrong\n");
    assert_eq!(sandbox.run_with(&[("UNIBIN_VERIFY", "1")], &bundle, &RUN).must_succeed(), "ran\n");
    assert_eq!(sandbox.run(&bundle, &RUN).must_succeed(), "ran\n", "and it stays right");
    assert_eq!(without_broker(&sandbox.cache()).len(), 1);
}

#[test]
fn two_bundles_with_the_same_emulator_unpack_it_once() {
    needs!("network");
    let sandbox = Sandbox::new();
    let one = sandbox.copy(&busybox(Arch::Riscv64), "one");
    let program = {
        let out = sandbox.at("extracted");
        let extracted = sandbox.run_with(
            &[("UNIBIN_DO", "extract"), ("UNIBIN_TO", out.to_str().expect("text"))],
            &one,
            &[] as &[&str],
        );
        extracted.must_succeed();
        let mut bytes = fs::read(out.join("usr/bin/busybox")).expect("program");
        // Trailing bytes that no segment covers: the same program, another app.
        bytes.extend_from_slice(b"another app");
        sandbox.write("busybox", &bytes)
    };
    let two = sandbox.copy(&pack(&[program.to_str().expect("text"), "--hosts", "x86_64"]), "two");
    for bundle in [one, two] {
        let ran = sandbox.run_with(&[("UNIBIN_ENTRY", "busybox")], &bundle, &["busybox", "uname", "-m"]);
        let ran = if ran.status.success() { ran } else { sandbox.run(&bundle, &["uname", "-m"]) };
        assert!(ran.text().contains("riscv64") || ran.errors().contains("applet not found"), "{ran}");
    }
    let emulators = directories(&sandbox.cache());
    let with = |name: &str| {
        emulators.iter().filter(|slot| sandbox.cache().join("x86_64").join(slot).join(name).exists()).count()
    };
    // Emulator and broker are files of that name, each in a slot of its own.
    assert_eq!((with("emulator"), with("tree")), (2, 2), "{emulators:?}");
}

#[test]
fn thirty_two_first_starts_at_once_agree() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    let start = || -> Child {
        let mut command = sandbox.command(&bundle);
        command.args(["uname", "-m"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let children: Vec<Child> = (0..32).map(|_| start()).collect();
    for child in children {
        let ended = Outcome::from(child.wait_with_output().expect("ended"));
        assert_eq!(ended.must_succeed().trim(), "riscv64");
        assert_eq!(ended.errors(), "");
    }
    let left = directories(&sandbox.cache());
    assert_eq!(left.len(), 3, "one slot for the app, one for the emulator, one for the broker: {left:?}");
}

/// Runs as an unprivileged user in private mounts: the shared directories are empty and closed, `mounts` adds
/// the rest. `$1` is the bundle, `$2` the user's number, `$3` the home.
fn in_closed_machine(sandbox: &Sandbox, bundle: &Path, mounts: &str, run: &str) -> Option<Outcome> {
    let namespace = Namespace::Mounts.available()?;
    let script = format!(
        "mkdir -p /run/unibin-test && mount --bind \"$4\" /run/unibin-test\n\
         for directory in /var/tmp /tmp /dev/shm; do mount -t tmpfs -o mode=0755 none $directory; done\n\
         cd /run/unibin-test\n{mounts}\n\
         exec setpriv --reuid \"$2\" --regid \"$2\" --clear-groups env HOME=/run/unibin-test/home UNIBIN_LOG=1 {run}"
    );
    let uid = sandbox.uid().to_string();
    let name = Path::new("/run/unibin-test").join(bundle.file_name().expect("name"));
    let arguments: [&OsStr; 4] = [
        name.as_os_str(),
        uid.as_ref(),
        sandbox.home().as_os_str().to_owned().leak(),
        sandbox.path().as_os_str(),
    ];
    Some(namespace.run(sandbox, &script, &arguments))
}

#[test]
fn a_file_system_without_execution_is_passed_over() {
    needs!("network");
    let (sandbox, bundle) = native();
    let mounts =
        "mount -t tmpfs -o noexec,uid=$2,mode=0700 none home\nmount -t tmpfs -o mode=1777 none /var/tmp";
    let Some(ran) = in_closed_machine(&sandbox, &bundle, mounts, "\"$1\" sh -c 'echo ran'") else { return };
    let exe = executed_from(&ran);
    assert!(!exe.starts_with("/run/unibin-test/home"), "{}", exe.display());
}

#[test]
fn a_full_disk_is_passed_over_and_keeps_nothing_of_the_attempt() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    // Room for launcher and app, not for the emulator.
    let mounts = "mount -t tmpfs -o size=4m,uid=$2,mode=0700 none home";
    let run = "sh -c '\"$1\" sh -c \"echo ran\" && ls -A home/.cache/unibin/x86_64 | grep new- >&2; true' sh \"$1\"";
    let Some(ran) = in_closed_machine(&sandbox, &bundle, mounts, run) else { return };
    let exe = executed_from(&ran);
    assert!(!exe.starts_with("/run/unibin-test/home"), "{}", exe.display());
    assert!(
        ran.errors().contains("no space left") && !ran.errors().lines().any(|line| line.starts_with(".new-")),
        "{ran}"
    );
}

#[test]
fn where_nothing_can_be_written_every_directory_is_named() {
    needs!("network");
    let (sandbox, bundle) = native();
    let mounts = "mount --bind . . && mount -o remount,ro,bind . && cd /run/unibin-test";
    let Some(ran) = in_closed_machine(&sandbox, &bundle, mounts, "\"$1\" sh -c 'echo ran'") else { return };
    let directories =
        ["/run/unibin-test/home/.cache/unibin", "/var/tmp/unibin-", "/dev/shm/unibin-", "hint: "];
    ran.must_fail_with(125, &directories);
}

#[test]
fn where_nothing_can_be_written_an_elf_head_runs_from_memory() {
    needs!("network");
    for target in [Arch::Riscv64, Arch::X86_64] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&bundle_of(target, "x86_64", &["--head", "elf:x86_64"]), "busybox");
        let mounts = "mount --bind . . && mount -o remount,ro,bind . && cd /run/unibin-test";
        let run = "\"$1\" sh -c 'echo ran; ls -A /run/unibin-test/home; exit 7'";
        let Some(ran) = in_closed_machine(&sandbox, &bundle, mounts, run) else { return };
        assert_eq!((ran.code(), ran.text().as_str()), (Some(7), "ran\n"), "{target}: {ran}");
        assert!(ran.errors().contains("memory"), "{target}: {ran}");
    }
}

#[test]
fn an_elf_head_runs_without_a_shell() {
    needs!("network");
    for target in [Arch::Riscv64, Arch::X86_64] {
        let packed = bundle_of(target, "x86_64", &["--head", "elf:x86_64"]);
        assert_eq!(&Parts::of(&packed).blob(BlobKind::Launcher)[..4], b"\x7fELF");
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&packed, "busybox");
        let ran = sandbox.run_with(&[("UNIBIN_LOG", "1"), ("PATH", "")], &bundle, &RUN);
        assert!(executed_from(&ran).starts_with(sandbox.cache()));
    }
}

/// Holds the lock that a first run takes while it unpacks, as one does that was stopped.
fn locked(sandbox: &Sandbox) -> fs::File {
    let directory = sandbox.make_directory(sandbox.cache().join("x86_64"));
    for path in [sandbox.home().join(".cache"), sandbox.cache(), directory.clone()] {
        sandbox.give(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("chmod");
    }
    let lock = fs::File::open(directory).expect("directory");
    lock.lock().expect("nobody has it");
    lock
}

#[test]
fn a_start_that_waits_says_for_what_and_goes_on_beside_a_stopped_one() {
    needs!("network", "minutes");
    let (sandbox, bundle) = native();
    let lock = locked(&sandbox);
    let ran = sandbox.run_with(&[("UNIBIN_LOG", "1")], &bundle, &RUN);
    assert_eq!(ran.must_succeed(), "ran\n");
    let errors = ran.errors();
    assert!(errors.contains("unibin: waiting for another start that unpacks into `"), "{errors}");
    assert!(errors.contains("not waiting any longer: nothing happens there"), "{errors}");
    drop(lock);
    assert_eq!(without_broker(&sandbox.cache()).len(), 1);
}

#[test]
fn starts_wait_as_long_as_another_goes_on_and_take_what_it_has_made() {
    needs!("network", "minutes");
    let (sandbox, bundle) = native();
    sandbox.run(&bundle, &RUN).must_succeed();
    let host = sandbox.cache().join("x86_64");
    let slot = host.join(&without_broker(&sandbox.cache())[0]);
    let aside = sandbox.at("aside");
    fs::rename(&slot, &aside).expect("aside");
    let lock = locked(&sandbox);
    let unfinished = sandbox.make_directory(host.join(".new-0123456789abcdef-0011223344556677"));
    let start = || {
        let mut command = sandbox.command(&bundle);
        command.args(RUN).env("UNIBIN_LOG", "1").stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let children: Vec<Child> = (0..20).map(|_| start()).collect();
    // Longer than a run waits for one that shows no sign of life.
    for _ in 0..45 {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let times = fs::FileTimes::new().set_modified(std::time::SystemTime::now());
        fs::File::open(&unfinished).expect("directory").set_times(times).expect("times");
    }
    fs::rename(&aside, &slot).expect("finished");
    for child in children {
        let ran = Outcome::from(child.wait_with_output().expect("ended"));
        assert_eq!(ran.must_succeed(), "ran\n");
        assert!(!ran.errors().contains("unpacking the app"), "{ran}");
    }
    drop(lock);
}

#[test]
fn an_entry_that_lost_its_program_is_made_anew() {
    needs!("network");
    for target in [Arch::X86_64, Arch::Riscv64] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&busybox(target), "busybox");
        sandbox.run(&bundle, &RUN).must_succeed();
        let host = sandbox.cache().join("x86_64");
        for slot in directories(&sandbox.cache()) {
            // Natively the one file of that name is the broker, which a warm start does without.
            let emulator = (target != Arch::X86_64).then_some("emulator");
            for file in ["tree/usr/bin/busybox"].into_iter().chain(emulator) {
                let path = host.join(&slot).join(file);
                if fs::remove_file(&path).is_ok() {
                    let ran = sandbox.run(&bundle, &RUN);
                    assert_eq!(
                        (ran.must_succeed().as_str(), ran.errors().as_str()),
                        ("ran\n", ""),
                        "{target}"
                    );
                    assert!(path.exists(), "{target}: {}", path.display());
                }
            }
        }
    }
}

/// However little memory there is, the launcher ends with a message and not by a signal.
#[test]
fn without_memory_a_launcher_says_so_and_dies_of_nothing() {
    needs!("network", "bash");
    let (sandbox, bundle) = native();
    sandbox.run(&bundle, &RUN).must_succeed();
    let names = Sandbox::tree(&sandbox.cache());
    let launcher = names.iter().find(|name| name.to_string_lossy().contains("launcher-")).expect("one");
    let launcher = sandbox.cache().join(launcher);
    let mut told = 0;
    for limit in ["-v 300", "-v 400", "-v 600", "-v 1000", "-d 100", "-d 300", "-d 1000"] {
        let mut command = sandbox.command("bash");
        command.args(["-c", &format!("ulimit {limit}; exec \"$@\""), "bash"]).arg(&launcher).arg(&bundle);
        let ran = Sandbox::finish(command.arg("busybox").args(RUN).env("UNIBIN_VERIFY", "1"));
        // The kernel itself kills what it cannot load.
        if ran.errors().contains("not enough memory") {
            ran.must_fail_with(125, &["not enough memory", "hint: "]);
            told += 1;
        }
        assert!(!matches!(ran.status.signal(), Some(4 | 5 | 6 | 11)) || limit == "-v 300", "{limit}: {ran}");
    }
    assert!(told > 1, "some of these limits were too low");
}

/// What systemd-tmpfiles looks at: a lock on the directory while an app runs, and the times of its files.
#[test]
fn a_cache_in_a_temporary_directory_is_kept_from_cleaners() {
    needs!("network", "root");
    let (sandbox, bundle) = native();
    fs::set_permissions(sandbox.path(), fs::Permissions::from_mode(0o555)).expect("chmod");
    let start = |script: &str| {
        let mut command = sandbox.command(&bundle);
        command.args(["sh", "-c", script]).env("HOME", "/nonexistent").env_remove("XDG_RUNTIME_DIR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.spawn().expect("started")
    };
    let mut app = start("echo ran; read line");
    let mut line = String::new();
    BufReader::new(app.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ran\n");
    let cache = PathBuf::from(format!("/var/tmp/unibin-{}", sandbox.uid()));
    let directory = fs::File::open(&cache).expect("the cache");
    assert!(directory.try_lock().is_err(), "a cleaner passes it over");
    drop(app.stdin.take());
    app.wait().expect("ended");
    assert!(directory.try_lock().is_ok());
    directory.unlock().expect("ours");
    settled(&cache);

    let slot = cache.join("x86_64").join(&without_broker(&cache)[0]);
    let program = slot.join("tree/usr/bin/busybox");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(48);
    let mark = |path: &Path| {
        let file = fs::File::open(path).expect("a file");
        file.set_times(fs::FileTimes::new().set_modified(old)).expect("times");
    };
    mark(&program);
    let changed = |path: &Path| {
        let stat = fs::metadata(path).expect("there");
        (stat.mtime(), (stat.ctime(), stat.ctime_nsec()))
    };
    let before = changed(&program);
    start("true").wait().expect("ended");
    assert_eq!(changed(&program), before, "not more than once a day");
    mark(&slot.join("complete"));
    start("true").wait().expect("ended");
    let after = changed(&program);
    assert!(after.0 == before.0 && after.1 > before.1, "{before:?} {after:?}");
}
