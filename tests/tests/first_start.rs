//! A first start unpacks frames in several processes. What it leaves is the tree as it was packed, or
//! nothing, whichever of them fails or is killed; and a slot of another boot of the machine is not
//! believed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use bundle::{Arch, BlobKind};
use end_to_end::{
    Handmade, Namespace, Outcome, Parts, Sandbox, directory, file, kill, link, needs, piece, say, settled,
    smallest, smallest_bundle,
};

const APP: &[u8] = b"#!/bin/sh\necho ran\n";
const NO_ARGUMENTS: [&str; 0] = [];

fn model() -> Parts {
    Parts::of(&smallest_bundle(Arch::X86_64))
}

/// Bytes without a pattern, the same each time (xorshift64).
fn noise(length: usize, mut state: u64) -> Vec<u8> {
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length).collect()
}

/// How long the file in pieces is, and where it is cut.
const WHOLE: usize = 3_000_000;
const CUTS: [usize; 3] = [0, 1_000_000, 2_500_007];

fn cut_file() -> Vec<u8> {
    let mut bytes = noise(WHOLE, 7);
    // It has a hole, and ends in one.
    bytes[1_200_000..1_900_000].fill(0);
    bytes[2_700_000..].fill(0);
    bytes
}

fn cut_piece(number: usize) -> Vec<u8> {
    let end = CUTS.get(number + 1).copied().unwrap_or(WHOLE);
    piece("lib/cut", 0o600, CUTS[number] as u64, WHOLE as u64, &cut_file()[CUTS[number]..end])
}

/// Directories and an announcement; frames of files in no order, three of them with the pieces; links.
fn frames() -> [Vec<Vec<u8>>; 3] {
    let announced = piece("lib/cut", 0o755, 0, WHOLE as u64, b"");
    let directories =
        vec![[directory("lib"), announced].concat(), [directory("z"), directory("z/y")].concat()];
    let mut files: Vec<Vec<u8>> = (0..9u32)
        .map(|number| {
            let name = |letter: char| format!("z/y/{letter}{}", 9 - number);
            let content = noise(40_000 * number as usize, 1 + u64::from(number));
            [file(&name('b'), 0o644, &content), file(&name('a'), 0o755, &vec![0; 200_000])].concat()
        })
        .collect();
    files.insert(2, [file("z/before", 0o644, b"x"), cut_piece(0)].concat());
    files.insert(3, cut_piece(1));
    files.insert(4, [cut_piece(2), file("app", 0o755, APP)].concat());
    let links = vec![
        [link(b'1', "again", "lib/cut"), link(b'2', "lib/link", "../z/y")].concat(),
        link(b'1', "z/more", "again"),
    ];
    [directories, files, links]
}

fn honest() -> Handmade {
    let [directories, files, links] = frames();
    Handmade::of_frames(&directories, &files, &links)
}

/// Every path below a directory, with what it is.
fn told(tree: &Path) -> Vec<String> {
    let tell = |path: PathBuf| {
        let whole = tree.join(&path);
        let stat = fs::symlink_metadata(&whole).expect("it is there");
        let what = if stat.is_symlink() {
            format!("-> {}", fs::read_link(&whole).expect("a link").display())
        } else if stat.is_dir() {
            "directory".to_owned()
        } else {
            let bytes = fs::read(&whole).expect("a file");
            format!("{:o} {} {} {:?}", stat.mode() & 0o7777, stat.nlink(), bytes.len(), sum(&bytes))
        };
        format!("{} {what}", path.display())
    };
    Sandbox::tree(tree).into_iter().map(tell).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_mul(1_099_511_628_211).wrapping_add(u64::from(*byte)))
}

fn slots(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.cache().join("x86_64")).into_iter().flatten().flatten();
    // All here run natively: the one file in a slot of its own is the broker, which unpacks the others.
    let is_slot = |path: &PathBuf| path.is_dir() && !path.join("emulator").exists();
    entries.map(|entry| entry.path()).filter(is_slot).collect()
}

