//! `unibin cache`: what a living process uses stays, whatever is asked; what nobody uses goes, and is made
//! again when needed.

use std::fs::{self, File, FileTimes};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bundle::Arch;
use end_to_end::{Outcome, Sandbox, busybox, needs, settled, smallest, unibin};
use sha2::{Digest as _, Sha256};

fn cache(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    // As the user whose cache it is.
    let mut command = sandbox.command(unibin().get_program());
    command.arg("cache").args(arguments);
    if !Sandbox::tester_is_root() {
        // The tester's own caches are none of a test's business.
        command.arg("--directory").arg(sandbox.home().join(".cache/unibin"));
    }
    Sandbox::finish(&mut command)
}

/// An app that has said that it runs, and goes on until its input ends.
fn running(sandbox: &Sandbox, bundle: &Path) -> (Child, ChildStdin) {
    let mut command = sandbox.command(bundle);
    let mut child = command
        .args(["sh", "-c", "echo runs; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "runs\n");
    let input = child.stdin.take().expect("piped");
    (child, input)
}

fn slots(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.cache().join("x86_64")).expect("the cache");
    entries.map(|entry| entry.expect("entry").path()).filter(|path| path.is_dir()).collect()
}

#[test]
fn what_a_living_process_uses_is_never_removed_and_all_else_is() {
    needs!("network");
    for target in [Arch::X86_64, Arch::Riscv64] {
        let sandbox = Sandbox::alone();
        let bundle = sandbox.copy(&busybox(target), "busybox");
        sandbox.make_directory("other");
        let other = sandbox.copy(&busybox(Arch::S390x), "other/busybox");
        sandbox.run(&other, &["true"]).must_succeed();
        let (mut app, mut input) = running(&sandbox, &bundle);
        let before = slots(&sandbox).len();

        let listed = cache(&sandbox, &["list"]).must_succeed();
        let in_use = listed.lines().filter(|line| line.contains("in use by process")).count();
        assert_eq!(in_use, if target == Arch::X86_64 { 1 } else { 3 }, "{target}: {listed}");
        cache(&sandbox, &["clear"]).must_succeed();
        assert_eq!(slots(&sandbox).len(), in_use, "{target}: of {before} slots those stay that are in use");
        writeln!(input, "go on").expect("it still runs");
        assert!(app.wait().expect("ended").success(), "{target}");

        cache(&sandbox, &["clear"]).must_succeed();
        assert_eq!(
            Sandbox::tree(&sandbox.cache().join("x86_64")),
            Vec::<PathBuf>::new(),
            "{target}: nothing is left"
        );
        sandbox.run(&bundle, &["true"]).must_succeed();
    }
}

/// `UNIBIN_DO=gc` of a bundle.
fn bundle_gc(sandbox: &Sandbox, bundle: &Path, days: &str) -> Outcome {
    sandbox.gc(&[("UNIBIN_DAYS", days)], bundle)
}

#[test]
fn a_bundle_itself_removes_what_nobody_uses_and_keeps_what_somebody_does() {
    needs!("network");
    let sandbox = Sandbox::alone();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.make_directory("other");
    let other = sandbox.copy(&busybox(Arch::S390x), "other/busybox");
    sandbox.run(&other, &["true"]).must_succeed();
    let (mut app, mut input) = running(&sandbox, &bundle);
    let dead = sandbox.make_directory(sandbox.cache().join("x86_64/.new-0123456789abcdef-0011223344556677"));
    let silent = FileTimes::new().set_modified(SystemTime::now() - Duration::from_mins(2));
    File::open(&dead).expect("directory").set_times(silent).expect("times");

    for wrong in ["-1", "all", "99999999999"] {
        bundle_gc(&sandbox, &bundle, wrong).must_fail_with(125, &["UNIBIN_DAYS", wrong, "hint: "]);
    }
    let before = slots(&sandbox).len();
    assert!(dead.exists());
    let told = bundle_gc(&sandbox, &bundle, "").must_succeed();
    assert!(told.contains("0 entries removed") && told.contains("used within 30 days"), "{told}");
    assert!(!dead.exists(), "what a killed run left is removed once it has been silent for a minute");
    assert_eq!(slots(&sandbox).len(), before - 1, "everything else was used today");

    let told = bundle_gc(&sandbox, &bundle, "0").must_succeed();
    // App, emulator and the broker, which does the work itself.
    assert!(told.contains(" 3 in use, 1 used within 0 days"), "{told}");
    assert_eq!(slots(&sandbox).len(), 3, "{told}");
    writeln!(input, "go on").expect("it still runs");
    assert!(app.wait().expect("ended").success());

    // By the other bundle, whose broker is the same one: app, emulator and launcher go.
    let told = bundle_gc(&sandbox, &other, "0").must_succeed();
    // The launcher of today stays: nobody can see that a stub is about to execute it.
    assert!(told.contains(" 2 entries removed, 1 in use, 1 used within 0 days"), "{told}");
    assert_eq!(slots(&sandbox).len(), 1, "{told}");
    assert_eq!(sandbox.run(&bundle, &["echo", "again"]).must_succeed(), "again\n");
}

/// NFS refuses an exclusive lock in words of its own: that is no leave to remove.
#[test]
fn what_cannot_be_locked_for_a_reason_unknown_is_kept() {
    needs!("network", "strace", "ptrace");
    let sandbox = Sandbox::alone();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let before = slots(&sandbox);
    for (error, kept) in [("EBADF", true), ("ENOLCK", false)] {
        let mut command = sandbox.command("strace");
        command.args(["-f", "-qq", "-e", "trace=flock", "-e", &format!("inject=flock:error={error}"), "-o"]);
        command.arg(sandbox.at("calls")).arg(&bundle).env("UNIBIN_DO", "gc").env("UNIBIN_DAYS", "0");
        let told = Sandbox::finish(&mut command);
        told.must_succeed();
        assert_eq!(slots(&sandbox) == before, kept, "{error}: {told}");
    }
}

#[test]
fn a_bundle_leaves_a_cache_alone_in_which_a_first_run_is_unpacking() {
    needs!("network");
    let sandbox = Sandbox::alone();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let before = slots(&sandbox);
    let lock = File::open(sandbox.cache().join("x86_64")).expect("the directory");
    lock.lock().expect("nobody has it");
    let told = bundle_gc(&sandbox, &bundle, "0").must_succeed();
    assert!(told.contains("left alone, a first run is unpacking there: "), "{told}");
    assert_eq!(slots(&sandbox), before);
    drop(lock);
    bundle_gc(&sandbox, &bundle, "0").must_succeed();
    assert_eq!(slots(&sandbox).len(), 1, "the broker that does it");
}

#[test]
fn gc_removes_what_was_not_used_for_long_and_keeps_what_was() {
    needs!("network");
    let sandbox = Sandbox::alone();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let before = slots(&sandbox);
    cache(&sandbox, &["gc"]).must_succeed();
    assert_eq!(slots(&sandbox), before, "it was used today");
    // Nobody can set the time of a file's making back: so a directory of unfinished work stands for what is
    // dead.
    let dead = sandbox.make_directory(sandbox.cache().join("x86_64/.new-0123456789abcdef-0011223344556677"));
    let old = SystemTime::now() - Duration::from_hours(24 * 40);
    File::open(&dead).expect("directory").set_times(FileTimes::new().set_modified(old)).expect("times");
    cache(&sandbox, &["gc"]).must_succeed();
    assert!(!dead.exists() && slots(&sandbox) == before);
    cache(&sandbox, &["gc", "--days", "0"]).must_succeed();
    assert_eq!(slots(&sandbox), Vec::<PathBuf>::new());
    sandbox.run(&bundle, &["true"]).must_succeed();
}

#[test]
fn a_cache_of_somebody_else_is_not_looked_into_and_a_missing_one_is_told() {
    needs!("network");
    let sandbox = Sandbox::new();
    let missing = cache(&sandbox, &["list", "--directory", "/nonexistent/cache"]);
    assert_eq!(missing.code(), Some(1), "{missing}");
    assert!(missing.errors().contains("/nonexistent/cache"), "{missing}");
    // Only root can make a directory of another user.
    needs!("root");
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let directory = sandbox.cache();
    // The tester is root and the cache is the user's.
    let asked = unibin().args(["cache", "clear", "--directory"]).arg(&directory).output().expect("unibin");
    let asked = Outcome::from(asked);
    asked.must_succeed();
    assert_eq!(slots(&sandbox).len(), 2, "app and broker stay: {asked}");
}

/// Starts bundles while `UNIBIN_DO=gc` removes whatever it can, again and again.
#[test]
fn no_start_is_lost_beside_a_gc_that_never_rests() {
    needs!("network", "minutes");
    let sandbox = Sandbox::new();
    sandbox.make_directory("native");
    let emulated = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    let native = sandbox.copy(&busybox(Arch::X86_64), "native/busybox");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let gc = scope.spawn(|| {
            let mut removed = 0;
            while !done.load(Ordering::Relaxed) {
                let told = bundle_gc(&sandbox, &emulated, "0").must_succeed();
                removed += usize::from(!told.contains(" 0 entries removed"));
            }
            removed
        });
        let start = |bundle: &Path, number: usize| {
            let ran = sandbox.run(bundle, &["sh", "-c", &format!("echo {number}")]);
            (ran.text() != format!("{number}\n")).then(|| ran.to_string())
        };
        let lost: Vec<String> =
            (0..200).filter_map(|n| start(if n % 4 == 0 { &emulated } else { &native }, n)).collect();
        done.store(true, Ordering::Relaxed);
        assert!(gc.join().expect("it ends") > 10, "something was removed beside them");
        assert!(lost.is_empty(), "{} of 200: {}", lost.len(), lost[0]);
    });
}

