//! What comes out of a bundle: what several builds have alike is stored once and unpacked with each; zeros
//! become holes; and who waits at a terminal sees how far it is.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bundle::{Arch, BlobKind};
use end_to_end::{Parts, Sandbox, Terminal, needs, pack, pack_by_hand, smallest, unibin};

const NO_ARGUMENTS: [&str; 0] = [];

/// bash, emulated and native, each with its own libraries and with the licences that both have.
fn two_builds() -> PathBuf {
    let options = ["--deb", "bash", "--target", "riscv64", "--native", "x86_64", "--native", "aarch64"];
    pack(&[&options[..], &["--hosts", "x86_64,aarch64", "--level", "3"]].concat())
}

/// A file that all builds have.
const SAME: &str = "usr/share/common-licenses/GPL-3";

/// The files named so below `directory`.
fn found(directory: &Path, end: &str) -> Vec<PathBuf> {
    let paths = Sandbox::tree(directory).into_iter();
    paths.filter(|path| path.ends_with(end)).map(|path| directory.join(path)).collect()
}

#[test]
fn what_several_builds_have_alike_is_stored_once_and_unpacked_with_each() {
    needs!("network");
    let sandbox = Sandbox::new();
    let packed = two_builds();
    let parts = Parts::of(&packed);
    let manifest = parts.manifest();
    let shared: Vec<_> = manifest.variants().map(|variant| variant.shared.expect("a shared blob")).collect();
    assert_eq!(shared.len(), 3);
    assert!(shared.iter().all(|blob| *blob == shared[0]), "one blob for all of them");
    let apps = manifest.blobs().filter(|blob| blob.kind == BlobKind::App).count();
    assert_eq!(apps, 4);

    let bundle = sandbox.copy(&packed, "bash");
    for (route, cpu) in [("native", "x86_64"), ("emulated", "riscv64")] {
        let ran = sandbox.run_with(
            &[("UNIBIN_ROUTE", route)],
            &bundle,
            &["-c", "echo $MACHTYPE; echo ${UNIBIN_TARGET}; exit 3"],
        );
        assert_eq!(ran.code(), Some(3), "{ran}");
        assert!(ran.text().starts_with(cpu) && ran.text().ends_with(&format!("{cpu}\n")), "{ran}");
    }
    let unpacked = found(&sandbox.cache(), SAME);
    assert_eq!(unpacked.len(), 2, "a tree for each route: {unpacked:?}");
    let text = fs::read(&unpacked[0]).expect("a licence");
    assert!(String::from_utf8_lossy(&text).contains("GNU GENERAL PUBLIC LICENSE"));

    // Both ways of taking it out make whole trees.
    let by_bundle = sandbox.at("by bundle").display().to_string();
    let variables = [("UNIBIN_DO", "extract"), ("UNIBIN_TO", &by_bundle)];
    sandbox.run_with(&variables, &bundle, &NO_ARGUMENTS).must_succeed();
    let by_unibin = sandbox.at("by unibin");
    let done = unibin().args(["extract", "--all"]).arg(&bundle).arg(&by_unibin).output();
    assert!(done.expect("unibin starts").status.success());
    for (directory, names) in [
        (PathBuf::from(by_bundle), ["riscv64", "x86_64", "aarch64"]),
        (by_unibin, ["app-riscv64", "app-x86_64", "app-aarch64"]),
    ] {
        for name in names {
            let file = directory.join(name).join(SAME);
            assert_eq!(fs::read(&file).ok().as_ref(), Some(&text), "{}", file.display());
        }
    }

    // A damaged one is found before anything of it is used; mended, it runs.
    let at = usize::try_from(shared[0].offset() + shared[0].stored() / 2).expect("an index");
    let clean = Sandbox::new();
    let damaged = clean.write("damaged", &parts.changed(at));
    let ran = clean.run(&damaged, &["-c", "exit 3"]);
    ran.must_fail_with(125, &["is damaged: the checksum of its app does not match"]);
    let verified = unibin().arg("verify").arg(&damaged).output().expect("unibin starts");
    let told = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.code() == Some(5) && told.contains("app riscv64+x86_64+aarch64"), "{told}");
    fs::write(&damaged, &parts.bytes).expect("written");
    assert_eq!(clean.run(&damaged, &["-c", "exit 3"]).code(), Some(3));
}