fn run(made: &Handmade) -> (Sandbox, PathBuf, Outcome) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.write("bundle", &made.bytes(&model()));
    let ran = sandbox.run(&bundle, &NO_ARGUMENTS);
    (sandbox, bundle, ran)
}

#[test]
fn files_in_any_order_and_in_pieces_come_out_with_their_bytes_modes_and_links() {
    let (sandbox, bundle, ran) = run(&honest());
    assert_eq!(ran.must_succeed(), "ran\n");
    let tree = slots(&sandbox).first().expect("a slot").join("tree");
    let cut = cut_file();
    let all = told(&tree);
    for expected in [
        format!("again 755 3 {WHOLE} {:?}", sum(&cut)),
        format!("lib/cut 755 3 {WHOLE} {:?}", sum(&cut)),
        format!("z/more 755 3 {WHOLE} {:?}", sum(&cut)),
        "lib/link -> ../z/y".to_owned(),
        format!("z/y/b1 644 1 320000 {:?}", sum(&noise(320_000, 9))),
        "z/y/b9 644 1 0 0".to_owned(),
        "z/y/a4 755 1 200000 0".to_owned(),
    ] {
        assert!(all.contains(&expected), "{expected}: {all:#?}");
    }
    assert_eq!(all.len(), 3 + 2 * 9 + 3 + 3, "{all:#?}");
    assert!(fs::metadata(tree.join("lib/cut")).expect("there").blocks() * 512 < 2_500_000, "it has holes");
    // All who read trees agree.
    sandbox.run_with(&[("UNIBIN_DO", "verify")], &bundle, &NO_ARGUMENTS).must_succeed();
    let to = sandbox.at("out").display().to_string();
    sandbox.run_with(&[("UNIBIN_DO", "extract"), ("UNIBIN_TO", &to)], &bundle, &NO_ARGUMENTS).must_succeed();
    assert_eq!(told(&sandbox.at("out")), all);
    let unibin = end_to_end::unibin().arg("extract").arg(&bundle).arg(sandbox.at("by unibin")).status();
    assert!(unibin.expect("unibin starts").success());
    assert_eq!(told(&sandbox.at("by unibin")), all);
    // A changed file is found by comparing.
    let changed = tree.join("lib/cut");
    let mut bytes = cut;
    bytes[2_600_000] ^= 1;
    fs::write(&changed, bytes).expect("written");
    let verify = sandbox.run_with(&[("UNIBIN_DO", "verify")], &bundle, &NO_ARGUMENTS);
    verify.must_fail_with(125, &["lib/cut", "missing or was changed"]);
}

#[test]
fn a_changed_bit_of_any_frame_or_of_the_table_is_refused_and_leaves_nothing() {
    let made = honest();
    let model = model();
    let bytes = made.bytes(&model);
    let sandbox = Sandbox::new();
    let blob = Parts::of(&sandbox.write("bundle", &bytes)).blob_range(BlobKind::App).start;
    let mut at = blob + 16 + 48 * made.frames.len();
    let mut places = vec![blob, blob + 4, blob + 20, at - 1];
    for (number, (frame, _)) in made.frames.iter().enumerate() {
        places.extend([at, at + (number * 7919) % frame.len(), at + frame.len() - 1]);
        at += frame.len();
    }
    let mut flips: Vec<(usize, u8)> = places.into_iter().map(|at| (at, 1 << (at % 8))).collect();
    // As many random ones as are wanted, in the table and in each frame.
    let seeds = std::env::var("UNIBIN_TEST_SEEDS").map_or(2, |seeds| seeds.parse().expect("a number"));
    let table = 16 + 48 * made.frames.len();
    let lengths = [table].into_iter().chain(made.frames.iter().map(|(frame, _)| frame.len()));
    let random = noise(16 * seeds * (1 + made.frames.len()), 19);
    let mut random = random.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    for _ in 0..seeds {
        let mut start = blob;
        for length in lengths.clone() {
            let mut below = |most: usize| {
                usize::try_from(random.next().expect("enough") % most as u64).expect("below a length")
            };
            flips.push((start + below(length), 1 << below(8)));
            start += length;
        }
    }
    for (number, (at, bit)) in flips.into_iter().enumerate() {
        let mut changed = bytes.clone();
        changed[at] ^= bit;
        let bundle = sandbox.write("bundle", &changed);
        let ran = sandbox.run(&bundle, &NO_ARGUMENTS);
        ran.must_fail_with(125, &["damaged", "app"]);
        assert_eq!(ran.text(), "", "byte {at}");
        assert_eq!(slots(&sandbox), Vec::<PathBuf>::new(), "byte {at}: nothing is left");
        let left = sandbox.processes();
        assert!(left.is_empty(), "byte {at}: nobody is left: {left:?}");
        if number < 100 {
            let unibin = end_to_end::unibin().arg("verify").arg(&bundle).output().expect("unibin starts");
            assert_eq!(unibin.status.code(), Some(5), "byte {at}");
        }
    }
    let bundle = sandbox.write("bundle", &bytes);
    assert_eq!(sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed(), "ran\n");
}

