//! A first start does not wait for the disk: what becomes of an entry until it is there, in another boot,
//! in an image, beside another container, and what of the bundle.

use std::fs::{self, File, FileTimes};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, SystemTime};

use bundle::Arch;
use end_to_end::{
    Handmade, Namespace, Parts, Sandbox, User, bundle_of, file, needs, pack_by_hand, say, settled,
    smallest_bundle, until,
};

const NO_ARGUMENTS: [&str; 0] = [];

/// The name that a marker has in another boot.
const OTHER: &str = "written-0123456789abcdef";

/// Says what its entry holds, goes into its tree, and reads a file there when it is told to.
const APP: &[u8] = b"#!/bin/sh\ncd \"${0%/*}\"\nfor marker in ../[cw]*; do echo \"${marker##*/}\"; done\n\
    read -r line && cat data\n";

/// The bundle of that, in a sandbox on the disk. Syncing it takes a moment.
fn scene() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::inside(User::Tester, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let large: Vec<u8> =
        (0..20_000_000u32).flat_map(|number| (number >> 9).to_le_bytes()).take(20_000_000).collect();
    let app = Handmade::files(
        &[file("app", 0o755, APP), file("data", 0o644, b"data\n"), file("large", 0o644, &large)].concat(),
    );
    let bundle = sandbox.write("bundle", &app.bytes(&Parts::of(&smallest_bundle(Arch::X86_64))));
    (sandbox, bundle)
}

fn slot(cache: &Path) -> Option<PathBuf> {
    let mut entries = fs::read_dir(cache.join("x86_64")).ok()?.flatten().map(|entry| entry.path());
    entries.find(|path| path.is_dir() && path.file_name().is_some_and(|name| name.len() == 64))
}

/// The app as it waits in its tree.
fn waiting(sandbox: &Sandbox, bundle: &Path) -> (Child, ChildStdin) {
    let mut command = sandbox.command(bundle);
    let mut app = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(app.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a line");
    let input = app.stdin.take().expect("piped");
    (app, input)
}

#[test]
fn an_entry_of_another_boot_that_an_app_uses_serves_and_is_not_taken_from_it() {
    let (sandbox, bundle) = scene();
    let (app, mut input) = waiting(&sandbox, &bundle);
    settled(&sandbox.cache());
    let slot = slot(&sandbox.cache()).expect("a slot");
    let first = fs::metadata(&slot).expect("there").ino();
    let is_first = || fs::metadata(&slot).is_ok_and(|slot| slot.ino() == first);
    // As it looks to a container with a number of its own for this boot.
    fs::rename(slot.join("complete"), slot.join(OTHER)).expect("renamed");
    let second = sandbox.run(&bundle, &NO_ARGUMENTS);
    assert_eq!(second.text(), format!("{OTHER}\n"), "{second}");
    assert!(is_first(), "the same entry");
    let _ = sandbox.gc(&[("UNIBIN_DAYS", "0")], &bundle);
    assert!(is_first(), "the same entry");

    writeln!(input, "go on").expect("it waits");
    let ended = app.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "data\n", "its tree is there");
    // Nobody uses it any longer: a power cut could lie between.
    let third = sandbox.run(&bundle, &NO_ARGUMENTS);
    assert!(!third.text().contains(OTHER) && !is_first(), "{third}");
}

#[test]
fn an_entry_of_another_boot_that_is_locked_stays_where_its_user_is_not_seen() {
    needs!("network");
    let sandbox = Sandbox::inside(User::Tester, Path::new(env!("CARGO_TARGET_TMPDIR")));
    // A tree that no process of another test uses: root sees them all.
    let own = sandbox.write("own", sandbox.path().as_os_str().as_encoded_bytes());
    let add = format!("{}:own", own.display());
    let busybox = ["--deb", "busybox-static", "--target", "riscv64", "--hosts", "x86_64", "--add", &add];
    let bundle = sandbox.at("busybox");
    pack_by_hand(&busybox, &bundle).must_succeed();
    sandbox.run(&bundle, &["true"]).must_succeed();
    settled(&sandbox.cache());
    let gc = || sandbox.gc(&[("UNIBIN_DAYS", "0")], &bundle);
    let entries = fs::read_dir(sandbox.cache().join("x86_64")).expect("the cache").flatten();
    let slots: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    let tree = slots.iter().find(|slot| slot.join("tree/usr").exists()).expect("the app's");
    let marker = tree.join(OTHER);
    fs::rename(tree.join("complete"), &marker).expect("renamed");
    let held = File::open(&marker).expect("a marker");
    held.lock_shared().expect("locked");
    gc().must_succeed();
    assert!(marker.exists(), "it is in use");
    drop(held);
    gc().must_succeed();
    assert!(!tree.exists(), "nobody uses it");
}

