//! Bundles as they are written: the same bytes for the same inputs, every part covered by a digest, all or
//! nothing.

mod scene;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};

use bundle::{BlobKind, Encoding, Footer, Manifest};
use end_to_end::{Killer, has, is_ignored, needs, say};
use scene::{RISCV64, Run, Scene, X86_64, emulator, program, program_of};

/// A bundle for riscv64 (native), `x86_64` and aarch64 (given emulators).
fn packed(scene: &Scene, out: &str) -> Vec<u8> {
    scene.write("app", &program(RISCV64));
    scene.write_emulators();
    let args = "pack app --hosts aarch64,x86_64,riscv64 --emulator x86_64=emulator-x \
                --emulator aarch64=emulator-a -o";
    scene.run(args.split_whitespace().chain([out])).ok();
    fs::read(scene.at("w").join(out)).expect("the bundle")
}

fn decoded(bytes: &[u8]) -> (Footer, Manifest<'_>) {
    let footer = Footer::read(&bytes).expect("a footer");
    let start = usize::try_from(footer.manifest_offset).expect("small");
    let end = start + usize::try_from(footer.manifest_length).expect("small");
    (footer, Manifest::decode(&bytes[start..end], footer.manifest_offset).expect("a manifest"))
}

fn end(scene: &Scene, name: &str) -> Run {
    scene.run(["verify", name])
}

#[test]
fn the_bytes_depend_on_the_inputs_alone() {
    let one = Scene::new();
    let first = packed(&one, "out");
    let two = Scene::new();
    packed(&two, "old");
    fs::set_permissions(two.at("w/app"), fs::Permissions::from_mode(0o700)).expect("a mode");
    needs!("taskset");
    let touched = Command::new("touch").args(["-d", "1999-01-01"]).arg(two.at("w/app")).status();
    assert!(touched.is_ok_and(|status| status.success()));
    // Another directory, umask, locale, time zone and order of options, one CPU.
    let mut shell = Command::new("sh");
    shell.current_dir("/").arg("-c").arg(format!(
        "umask 077; exec taskset -c 0 {} pack {w}/app --emulator aarch64={w}/emulator-a -o {w}/out \
         --hosts riscv64,x86_64,aarch64 --emulator amd64={w}/emulator-x",
        env!("CARGO_BIN_EXE_unibin"),
        w = two.at("w").display()
    ));
    shell.env("LC_ALL", "tr_TR.UTF-8").env("TZ", "Asia/Tokyo").env("HOME", "/nowhere");
    shell.env("UNIBIN_STORE", two.at("other-store")).env("UNIBIN_LAUNCHERS", two.at("launchers"));
    Run::of(&shell.output().expect("sh starts")).ok();
    assert!(first == fs::read(two.at("w/out")).expect("the bundle"), "the bundles differ");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o7777;
    assert_eq!((mode(&one.at("w/out")), mode(&two.at("w/out"))), (0o755, 0o700));
}

#[test]
fn the_layout_is_that_of_the_format() {
    let scene = Scene::new();
    let bytes = packed(&scene, "out");
    let (_, manifest) = decoded(&bytes);
    let blobs: Vec<_> = manifest.blobs().collect();
    let kinds: Vec<_> = blobs.iter().map(|blob| blob.kind.name()).collect();
    let wanted = "stub launcher launcher launcher app emulator notices emulator notices broker broker broker \
                  components components components summary";
    assert_eq!(kinds.join(" "), wanted);
    for blob in &blobs {
        if matches!(blob.kind, BlobKind::Stub | BlobKind::Launcher) {
            assert_eq!((blob.offset() % bundle::LAUNCHER_ALIGN, blob.encoding), (0, Encoding::Raw));
        }
    }
    assert!(bytes.starts_with(b"#!/bin/sh\n"));
    for launcher in manifest.launchers() {
        let start = usize::try_from(launcher.blob.offset()).expect("small");
        let file = fs::read(scene.at("launchers").join(format!("launcher-{}", launcher.host)));
        assert!(bytes[start..].starts_with(&file.expect("a launcher")));
    }
    let keys: Vec<_> = manifest.translators().map(|row| row.key.to_string()).collect();
    assert_eq!(keys, ["riscv64-on-x86_64", "riscv64-on-aarch64"]);
    let rules = manifest.translators().next().map(|row| manifest.rules(row.rules).count());
    assert_eq!(rules, Some(5), "-0 argv0 program rest, no QEMU_ variables");
}