#[test]
fn pieces_that_do_not_make_a_file_are_refused_by_all_who_read_them() {
    let [directories, files, links] = frames();
    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut files = files.clone();
        change(&mut files);
        Handmade::of_frames(&directories, &files, &links)
    };
    let announced =
        |members: Vec<u8>| Handmade::of_frames(&[directories[0].clone(), members], &files, &links);
    let cases = [
        ("one is missing", with(&|files| drop(files.remove(3)))),
        (
            "none are there",
            with(&|files| files[2..5].clone_from_slice(&[file("app", 0o755, APP), vec![], vec![]])),
        ),
        ("the last is missing", with(&|files| files[4] = file("app", 0o755, APP))),
        ("one is there twice", with(&|files| files.insert(4, cut_piece(1)))),
        (
            "something is before one",
            with(&|files| files[3] = [file("x", 0o644, b"x"), cut_piece(1)].concat()),
        ),
        (
            "something is behind one",
            with(&|files| files[3] = [cut_piece(1), file("x", 0o644, b"x")].concat()),
        ),
        ("a whole file too", with(&|files| files.push(file("lib/cut", 0o644, b"x")))),
        (
            "one is over another, and one is missing",
            with(&|files| {
                let part =
                    |start, end| piece("lib/cut", 0o600, start as u64, WHOLE as u64, &cut_file()[start..end]);
                files[2] = [file("z/before", 0o644, b"x"), part(0, 1_000_000)].concat();
                files[3] = part(200_000, 700_000);
                files[4] = [part(1_500_000, WHOLE), file("app", 0o755, APP)].concat();
            }),
        ),
        (
            "one file is there twice, another one not at all",
            Handmade::of_frames(
                &[
                    directories[0].clone(),
                    [directory("z"), directory("z/y"), piece("z/z", 0o644, 0, WHOLE as u64, b"")].concat(),
                ],
                &[&files[..], &[0, 1, 2].map(cut_piece)].concat(),
                &links,
            ),
        ),
        ("a file is there twice", with(&|files| files.push(file("z/before", 0o644, b"x")))),
        (
            "a link has the name of a file",
            Handmade::of_frames(&directories, &files, &[&links[..], &[link(b'1', "z/y/b1", "app")]].concat()),
        ),
        (
            "announced and never there",
            announced([directory("z"), directory("z/y"), piece("z/z", 0o644, 0, 5, b"")].concat()),
        ),
    ];
    for (what, made) in cases {
        let (sandbox, bundle, ran) = run(&made);
        assert_eq!((ran.code(), ran.text().as_str()), (Some(125), ""), "{what}: {ran}");
        assert_eq!(slots(&sandbox), Vec::<PathBuf>::new(), "{what}: nothing is left");
        let unibin = end_to_end::unibin().arg("verify").arg(&bundle).output().expect("unibin starts");
        assert_eq!(unibin.status.code(), Some(5), "{what}");
    }
}

