//! What goes into an app's tree besides programs and libraries, how it stays as it was, and how an app is
//! started by what was said when it was packed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{
    Outcome, Sandbox, compile_musl, lacking, needs, not_run, own, pack, pack_by_hand, pack_if_there, unibin,
};

#[test]
fn variables_and_arguments_of_pack_time_come_before_the_callers() {
    needs!("network");
    let sandbox = Sandbox::new();
    let busybox = ["--deb", "busybox-static", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    let rules = ["--env", "SET=a=b c", "--unset", "GONE", "--arg", "env", "--arg", "-u", "--arg", "PATH"];
    let bundle = sandbox.copy(&pack(&[&busybox[..], &rules].concat()), "busybox");
    let caller = [("SET", "the caller's"), ("GONE", "the caller's"), ("KEPT", "the caller's")];
    let ran = sandbox.run_with(&caller, &bundle, &["LAST=1"]).must_succeed();
    let lines: BTreeSet<&str> = ran.lines().collect();
    assert!(lines.contains("SET=a=b c") && lines.contains("KEPT=the caller's"), "{ran}");
    assert!(!ran.contains("GONE=") && !ran.contains("PATH="), "{ran}");
    assert!(lines.contains("LAST=1"), "the caller's arguments come last: {ran}");
}

#[test]
fn an_argument_and_a_variable_can_name_a_file_of_the_tree_natively_too() {
    needs!("network");
    let sandbox = Sandbox::new();
    let data = sandbox.write("data", b"of the tree\n");
    let data = format!("{}:/usr/share/reads/data", data.to_str().expect("text"));
    let packed = |variable: &str, argument: &str| {
        let source = ["--deb", "busybox-static", "--target", "riscv64", "--native", "x86_64", "--add", &data];
        let start = ["--env", variable, "--arg", "sh", "--arg", "-c", "--arg", "cat $DATA ${0#--with=}"];
        let rest = ["--arg", argument, "--hosts", "x86_64", "--level", "3"];
        sandbox.copy(&pack(&[&source[..], &start, &rest].concat()), "busybox")
    };
    let run = |bundle: &Path, route| {
        sandbox.run_with(&[("UNIBIN_ROUTE", route), ("DATA", "the caller's")], bundle, &[] as &[&str])
    };
    let file = "/usr/share/reads/data";
    let bundle = packed(&format!("DATA={file}"), &format!("--with={file}"));
    assert_eq!(run(&bundle, "native").code(), Some(1), "natively an absolute path is this machine's");
    let bundle = packed(&format!("DATA={{tree}}{file}"), &format!("--with={{tree}}{file}"));
    for route in ["native", "emulated"] {
        assert_eq!(run(&bundle, route).must_succeed(), "of the tree\nof the tree\n", "{route}");
    }
}

/// A root directory of a riscv64 system with a program and two files of its data. `None`, loudly, without a
/// compiler.
fn sysroot(sandbox: &Sandbox) -> Option<PathBuf> {
    let program = compile_musl("reads", &[own("reads.c")], Arch::Riscv64, &[])?;
    let root = sandbox.make_directory("root");
    for directory in ["usr/bin", "usr/share/reads"] {
        fs::create_dir_all(root.join(directory)).expect("directory");
    }
    fs::copy(program, root.join("usr/bin/reads")).expect("copied");
    fs::write(root.join("usr/share/reads/real"), "what it needs\n").expect("written");
    // The tree's own: on this machine it leads nowhere.
    symlink("/usr/share/reads/real", root.join("usr/share/reads/needed")).expect("link");
    fs::write(root.join("usr/share/reads/other"), "what nobody needs\n").expect("written");
    Some(root)
}

#[test]
fn a_trace_adds_what_the_program_opens_and_nothing_else() {
    needs!("network", "zig");
    let sandbox = Sandbox::new();
    let Some(root) = sysroot(&sandbox) else { return };
    let program = root.join("usr/bin/reads");
    let (program, root) = (program.to_str().expect("text"), root.to_str().expect("text"));
    let all = [program, "--sysroot", root, "--libs", "debian", "--hosts", "x86_64", "--level", "1"];
    let needed = "/usr/share/reads/needed";
    let packed = |more: &[&str]| {
        let output = sandbox.at("packed");
        // What stands behind `--` is the traced program's.
        let pack = unibin().args(["pack", "-o"]).arg(&output).args(all).args(more).output();
        let packed = Outcome::from(pack.expect("unibin starts"));
        if let Some(lacking) = lacking(&packed.errors()) {
            not_run("mirror-whole", lacking);
            return None;
        }
        packed.must_succeed();
        Some(sandbox.copy(&output, "bundle"))
    };
    let Some(bundle) = packed(&[]) else { return };
    assert_eq!(sandbox.run(&bundle, &[needed]).code(), Some(1), "without its data it fails");
    let Some(bundle) = packed(&["--trace", "--", needed]) else { return };
    assert_eq!(sandbox.run(&bundle, &[needed]).must_succeed(), "what it needs\n");
    assert_eq!(sandbox.run(&bundle, &["/usr/share/reads/other"]).code(), Some(1));
    let add = format!("{root}/usr/share/reads");
    let Some(bundle) = packed(&["--add", &add, "--exclude", "usr/share/**/real"]) else { return };
    assert_eq!(sandbox.run(&bundle, &["/usr/share/reads/other"]).must_succeed(), "what nobody needs\n");
    assert_eq!(sandbox.run(&bundle, &[needed]).code(), Some(1), "it was left out");
}

/// 600 files: long names, names that are no text, hard and symbolic links, a sparse file, twice the same
/// bytes.
fn large(directory: &Path) {
    for number in 0..600 {
        let below = directory.join(format!("{}/{}", number % 7, "long".repeat(number % 60 + 1)));
        fs::create_dir_all(&below).expect("directory");
        let file = below.join(number.to_string());
        fs::write(&file, format!("{number}\n").repeat(number)).expect("written");
        let mode = if number % 2 == 0 { 0o644 } else { 0o755 };
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("chmod");
    }
    fs::write(directory.join(OsStr::from_bytes(b"no \xff text\n")), "x").expect("written");
    fs::hard_link(directory.join("0/long/0"), directory.join("hard")).expect("link");
    symlink("0/long/0", directory.join("soft")).expect("link");
    let mut sparse = fs::File::create(directory.join("sparse")).expect("created");
    sparse.seek(SeekFrom::Start(3 << 20)).expect("sought");
    sparse.write_all(b"behind a hole").expect("written");
    for name in ["same-1", "same-2"] {
        fs::write(directory.join(name), b"the same bytes".repeat(1000)).expect("written");
    }
}

#[test]
fn a_large_tree_stays_as_it_was() {
    needs!("network");
    let sandbox = Sandbox::new();
    let directory = sandbox.make_directory("large");
    large(&directory);
    let (output, tree) = (sandbox.at("packed"), sandbox.at("tree"));
    let add = format!("{}:usr/share/large", directory.display());
    let busybox = ["--deb", "busybox-static", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    pack_by_hand(&[&busybox[..], &["--add", &add]].concat(), &output).must_succeed();
    let extracted = unibin().arg("extract").arg(&output).arg(&tree).output().expect("unibin starts");
    Outcome::from(extracted).must_succeed();
    let bundle = sandbox.copy(&output, "busybox");
    assert_eq!(sandbox.run(&bundle, &["uname", "-m"]).must_succeed(), "riscv64\n");
    let trees: Vec<PathBuf> = vec![tree.join("usr/share/large"), cached(&sandbox.cache(), "usr/share/large")];
    for there in trees {
        let paths = Sandbox::tree(&directory);
        assert_eq!(paths, Sandbox::tree(&there));
        for path in &paths {
            let (here, there) = (directory.join(path), there.join(path));
            let (kind, same) =
                (fs::symlink_metadata(&here).expect("kind"), fs::symlink_metadata(&there).expect("kind"));
            assert_eq!(kind.file_type(), same.file_type(), "{}", path.display());
            if kind.is_symlink() {
                assert_eq!(fs::read_link(&here).expect("link"), fs::read_link(&there).expect("link"));
            } else if kind.is_file() {
                assert!(
                    fs::read(&here).expect("read") == fs::read(&there).expect("read"),
                    "{}",
                    path.display()
                );
                let executable = |mode: u32| mode & 0o100 != 0;
                assert_eq!(executable(kind.mode()), executable(same.mode()), "{}", path.display());
            }
        }
        let file = |name: &str| fs::metadata(there.join(name)).expect("a file").ino();
        assert_eq!(file("same-1"), file("same-2"), "the same bytes are one file");
    }
}

/// The directory `name` of the one tree in the cache that has it.
fn cached(cache: &Path, name: &str) -> PathBuf {
    let slots = fs::read_dir(cache.join("x86_64")).expect("the cache");
    let mut trees = slots.map(|slot| slot.expect("a slot").path().join("tree").join(name));
    trees.find(|tree| tree.is_dir()).expect("it was unpacked")
}

#[test]
fn a_link_named_like_an_entry_starts_that_entry() {
    needs!("network");
    let sandbox = Sandbox::new();
    let entries =
        ["--entry", "cat=/usr/bin/cat", "--entry", "echo=/usr/bin/echo", "--entry", "/usr/bin/*sum"];
    let coreutils = ["--deb", "coreutils", "--target", "aarch64", "--hosts", "x86_64", "--level", "3"];
    let Some(packed) = pack_if_there(&[&coreutils[..], &entries].concat()) else { return };
    let bundle = sandbox.copy(&packed, "tools");
    let text = sandbox.write("text", b"abc");
    let text = text.to_str().expect("text");
    assert_eq!(sandbox.run(&bundle, &[text]).must_succeed(), "abc", "the first entry is the default");
    for (name, starts) in [("echo", text), ("sha256sum", "ba7816bf8f01cfea"), ("md5sum", "900150983cd24fb0")]
    {
        let link = sandbox.at(name);
        symlink(&bundle, &link).expect("link");
        let told = sandbox.run(&link, &[text]).must_succeed();
        assert!(told.starts_with(starts), "{name}: {told}");
    }
    let told = sandbox.run_with(&[("UNIBIN_ENTRY", "echo")], &bundle, &["word"]).must_succeed();
    assert_eq!(told, "word\n");
    let inspected = unibin().arg("inspect").arg(&bundle).output().expect("unibin starts");
    let inspected = Outcome::from(inspected).must_succeed();
    assert!(inspected.contains("sha512sum") && inspected.contains("usr/bin/echo"), "{inspected}");
}

#[test]
fn a_script_is_an_entry_however_it_came_and_its_interpreter_is_found_through_the_links_of_the_tree() {
    needs!("network");
    let sandbox = Sandbox::new();
    // Debian has it in `/usr/bin`; `/bin` is a link. It goes by the bundle's name.
    let script = sandbox.write("tells", b"#!/bin/busybox\necho \"told $1 by ${0##*/}\"\n");
    let script = script.to_str().expect("text").to_owned();
    let (hosts, riscv64) = (["--hosts", "x86_64", "--level", "1"], ["--target", "riscv64"]);
    let run = |bundle: &Path| sandbox.run(&sandbox.copy(bundle, "sh"), &["it"]).must_succeed();

    let add = format!("{script}:/usr/share/x/tells");
    let added = ["--deb", "busybox-static", "--add", &add, "--entry", "tells=/usr/share/x/tells"];
    assert_eq!(run(&pack(&[&added[..], &riscv64, &hosts].concat())), "told it by tells\n");

    // The interpreter from a root directory, or added by itself.
    let busybox = pack(&[&["--deb", "busybox-static"][..], &riscv64, &hosts].concat());
    let root = sandbox.at("root");
    let extract = unibin().arg("extract").arg(busybox).arg(&root).output().expect("unibin starts");
    assert!(extract.status.success(), "{extract:?}");
    let from_root = pack(&[&[&script[..], "--sysroot", root.to_str().expect("text")][..], &hosts].concat());
    assert_eq!(run(&from_root), "told it by tells\n");
    let interpreter = format!("{}:/bin/busybox", root.join("usr/bin/busybox").display());
    let with_it = pack(&[&[&script[..], "--add", &interpreter][..], &hosts].concat());
    assert_eq!(run(&with_it), "told it by tells\n");

    let alone = pack_by_hand(&[&script[..], "--hosts", "x86_64"], &sandbox.at("alone"));
    assert!(alone.errors().contains("is a script for `/bin/busybox`, not a program"), "{alone}");
}
