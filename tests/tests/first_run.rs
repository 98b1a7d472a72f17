//! A first start where something is missing, closed, full or forbidden works by the next candidate or says in
//! one line what to set; one that is killed, or is one of many, leaves nothing that hinders the next, and in
//! the end nothing at all.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bundle::Arch;
use end_to_end::{Jail, Outcome, Sandbox, busybox, caller, kill, needs, say, tell_bundle, until};

/// Machines with next to nothing, and a bundle for each route.
fn jails() -> Vec<Jail> {
    let bundles = [Arch::X86_64, Arch::Riscv64].into_iter().filter_map(tell_bundle);
    bundles.filter_map(|bundle| Jail::with(&bundle)).collect()
}

/// The directory from which a run with `UNIBIN_LOG=1` said that it executed, which must have ended with code
/// 5.
#[track_caller]
fn served_by(ran: &Outcome) -> String {
    assert_eq!(ran.code(), Some(5), "{ran}");
    let errors = ran.errors();
    let line = errors.lines().rfind(|line| line.contains("executing ")).expect("it said what it executes");
    let path = line.split("executing ").nth(1).expect("a path");
    path.split("/x86_64/").next().expect("a directory").to_owned()
}

const RUN: &str = "exec /opt/app exit 5";

#[test]
fn with_nothing_but_busybox_it_starts() {
    for jail in jails() {
        let directory = "/home/.cache/unibin";
        let ran = jail.run("", "HOME=/home UNIBIN_LOG=1", RUN);
        assert_eq!(served_by(&ran), directory, "{ran}");
        // Everything works without /proc, /sys, /etc/passwd: they are not there.
        assert!(!jail.at("proc/self").exists() && !jail.at("sys").exists() && !jail.at("etc").exists());
        let ran = jail.run("mount -t proc none proc", "HOME=/home UNIBIN_LOG=1", RUN);
        assert_eq!(served_by(&ran), directory, "with /proc too");
    }
}

#[test]
fn without_a_home_or_with_one_that_is_not_ours_the_shared_places_serve() {
    for jail in jails() {
        let uid = jail.uid();
        for variables in
            ["", "HOME=", "HOME=/nonexistent", "HOME=/opt", "HOME=relative", "HOME=/bin/busybox", "HOME=/"]
        {
            let ran = jail.run("", &format!("{variables} UNIBIN_LOG=1"), RUN);
            assert_eq!(served_by(&ran), format!("/var/tmp/unibin-{uid}"), "{variables}");
            assert!(!jail.at("opt/.cache").exists() && !jail.at(".cache").exists(), "{variables}");
        }
        let ran = jail.run("rmdir var/tmp 2>/dev/null || rm -r var/tmp", "UNIBIN_LOG=1", RUN);
        assert_eq!(served_by(&ran), format!("/tmp/unibin-{uid}"));
    }
}

#[test]
fn where_no_directory_is_left_one_line_says_what_to_set() {
    for jail in jails() {
        let ran = jail.run("rm -r tmp var; mount -o remount,bind,ro .", "HOME=/home", RUN);
        let said =
            ran.must_fail_with(125, &["no usable cache directory", "/home/.cache/unibin", "/tmp/unibin-"]);
        let hints: Vec<&str> = said.lines().filter(|line| line.contains("hint: ")).collect();
        assert!(hints.len() == 1 && hints[0].contains("set UNIBIN_CACHE to a directory"), "{said}");
        // And doing what it says helps.
        let mounts = "mount -o remount,bind,ro .; mount -t tmpfs -o uid=$uid,mode=0700 none opt/../home";
        let ran = jail.run(mounts, "UNIBIN_CACHE=/home/named UNIBIN_LOG=1", RUN);
        assert_eq!(served_by(&ran), "/home/named");
    }
}

