//! `unibin cache`: what a living process uses stays, whatever is asked; what nobody uses goes, and is made again when needed.

use std::fs::{self, File, FileTimes};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, SystemTime};

use bundle::Arch;
use end_to_end::{Outcome, Sandbox, busybox, unibin};

fn cache(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    // As the user whose cache it is.
    let mut command = sandbox.command(unibin().get_program());
    Sandbox::finish(command.arg("cache").args(arguments))
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
    for target in [Arch::X86_64, Arch::Riscv64] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&busybox(target), "busybox");
        sandbox.make_folder("other");
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

#[test]
fn gc_removes_what_was_not_used_for_long_and_keeps_what_was() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let before = slots(&sandbox);
    cache(&sandbox, &["gc"]).must_succeed();
    assert_eq!(slots(&sandbox), before, "it was used today");
    // Nobody can set the time of a file's making back: so a folder of unfinished work stands for what is dead.
    let dead = sandbox.make_folder(sandbox.cache().join("x86_64/.new-0123456789abcdef-0011223344556677"));
    let old = SystemTime::now() - Duration::from_hours(24 * 40);
    File::open(&dead).expect("folder").set_times(FileTimes::new().set_modified(old)).expect("times");
    cache(&sandbox, &["gc"]).must_succeed();
    assert!(!dead.exists() && slots(&sandbox) == before);
    cache(&sandbox, &["gc", "--days", "0"]).must_succeed();
    assert_eq!(slots(&sandbox), Vec::<PathBuf>::new());
    sandbox.run(&bundle, &["true"]).must_succeed();
}

#[test]
fn a_cache_of_somebody_else_is_not_looked_into_and_a_missing_one_is_told() {
    let sandbox = Sandbox::new();
    let missing = cache(&sandbox, &["list", "--folder", "/nonexistent/cache"]);
    assert_eq!(missing.code(), Some(1), "{missing}");
    assert!(missing.errors().contains("/nonexistent/cache"), "{missing}");
    if !Sandbox::tester_is_root() {
        end_to_end::without("root", "only root can make a folder of another user");
        return;
    }
    let bundle = sandbox.copy(&busybox(Arch::X86_64), "busybox");
    sandbox.run(&bundle, &["true"]).must_succeed();
    let folder = sandbox.cache();
    // The tester is root and the cache is the user's.
    let asked = unibin().args(["cache", "clear", "--folder"]).arg(&folder).output().expect("unibin");
    let asked = Outcome::from(asked);
    asked.must_succeed();
    assert_eq!(slots(&sandbox).len(), 1, "it stays: {asked}");
}