/// Where a tree is read and not written, no file system tells.
#[test]
fn a_name_that_is_there_twice_is_refused_in_memory_too() {
    needs!("setpriv");
    let Some(namespace) = Namespace::Mounts.available() else { return };
    let (sandbox, model) = (Sandbox::new(), model());
    let launcher = sandbox.write("launcher", model.blob(BlobKind::Launcher));
    let app = file("app", 0o755, &smallest(Arch::X86_64).elf());
    for times in [1, 2] {
        let bundle = sandbox.write("bundle", &Handmade::files(&app.repeat(times)).bytes(&model));
        let script = "mount -t tmpfs -o mode=0755 none /run\n\
            cp \"$1\" \"$2\" /run && chmod 755 /run/* && mount -o remount,bind,ro /run\n\
            for place in /var/tmp /dev/shm /tmp; do mount -t tmpfs -o ro none $place; done\n\
            unset HOME\n\
            UNIBIN_LOG=1 exec setpriv --reuid $3 --regid $3 --clear-groups /run/launcher /run/bundle app";
        let uid = sandbox.uid().to_string();
        let ran = namespace.run(&sandbox, script, &[launcher.as_os_str(), bundle.as_os_str(), uid.as_ref()]);
        assert!(ran.errors().contains("no directory serves: unpacking into memory"), "{ran}");
        let refused = ran.code() == Some(125) && ran.errors().contains("its name is there twice");
        assert_eq!(refused, times == 2, "{ran}");
        assert_eq!(ran.text().is_empty(), times == 2, "{ran}");
    }
}

#[test]
fn a_bundle_that_claims_the_digest_of_another_one_does_not_fill_its_entry() {
    let honest =
        Handmade::of(&[file("app", 0o755, APP), file("other", 0o755, b"#!/bin/sh\necho too\n")].concat());
    let mut lying = Handmade::of(&file("app", 0o755, b"#!/bin/sh\necho planted\n"));
    lying.digest = honest.digest;
    let (sandbox, model) = (Sandbox::new(), model());
    let run = |made: &Handmade| {
        sandbox.run(&sandbox.write("bundle", &made.bytes(&model)), &NO_ARGUMENTS).must_succeed()
    };
    // Nobody but `verify` sees that it lies.
    assert_eq!(run(&lying), "planted\n");
    assert_eq!(run(&honest), "ran\n");
    assert_eq!(slots(&sandbox).len(), 2);
    // The same frames are one entry for any number of bundles.
    assert_eq!(run(&Handmade { entry: "other", ..honest }), "too\n");
    assert_eq!(slots(&sandbox).len(), 2);
}

/// The brokers whose parent is this process: each has the name of its file in the cache.
fn workers_of(pid: u32) -> Vec<u32> {
    let tasks = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let is_broker = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "emulator")
    };
    tasks.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(is_broker).collect()
}

/// Many files, which take a while.
fn long() -> Handmade {
    let files: Vec<Vec<u8>> = (0..16u32)
        .map(|frame| {
            let content = noise(6_000, u64::from(frame) + 1);
            (0..300).flat_map(|number| file(&format!("d/{frame}-{number}"), 0o644, &content)).collect()
        })
        .collect();
    Handmade::of_frames(&[directory("d")], &[files, vec![file("app", 0o755, APP)]].concat(), &[])
}