/// What a process holds by its descriptors counts, also where nothing else shows that it uses the entry.
#[test]
fn an_entry_is_in_use_as_long_as_its_lock_is_held() {
    needs!("network");
    let sandbox = Sandbox::alone();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    settled(&sandbox.cache());
    let held: Vec<File> = slots(&sandbox)
        .iter()
        .map(|slot| {
            let marker = File::open(slot.join("complete")).expect("a marker");
            marker.lock_shared().expect("locked");
            marker
        })
        .collect();
    let told = bundle_gc(&sandbox, &bundle, "0").must_succeed();
    assert!(told.contains(" 0 entries removed, 3 in use"), "{told}");
    let before = slots(&sandbox);
    let told = cache(&sandbox, &["clear"]).must_succeed();
    assert!(told.contains(" 3 in use"), "{told}");
    assert_eq!(slots(&sandbox), before);
    drop(held);
    let told = bundle_gc(&sandbox, &bundle, "0").must_succeed();
    assert!(told.contains(" 2 entries removed, 1 in use"), "{told}");
}

#[test]
fn an_app_and_what_it_starts_hold_their_entries_and_nothing_shows_below_256() {
    needs!("network");
    let sandbox = Sandbox::new();
    for target in [Arch::X86_64, Arch::Riscv64] {
        let bundle = sandbox.copy(&busybox(target), "busybox");
        sandbox.run(&bundle, &["true"]).must_succeed();
        assert!(sandbox.cache().is_dir(), "its entries are on the disk: their markers have their last name");
        let ran = sandbox.run(&bundle, &["sh", "-c", "ls -l /proc/self/fd"]);
        let listed = ran.must_succeed();
        let held = listed.lines().filter(|line| line.ends_with("/complete")).count();
        assert_eq!(held, if target == Arch::X86_64 { 1 } else { 2 }, "{target}: {listed}");
        let numbers = listed.lines().filter(|line| line.ends_with("/complete")).map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words[words.iter().position(|word| *word == "->").expect("a link") - 1].parse::<u32>()
        });
        assert!(numbers.into_iter().all(|number| number.is_ok_and(|n| n >= 256)), "{listed}");
    }
}