/// Mounts that make the first `count` candidates of a user with a home what `options` says.
fn spoiled(count: usize, options: &str) -> String {
    let places = ["named", "xdg", "home", "run", "opt", "var/tmp", "tmp"];
    let mount = |(number, place): (usize, &str)| {
        let mode = if number > 4 { "mode=1777" } else { "uid=$uid,mode=0700" };
        let options = if number < count { options } else { "rw" };
        format!("mount -t tmpfs -o {mode},{options} none {place}\n")
    };
    let mounts: Vec<String> = places.into_iter().enumerate().map(mount).collect();
    // The bundle's own directory has been covered, and is closed once the bundle is in it again.
    format!(
        "cp opt/app app; mkdir -p named xdg run\n{}\
         mount -o remount,rw,size=64m,exec opt; cp app opt/app; chmod 755 opt/app; chmod 555 opt\n",
        mounts.concat()
    )
}

const VARIABLES: &str =
    "UNIBIN_CACHE=/named XDG_CACHE_HOME=/xdg HOME=/home XDG_RUNTIME_DIR=/run UNIBIN_LOG=1";

/// Each candidate in turn is the first that serves.
fn next_serves(options: &str, jails: &[Jail]) {
    for jail in jails {
        let uid = jail.uid();
        let places = [
            "/named".to_owned(),
            "/xdg/unibin".to_owned(),
            "/home/.cache/unibin".to_owned(),
            "/run/unibin".to_owned(),
            format!("/opt/.unibin-{uid}"),
            format!("/var/tmp/unibin-{uid}"),
            format!("/tmp/unibin-{uid}"),
        ];
        for (count, place) in places.iter().enumerate() {
            // The bundle's own directory was made read-only; it can neither serve nor be spoiled.
            if count == 4 {
                continue;
            }
            // What did not serve keeps nothing of the attempt.
            let run = "/opt/app exit 5; code=$?; cat named/*/.new* xdg/*/*/.new* 2>/dev/null; exit $code";
            let ran = jail.run(&spoiled(count, options), VARIABLES, run);
            assert_eq!(&served_by(&ran), place, "{options}, {count} of them: {ran}");
        }
    }
}

#[test]
fn directories_that_cannot_execute_are_passed_over_one_by_one() {
    next_serves("noexec", jails().get(..1).unwrap_or_default());
}

#[test]
fn directories_that_cannot_be_written_are_passed_over_one_by_one() {
    next_serves("ro", jails().get(..1).unwrap_or_default());
}

#[test]
fn directories_that_are_full_are_passed_over_one_by_one() {
    let jails = jails();
    // Not even a directory fits; not the launcher; not the emulator.
    for options in ["size=4k,nr_inodes=2", "size=40k"] {
        next_serves(options, jails.get(..1).unwrap_or_default());
    }
    next_serves("size=100k", jails.get(1..).unwrap_or_default());
}