#[test]
fn a_changed_byte_in_any_part_is_found_and_named_and_the_restored_bundle_is_whole() {
    let scene = Scene::new();
    let good = packed(&scene, "out");
    let (footer, manifest) = decoded(&good);
    let mut places: Vec<(u64, String)> = manifest
        .blobs()
        .map(|blob| (blob.offset() + blob.stored() / 2, blob.kind.name().to_owned()))
        .collect();
    let launcher = manifest.launchers().next().expect("a launcher").blob;
    places.push((launcher.offset() + launcher.stored(), "gap".to_owned()));
    places.push((footer.manifest_offset + 50, "manifest".to_owned()));
    places.push((footer.file_length - 80, "footer".to_owned()));
    places.push((footer.file_length - 32, "manifest".to_owned()));
    for (at, part) in places {
        let mut bad = good.clone();
        bad[usize::try_from(at).expect("small")] ^= 0x10;
        scene.write("bad", &bad);
        end(&scene, "bad").refused(5, &["`bad` is damaged", &part]);
        scene.run(["extract", "bad", "tree"]).refused(5, &["damaged"]);
        assert!(!scene.at("w/tree").exists());
    }
    for bad in [&good[..87], &good[..4096], &good[..good.len() - 1], &[&good[..], b"\n"].concat()] {
        scene.write("bad", bad);
        for command in [&["verify", "bad"][..], &["inspect", "bad"], &["inspect", "--json", "bad"]] {
            let run = scene.run(command);
            run.refused(5, &["`bad` is damaged: it begins like a bundle", "hint: "]);
        }
    }
    for other in [&b""[..], b"#!/bin/sh\necho no bundle\n"] {
        scene.write("bad", other);
        end(&scene, "bad").refused(5, &["`bad` is not a bundle"]);
        scene.run(["inspect", "bad"]).refused(3, &["not a program"]);
    }
    scene.write("bad", &good);
    let run = end(&scene, "bad").ok();
    assert!(run.out.contains("whole"), "{run:?}");
}

#[test]
fn a_digest_that_a_forger_adjusted_for_the_stored_bytes_alone_is_found_by_the_unpacked_ones() {
    let scene = Scene::new();
    let good = packed(&scene, "out");
    let (footer, manifest) = decoded(&good);
    let app = manifest.blobs().find(|blob| blob.kind == BlobKind::App).expect("an app");
    let range = |from: u64, length: u64| {
        let from = usize::try_from(from).expect("small");
        from..from + usize::try_from(length).expect("small")
    };
    // The unpacked digest, as the manifest has it, replaced; manifest digest and footer made to fit.
    let mut bad = good.clone();
    let rows = &mut bad[range(footer.manifest_offset, footer.manifest_length)];
    let at = rows.windows(32).position(|window| window == app.digest().0).expect("the digest");
    rows[at] ^= 1;
    let digest = scene::sha256(rows);
    let length = bad.len();
    bad[length - 88..].copy_from_slice(&Footer { manifest_digest: digest, ..footer }.encode());
    scene.write("bad", &bad);
    end(&scene, "bad").refused(5, &["app riscv64", "the checksum of its app does not match"]);
}