#[test]
fn a_gc_of_one_cache_leaves_the_others_alone() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let before = slots(&sandbox).len();
    let named = sandbox.make_directory("named");
    let set = [("UNIBIN_CACHE", named.to_str().expect("text")), ("UNIBIN_DAYS", "0")];
    sandbox.gc(&set, &bundle).must_succeed();
    assert_eq!(slots(&sandbox).len(), before);
}

#[test]
fn what_was_packed_is_kept_until_it_is_cleared_and_changes_no_byte() {
    let sandbox = sandbox_with_a_tree();
    let run = |arguments: &[&str]| run_in(&sandbox, unibin(), arguments).must_succeed();
    let pack = || {
        run(&pack_of_tree());
        fs::read(sandbox.at("bundle")).expect("packed")
    };
    let kept = || run(&["cache", "list", "--packed"]).lines().count() - 1;
    assert_eq!(kept(), 0, "there is no store yet");
    let first = pack();
    let files = kept();
    assert!(files >= 2, "frames, and that they were read back: {files}");
    assert!(pack() == first, "what was kept changes the bundle");
    assert_eq!(kept(), files);
    assert!(run(&["cache", "list", "--packed", "--json"]).contains("\"days\""));
    run(&["cache", "gc", "--packed", "--days", "1"]);
    assert_eq!(kept(), files, "all was used today");
    let cleared = run(&["cache", "clear", "--packed"]);
    assert!(cleared.contains(&format!("in {files} files removed")), "{cleared}");
    assert_eq!(kept(), 0);
    assert!(pack() == first, "what is made again is the same");
    assert_eq!(kept(), files);

    // Whatever is wrong with what was kept, it is not packed.
    for entry in fs::read_dir(sandbox.at("store/compressed")).expect("the store") {
        let path = entry.expect("entry").path();
        let mut bytes = fs::read(&path).expect("kept");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).expect("damaged");
        assert!(pack() == first, "{}", path.display());
    }
}

