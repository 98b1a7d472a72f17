//! Bundles out of bundles: what is merged is what would have been packed, what is thinned too, byte for byte;
//! nothing is lost, mixed up or believed.

mod scene;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bundle::{Footer, Manifest};
use scene::{AARCH64, RISCV64, Scene, X86_64, program, program_of};

/// A program of each architecture, and emulators of riscv64 programs for two hosts.
fn scene() -> Scene {
    let scene = Scene::new();
    for (name, machine) in [("app-x86_64", X86_64), ("app-aarch64", AARCH64), ("app", RISCV64)] {
        scene.write(name, &program(machine));
    }
    scene.write_emulators();
    scene
}

impl Scene {
    fn unibin_ok(&self, words: &str) -> String {
        self.words(words).ok().out
    }
}

const PACK: &str = "pack app --hosts x86_64,aarch64,riscv64 --emulator x86_64=emulator-x \
                    --emulator aarch64=emulator-a -o all";

#[test]
fn what_is_thinned_is_what_would_have_been_packed() {
    let scene = scene();
    scene.unibin_ok(PACK);
    for (host, emulator) in [
        ("aarch64", "--emulator aarch64=emulator-a"),
        ("x86_64", "--emulator x86_64=emulator-x"),
        ("riscv64", ""),
    ] {
        scene.unibin_ok(&format!("pack app --hosts {host} {emulator} -o wanted"));
        let all = scene.bytes("all");
        let told = scene.unibin_ok(&format!("thin all --hosts {host} -o thin"));
        assert!(told.contains(host), "{told}");
        assert!(scene.bytes("thin") == scene.bytes("wanted"), "{host}");
        assert!(scene.bytes("thin") != all && scene.bytes("all") == all, "the input stays as it is");
    }
    // All hosts, and all again: the same file.
    scene.unibin_ok("thin all --hosts all -o thin");
    assert!(scene.bytes("thin") == scene.bytes("all"));
}

#[test]
fn a_build_that_none_of_the_hosts_would_start_is_left_out() {
    let scene = scene();
    let same = |thin: &str, pack: &str| {
        scene.unibin_ok(&format!("thin all {thin} -o thin"));
        scene.unibin_ok(&format!("pack {pack} -o wanted"));
        assert!(scene.bytes("thin") == scene.bytes("wanted"), "{thin}: {pack}");
    };
    // An emulator for what the app starts could run the build for aarch64 too, but the first one is chosen.
    let also = "--level 1 --also-target aarch64 --hosts";
    scene.unibin_ok(&format!("pack app {also} x86_64,aarch64 --native aarch64=app-aarch64 -o all"));
    same("--hosts x86_64", &format!("app {also} x86_64"));
    let native = "--native aarch64=app-aarch64";
    same("--hosts aarch64", &format!("app {also} aarch64 {native}"));
    // What needs a level of its CPU is never emulated.
    scene.write("v3", &program_of(X86_64, b"newer"));
    let level = "--native x86_64-v3=v3 --level 1";
    scene.unibin_ok(&format!("pack app-x86_64 --hosts x86_64,aarch64 {level} -o all"));
    same("--hosts aarch64", "app-x86_64 --hosts aarch64 --level 1");
    same("--hosts x86_64", &format!("app-x86_64 --hosts x86_64 {level}"));
}

#[test]
fn mounts_for_emulators_stay_with_them() {
    let scene = scene();
    fs::create_dir_all(scene.at("w/data")).expect("a directory");
    scene.write("data/file", b"text");
    let pack = |hosts: &str, to: &str| {
        scene.unibin_ok(&format!("pack app-x86_64 --add data:/etc/app --level 1 --hosts {hosts} -o {to}"))
    };
    pack("x86_64,aarch64,riscv64", "all");
    for hosts in ["x86_64", "aarch64", "riscv64", "x86_64,riscv64"] {
        pack(hosts, "wanted");
        scene.unibin_ok(&format!("thin all --hosts {hosts} -o thin"));
        assert!(scene.bytes("thin") == scene.bytes("wanted"), "{hosts}");
        scene.write(hosts, &scene.bytes("thin"));
    }
    // The same build, for its own CPU and for others: one build again.
    for order in ["x86_64 aarch64 riscv64", "riscv64 x86_64 aarch64", "x86_64,riscv64 aarch64 x86_64"] {
        scene.unibin_ok(&format!("merge {order} -o merged"));
        assert!(scene.bytes("merged") == scene.bytes("all"), "{order}");
    }
}

#[test]
fn what_is_merged_is_what_would_have_been_packed_in_any_order() {
    let scene = scene();
    scene.unibin_ok(&format!("{PACK} --native x86_64=app-x86_64 --native aarch64=app-aarch64"));
    let wanted = scene.bytes("all");
    scene.unibin_ok(PACK);
    scene.unibin_ok("pack app-aarch64 --hosts aarch64 --entry app=app-aarch64 -o arm");
    for order in ["app-x86_64 arm all", "all app-x86_64 arm", "arm all app-x86_64", "arm all app-x86_64 all"]
    {
        scene.unibin_ok(&format!("merge {order} -o merged"));
        assert!(scene.bytes("merged") == wanted, "{order}");
    }
    scene.unibin_ok("verify merged");
    // Of programs alone: each natively, called as the file is.
    scene.unibin_ok("merge app app-x86_64 app-aarch64 -o tool");
    let told = scene.unibin_ok("inspect tool");
    assert_eq!(told.matches("entry     tool ").count(), 3, "{told}");
    assert_eq!(scene.unibin_ok("inspect --hosts tool"), "x86_64 aarch64 riscv64\n");
}