#[test]
fn directories_that_cannot_be_locked_serve() {
    needs!("network", "strace", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS", "EINVAL"] {
        let start = |number: u32| {
            let mut command = sandbox.command("strace");
            let log = sandbox.at(format!("trace-{number}"));
            command
                .args(["-f", "-e", "trace=flock", "-e", &format!("inject=flock:error={error}"), "-o"])
                .arg(log);
            command.arg(&bundle).args(["uname", "-m"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("strace")
        };
        let children: Vec<_> = (0..6).map(start).collect();
        for child in children {
            let ended = Outcome::from(child.wait_with_output().expect("ended"));
            assert_eq!((ended.must_succeed().trim(), ended.errors().as_str()), ("riscv64", ""), "{error}");
        }
        let tried =
            (0..6).map(|number| fs::read_to_string(sandbox.at(format!("trace-{number}"))).expect("trace"));
        assert!(
            tried.into_iter().any(|trace| trace.contains(error)),
            "{error}: a lock was asked for and refused"
        );
        let left = left_in(&sandbox);
        assert_eq!(left.len(), 4, "{error}: a launcher, an app, an emulator, a broker: {left:?}");
        fs::remove_dir_all(sandbox.cache()).expect("removed");
    }
}

/// The cache, without waiting for the disk: whoever was to sync may have been killed.
fn cache_of(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".cache/unibin")
}

/// Whether an entry is whole, on the disk or not. Who is killed between the last two steps has not begun to
/// sync: a start of two minutes later does.
fn is_whole(entry: &Path) -> bool {
    let names = fs::read_dir(entry).into_iter().flatten().flatten().map(|entry| entry.path());
    names.map(|path| name_of(&path)).any(|name| name == "complete" || name.starts_with("written-"))
}

/// The names in the CPU's directory of a cache.
fn left_in(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache_of(sandbox).join("x86_64"));
    entries.map(|entries| entries.map(|entry| entry.expect("entry").path()).collect()).unwrap_or_default()
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_kept_for_the_app() {
    let Some(caller) = caller() else { return };
    for target in [Arch::X86_64, Arch::Riscv64] {
        let Some(packed) = tell_bundle(target) else { return };
        let sandbox = Sandbox::new();
        let (caller, bundle) = (sandbox.copy(&caller, "caller"), sandbox.copy(&packed, "tell"));
        // Less than a launcher; more than that and less than an app or an emulator.
        let sizes =
            if target == Arch::X86_64 { &[0, 4096, 65_000][..] } else { &[0, 4096, 70_000, 3_000_000] };
        for size in sizes {
            let limit = format!("limit=fsize:{size}");
            let start = |way: &str| {
                Sandbox::finish(sandbox.command(&caller).args([&limit, way]).arg(&bundle).args(["die", "25"]))
            };
            let refused = start("execv");
            if refused.code() != Some(125) {
                assert_eq!(
                    refused.signal(),
                    Some(25),
                    "{target}, {size}: it fits, and the app dies of it: {refused}"
                );
                assert!(*size == 65_000, "{target}: {size} bytes are enough?");
                continue;
            }
            refused.must_fail_with(125, &["no usable cache directory", "hint: "]);
            end_to_end::settled(&sandbox.cache());
            let left: Vec<PathBuf> = left_in(&sandbox).into_iter().filter(|path| path.is_dir()).collect();
            assert!(left.iter().all(|path| path.join("complete").exists()), "{target}, {size}: {left:?}");
        }
        sandbox.run(&bundle, &["exit", "0"]).must_succeed();
        // Warm, nothing is written, so nothing stands in the way; and the signal is the caller's again.
        let cold = sandbox
            .command(&caller)
            .args(["limit=fsize:0", "execv"])
            .arg(&bundle)
            .args(["die", "25"])
            .status();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&cold.expect("starts")),
            Some(25),
            "{target}"
        );
    }
}

#[test]
fn a_full_quota_is_passed_over() {
    let bundles = [Arch::X86_64, Arch::Riscv64].into_iter().filter_map(tell_bundle);
    for jail in bundles.filter_map(|bundle| Jail::with(&bundle)) {
        let mounts =
            "mount -t tmpfs -o uid=$uid,mode=0700,usrquota,usrquota_block_hardlimit=72k none home || exit 77";
        let ran = jail.run(mounts, "HOME=/home UNIBIN_LOG=1", RUN);
        if ran.code() == Some(77) {
            say("NOT RUN: a full quota: this kernel has none for tmpfs (Linux 6.6, CONFIG_TMPFS_QUOTA)");
            return;
        }
        assert_eq!(served_by(&ran), format!("/var/tmp/unibin-{}", jail.uid()), "{ran}");
    }
}

