//! unibin's own emulators: in the program, so that packing a local file connects to nothing.

mod scene;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use scene::{ET_EXEC, Elf, RISCV64, Scene, X86_64, elf, lock, pack, program, sha256};

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    scene
}

#[test]
fn a_local_file_is_packed_out_of_nothing_but_unibin_itself() {
    let scene = scene();
    pack(&scene, &["--debian-emulators"]).refused(1, &["network access is disabled"]);
    let packed = pack(&scene, &[]).ok();
    assert!(packed.out.contains("+unibin"), "{packed:?}");
    assert_eq!(packed.err, "", "nothing to warn of");
    // Nor is it used because it is in the store by now.
    pack(&scene, &["--debian-emulators"]).refused(1, &["network access is disabled"]);
    let notices = scene.run(["inspect", "--notices", "bundle"]).ok().out;
    for word in ["built by unibin", "recipe sha256 ", "qemu_10.0.13+ds.orig.tar.xz", "GNU GENERAL PUBLIC"] {
        assert!(notices.contains(word), "{word}");
    }
    // What is in the store by then is the same program, and so is the bundle.
    let bytes = fs::read(scene.at("w/bundle")).expect("a bundle");
    pack(&scene, &[]).ok();
    assert_eq!(fs::read(scene.at("w/bundle")).expect("a bundle"), bytes);
}

#[test]
fn a_damaged_copy_in_the_store_is_replaced_without_network() {
    let scene = scene();
    pack(&scene, &[]).ok();
    let bytes = fs::read(scene.at("w/bundle")).expect("a bundle");
    let path = scene.run(["emulator", "path", "--target", "riscv64", "--host", "x86_64"]).ok().out;
    let path = path.trim_end();
    let mut program = fs::read(path).expect("a program");
    program[100_000] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    fs::write(path, program).expect("written");
    let packed = pack(&scene, &[]).ok();
    assert!(packed.err.contains("riscv64-on-x86_64"), "{packed:?}");
    assert_eq!(fs::read(scene.at("w/bundle")).expect("a bundle"), bytes);
}

#[test]
fn a_lock_file_holds_them_to_program_version_and_recipe() {
    let scene = scene();
    lock(&scene).ok();
    let text = fs::read_to_string(scene.at("w/unibin.lock")).expect("a lock file");
    let line = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{name} = \""))).expect("a line");
        line.split('"').nth(1).expect("a text").to_owned()
    };
    let zeros = "0".repeat(64);
    let contradicts = ["the lock file's entry for ", "-on-x86_64 disagrees with the catalogue", "hint: "];
    for (name, other) in
        [("version", "10.0.13"), ("licence", "MIT"), ("recipe", &zeros), ("target", "aarch64")]
    {
        let changed = text.replace(&format!("{name} = \"{}\"", line(name)), &format!("{name} = \"{other}\""));
        assert_ne!(changed, text, "{name} is in it");
        scene.write("unibin.lock", changed.as_bytes());
        let pack = if name == "target" {
            scene.run(["emulator", "fetch", "--offline", "--target", "aarch64", "--hosts", "x86_64"])
        } else {
            pack(&scene, &["--locked"])
        };
        pack.refused(5, &contradicts);
    }
    // Version and recipe of this unibin, and another program.
    scene.write("unibin.lock", text.replace(&line("sha256"), &zeros).as_bytes());
    pack(&scene, &["--locked"]).refused(5, &contradicts);
    // The program of another unibin: not in this one, unless the store has it.
    let version = line("version");
    let (upstream, _) = version.split_once("+unibin").expect("our revision");
    let (newer, ones) = (format!("{upstream}+unibin999"), "1".repeat(64));
    let other = |digest: &str| {
        let text = text.replace(&version, &newer).replace(&line("recipe"), &ones);
        text.replace(&line("sha256"), digest)
    };
    scene.write("unibin.lock", other(&zeros).as_bytes());
    pack(&scene, &["--locked"]).refused(1, &["is not in this version of unibin", "hint: "]);
    // `lock` does not go back to the older revision.
    lock(&scene)
        .refused(5, &[&format!("is locked at version {newer}, but only the older version {version}")]);
    let program = elf(Elf {
        class: 2,
        osabi: 0,
        machine: X86_64,
        kind: ET_EXEC,
        loader: None,
        needed: &[],
        contents: b"other",
    });
    scene.write("program", &program);
    scene.run(["emulator", "add", "--target", "riscv64", "--host", "x86_64", "program"]).ok();
    let size = text.lines().find(|line| line.starts_with("size = ")).expect("a size");
    let in_store = other(&sha256(&program).to_string()).replace(size, &format!("size = {}", program.len()));
    scene.write("unibin.lock", in_store.as_bytes());
    pack(&scene, &["--locked"]).ok();
    let notices = scene.run(["inspect", "--notices", "bundle"]).ok().out;
    for word in [&format!("recipe sha256 {ones}"), "GNU GENERAL PUBLIC", "source package qemu"] {
        assert!(notices.contains(word), "{word}: {notices}");
    }
    scene.write("unibin.lock", text.as_bytes());
    pack(&scene, &["--locked"]).ok();
    // A lock is more than a preference.
    let packed = pack(&scene, &["--locked", "--debian-emulators"]).ok();
    assert!(packed.out.contains("+unibin"), "{packed:?}");
}