#[test]
fn what_another_build_of_unibin_has_read_back_is_read_back_again() {
    let sandbox = sandbox_with_a_tree();
    let kept = || fs::read_dir(sandbox.at("store/compressed")).expect("the store").count();
    let pack = |program| run_in(&sandbox, program, &pack_of_tree()).must_succeed();
    pack(unibin());
    let files = kept();
    pack(unibin());
    assert_eq!(kept(), files, "the same build knows it");
    // Whatever a build changes, the file is another one.
    let mut other = fs::read(unibin().get_program()).expect("unibin");
    other.push(0);
    fs::write(sandbox.at("unibin"), other).expect("written");
    fs::set_permissions(sandbox.at("unibin"), fs::Permissions::from_mode(0o755)).expect("its mode");
    pack(Command::new(sandbox.at("unibin")));
    assert_eq!(kept(), files + 2, "notes of its own of tree and broker, and no frame");
}

#[test]
fn only_what_is_wrong_is_forgotten_and_made_again() {
    let sandbox = sandbox_with_a_tree();
    let words = [&pack_of_tree()[..], &["--also-target", "riscv64"]].concat();
    let kept = || fs::read_dir(sandbox.at("store/compressed")).expect("the store").count();
    run_in(&sandbox, unibin(), &words).must_succeed();
    let (first, files) = (fs::read(sandbox.at("bundle")).expect("packed"), kept());

    // The app's frame holds something else, and says that this is right.
    let paths = fs::read_dir(sandbox.at("store/compressed")).expect("the store");
    let mut paths = paths.map(|entry| entry.expect("entry").path());
    let is_app = |path: &PathBuf| {
        let unpacked = fs::File::open(path).and_then(zstd::decode_all).unwrap_or_default();
        unpacked.windows(10).any(|window| window == TEXT_BEGINS.as_bytes())
    };
    let app = paths.find(is_app).expect("the app's frame");
    let mut frame = zstd::encode_all(&b"something else"[..], 3).expect("compressed");
    let name = app.file_name().expect("a name").as_encoded_bytes();
    let trailer = Sha256::digest([name, &Sha256::digest(&frame)[..]].concat());
    frame.extend([0x50, 0x2a, 0x4d, 0x18, 32, 0, 0, 0]);
    frame.extend(trailer);
    fs::write(&app, frame).expect("forged");

    let refused = run_in(&sandbox, unibin(), &words);
    assert_eq!(refused.code(), Some(5), "{refused}");
    assert!(refused.errors().contains("is damaged: app"), "{refused}");
    assert_eq!(kept(), files - 2, "the frame, and that it was read back");
    run_in(&sandbox, unibin(), &words).must_succeed();
    assert!(fs::read(sandbox.at("bundle")).expect("packed") == first);
    assert_eq!(kept(), files);
}

/// How the text in the tree of [`sandbox_with_a_tree`] begins.
const TEXT_BEGINS: &str = "0\n26544357";

/// A directory with a tree whose frames are long enough to be kept.
fn sandbox_with_a_tree() -> Sandbox {
    let host = Arch::HOST.expect("a host");
    let sandbox = Sandbox::new();
    sandbox.make_directory("tree");
    fs::write(sandbox.at("tree/start"), smallest(host).elf()).expect("written");
    fs::set_permissions(sandbox.at("tree/start"), fs::Permissions::from_mode(0o755)).expect("its mode");
    let lines: Vec<String> =
        (0..200_000u32).map(|line| line.wrapping_mul(2_654_435_761).to_string()).collect();
    fs::write(sandbox.at("tree/text"), lines.join("\n")).expect("written");
    sandbox
}

fn pack_of_tree() -> [&'static str; 10] {
    let host = Arch::HOST.expect("a host").name();
    ["pack", "tree", "--entry", "start", "--hosts", host, "--target", host, "-o", "bundle"]
}

fn run_in(sandbox: &Sandbox, mut unibin: Command, arguments: &[&str]) -> Outcome {
    unibin.current_dir(sandbox.path()).env("UNIBIN_STORE", sandbox.at("store"));
    Sandbox::finish(unibin.args(arguments))
}
