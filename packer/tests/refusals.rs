//! What `pack` and the other commands refuse, each with its own message and exit code, and that nothing is
//! left behind.

mod scene;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use scene::{AARCH64, ET_CORE, ET_DYN, ET_EXEC, ET_REL, Elf, RISCV64, Scene, X86_64, elf, program};

const PLAIN: Elf<'_> =
    Elf { class: 2, osabi: 0, machine: RISCV64, kind: ET_EXEC, loader: None, needed: &[], contents: b"code" };

#[test]
fn whatever_is_no_static_linux_program_is_refused_by_what_it_is() {
    let scene = Scene::new();
    let cut_off = &program(RISCV64)[..100];
    let dynamic = Elf { loader: Some("/lib/ld.so"), needed: &["liba.so.1", "libc.so.6"], ..PLAIN };
    let cases: [(&str, Vec<u8>, &[&str]); 16] = [
        ("empty", vec![], &["an empty file"]),
        ("text", b"hello\n".to_vec(), &["a text file"]),
        ("script", b"#!/bin/sh\nexit\n".to_vec(), &["a script for `/bin/sh`"]),
        ("macho", b"\xcf\xfa\xed\xfe\x07\0\0\x01".to_vec(), &["macOS"]),
        ("pe", b"MZ\x90\0".to_vec(), &["Windows"]),
        ("ar", b"!<arch>\nx".to_vec(), &["`ar` archive"]),
        ("binary", vec![1, 0, 2, 0], &["unknown format"]),
        ("object", elf(Elf { kind: ET_REL, ..PLAIN }), &["riscv64 object file", "link it"]),
        ("core", elf(Elf { kind: ET_CORE, ..PLAIN }), &["riscv64 core dump"]),
        ("library", elf(Elf { kind: ET_DYN, needed: &["libc.so"], ..PLAIN }), &["shared library"]),
        ("x32", elf(Elf { class: 1, machine: X86_64, ..PLAIN }), &["x32"]),
        ("cpu", elf(Elf { machine: 4242, ..PLAIN }), &["unknown architecture", "4242", "unibin targets"]),
        ("freebsd", elf(Elf { osabi: 9, ..PLAIN }), &["FreeBSD"]),
        ("cut", cut_off.to_vec(), &["damaged ELF", "truncated"]),
        (
            "dynamic",
            elf(dynamic),
            &["3 libraries", "/lib/ld.so\n", "liba.so.1\n", "/usr/lib (built-in directory)", "--sysroot"],
        ),
        ("header", program(RISCV64)[..20].to_vec(), &["damaged ELF"]),
    ];
    for (name, bytes, texts) in cases {
        scene.write(name, &bytes);
        let run = scene.run(["pack", name, "-o", "out", "--hosts", "riscv64"]);
        run.refused(3, texts).refused(3, &[name, "hint: "]);
        assert!(!scene.at("w/out").exists(), "{name}");
    }
    scene.write("good", &program(RISCV64));
    scene.run(["pack", "good", "-o", "out", "--hosts", "riscv64"]).ok();
    scene.run(["pack", "out", "-o", "again", "--hosts", "riscv64"]).refused(3, &["already a bundle"]);
}

#[test]
fn what_is_no_file_is_refused_by_what_it_is() {
    let scene = Scene::new();
    fs::create_dir(scene.at("w/directory")).expect("a directory");
    let made = std::process::Command::new("mkfifo").arg(scene.at("w/fifo")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo makes a fifo");
    symlink("nowhere", scene.at("w/dangling")).expect("a link");
    scene.run(["pack", "directory"]).refused(3, &["`directory` does not say which program", "hint: "]);
    scene.run(["pack", "fifo"]).refused(3, &["`fifo` is a fifo"]);
    scene.run(["pack", "/dev/null"]).refused(3, &["is a device"]);
    scene.run(["pack", "dangling"]).refused(1, &["cannot open `dangling`"]);
    scene.run(["inspect", "directory"]).refused(3, &["`directory` is a directory"]);
    scene.run(["verify", "directory"]).refused(3, &["`directory` is a directory"]);
}

#[test]
fn a_target_that_the_program_was_not_built_for_is_refused() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    let run = scene.run(["pack", "app", "--target", "aarch64"]);
    run.refused(3, &["`app` was built for riscv64, not for aarch64", "hint: "]);
    let run = scene.run(["pack", "app", "--target", "vax"]).refused(2, &["vax", "riscv64", "xtensaeb"]);
    assert!(run.out.is_empty());
    scene.run(["pack", "app", "--hosts", "x86_64,vax"]).refused(2, &["`vax`", "s390x"]);
    scene.run(["pack", "app", "--hosts", "mips"]).refused(2, &["unknown host"]);
    scene.run(["pack", "--deb", "busybox-static"]).refused(2, &["--target"]);
    scene.run(["pack"]).refused(2, &["INPUT"]);
    assert_eq!(scene.names(), ["app"]);
    scene.run(["pack", "app", "--target", "rv64", "--hosts", "riscv64"]).ok();
    assert_eq!(scene.names(), ["app", "app.bundle"]);
}