/// The same numbers again when `UNIBIN_TEST_SEED` gives the seed that a failed run has printed (Vigna's
/// splitmix64).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos();
        let seed = std::env::var("UNIBIN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or(u64::try_from(now & u128::from(u64::MAX)).expect("64 bits"));
        say(&format!("UNIBIN_TEST_SEED={seed}"));
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[test]
fn two_hundred_kills_at_random_moments_leave_nothing_that_stands_in_the_way() {
    needs!("network");
    let mut random = Random::new();
    let (mut killed, mut unfinished) = (0, 0);
    for target in [Arch::X86_64, Arch::Riscv64] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&busybox(target), "busybox");
        let start = || {
            let mut command = sandbox.command(&bundle);
            command.args(["sh", "-c", "exit 9"]).stdout(Stdio::null()).stderr(Stdio::null());
            // So that the stub's own children can be killed with it, as when a machine or a container ends.
            command.process_group(0).spawn().expect("started")
        };
        let begin = Instant::now();
        assert_eq!(start().wait().expect("ended").code(), Some(9));
        let whole = u64::try_from(begin.elapsed().as_micros()).expect("not that long");
        fs::remove_dir_all(sandbox.cache()).expect("removed");
        for moment in 0..100 {
            let mut child = start();
            std::thread::sleep(Duration::from_micros(random.below(whole)));
            // Every other time the group, else the process alone: what it has started then goes on for a
            // while.
            let id = if moment % 2 == 0 { format!("-{}", child.id()) } else { child.id().to_string() };
            let was_there = kill("KILL", &id);
            let ended = child.wait().expect("ended");
            assert!(ended.code() == Some(9) || was_there, "{target}: {ended}");
            killed += u32::from(ended.signal() == Some(9));
            unfinished += u32::from(left_in(&sandbox).iter().any(|path| name_of(path).starts_with(".new-")));
            if moment % 10 == 9 {
                let ran = sandbox.run(&bundle, &["sh", "-c", "exit 9"]);
                assert_eq!((ran.code(), ran.errors().as_str()), (Some(9), ""), "{target}, moment {moment}");
                settled(&sandbox, &bundle);
            }
            if moment % 10 == 9 || ended.code() == Some(9) {
                let _ = fs::remove_dir_all(cache_of(&sandbox));
            }
        }
    }
    say(&format!(
        "{killed} of 200 were killed before their end; {unfinished} times something unfinished was there"
    ));
    assert!(killed >= 60, "{killed}: the moments were not spread over a first start");
    assert!(unfinished >= 10, "{unfinished}: the moments were not spread over the unpacking");
}

/// What is left after the next runs are a launcher and slots that are whole.
fn settled(sandbox: &Sandbox, bundle: &Path) {
    // A stub that was killed alone may leave a child that is still at work: it ends soon, and then its
    // directory is nobody's.
    for _ in 0..100 {
        let left = left_in(sandbox);
        let unfinished = left.iter().filter(|path| name_of(path).starts_with(".new-")).count();
        let whole = left.iter().filter(|path| is_whole(path)).collect::<Vec<_>>();
        if unfinished == 0 && whole.len() + 1 == left.len() {
            return;
        }
        // Cleared by whoever unpacks next.
        fs::remove_dir_all(whole.first().expect("a slot")).expect("removed");
        assert_eq!(sandbox.run(bundle, &["sh", "-c", "exit 9"]).code(), Some(9));
    }
    panic!("it does not settle: {:?}", left_in(sandbox));
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn what_dead_runs_left_is_cleared_by_the_next_first_run() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let directory = sandbox.cache().join("x86_64");
    let slots = left_in(&sandbox);
    for slot in slots.iter().filter(|slot| slot.is_dir()) {
        fs::remove_dir_all(slot).expect("removed");
    }
    let dead = {
        let mut child = sandbox.command("true").spawn().expect("started");
        child.wait().expect("ended");
        child.id()
    };
    let alive = std::process::id();
    for name in [
        ".new-0123456789abcdef-0011223344556677".to_owned(),
        ".new-aside-0011223344556677".to_owned(),
        format!(".new-launcher-{dead}-0"),
        format!(".new-launcher-{dead}-1"),
        format!(".new-launcher-{alive}-0"),
        // Of a run that waited in vain for the lock, and so has none.
        ".new-1123456789abcdef-0011223344556677".to_owned(),
        ".new-2123456789abcdef-0011223344556677".to_owned(),
    ] {
        let path = directory.join(name);
        fs::create_dir_all(path.join("tree/deep")).expect("directory");
        fs::write(path.join("tree/deep/file"), b"half of").expect("file");
        for made in [&path, &path.join("tree"), &path.join("tree/deep")] {
            sandbox.give(made);
        }
        // When it last showed that it goes on. The last one syncs, and has announced that.
        let now = std::time::SystemTime::now();
        let shown = match path.to_string_lossy() {
            name if name.contains(".new-0") || name.contains("aside") => now - Duration::from_mins(2),
            name if name.contains(".new-2") => now + Duration::from_mins(9),
            _ => now,
        };
        let times = fs::FileTimes::new().set_modified(shown);
        fs::File::open(&path).expect("directory").set_times(times).expect("times");
    }
    assert_eq!(sandbox.run(&bundle, &["uname", "-m"]).must_succeed().trim(), "riscv64");
    let left: Vec<String> = left_in(&sandbox).iter().map(|path| name_of(path)).collect();
    let mut unfinished: Vec<&str> =
        left.iter().map(String::as_str).filter(|name| name.starts_with(".new-")).collect();
    unfinished.sort_unstable();
    assert_eq!(
        unfinished,
        [
            ".new-1123456789abcdef-0011223344556677",
            ".new-2123456789abcdef-0011223344556677",
            &format!(".new-launcher-{alive}-0")
        ],
        "only what a living process may be making: {left:?}"
    );
}