#[test]
fn a_killed_process_of_those_that_unpack_is_told_and_none_is_left() {
    if std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() < 2) {
        return say("NOT RUN: one processor alone unpacks by itself");
    }
    let sandbox = Sandbox::new();
    let bundle = sandbox.write("bundle", &long().bytes(&model()));
    sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed();
    let mut killed = 0;
    for _ in 0..40 {
        let _ = fs::remove_dir_all(slots(&sandbox).first().expect("a slot"));
        let mut start = sandbox.command(&bundle);
        let mut start = start.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let begin = Instant::now();
        let mut worker = None;
        while worker.is_none() && begin.elapsed() < Duration::from_secs(20) {
            worker = workers_of(start.id()).first().copied();
            if start.try_wait().expect("waited").is_some() {
                break;
            }
        }
        if let Some(worker) = worker {
            let _ = kill("KILL", worker);
        }
        let ended = start.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        if said.contains("one of the processes that unpack was killed") {
            assert_eq!(ended.status.code(), Some(125));
            assert!(ended.stdout.is_empty(), "nothing ran");
            assert_eq!(slots(&sandbox), Vec::<PathBuf>::new(), "nothing is left");
            killed += 1;
        } else {
            // It came too late, or met the process that was to sync.
            assert!(ended.status.success(), "{said}");
        }
        assert_eq!(sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed(), "ran\n");
        if killed == 3 {
            return;
        }
    }
    assert!(killed > 0, "no process could be killed in time");
}

#[test]
fn a_slot_of_another_boot_is_unpacked_again_and_one_of_this_boot_serves() {
    // Not in memory, where there is nothing to wait for.
    let sandbox = Sandbox::inside(end_to_end::User::Tester, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let bundle = sandbox.write("bundle", &honest().bytes(&model()));
    assert_eq!(sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed(), "ran\n");
    settled(&sandbox.cache());
    let slot = slots(&sandbox).first().expect("a slot").clone();
    let marker = slot.join("complete");
    assert!(marker.exists(), "it is on the disk, or it was waited for");
    let mark = slot.join("tree/app");
    let change = |text: &[u8]| {
        fs::write(&mark, text).expect("written");
        fs::set_permissions(&mark, fs::Permissions::from_mode(0o755)).expect("mode");
    };
    change(b"#!/bin/sh\necho old\n");
    assert_eq!(sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed(), "old\n", "the slot serves");
    // As it was left when the machine lost its power.
    fs::rename(&marker, slot.join("written-0123456789abcdef")).expect("renamed");
    assert_eq!(sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed(), "ran\n", "the slot is made anew");
    assert_eq!(slots(&sandbox).len(), 1);
    assert!(marker.exists() && !slot.join("written-0123456789abcdef").exists());
}

#[test]
fn whoever_cannot_have_more_processes_or_memory_unpacks_alone() {
    let sandbox = Sandbox::new();
    let bundle = sandbox.write("bundle", &honest().bytes(&model()));
    let alone = |limit: &str| {
        let _ = fs::remove_dir_all(sandbox.cache());
        let mut shell = sandbox.command("sh");
        let line = format!("{limit} && exec \"$0\"");
        let ran = Sandbox::finish(shell.args(["-c", &line]).arg(&bundle));
        assert_eq!(ran.must_succeed(), "ran\n", "{limit}");
    };
    alone("ulimit -v 60000");
    alone("taskset -pc 0 $$ >/dev/null");
}

#[test]
fn an_app_has_no_child_that_it_did_not_start() {
    let [directories, ..] = frames();
    // The shell reads its own children before it has any.
    let app = b"#!/bin/sh\nchildren=\nread -r children </proc/$$/task/$$/children\necho \"children: $children\"\nls /proc/$$/fd\n";
    let files = [file("app", 0o755, app)].concat();
    let made = Handmade::of_frames(&directories[1..], &[files], &[]);
    let sandbox = Sandbox::inside(end_to_end::User::Tester, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let bundle = sandbox.write("bundle", &made.bytes(&model()));
    let first = sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed();
    let second = sandbox.run(&bundle, &NO_ARGUMENTS).must_succeed();
    assert!(first.starts_with("children: \n"), "{first}");
    assert_eq!(first, second, "children and descriptors of a first and of a warm start");
}