#[test]
fn a_bundle_with_an_elf_head_begins_with_that_launcher_and_its_mark() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    scene.write("emulator-x", &emulator(X86_64));
    let args = "pack app --head elf:x86_64 --emulator x86_64=emulator-x -o out";
    let run = scene.run(args.split_whitespace()).ok();
    assert!(run.err.contains("warning: the bundle will start on x86_64 only"), "{run:?}");
    let bytes = fs::read(scene.at("w/out")).expect("the bundle");
    let launcher = fs::read(scene.at("launchers/launcher-x86_64")).expect("a launcher");
    let differ: Vec<_> = (0..launcher.len()).filter(|at| launcher[*at] != bytes[*at]).collect();
    assert!((1..=16).contains(&differ.len()) && differ[differ.len() - 1] - differ[0] < 16);
    assert!(bytes.windows(16).any(|window| window == b"unibin-head:elf\0"));
    let (_, manifest) = decoded(&bytes);
    let launchers: Vec<_> = manifest.launchers().map(|row| (row.host.name(), row.head)).collect();
    assert_eq!(launchers, [("x86_64", true)]);
    end(&scene, "out").ok();

    let mut unmarked = launcher;
    let at = unmarked.windows(11).position(|window| window == b"unibin-head").expect("the mark");
    unmarked[at] = b'x';
    fs::write(scene.at("launchers/launcher-x86_64"), unmarked).expect("written");
    scene.run(args.split_whitespace()).refused(1, &["no head mark"]);
}

#[test]
fn an_extracted_app_is_the_packed_one_and_nothing_existing_is_touched() {
    let scene = Scene::new();
    packed(&scene, "out");
    scene.run(["extract", "out", "tree"]).ok();
    assert_eq!(fs::read(scene.at("w/tree/app")).expect("the app"), program(RISCV64));
    scene.run(["extract", "out", "tree"]).refused(1, &["cannot make `tree`", "does not exist yet"]);
    let run = scene.run(["extract", "../w/out"]).ok();
    assert_eq!(run.out, "out.extracted\n", "it is made in the working directory");
    assert!(scene.at("w/out.extracted").is_dir());
    scene.run(["extract", "out", "all", "--all"]).ok();
    assert_eq!(fs::read(scene.at("w/all/app-riscv64/app")).expect("the app"), program(RISCV64));
    let unpacked = fs::read(scene.at("w/all/emulators/qemu-user-riscv64-on-x86_64"));
    assert_eq!(unpacked.expect("the emulator"), emulator(X86_64));
    let names = scene::names(&scene.at("w/all"));
    let notices = ["notices-1.txt", "notices-2.txt"];
    let wanted = [&["app-riscv64", "brokers", "emulators", "launchers"][..], &notices, &["stub.sh"]].concat();
    assert_eq!(names, wanted);
    assert!(scene.names().iter().all(|name| !name.starts_with('.')), "{:?}", scene.names());
}

/// Runs `script` as root of a user namespace of its own with mounts of its own; says so when the kernel
/// forbids that.
fn in_namespace(scene: &Scene, script: &str) -> Option<Run> {
    if !has("namespaces") {
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script, "sh", env!("CARGO_BIN_EXE_unibin")]);
    command.current_dir(scene.at("w")).env("UNIBIN_STORE", scene.at("store"));
    command.env("UNIBIN_LAUNCHERS", scene.at("launchers"));
    Some(Run::of(&command.output().expect("unshare starts")))
}

#[test]
fn a_full_disk_and_a_read_only_directory_are_said_and_nothing_is_left() {
    let scene = Scene::new();
    scene.write("app", &program_of(RISCV64, &noise(200_000)));
    fs::create_dir(scene.at("w/small")).expect("a directory");
    let script = "mount -t tmpfs -o size=64k tmpfs small && echo old >small/out && \
                  \"$1\" pack app --hosts riscv64 -o small/out; code=$?; ls -A small; cat small/out; exit $code";
    if let Some(run) = in_namespace(&scene, script) {
        assert_eq!(run.out, "out\nold\n");
        run.refused(1, &["cannot write `small/out`", "No space left", "free some space"]);
    }
    let script = "mount -t tmpfs -o ro tmpfs small && \
                  exec \"$1\" pack app --hosts riscv64 -o small/out";
    if let Some(run) = in_namespace(&scene, script) {
        run.refused(1, &["cannot write `small/out`", "Read-only", "hint: "]);
    }
    // The directory for temporary files is another place, with a cure of its own. The store has no frames of
    // this level.
    let script = "mount -t tmpfs -o size=64k tmpfs small && \
                  TMPDIR=$PWD/small exec \"$1\" pack app --level 18 --hosts riscv64 -o out";
    if let Some(run) = in_namespace(&scene, script) {
        run.refused(1, &["/small`", "No space left", "hint: free some space", "TMPDIR"]);
        assert!(!scene.at("w/out").exists());
    }
}