#[test]
fn what_was_compressed_differently_is_the_same_and_no_order_counts() {
    let scene = scene();
    for level in ["1", "19"] {
        scene.unibin_ok(&format!("{PACK}-{level} --level {level}"));
    }
    assert!(scene.bytes("all-1") != scene.bytes("all-19"));
    scene.unibin_ok("merge all-1 all-19 app-x86_64 -o one");
    scene.unibin_ok("merge app-x86_64 all-19 all-1 -o two");
    assert!(scene.bytes("one") == scene.bytes("two"));
    scene.unibin_ok("verify one");

    // What builds have in common too: the smallest of all, and once, though one build only was packed well.
    scene.write("data", &(0..100_000).flat_map(|number: u32| (number / 3).to_le_bytes()).collect::<Vec<_>>());
    for level in ["1", "19"] {
        let more = format!("--native x86_64=app-x86_64 --add data --level {level}");
        scene.unibin_ok(&format!("{PACK}-{level} {more}"));
    }
    assert!(String::from_utf8_lossy(&scene.bytes("all-1")).contains(" bytes stored for several targets"));
    scene.unibin_ok("merge all-1 all-19 -o one");
    scene.unibin_ok("merge all-19 all-1 -o two");
    assert!(scene.bytes("one") == scene.bytes("two"));
    scene.unibin_ok("thin all-19 --hosts riscv64 -o part");
    scene.unibin_ok("merge all-1 part -o one");
    scene.unibin_ok("merge part all-1 -o two");
    assert!(scene.bytes("one") == scene.bytes("two"));
    scene.unibin_ok("verify one");
}

#[test]
fn two_programs_for_one_architecture_are_refused_and_replaced_when_that_is_wanted() {
    let scene = scene();
    scene.unibin_ok("merge app-x86_64 app-aarch64 -o tool");
    let mut other = program(X86_64);
    other.extend_from_slice(b"another build");
    scene.write("new", &other);
    let refused = scene.run(["merge", "tool", "new", "-o", "out"]);
    refused.refused(3, &["`tool` and `new` have different programs for x86_64", "unibin replace"]);
    scene
        .run(["replace", "tool", "--native", "x86_64=app-aarch64", "-o", "out"])
        .refused(3, &["aarch64, not for x86_64"]);
    scene
        .run(["replace", "tool", "--native", "riscv64=app", "-o", "out"])
        .refused(3, &["no program for riscv64"]);
    assert!(!scene.at("w/out").exists(), "nothing is written on an error");

    scene.unibin_ok("replace tool --native x86_64=new -o out");
    scene.unibin_ok("merge new app-aarch64 -o tool");
    assert!(scene.bytes("out") == scene.bytes("tool"), "as if it had been merged");
}

#[test]
fn a_pipeline_learns_what_a_bundle_does_not_run_on() {
    let scene = scene();
    scene.unibin_ok(PACK);
    scene
        .run(["check", "all", "--hosts", "x86_64,s390x"])
        .refused(4, &["does not run on s390x", "x86_64, aarch64"]);
    scene.run(["check", "all", "--native", "x86_64"]).refused(4, &["does not run natively on x86_64"]);
    scene.run(["thin", "all", "--hosts", "s390x", "-o", "out"]).refused(4, &["does not run on s390x"]);
    assert!(!scene.at("w/out").exists());
    let told = scene.unibin_ok("check all --hosts x86_64,riscv64 --native riscv64");
    assert!(told.contains("riscv64      native") && told.contains("x86_64       riscv64 by "), "{told}");
    assert!(!told.contains("aarch64"), "only what was asked for: {told}");
    let told = scene.unibin_ok("check all --json");
    assert!(told.contains(r#""route": "emulated""#) && told.contains(r#""target": "riscv64""#), "{told}");
}

#[test]
fn damage_and_other_versions_are_not_handed_on() {
    let scene = scene();
    scene.unibin_ok(PACK);
    let app = blob(&scene.bytes("all"), 4);
    let file = fs::File::options().read(true).write(true).open(scene.at("w/all")).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, app).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], app).expect("written");
    for words in ["thin all --hosts riscv64 -o out", "merge all app-x86_64 -o out"] {
        scene.run(words.split_whitespace()).refused(5, &["digest", "app riscv64"]);
        assert!(!scene.at("w/out").exists());
    }
    file.write_all_at(&byte, app).expect("written");
    scene.unibin_ok("thin all --hosts riscv64 -o out");

    // A launcher of another version for the same host.
    let launcher = scene.at("launchers").join("launcher-x86_64");
    let bytes = fs::read(&launcher).expect("a launcher");
    fs::write(&launcher, [&bytes[..], b"newer"].concat()).expect("written");
    let refused = scene.run(["merge", "all", "app-x86_64", "-o", "out2"]);
    refused.refused(3, &["`all` and `app-x86_64` were packed by different versions", "x86_64"]);
    fs::write(&launcher, bytes).expect("written");
    scene.unibin_ok("merge all app-x86_64 -o out2");
    scene.run(["thin", "app", "--hosts", "riscv64", "-o", "out3"]).refused(5, &["`app` is not a bundle"]);
    assert!(!Path::new(&scene.at("w/out3")).exists());
}

/// Where a blob begins.
fn blob(bytes: &[u8], number: usize) -> u64 {
    let footer = Footer::read(&bytes).expect("a footer");
    let start = usize::try_from(footer.manifest_offset).expect("small");
    let end = start + usize::try_from(footer.manifest_length).expect("small");
    let manifest = Manifest::decode(&bytes[start..end], footer.manifest_offset).expect("a manifest");
    manifest.blobs().nth(number).expect("a blob").offset() + 20
}
