//! What people have: a vendor's tree, archives of it, hostile ones too, wheels, npm packages, images of apps.
//! All of a tree is taken; its programs find themselves, their libraries and plug-ins; nothing gets out.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use bundle::Arch;
use end_to_end::{
    CODE_OF_ENDING, Header, Member, Outcome, Packed, Sandbox, compile_dynamic, directory, file, header,
    lacking, link, needs, not_run, own, pack_by_hand, pack_if_there, raw_deb, raw_rpm, raw_tar, raw_zip,
    refused, smallest, unibin,
};

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("zstd")
}

/// A library that gives `answer` when `function` is called.
fn library(target: Arch, soname: &str, function: &str, answer: &str) -> Option<PathBuf> {
    let (name, soname) = (format!("{function}-{answer}-{target}"), format!("-Wl,-soname,{soname}"));
    let flags = [format!("-Danswer={function}"), format!("-DANSWER=\"{answer}\"")];
    compile_dynamic(&name, &[own("answer.c")], target, &["-shared", "-fPIC", &soname, &flags[0], &flags[1]])
}

/// A vendor's tree for `target`. Its `libz` is in no search path of its program, as where a wrapper sets
/// `LD_LIBRARY_PATH`. `None`, loudly, without a compiler.
fn vendors_tree(top: &Path, target: Arch) -> Option<()> {
    for below in ["bin", "lib/overrides", "lib/other", "plug-ins", "share"] {
        fs::create_dir_all(top.join(below)).expect("directory");
    }
    let put = |from: &Path, to: &str| assert!(fs::copy(from, top.join(to)).is_ok());
    let answer = library(target, "libanswer.so", "answer", "own")?;
    let zlib = library(target, "libz.so.1", "zlibVersion", "overridden")?;
    put(&answer, "lib/libanswer.so");
    put(&zlib, "lib/overrides/libz.so.1.9");
    symlink("libz.so.1.9", top.join("lib/overrides/libz.so.1")).expect("link");
    put(&library(target, "plug.so", "answer", "plugged")?, "plug-ins/plug.so");
    // Data: what is of another CPU.
    put(&library(Arch::X86_64, "libanswer.so", "answer", "foreign")?, "lib/other/libanswer.so");
    // By names that a linker takes for those of libraries.
    let sources = [own("vendor.c"), top.join("lib/libanswer.so"), top.join("lib/overrides/libz.so.1.9")];
    let program =
        compile_dynamic(&format!("vendor-{target}"), &sources, target, &["-Wl,-rpath,$ORIGIN/../lib"])?;
    put(&program, "bin/app");
    let script =
        "#!/bin/sh\nhere=$(dirname \"$(readlink -f \"$0\")\")\nexec \"$here/app\" \"$@ by a script\"\n";
    fs::write(top.join("bin/run.sh"), script).expect("written");
    for program in ["bin/app", "bin/run.sh"] {
        fs::set_permissions(top.join(program), fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    fs::write(top.join("share/the data"), "data").expect("written");
    fs::write(top.join("share").join(OsStr::from_bytes(b"no \xff text\n")), "x").expect("written");
    fs::hard_link(top.join("share/the data"), top.join("share/again")).expect("link");
    symlink("bin/app", top.join("start")).expect("link");
    Some(())
}

/// `unibin pack ARGUMENTS`; `None`, loudly, where the mirror lacks a package.
fn packed(sandbox: &Sandbox, arguments: &[&str], more: &[&str]) -> Option<PathBuf> {
    let output = sandbox.at("packed");
    let rest = ["--libs", "debian", "--hosts", "x86_64", "--level", "1"];
    let outcome = pack_by_hand(&[arguments, more, &rest].concat(), &output);
    if let Some(lacking) = lacking(&outcome.errors()) {
        not_run("mirror-whole", lacking);
        return None;
    }
    outcome.must_succeed();
    Some(sandbox.copy(&output, "bundle"))
}

#[test]
fn a_vendors_tree_finds_itself_its_libraries_and_plug_ins() {
    needs!("network", "zig");
    for target in [Arch::Riscv64, Arch::Armv7] {
        let sandbox = Sandbox::new();
        let top = sandbox.at("the vendor");
        let Some(()) = vendors_tree(&top, target) else { return };
        // Absolute, and into the tree.
        symlink(top.join("share/the data"), top.join("share/absolute")).expect("link");
        symlink("/etc/hostname", top.join("share/out")).expect("link");
        let entries = ["--entry", "bin/app", "--entry", "script=bin/run.sh", "--entry", "start"];
        let Some(bundle) = packed(&sandbox, &[text(&top)], &entries) else { return };
        let says = "own, overridden, plugged, data,";
        assert_eq!(sandbox.run(&bundle, &["x"]).must_succeed(), format!("{says} x\n"), "{target}");
        let run = |entry| sandbox.run_with(&[("UNIBIN_ENTRY", entry)], &bundle, &["x"]).must_succeed();
        assert_eq!(run("script"), format!("{says} x by a script\n"), "{target}");
        assert_eq!(run("start"), format!("{says} x\n"), "{target}");

        // All of it but for the link that leads out.
        let tree = sandbox.at("tree");
        let extracted = unibin().arg("extract").arg(&bundle).arg(&tree).output().expect("unibin starts");
        Outcome::from(extracted).must_succeed();
        let there = tree.join("opt/the vendor");
        fs::remove_file(top.join("share/out")).expect("removed");
        let paths = Sandbox::tree(&top);
        assert_eq!(paths, Sandbox::tree(&there));
        for path in paths {
            let of = |top: &Path| fs::symlink_metadata(top.join(&path)).expect("there");
            let (here, there) = (of(&top), of(&there));
            assert_eq!(here.file_type(), there.file_type(), "{}", path.display());
            if here.is_file() {
                assert_eq!(here.mode() & 0o111 != 0, there.mode() & 0o111 != 0, "{}", path.display());
            }
        }
        let inode = |name: &str| fs::metadata(there.join("share").join(name)).expect("there").ino();
        assert_eq!(inode("the data"), inode("again"), "hard links stay");
        assert_eq!(inode("the data"), inode("absolute"));
    }
}

#[test]
fn archives_of_a_tree_are_the_tree() {
    needs!("network", "zig");
    let sandbox = Sandbox::new();
    let top = sandbox.at("app-1.2");
    let Some(()) = vendors_tree(&top, Arch::Riscv64) else { return };
    let tar = |name: &str, arguments: &[&str]| {
        let archive = sandbox.at(name);
        let tar = Command::new("tar")
            .arg("-C")
            .arg(sandbox.path())
            .arg("-cf")
            .arg(&archive)
            .args(arguments)
            .status();
        assert!(tar.expect("tar").success());
        archive
    };
    // With a directory at the top, and without.
    let plain = tar("plain.tar", &["app-1.2"]);
    let bytes = fs::read(&plain).expect("read");
    let zstd = sandbox.write("app-1.2.tar.zst", &zstandard(&bytes));
    let flat = tar("flat.tgz", &["-z", "-C", "app-1.2", "."]);
    let (app, data) = (fs::read(top.join("bin/app")).expect("read"), b"data");
    let member = |path: &str| fs::read(top.join(path)).expect("read");
    let zip = raw_zip(&[
        ("bin/", 0, b""),
        // Made where files have no executable bit.
        ("bin/app", 0, &app),
        ("lib/libanswer.so", 0o100_644, &member("lib/libanswer.so")),
        ("lib/libz.so.1.9", 0o100_644, &member("lib/overrides/libz.so.1.9")),
        ("lib/libz.so.1", 0o120_777, b"libz.so.1.9"),
        ("plug-ins/plug.so", 0o100_644, &member("plug-ins/plug.so")),
        ("share/the data", 0o100_644, data),
    ]);
    let zip = sandbox.write("app-1.2.zip", &zip);
    for archive in [plain, zstd, flat, zip] {
        let Some(bundle) = packed(&sandbox, &[text(&archive)], &["--entry", "bin/app"]) else { return };
        let ran = sandbox.run(&bundle, &["x"]).must_succeed();
        assert_eq!(ran, "own, overridden, plugged, data, x\n", "{}", archive.display());
    }
}

#[test]
fn a_tree_without_an_entry_is_answered_with_those_that_it_could_have() {
    let sandbox = Sandbox::new();
    let top = sandbox.make_directory("app");
    let program = smallest(Arch::Riscv64).elf();
    for name in ["one", "two", "data"] {
        fs::write(top.join(name), &program).expect("written");
        let mode = if name == "data" { 0o644 } else { 0o755 };
        fs::set_permissions(top.join(name), fs::Permissions::from_mode(mode)).expect("chmod");
    }
    let errors = refused(&[text(&top)], &["does not say which program", "--entry", "one, two"]);
    assert!(!errors.contains("data"), "{errors}");
    refused(&[text(&top), "--entry", "three"], &["has no `three`", "one, two"]);
    // What is taken and left is told before anything is written.
    symlink("/nowhere", top.join("out")).expect("link");
    let dry =
        unibin().arg("pack").arg(&top).args(["--entry", "one", "--hosts", "x86_64", "--dry-run"]).output();
    let dry = Outcome::from(dry.expect("unibin starts"));
    let told = dry.must_succeed();
    assert!(told.contains("at /opt/app: ") && told.contains("left  link `out` to `/nowhere`"), "{told}");
    assert!(dry.errors().contains("leads out of it"), "{dry}");

    let made = Command::new("mkfifo").arg(top.join("queue")).status().expect("mkfifo");
    assert!(made.success());
    refused(&[text(&top), "--entry", "one"], &["queue", "is a fifo", "--exclude"]);
    // By its path in the tree, or in the app; and the bundle itself is no part of the tree.
    for pattern in ["queue", "opt/app/q*"] {
        let output = top.join("one.bundle");
        let arguments = [text(&top), "--entry", "one", "--exclude", pattern, "--hosts", "x86_64"];
        for _ in 0..2 {
            let packed = pack_by_hand(&arguments, &output);
            packed.must_succeed();
            assert!(!packed.errors().contains("matches nothing"), "{packed}");
        }
        assert_eq!(sandbox.run(&output, &[] as &[&str]).code(), Some(CODE_OF_ENDING));
    }
}

#[test]
fn hostile_archives_are_refused_and_nothing_is_written_outside() {
    let sandbox = Sandbox::new();
    let program = smallest(Arch::Riscv64).elf();
    let app = || file("app", 0o755, &program);
    let special = |kind| header(&Header { name: b"special", kind, mode: 0o644, size: 0, target: b"" });
    let outside = sandbox.at("outside");
    let tars = [
        ("leaves the archive", vec![app(), file("a/../../outside", 0o644, b"x")]),
        ("absolute", vec![app(), file(text(&outside), 0o644, b"x")]),
        ("through a symbolic link", vec![app(), link(b'2', "l", ".."), file("l/outside", 0o644, b"x")]),
        ("hard link out", vec![app(), link(b'1', "l", "../../etc/passwd")]),
        ("hard link", vec![app(), link(b'1', "l", "none")]),
        ("device", vec![app(), special(b'3')]),
        ("FIFO", vec![app(), special(b'6')]),
        ("unknown type", vec![app(), special(b'Z')]),
    ];
    for (word, members) in tars {
        let archive = sandbox.write("hostile.tar", &raw_tar(&members));
        refused(&[text(&archive), "--entry", "app"], &[word]);
        let compressed = zstandard(&raw_tar(&members));
        let archive = sandbox.write("hostile.tar.zst", &compressed);
        refused(&[text(&archive), "--entry", "app"], &[word]);
    }
    let zips: [(&str, Member<'_>); 4] = [
        ("leaves the archive", ("../outside", 0o100_644, b"x")),
        ("absolute", ("/outside", 0o100_644, b"x")),
        ("device", ("device", 0o020_644, b"")),
        ("socket", ("socket", 0o140_644, b"")),
    ];
    for (word, member) in zips {
        let archive = sandbox.write("hostile.zip", &raw_zip(&[("app", 0o100_755, &program), member]));
        refused(&[text(&archive), "--entry", "app"], &[word]);
    }
    assert!(!outside.exists());

    // Not what it seems, or only a part of it.
    let whole = raw_tar(&[app(), directory("d")]);
    let archive = sandbox.write("text.tar.zst", &zstandard(b"no archive at all"));
    refused(&[text(&archive), "--entry", "app"], &["not a tar archive"]);
    let archive = sandbox.write("cut.tar", &whole[..700]);
    let cut = pack_by_hand(&[text(&archive), "--entry", "app"], &sandbox.at("cut"));
    assert!(cut.errors().contains("cut.tar"), "{cut}");
    assert!(!cut.status.success());

    // 8 GiB of zeros in a megabyte.
    let name = Header { name: b"zeros", kind: b'0', mode: 0o644, size: 8 << 30, target: b"" };
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("zstd");
    encoder.write_all(&[app(), header(&name)].concat()).expect("encoded");
    let zeros = vec![0; 1 << 20];
    for _ in 0..600 {
        encoder.write_all(&zeros).expect("encoded");
    }
    let archive = sandbox.write("bomb.tar.zst", &encoder.finish().expect("encoded"));
    refused(&[text(&archive), "--entry", "app"], &["bomb.tar.zst", "not plausible"]);
}

#[test]
fn the_programs_of_a_wheel_and_of_an_npm_package_are_its_entries() {
    let sandbox = Sandbox::new();
    let program = smallest(Arch::Riscv64).elf();
    let wheel = raw_zip(&[
        ("tool/__init__.py", 0o100_644, b""),
        ("tool-1.0.data/scripts/other", 0o100_644, &program),
        ("tool-1.0.data/scripts/tool", 0o100_644, &program),
        ("tool-1.0.dist-info/WHEEL", 0o100_644, b"Wheel-Version: 1.0\n"),
    ]);
    let wheel = sandbox.write("tool-1.0-py3-none-manylinux_2_31_riscv64.whl", &wheel);
    let json = br#"{"name": "@scope/tool", "bin": {"tool": "./bin/tool", "other": "bin/other"}}"#;
    let npm = raw_tar(&[
        file("package/package.json", 0o644, json),
        file("package/bin/tool", 0o644, &program),
        file("package/bin/other", 0o755, &program),
    ]);
    let npm = sandbox.write("scope-tool-1.0.tgz", &npm);
    for (package, default) in [(wheel, "tool"), (npm, "other")] {
        let output = sandbox.at("bundle");
        let packed = pack_by_hand(&[text(&package), "--hosts", "x86_64", "--level", "1"], &output);
        let told = packed.must_succeed();
        let first = told.lines().find_map(|line| line.trim().strip_prefix("entry ")).expect("an entry");
        assert!(first.starts_with(default), "{told}");
        assert_eq!(told.matches("  entry ").count(), 2, "{told}");
        let bundle = sandbox.copy(&output, "tool");
        assert_eq!(sandbox.run(&bundle, &[] as &[&str]).code(), Some(CODE_OF_ENDING), "{told}");
    }
}

#[test]
fn a_function_of_a_wheel_is_called_with_python_of_debian() {
    needs!("network");
    let sandbox = Sandbox::new();
    let module =
        b"import platform, sys\ndef main():\n    print(sys.argv, platform.machine())\n    return 7\n";
    let wheel = raw_zip(&[
        ("tool/cli.py", 0o100_644, module),
        ("tool-1.0.dist-info/entry_points.txt", 0o100_644, b"[console_scripts]\ntool = tool.cli:main\n"),
        ("tool-1.0.dist-info/METADATA", 0o100_644, b"Requires-Dist: requests (>=2)\n"),
    ]);
    let wheel = sandbox.write("tool-1.0-py3-none-any.whl", &wheel);
    refused(&[text(&wheel)], &["--target"]);
    refused(&[text(&wheel), "--target", "riscv64"], &["usr/bin/python3", "--libs debian"]);
    let Some(bundle) = packed(&sandbox, &[text(&wheel)], &["--target", "riscv64"]) else { return };
    let ran = sandbox.run(&bundle, &["x"]);
    assert_eq!((ran.code(), ran.text().as_str()), (Some(7), "['tool', 'x'] riscv64\n"), "{ran}");
}

#[test]
fn an_appimage_starts_by_its_apprun() {
    needs!("network", "zig", "x86_64");
    let sandbox = Sandbox::new();
    let top = sandbox.at("AppDir");
    let Some(()) = vendors_tree(&top, Arch::Riscv64) else { return };
    let run = "#!/bin/sh\nhere=$(dirname \"$(readlink -f \"$0\")\")\n[ \"$APPDIR\" ] && exec \"$here/bin/app\" \"$@\"\n";
    fs::write(top.join("AppRun"), run).expect("written");
    fs::set_permissions(top.join("AppRun"), fs::Permissions::from_mode(0o755)).expect("chmod");
    fs::write(top.join("vendor.desktop"), "[Desktop Entry]\nName=Vendor\nExec=app\n").expect("written");
    let tools =
        ["--deb", "squashfs-tools", "--entry", "mksquashfs=/usr/bin/mksquashfs", "--target", "x86_64"];
    let Some(squash) = pack_if_there(&[&tools[..], &["--hosts", "x86_64", "--level", "1"]].concat()) else {
        return;
    };
    let busybox = ["--deb", "busybox-static", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    let Some(busybox) = pack_if_there(&busybox) else { return };
    let extracted = sandbox.at("busybox");
    let out = unibin().arg("extract").arg(&busybox).arg(&extracted).output().expect("unibin starts");
    Outcome::from(out).must_succeed();
    // The runtime of an AppImage is an ELF program with a mark; it is never executed here.
    let mut image = fs::read(extracted.join("usr/bin/busybox")).expect("a program");
    image[8..11].copy_from_slice(b"AI\x02");
    for compression in ["gzip", "zstd", "xz"] {
        let squashfs = sandbox.at(format!("squashfs-{compression}"));
        let squash = sandbox.copy(&squash, "mksquashfs");
        let made = sandbox
            .run(&squash, &[text(&top), text(&squashfs), "-comp", compression, "-quiet", "-no-progress"]);
        made.must_succeed();
        let squashfs = fs::read(&squashfs).expect("a squashfs");
        let image = sandbox.write("Vendor-1.0.AppImage", &[&image[..], &squashfs].concat());
        let Some(bundle) = packed(&sandbox, &[text(&image)], &[]) else { return };
        assert_eq!(
            sandbox.run(&bundle, &["x"]).must_succeed(),
            "own, overridden, plugged, data, x\n",
            "{compression}"
        );
    }
    image[10] = 1;
    let old = sandbox.write("Old.AppImage", &image);
    refused(&[text(&old)], &["type 1", "hint: "]);
}

#[test]
fn an_rpm_package_lies_at_its_own_places() {
    needs!("network", "zig");
    let sandbox = Sandbox::new();
    let top = sandbox.at("tree");
    let Some(()) = vendors_tree(&top, Arch::Riscv64) else { return };
    let member = |path: &str| fs::read(top.join(path)).expect("read");
    let (app, answer, plug) = (member("bin/app"), member("lib/libanswer.so"), member("plug-ins/plug.so"));
    let zlib = member("lib/overrides/libz.so.1.9");
    let files = [
        ("./opt/vendor", 0o040_755, &b""[..], 1),
        ("./opt/vendor/bin/app", 0o100_755, &app, 2),
        ("./opt/vendor/lib/libanswer.so", 0o100_644, &answer, 3),
        // Where other distributions have libraries.
        ("./usr/lib64/libz.so.1", 0o100_755, &zlib, 4),
        ("./opt/vendor/plug-ins/plug.so", 0o100_644, &plug, 5),
        ("./opt/vendor/share/again", 0o100_644, b"data", 6),
        ("./opt/vendor/share/the data", 0o100_644, b"data", 6),
        ("./usr/bin/vendor", 0o120_777, b"/opt/vendor/bin/app", 7),
    ];
    let package = sandbox.write("vendor-1.0.rpm", &raw_rpm(&files, zstandard));
    let Some(bundle) = packed(&sandbox, &[text(&package)], &[]) else { return };
    assert_eq!(sandbox.run(&bundle, &["x"]).must_succeed(), "own, overridden, plugged, data, x\n");
    let tree = sandbox.at("extracted");
    let extracted = unibin().arg("extract").arg(&bundle).arg(&tree).output().expect("unibin starts");
    Outcome::from(extracted).must_succeed();
    assert_eq!(fs::read(tree.join("opt/vendor/share/again")).expect("a hard link"), b"data");

    let outside: Packed<'_> = ("../outside", 0o100_644, b"x", 8);
    let package = sandbox.write("hostile.rpm", &raw_rpm(&[outside], zstandard));
    refused(&[text(&package)], &["hostile.rpm", "leaves the archive"]);
    let package = sandbox.write("cut.rpm", &raw_rpm(&files, zstandard)[..300]);
    assert!(pack_by_hand(&[text(&package)], &sandbox.at("cut")).errors().contains("cut.rpm"));
}

#[test]
fn a_debian_package_of_the_users_own_is_completed_from_debian() {
    needs!("network");
    let sandbox = Sandbox::new();
    // A package that no archive has, and that depends on one that all have.
    let control = "Package: own-shell\nVersion: 1\nArchitecture: riscv64\nMaintainer: x\nDescription: x\n\
                   Depends: busybox-static\n";
    let postinst =
        "n=own\nfor i in $n; do update-alternatives --install /usr/bin/$i $i /usr/bin/busybox 1; done\n";
    let control =
        raw_tar(&[file("control", 0o644, control.as_bytes()), file("postinst", 0o755, postinst.as_bytes())]);
    let script = b"#!/bin/sh\necho of my own on $(uname -m)\n";
    let data = raw_tar(&[file("usr/bin/own-shell", 0o755, script)]);
    let deb = sandbox.write("own-shell.deb", &raw_deb(&control, "data.tar", &data));
    for arguments in [&[text(&deb)][..], &["--deb", text(&deb), "--target", "riscv64"]] {
        let output = sandbox.at("packed");
        let rest = ["--hosts", "x86_64", "--level", "1", "--entry", "own-shell=/usr/bin/own-shell"];
        let outcome = pack_by_hand(&[arguments, &rest, &["--entry", "own=/usr/bin/own"]].concat(), &output);
        if let Some(lacking) = lacking(&outcome.errors()) {
            return not_run("mirror-whole", lacking);
        }
        outcome.must_succeed();
        let bundle = sandbox.copy(&output, "own-shell");
        assert_eq!(sandbox.run(&bundle, &[] as &[&str]).must_succeed(), "of my own on riscv64\n");
    }
    refused(&[text(&deb), "--target", "s390x"], &["own-shell.deb", "riscv64", "s390x"]);
}