#[test]
fn a_host_without_emulator_is_an_error_when_asked_for_and_left_out_of_all() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    let run =
        scene.run(["pack", "app", "--hosts", "riscv64,i686", "--translators", &without_catalogue(&scene)]);
    let run = run.refused(
        4,
        &["no emulator runs riscv64 programs on an i686 host", "hint: `catalogue = false`", "i686=FILE"],
    );
    assert!(!run.err.contains("no host runs") && !run.err.contains("QEMU"), "{run:?}");
    assert_eq!(scene.names(), ["app", "none.toml"]);
    let all = ["pack", "app", "--hosts", "all", "--dry-run", "--json", "--translators", "none.toml"];
    let run = scene.run(all).ok();
    assert!(run.err.contains("warning: no emulator runs riscv64 programs on an i686 host"), "{run:?}");
    assert!(run.out.contains("\"skipped\"") && run.out.contains("on an i686 host"), "{run:?}");
    assert_eq!(scene.names(), ["app", "none.toml"], "a dry run writes nothing");
    assert!(!scene.at("store").exists(), "a dry run writes nothing");
}

#[test]
fn a_cpu_outside_the_catalogue_is_told_as_one_by_every_command() {
    const EM_CSKY: u16 = 252;
    let scene = Scene::new();
    scene.write("app", &elf(Elf { class: 1, machine: EM_CSKY, ..PLAIN }));
    let words = ["the catalogue has no emulator", "`emulators.toml`", "hint: "];
    let one = scene.run(["pack", "app", "--hosts", "s390x"]).refused(4, &words);
    assert!(one.err.contains("no emulator runs csky programs on an s390x host"), "{one:?}");
    let all = scene.run(["pack", "app", "--hosts", "all"]).refused(4, &words);
    assert!(all.err.contains("no emulator runs csky programs on any of the requested hosts"), "{all:?}");
    for command in [&["fetch"][..], &["lock"], &["source", "sources"]] {
        let emulator = ["emulator"].iter().chain(command).chain(&["--offline", "--target", "csky"]);
        scene.run(emulator).refused(4, &words);
    }
    let run = scene.run(["pack", "--deb", "busybox-static", "--target", "csky"]);
    run.refused(3, &["Debian has no packages for csky", "hint: "]);
    let told = scene.run(["inspect", "app"]).ok().out;
    assert!(told.contains("static program, csky") && told.contains("with `emulators.toml`"), "{told}");
    let told = scene.run(["inspect", "app", "--json"]).ok().out;
    assert!(told.contains("\"target\": \"csky\"") && told.contains("\"emulators\": []"), "{told}");
    assert_eq!(scene.names(), ["app"]);
}

/// A file of translators that has none and shuts the catalogue out, since that has an emulator for every
/// pair.
fn without_catalogue(scene: &Scene) -> String {
    scene.write("none.toml", b"catalogue = false\n").display().to_string()
}

#[test]
fn a_file_that_is_no_emulator_for_the_host_is_refused() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    for bad in [program(AARCH64), b"text".to_vec(), elf(Elf { machine: X86_64, loader: Some("/l"), ..PLAIN })]
    {
        scene.write("emulator", &bad);
        let run = scene.run(["pack", "app", "--hosts", "x86_64", "--emulator", "x86_64=emulator"]);
        run.refused(3, &["emulator"]);
    }
    let run = scene.run(["pack", "app", "--hosts", "riscv64", "--emulator", "x86_64=emulator"]);
    run.refused(3, &["x86_64=FILE"]);
    scene.run(["pack", "app", "--emulator", "emulator"]).refused(2, &["HOST=FILE"]);
}

#[test]
fn a_mirror_with_other_bytes_than_the_pinned_ones_fails_the_verification() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    let key = bundle::EmulatorKey { host: bundle::Arch::X86_64, target: bundle::Arch::Riscv64 };
    let catalogue = emulator::Catalogue::embedded().expect("the catalogue");
    let (row, _) = catalogue.packaged(key).expect("a pinned emulator");
    let package = scene.at("mirror").join(&row.package.file);
    fs::create_dir_all(package.parent().expect("a directory")).expect("a directory");
    let forged = fs::File::create(&package).expect("a file");
    let pack = || {
        let mirror = scene.at("mirror").into_os_string();
        let args = ["pack", "app", "--hosts", "x86_64", "--debian-emulators", "--offline", "--mirror"];
        let args = args.map(OsString::from);
        scene.run(args.into_iter().chain([mirror]))
    };
    forged.set_len(1000).expect("a short file");
    pack().refused(1, &["could not be fetched", "ended after 1000 of ", "hint: ", "another mirror"]);
    forged.set_len(row.package.size).expect("a file of the right size");
    pack().refused(5, &["sha256"]);
    assert_eq!(scene.names(), ["app"]);
}