#[test]
fn on_a_file_system_that_others_see_an_entry_of_another_boot_stays_for_a_day() {
    let (sandbox, bundle) = scene();
    // In memory stands for a network: it is none of the file systems of one machine alone.
    let shared = Sandbox::inside(User::Tester, Path::new("/dev/shm"));
    let cache = shared.at("cache");
    let run = || {
        let cache = cache.to_str().expect("text");
        sandbox.run_with(&[("UNIBIN_CACHE", cache)], &bundle, &NO_ARGUMENTS).text()
    };
    assert_eq!(run(), "complete\n");
    let Some(slot) = slot(&cache).filter(|_| !sandbox.cache().exists()) else {
        return say("NOT RUN: nothing can be executed in /dev/shm");
    };
    let marker = slot.join(OTHER);
    fs::rename(slot.join("complete"), &marker).expect("renamed");
    assert!(!run().is_empty(), "another directory serves");
    assert!(marker.exists() && sandbox.cache().exists());
    let old = SystemTime::now() - Duration::from_hours(25);
    File::options()
        .write(true)
        .open(&marker)
        .expect("there")
        .set_times(FileTimes::new().set_modified(old))
        .expect("set");
    assert_eq!(run(), "complete\n");
    assert!(!marker.exists() && slot.join("complete").exists());
}

/// A slow disk, as an option of strace(1).
const SLOW: &str = "inject=syncfs:delay_enter=2s";

/// Whoever makes an image in a chroot packs or unmounts it when the app has ended.
#[test]
fn in_a_chroot_an_entry_is_on_the_disk_before_the_app_starts() {
    needs!("root", "mounts", "strace", "ptrace");
    let (sandbox, _) = scene();
    let root = "mkdir -p root/usr root/proc root/dev root/home; MOUNT\n\
         cd root; ln -s usr/bin usr/lib usr/lib64 .\n\
         mount --rbind /usr usr; mount --rbind /proc proc; cp ../bundle home\n\
         set -- \"$(command -v chroot)\" . /bin/env HOME=/home /home/bundle; START";
    let outside = "set -- ./bundle; START";
    for (what, script, marker) in [
        ("the machine", outside.to_owned(), "written-"),
        ("a directory", root.replace("MOUNT", ":"), "complete\n"),
        ("a mount", root.replace("MOUNT", "mount --bind root root"), "complete\n"),
    ] {
        let _ = fs::remove_dir_all(sandbox.at("root"));
        let start = format!("exec strace -f -qq -o /dev/null -e trace=syncfs -e {SLOW} \"$@\" </dev/null");
        let ran = Namespace::Mounts.run(&sandbox, &script.replace("START", &start), &NO_ARGUMENTS);
        assert!(ran.text().starts_with(marker), "{what}: {ran}");
    }
}

#[test]
fn a_bundle_that_begins_with_its_launcher_can_be_rewritten_when_its_app_has_ended() {
    needs!("network", "strace", "ptrace");
    let sandbox = Sandbox::inside(User::Tester, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let bundle = sandbox.copy(&bundle_of(Arch::X86_64, "x86_64", &["--head", "elf:x86_64"]), "busybox");
    let (calls, said) = (sandbox.at("calls"), sandbox.at("said"));
    let mut command = sandbox.command("strace");
    command.args(["-f", "-qq", "-e", "trace=syncfs", "-e", SLOW, "-o"]).arg(&calls);
    command.arg(&bundle).args(["echo", "ran"]).stdout(File::create(&said).expect("made"));
    let mut traced = command.spawn().expect("strace starts");
    until("the app has run", || fs::read_to_string(&said).ok().filter(|said| said == "ran\n"));
    let syncs =
        until("it syncs", || fs::read_to_string(&calls).ok().filter(|calls| calls.contains("syncfs")));
    if let Err(error) = File::options().write(true).open(&bundle) {
        panic!("{error}: {syncs}");
    }
    assert!(traced.wait().expect("it ends").success());
    settled(&sandbox.cache());
    let calls = fs::read_to_string(&calls).expect("calls");
    assert!(calls.contains("= 0 (DELAYED)"), "{calls}");
}
