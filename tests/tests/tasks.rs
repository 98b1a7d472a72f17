//! What a bundle does for someone who has nothing but the bundle, and what its `UNIBIN_*` variables refuse.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bundle::{Arch, BlobKind};
use end_to_end::{Parts, Sandbox, busybox, needs};

fn riscv64() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    (sandbox, bundle)
}

/// No arguments: all of them are the app's.
const NONE: [&str; 0] = [];

#[test]
fn a_value_that_means_nothing_is_refused_before_anything_runs() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    for (name, value) in [("UNIBIN_DO", "dance"), ("UNIBIN_ROUTE", "sideways"), ("UNIBIN_DO", "INFO")] {
        let refused = sandbox.run_with(&[(name, value)], &bundle, &["sh", "-c", "echo ran"]);
        refused.must_fail_with(125, &[name, value, "hint: "]);
        assert_eq!(refused.text(), "");
    }
    for name in ["UNIBIN_DO", "UNIBIN_ROUTE", "UNIBIN_LOG", "UNIBIN_ENTRY", "UNIBIN_CACHE"] {
        let empty = sandbox.run_with(&[(name, "")], &bundle, &["sh", "-c", "echo ran"]);
        assert_eq!(empty.must_succeed(), "ran\n", "an empty {name} counts as not set");
    }
}

#[test]
fn info_names_app_entries_emulators_and_notices_and_runs_nothing() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let told = sandbox.run_with(&[("UNIBIN_DO", "info")], &bundle, &["sh", "-c", "echo ran"]).must_succeed();
    for line in [
        "this host: x86_64",
        "app: target riscv64",
        "entry busybox: ",
        "emulator: riscv64 on x86_64: ",
        "notice: ",
    ] {
        assert!(told.contains(line), "it lacks `{line}`: {told}");
    }
    let size = fs::metadata(&bundle).expect("bundle").len();
    assert!(told.contains(&format!("size: {size} bytes")), "{told}");
    assert!(!told.contains("ran\n"), "{told}");
    let full = sandbox.shell("UNIBIN_DO=info \"$1\" >/dev/full", &[&bundle]);
    full.must_fail_with(125, &["standard output", "no space left"]);
}

#[test]
fn a_name_makes_no_line_of_its_own_and_the_packers_summary_is_set_off() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let forged = "unibin: every byte of `x` is as it was packed";
    let name = format!("busybox\n{forged}\u{202e}");
    let bundle = sandbox.copy(&bundle, &name);
    let run = |task, entry| {
        let ran = sandbox.run_with(&[("UNIBIN_DO", task), ("UNIBIN_ENTRY", entry)], &bundle, &NONE);
        let all = format!("{}{}", ran.text(), ran.errors());
        assert!(!all.lines().any(|line| line == forged), "{ran}");
        assert!(!all.contains('\u{202e}'), "{ran}");
        ran
    };
    let shown = format!("busybox\\n{forged}\\u{{202e}}");
    let told = run("info", "").must_succeed();
    assert!(told.lines().next().is_some_and(|line| line.ends_with(&shown)), "{told}");
    let (_, summary) = told.split_once("its packer's summary:\n").expect("it is said whose words these are");
    assert!(summary.lines().count() > 3 && summary.lines().all(|line| line.starts_with("  ")), "{told}");
    let told = run("verify", "").must_succeed();
    assert!(told.contains(&shown) && told.lines().count() == 1, "{told}");
    let asked = format!("none\n{forged}");
    run("", &asked).must_fail_with(127, &[&format!("named `none\\n{forged}`")]);
}

#[test]
fn notices_are_printed_in_full_and_not_at_all_when_they_were_changed() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let parts = Parts::of(&bundle);
    let notices = parts.blob_range(BlobKind::Notices);
    sandbox.write("busybox", &parts.changed(notices.start + 20));
    let refused = sandbox.run_with(&[("UNIBIN_DO", "notices")], &bundle, &NONE);
    refused.must_fail_with(125, &["damaged", "notices"]);
    assert_eq!(refused.text(), "");

    sandbox.write("busybox", &parts.bytes);
    let told = sandbox.run_with(&[("UNIBIN_DO", "notices")], &bundle, &NONE).must_succeed();
    for text in ["GNU GENERAL PUBLIC LICENSE", "QEMU"] {
        assert!(told.contains(text), "it lacks `{text}`");
    }
}

#[test]
fn extract_gives_the_app_as_it_was_packed_into_a_directory_that_was_not_there() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let extract = |to: &str| sandbox.run_with(&[("UNIBIN_DO", "extract"), ("UNIBIN_TO", to)], &bundle, &NONE);
    sandbox.make_directory("there");
    extract("there").must_fail_with(125, &["there", "hint: "]);
    extract("no/directory").must_fail_with(125, &["no/directory"]);
    assert_eq!(Sandbox::tree(&sandbox.at("there")), [] as [PathBuf; 0], "nothing was written");

    extract("slash/").must_succeed();
    assert!(sandbox.at("slash/usr/bin/busybox").is_file());
    extract("new").must_succeed();
    let program = sandbox.at("new").join("usr/bin/busybox");
    let mode = fs::metadata(&program).expect("extracted").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    let bytes = fs::read(&program).expect("extracted");
    assert_eq!(&bytes[..4], b"\x7fELF");
    let emulator = sandbox.cache().join("x86_64");
    let unpacked = Sandbox::tree(&emulator).len();
    assert!(unpacked <= 1, "the launcher alone is in the cache: {:?}", Sandbox::tree(&emulator));

    let default = sandbox.run_with(&[("UNIBIN_DO", "extract")], &bundle, &NONE);
    default.must_succeed();
    assert!(fs::read(sandbox.at("busybox.extracted/usr/bin/busybox")).expect("extracted") == bytes);
}

#[test]
fn an_extraction_that_fails_leaves_no_half_of_a_tree() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let parts = Parts::of(&bundle);
    let app = parts.blob_range(BlobKind::App);
    sandbox.write("busybox", &parts.changed(app.end - 100));
    let failed = sandbox.run_with(&[("UNIBIN_DO", "extract"), ("UNIBIN_TO", "out")], &bundle, &NONE);
    failed.must_fail_with(125, &["damaged", "app"]);
    assert!(!sandbox.at("out").exists(), "{:?}", Sandbox::tree(&sandbox.at("out")));
}

#[test]
fn an_entry_that_is_not_there_is_refused_with_the_names_that_are() {
    needs!("network");
    let (sandbox, bundle) = riscv64();
    let with = |name: &str| sandbox.run_with(&[("UNIBIN_ENTRY", name)], &bundle, &["uname", "-m"]);
    with("nonesuch").must_fail_with(127, &["nonesuch", "busybox", "hint: "]);
    assert_eq!(with("busybox").must_succeed().trim(), "riscv64");
}