#[test]
fn a_dry_run_refuses_what_packing_would() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    scene.write("emulator", &program(AARCH64));
    let dry = |host: &str| {
        let emulator = format!("{host}=emulator");
        scene.run(["pack", "app", "--dry-run", "--hosts", host, "--emulator", &emulator])
    };
    dry("x86_64").refused(3, &["`emulator` cannot be the emulator"]);
    dry("aarch64").ok();
    fs::remove_file(scene.at("launchers/launcher-aarch64")).expect("it was there");
    dry("aarch64").refused(1, &["launcher-aarch64"]);
}

#[test]
fn an_elf_file_of_an_unknown_cpu_is_described() {
    let scene = Scene::new();
    scene.write("avr", &elf(Elf { class: 1, machine: 83, ..PLAIN }));
    let run = scene.run(["inspect", "avr"]).ok();
    assert!(run.out.contains("ELF 32-bit LSB, unknown architecture (e_machine 83)"), "{run:?}");
    assert!(run.out.contains("no emulator is known"), "{run:?}");
    let run = scene.run(["inspect", "avr", "--json"]).ok();
    assert!(run.out.contains("\"machine\": 83") && run.out.contains("\"target\": null"), "{run:?}");
}

#[test]
fn fetching_the_emulator_that_a_cpu_does_not_need_says_so_and_all_leaves_out_what_is_not_there() {
    let scene = Scene::new();
    let fetch =
        |hosts: &str| scene.run(["emulator", "fetch", "--offline", "--target", "riscv64", "--hosts", hosts]);
    let nothing = without_catalogue(&scene);
    let fetch_only = |hosts: &str| {
        let cells = ["emulator", "fetch", "--offline", "--target", "riscv64", "--hosts", hosts];
        scene.run(cells.iter().chain(&["--translators", &nothing]))
    };
    let run = fetch("riscv64").ok();
    assert!(run.err.contains("run natively on riscv64 hosts"), "{run:?}");
    fetch_only("i686").refused(4, &["on an i686 host"]);
    assert!(fetch_only("all").ok().err.contains("on an i686 host: skipped"));
    fetch("all").refused(1, &["network access is disabled"]);
}

#[test]
fn an_output_that_is_no_place_for_a_file_is_refused() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    fs::create_dir(scene.at("w/directory")).expect("a directory");
    let pack = |out: &str| scene.run(["pack", "app", "--hosts", "riscv64", "-o", out]);
    pack("directory").refused(3, &["the output `directory` is a directory"]);
    pack("new/").refused(3, &["is a directory"]);
    pack("/dev/null").refused(3, &["is a device"]);
    pack("app").refused(3, &["would replace the input `app`"]);
    pack("nowhere/out").refused(1, &["cannot write `nowhere/out`"]);
    let dry = scene.run(["pack", "app", "--hosts", "riscv64", "--dry-run", "-o", "nowhere/out"]);
    dry.refused(1, &["cannot write `nowhere/out`"]);
    assert_eq!(fs::read(scene.at("w/app")).expect("still there"), program(RISCV64));
    assert_eq!(scene.names(), ["app", "directory"]);
    assert!(scene::names(&scene.at("w/directory")).is_empty());
}

#[test]
fn an_output_never_replaces_a_file_that_is_read() {
    let scene = Scene::new();
    for name in ["app", "other", "kernel"] {
        scene.write(name, &program(RISCV64));
    }
    scene.write("input", b"the only copy");
    symlink("input", scene.at("w/link")).expect("a link");
    let before = scene.names();
    let app = ["pack", "app", "--hosts", "riscv64"];
    let machine = ["pack", "--machine", "--target", "riscv64"];
    for (what, more) in [
        (&app[..], &["--add", "input:/data"][..]),
        (&app, &["--add", "link:/data"]),
        (&app, &["--emulator", "riscv64=input"]),
        (&app, &["--translators", "input"]),
        (&app, &["--lock", "input"]),
        (&app, &["--native", "riscv64=input"]),
        (&["pack", "--oci", "input", "--target", "riscv64"], &[]),
        (&machine, &["--kernel", "input"]),
        (&machine, &["--kernel", "kernel", "--initrd", "input"]),
        (&machine, &["--disk", "input"]),
        (&machine, &["--kernel", "kernel", "--seed", "input"]),
        (&machine, &["--kernel", "kernel", "--firmware", "input"]),
    ] {
        let run = scene.run([what, more, &["-o", "input"]].concat());
        run.refused(3, &["the output `input` would replace the input `"]);
        assert_eq!(fs::read(scene.at("w/input")).expect("still there"), b"the only copy", "{more:?}");
    }
    assert_eq!(scene.names(), before);
}