/// Bytes that do not compress (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Whether the process has a file without a name open, as everything is that is not finished (proc(5)).
fn is_writing(pid: u32) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let links = open.flatten().filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    links.into_iter().any(|link| link.to_string_lossy().ends_with(" (deleted)"))
}

#[test]
fn an_interrupted_pack_leaves_nothing() {
    let scene = Scene::new();
    scene.write("app", &program_of(RISCV64, &noise(24 << 20)));
    for (signal, number) in [("INT", 2), ("TERM", 15), ("KILL", 9)] {
        if is_ignored(number) {
            say(&format!("NOT RUN: an_interrupted_pack_leaves_nothing: {signal} is ignored here"));
            continue;
        }
        let killer = Killer::ready();
        let mut pack = scene.unibin();
        pack.args(["pack", "app", "--hosts", "riscv64", "--level", "22", "-o", "out"]).process_group(0);
        let mut pack = pack.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        while !is_writing(pack.id()) {
            assert!(
                pack.try_wait().expect("it can be asked").is_none(),
                "it ended before it was interrupted"
            );
            std::thread::yield_now();
        }
        assert!(killer.kill(signal, pack.id()));
        let status = pack.wait().expect("it ends");
        let mut err = String::new();
        pack.stderr.take().expect("piped").read_to_string(&mut err).expect("read");
        assert!(status.signal().is_some(), "{signal}: it was at work still: {status} {err}");
        assert_eq!(scene.names(), ["app"], "{signal}");
    }
}

#[test]
fn a_hangup_that_the_caller_ignores_does_not_end_a_pack() {
    let scene = Scene::new();
    scene.write("app", &program_of(RISCV64, &noise(4 << 20)));
    let script = "trap '' HUP; \"$1\" pack app --hosts riscv64 -o out &\n\
        until ls -l /proc/$!/fd | grep -q deleted; do kill -0 $! || exit 99; done\n\
        kill -s HUP $!; wait $!";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_unibin")]).current_dir(scene.at("w"));
    command.env("UNIBIN_STORE", scene.at("store")).env("UNIBIN_LAUNCHERS", scene.at("launchers"));
    Run::of(&command.output().expect("sh starts")).ok();
    end(&scene, "out").ok();
}

#[test]
fn an_interrupted_extract_leaves_nothing() {
    let scene = Scene::new();
    scene.write("app", &program_of(RISCV64, &noise(64 << 20)));
    scene.run("pack app --hosts riscv64 --level 1 -o out".split_whitespace()).ok();
    if is_ignored(15) {
        return say("NOT RUN: an_interrupted_extract_leaves_nothing: TERM is ignored here");
    }
    let killer = Killer::ready();
    let mut extract = scene.unibin();
    let mut extract =
        extract.args(["extract", "out", "tree"]).stdout(Stdio::null()).spawn().expect("it starts");
    // At work as soon as its hidden directory is there; until then there is nothing to leave.
    while scene.names().iter().all(|name| !name.starts_with(".unibin-")) {
        assert!(extract.try_wait().expect("it can be asked").is_none(), "it ended before it was interrupted");
    }
    assert!(killer.kill("TERM", extract.id()));
    assert_eq!(extract.wait().expect("it ends").signal(), Some(15));
    assert_eq!(scene.names(), ["app", "out"]);
}