#[test]
fn builds_without_anything_in_common_share_nothing() {
    needs!("network");
    let options = ["--deb", "busybox-static", "--target", "riscv64", "--native", "x86_64", "--level", "3"];
    let packed = pack(&[&options[..], &["--hosts", "x86_64", "--exclude", "usr/share/**"]].concat());
    let parts = Parts::of(&packed);
    assert!(parts.manifest().variants().all(|variant| variant.shared.is_none()));
}

/// An app with a file beside it that is zeros but for a few bytes in the middle and, or not, at its end.
fn with_zeros(sandbox: &Sandbox, length: u64, at_end: bool) -> PathBuf {
    let smallest = smallest(Arch::X86_64);
    let program = sandbox.write("program", &smallest.elf()).display().to_string();
    let image = sandbox.at("image");
    let mut file = fs::File::create(&image).expect("created");
    file.seek(SeekFrom::Start(length / 2)).expect("a file");
    file.write_all(b"here").expect("written");
    if at_end {
        file.seek(SeekFrom::Start(length - 3)).expect("a file");
        file.write_all(b"end").expect("written");
    }
    file.set_len(length).expect("a file");
    let add = format!("{}:data/image", image.display());
    let packed = sandbox.at("packed");
    let arguments = [&program, "--add", &add, "--hosts", "x86_64", "--level", "1"];
    pack_by_hand(&arguments, &packed).must_succeed();
    packed
}

/// Of the file of zeros.
const LENGTH: u64 = 40 << 20;

#[test]
fn zeros_are_unpacked_as_holes() {
    needs!("network");
    for at_end in [true, false] {
        let sandbox = Sandbox::new();
        let bundle = sandbox.copy(&with_zeros(&sandbox, LENGTH, at_end), "app");
        let image = fs::read(sandbox.at("image")).expect("the file");
        sandbox.run(&bundle, &NO_ARGUMENTS);
        let by_bundle = sandbox.at("by-bundle").display().to_string();
        let variables = [("UNIBIN_DO", "extract"), ("UNIBIN_TO", &by_bundle)];
        sandbox.run_with(&variables, &bundle, &NO_ARGUMENTS).must_succeed();
        let by_unibin = sandbox.at("by-unibin");
        let done = unibin().arg("extract").arg(&bundle).arg(&by_unibin).output();
        assert!(done.expect("unibin starts").status.success());
        let mut all = found(&sandbox.cache(), "data/image");
        assert_eq!(all.len(), 1, "it was unpacked: {all:?}");
        all.extend([PathBuf::from(by_bundle).join("data/image"), by_unibin.join("data/image")]);
        for file in all {
            assert!(fs::read(&file).expect("unpacked") == image, "{}: other bytes", file.display());
            // In units of 512 bytes.
            let room = fs::metadata(&file).expect("a file").blocks() * 512;
            assert!(room < LENGTH / 10, "{}: takes {room} bytes", file.display());
        }
    }
}

#[test]
fn a_long_first_start_shows_how_far_it_is_on_a_terminal_and_nothing_in_a_pipe() {
    needs!("network", "tmux");
    // It takes less than a second, and no room in the cache: unless nine others want the same processor.
    let others =
        "for other in 1 2 3 4 5 6 7 8 9; do taskset -c 0 timeout 20 sh -c 'while :; do :; done' & done";
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&with_zeros(&sandbox, 640 << 20, true), "app");
    let line = format!("{others}; taskset -c 0 {}; echo told; sleep 60", bundle.display());
    let terminal = Terminal::open(&sandbox, &line);
    let screen = terminal.shows("how far it is", |screen| screen.contains(" of 671 MB, "));
    assert!(screen.contains("unibin: unpacking the app: ") && screen.contains(" s left"), "{screen}");
    let screen = terminal.shows("the app's end", |screen| screen.contains("told"));
    assert!(!screen.contains("unpacking"), "nothing of it stays: {screen}");
    drop(terminal);

    let again = Sandbox::new();
    let bundle = again.copy(&bundle, "app");
    let ran = again.run(&bundle, &NO_ARGUMENTS);
    assert_eq!(ran.errors(), "", "{ran}");
}