/// A sync shows nothing until it ends: runs that wait are told beforehand that it may take long.
#[test]
fn a_run_that_syncs_has_announced_it() {
    needs!("network", "strace", "ptrace");
    // In memory, which no later boot will see: nothing is left to a process beside the app.
    let sandbox = Sandbox::inside(end_to_end::User::Tester, Path::new("/dev/shm"));
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    let mut command = sandbox.command("strace");
    command.args(["-f", "-qq", "-e", "trace=syncfs", "-e", "inject=syncfs:delay_enter=3s", "-o"]);
    let mut child = command.arg(sandbox.at("calls")).arg(&bundle).arg("true").spawn().expect("started");
    let mut announced = false;
    while child.try_wait().expect("a child").is_none() {
        let now = std::time::SystemTime::now();
        announced |=
            fs::read_dir(sandbox.cache().join("x86_64")).into_iter().flatten().flatten().any(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let shown = entry.metadata().and_then(|metadata| metadata.modified());
                name.starts_with(".new-") && shown.is_ok_and(|shown| shown > now + Duration::from_mins(5))
            });
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(child.wait().expect("ended").success() && announced);
}

/// Its working directory, and whatever it has open there, are the old ones.
#[test]
fn what_is_made_anew_while_an_app_uses_it_stays_until_the_app_ends() {
    needs!("x86_64", "network");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    let script = "exe=$(readlink /proc/$$/exe); cd \"${exe%/*}\"; echo >\"$1/inside\"
        while [ ! -e \"$1/anew\" ]; do sleep 0.1; done; ls";
    let mut app = sandbox.command(&bundle);
    let app = app.args(["sh", "-c", script, "sh"]).arg(sandbox.path()).stdout(Stdio::piped());
    let app = app.spawn().expect("started");
    until("the app is inside", || sandbox.at("inside").exists().then_some(()));
    let verify = || sandbox.run_with(&[("UNIBIN_VERIFY", "1")], &bundle, &["true"]).must_succeed();
    verify();
    sandbox.write("anew", b"");
    let ran = Outcome::from(app.wait_with_output().expect("ended"));
    assert_eq!(ran.must_succeed(), "busybox\n");
    let old = || Sandbox::tree(&sandbox.cache()).iter().any(|path| path.to_string_lossy().contains("/.new-"));
    assert!(old(), "the one that was in use");
    verify();
    assert!(!old(), "nobody uses it any longer");
}
