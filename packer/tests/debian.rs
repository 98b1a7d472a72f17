//! A real package and a real emulator from the Debian archive that this machine uses. What was fetched is
//! kept between runs.

mod scene;

use std::fs;
use std::path::Path;

use bundle::Arch;
use end_to_end::needs;
use scene::{Run, Scene};

/// `unibin` with a store that outlives the test.
fn run(scene: &Scene, args: &str) -> Run {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store");
    let mut command = scene.unibin();
    // The tester's mirror, which a scene does without.
    command.envs(std::env::var_os("UNIBIN_MIRROR").map(|mirror| ("UNIBIN_MIRROR", mirror)));
    command.env("UNIBIN_STORE", store).args(args.split_whitespace());
    Run::of(&command.output().expect("unibin starts"))
}

#[test]
fn busybox_from_its_package_is_packed_with_an_emulator_and_runs_by_it() {
    needs!("network");
    let scene = Scene::new();
    let pack = "pack --deb busybox-static --target riscv64 --hosts x86_64,riscv64 -o";
    run(&scene, &format!("{pack} a")).ok();
    run(&scene, &format!("{pack} b --offline")).ok();
    let read = |name: &str| fs::read(scene.at("w").join(name)).expect("a bundle");
    assert!(read("a") == read("b"), "what was fetched and what was kept give the same bundle");
    run(&scene, "verify a").ok();

    let notices = run(&scene, "inspect --notices a").ok().out;
    for text in ["GNU GENERAL PUBLIC LICENSE", "source:  qemu 1:", "source:  busybox 1:", "BusyBox"] {
        assert!(notices.contains(text), "`{text}` is missing");
    }
    run(&scene, "extract a tree").ok();
    let program = scene.at("w/tree/usr/bin/busybox");
    let run_it = run(&scene, &format!("run --offline {} uname -m", program.display()));
    if Arch::HOST == Some(Arch::X86_64) {
        assert_eq!(run_it.ok().out, "riscv64\n");
    }
    let documents = scene::names(&scene.at("w/tree/usr/share/doc/busybox-static"));
    assert_eq!(documents, ["copyright"]);
}

#[test]
fn a_package_is_refused_when_it_does_not_say_what_to_start_or_is_not_there() {
    needs!("network");
    let scene = Scene::new();
    let pack =
        |rest: &str| run(&scene, &format!("pack --target riscv64 --hosts riscv64 -o out --deb {rest}"));
    pack("busybox-statix").refused(3, &["no package `busybox-statix`", "did you mean: busybox-static"]);
    pack("coreutils").refused(3, &["name one with `--entry PATH`", "usr/bin/arch"]);
    pack("base-files --suite trixie").refused(3, &["contains no program"]);
    pack("busybox-static --suite ../x").refused(3, &["`../x` is not a suite name"]);
    let run = run(&scene, "pack --target hexagon -o out --deb busybox-static");
    run.refused(3, &["Debian has no packages for hexagon"]);
    assert!(scene.names().is_empty());
}

#[test]
fn the_emulators_of_the_store_can_be_listed_added_and_removed() {
    let scene = Scene::new();
    let of_scene = |args: &str| scene.run(args.split_whitespace());
    of_scene("emulator path --target riscv64 --host x86_64").refused(1, &["emulator fetch"]);
    scene.write("emulator", &scene::program(scene::X86_64));
    of_scene("emulator add --target riscv64 --host aarch64 emulator").refused(3, &["aarch64"]);
    let path = of_scene("emulator add --target riscv64 --host x86_64 emulator").ok().out;
    assert_eq!(of_scene("emulator path --target riscv64 --host x86_64").ok().out, path);
    assert!(of_scene("emulator list --json").ok().out.contains("\"target\": \"riscv64\""));
    of_scene("emulator remove --target riscv64 --host x86_64").ok();
    of_scene("emulator remove --target riscv64 --host x86_64").refused(1, &["the store has no emulator"]);
    assert!(!Path::new(path.trim()).exists());
}