#[test]
fn a_seed_that_is_a_fifo_is_refused_and_not_waited_for() {
    let scene = Scene::new();
    scene.write("kernel", &program(RISCV64));
    fs::create_dir(scene.at("w/seed")).expect("a directory");
    for fifo in ["fifo", "seed/user-data"] {
        let made = std::process::Command::new("mkfifo").arg(scene.at("w").join(fifo)).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo makes a fifo");
    }
    for (seed, fifo) in [("fifo", "fifo"), ("seed", "seed/user-data")] {
        let words =
            ["pack", "--machine", "--target", "riscv64", "--kernel", "kernel", "--seed", seed, "-o", "vm"];
        scene.run(words).refused(3, &[fifo, "is a fifo, not a file"]);
    }
}

#[test]
fn an_entry_that_the_app_has_not_is_refused() {
    let scene = Scene::new();
    scene.write("app", &program(RISCV64));
    let pack = |entry: &str| scene.run(["pack", "app", "--hosts", "riscv64", "--entry", entry]);
    pack("other").refused(3, &["`other`", "the app contains: app"]);
    pack("../app").refused(3, &["not a path inside the tree"]);
    pack("a/b=app").refused(3, &["`a/b`"]);
    pack("name=app").ok();
    let run = scene.run(["inspect", "name.bundle"]).ok();
    assert!(run.out.contains("name"), "{run:?}");
}

#[test]
fn run_exits_as_env_does() {
    let scene = Scene::new();
    let foreign = program(RISCV64);
    scene.run(["run", "no-such-program-anywhere"]).refused(127, &["was not found"]);
    scene.run(["run", "./nothing"]).refused(127, &["was not found"]);
    fs::create_dir(scene.at("w/directory")).expect("a directory");
    scene.run(["run", "./directory"]).refused(126, &["is a directory"]);
    let executable = |name: &str, bytes: &[u8]| {
        let path = scene.write(name, bytes);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
    };
    executable("object", &elf(Elf { kind: ET_REL, ..PLAIN }));
    scene.run(["run", "./object"]).refused(126, &["object file"]);
    executable("dynamic", &elf(Elf { loader: Some("/nowhere/ld.so"), needed: &["libc.so.6"], ..PLAIN }));
    let dynamic = scene.run(["run", "--offline", "./dynamic"]);
    dynamic.refused(126, &["`/nowhere/ld.so`", "hint: ", "--libs debian", "--sysroot"]);
    for name in ["foreign", "script"] {
        scene.write(name, if name == "script" { b"#!/bin/sh\n" } else { &foreign });
        let run = scene.run(["run", "--offline", &format!("./{name}")]);
        run.refused(126, &["is not executable", "hint: `chmod +x "]);
    }
    executable("foreign", &foreign);
    scene
        .run(["run", "--offline", "--debian-emulators", "./foreign"])
        .refused(125, &["network access is disabled"]);
    fs::create_dir(scene.at("w/bin")).expect("a directory");
    scene.write("bin/sh", b"not executable");
    let path = format!("{}:/bin", scene.at("w/bin").display());
    let args = ["run", "sh", "-c", "exit 7"];
    let found = scene.unibin().env("PATH", path).args(args).status().expect("it starts");
    assert_eq!(found.code(), Some(7), "what may not be executed is passed over");
    let run = scene.run(["run", "sh", "-c", "echo $0 $1; exit 7", "a b", "c"]);
    assert_eq!((run.code, run.out.as_str()), (Some(7), "a b c\n"));
}

#[test]
fn names_that_are_no_utf_8_are_packed_as_they_are() {
    let scene = Scene::new();
    let (name, out) = (OsString::from_vec(b"a\xffb".to_vec()), OsString::from_vec(b"out\xfe".to_vec()));
    scene.write(&name, &program(RISCV64));
    let args = ["pack", "--hosts", "riscv64", "-o"].map(OsString::from);
    scene.run(args.into_iter().chain([out.clone(), name.clone()])).ok();
    scene.run([OsString::from("verify"), out.clone()]).ok();
    scene.run([OsString::from("extract"), out, OsString::from("tree")]).ok();
    assert_eq!(fs::read(scene.at("w/tree").join(&name)).expect("it is there"), program(RISCV64));
}
