//! Root file systems from directories and archives: what is taken, whose it is, how it is started, and what
//! is said of the rest.

mod scene;

use bundle::{Encoding, Frame, FrameTable};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use end_to_end::{directory, file, header, link, needs, raw_tar};
use scene::{RISCV64, Run, Scene, X86_64, program};

fn pack(scene: &Scene, from: &str, more: &str) -> Run {
    let args = format!("pack --system {from} --hosts riscv64 --level 1 -o out {more}");
    scene.run(args.split_whitespace())
}

/// Each name in the tree that was packed: kind, mode, owner, and target or length.
fn listed(scene: &Scene) -> Vec<String> {
    scene.run(["verify", "out"]).ok();
    let inspected = scene.run(["inspect", "out", "--json"]).ok().out;
    let blob = inspected
        .split('{')
        .find(|row| row.contains("\"root\"") && row.contains("stored_digest"))
        .expect("a root");
    let number = |name: &str| -> usize {
        let at = blob.find(&format!("\"{name}\": ")).expect("a field") + name.len() + 4;
        blob[at..]
            .split(|letter: char| !letter.is_ascii_digit())
            .next()
            .expect("digits")
            .parse()
            .expect("a number")
    };
    let bytes = fs::read(scene.at("w/out")).expect("a bundle");
    let stored = &bytes[number("offset")..][..number("stored")];
    let path = scene.at("root.tar");
    let length = FrameTable::length(stored.first_chunk().expect("a header")).expect("a table");
    let table = FrameTable::parse(Encoding::Root, 0, &stored[..length]).expect("a table");
    let unpacked = |frame: Frame| {
        let [start, length] =
            [frame.offset, frame.stored].map(|number| usize::try_from(number).expect("small"));
        zstd::decode_all(&stored[start..start + length]).expect("a frame")
    };
    fs::write(&path, table.frames().flat_map(unpacked).collect::<Vec<u8>>()).expect("written");
    let listing = Command::new("tar").args(["--numeric-owner", "-tvf"]).arg(path).output().expect("tar runs");
    let text = String::from_utf8(listing.stdout).expect("text");
    // Kind and mode, owner, size, day, time, name.
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("{} {} {} {}", words[0], words[1], words[2], words[5..].join(" "))
    };
    // A tree has directories first and links last.
    let mut rows: Vec<String> = text.lines().map(row).collect();
    rows.sort();
    rows
}

/// A root with a shell, and with what a tree cannot hold.
fn root(at: &Path) {
    for directory in ["usr/bin", "etc", "tmp", "run", "dev", "var/lib"] {
        fs::create_dir_all(at.join(directory)).expect("a directory");
    }
    fs::write(at.join("usr/bin/dash"), program(RISCV64)).expect("written");
    fs::set_permissions(at.join("usr/bin/dash"), fs::Permissions::from_mode(0o4755)).expect("a mode");
    fs::hard_link(at.join("usr/bin/dash"), at.join("usr/bin/second")).expect("a link");
    symlink("usr/bin", at.join("bin")).expect("a link");
    symlink("/bin/dash", at.join("usr/bin/sh")).expect("a link");
    symlink("../../../outside", at.join("etc/out")).expect("a link");
    fs::write(at.join("etc/passwd"), "root:x:0:0:root:/root:/bin/zsh\n").expect("written");
    fs::write(at.join("tmp/passing"), "x").expect("written");
    fs::set_permissions(at.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("a mode");
    let made = Command::new("mkfifo").arg(at.join("var/lib/fifo")).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo makes a FIFO");
}

#[test]
fn a_directory_is_taken_as_it_is_and_what_is_left_out_is_counted() {
    let scene = Scene::new();
    root(&scene.at("w/root"));
    let report = pack(&scene, "root", "").ok().out;
    for row in ["riscv64 system", "entry sh           bin/sh", "left  1 FIFO, 1 name in /proc", "native"] {
        assert!(report.contains(row), "`{row}`: {report}");
    }
    let listed = listed(&scene);
    let has = |row: &str| assert!(listed.iter().any(|line| line == row), "`{row}`: {listed:#?}");
    let length = program(RISCV64).len();
    let expected = [
        "lrwxrwxrwx 0/0 0 bin -> usr/bin".to_owned(),
        "lrwxrwxrwx 0/0 0 etc/out -> ../../../outside".to_owned(),
        "lrwxrwxrwx 0/0 0 usr/bin/sh -> /bin/dash".to_owned(),
        format!("-rwsr-xr-x 0/0 {length} usr/bin/dash"),
        "hrwsr-xr-x 0/0 0 usr/bin/second link to usr/bin/dash".to_owned(),
        "drwxrwxrwt 0/0 0 tmp".to_owned(),
    ];
    // Whoever runs this: the files are its own, which is as good as root's.
    for row in &expected {
        has(row);
    }
    assert!(!listed.iter().any(|line| line.contains("passing") || line.contains("fifo")), "{listed:#?}");
    let inspected = scene.run(["inspect", "out", "--json"]).ok().out;
    assert!(inspected.contains("\"root system\"") && inspected.contains("\"command\""), "{inspected}");
    let first = fs::read(scene.at("w/out")).expect("a bundle");
    pack(&scene, "root", "").ok();
    assert_eq!(fs::read(scene.at("w/out")).expect("a bundle"), first, "the same bytes again");
    let json = pack(&scene, "root", "--dry-run --json").ok().out;
    assert!(json.contains("\"fifos\": 1") && json.contains("\"kind\": \"system\""), "{json}");
}

#[test]
fn an_extracted_system_can_be_packed_again_with_all_owners() {
    needs!("setfattr");
    let scene = Scene::new();
    root(&scene.at("w/root"));
    let set = |path: &str, value: &str| {
        let mut setfattr = Command::new("setfattr");
        setfattr.args(["-n", "user.unibin.owner", "-v", value]).arg(scene.at("w/root").join(path));
        setfattr.status().is_ok_and(|status| status.success())
    };
    if !set("etc/passwd", "5 6 4640") || !set("var/lib", "101 104 2755") {
        end_to_end::say("NOT RUN: the file system of the target directory has no user attributes");
        return;
    }
    pack(&scene, "root", "").ok();
    let first = listed(&scene);
    assert!(first.contains(&"-rwSr----- 5/6 31 etc/passwd".to_owned()), "{first:#?}");
    assert!(first.contains(&"drwxr-sr-x 101/104 0 var/lib".to_owned()), "{first:#?}");
    scene.run(["extract", "out", "again"]).ok();
    let found = fs::metadata(scene.at("w/again/etc/passwd")).expect("there");
    let is_root = fs::metadata("/proc/self").expect("there").uid() == 0;
    // Root's are real; another's are what such a file can have, and the attribute.
    assert_eq!(
        (found.mode() & 0o7777, found.uid() == 5),
        if is_root { (0o4640, true) } else { (0o640, false) }
    );
    pack(&scene, "again", "").ok();
    assert_eq!(listed(&scene), first);
    assert!(set("etc/passwd", "5 6 0x"));
    pack(&scene, "root", "").refused(3, &["etc/passwd", "user.unibin.owner", "setfattr -x"]);
}

/// A file that belongs to somebody.
fn owned(name: &str, mode: u32, uid: u32, bytes: &[u8]) -> Vec<u8> {
    let mut member = file(name, mode, bytes);
    member[108..115].copy_from_slice(format!("{uid:07o}").as_bytes());
    member[148..156].fill(b' ');
    let sum: u32 = member[..512].iter().map(|byte| u32::from(*byte)).sum();
    member[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    member
}

/// An extended header of pax for what follows.
fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let record = |(key, value): &(&str, &str)| {
        let rest = format!(" {key}={value}\n");
        let whole = (1..5)
            .map(|digits| rest.len() + digits)
            .find(|whole| whole.to_string().len() + rest.len() == *whole);
        format!("{}{rest}", whole.expect("a length"))
    };
    let text: String = records.iter().map(record).collect();
    let size = text.len() as u64;
    let mut member = header(&end_to_end::Header { name: b"pax", kind: b'x', mode: 0o644, size, target: b"" });
    member.extend_from_slice(text.as_bytes());
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

#[test]
fn an_archive_keeps_owners_links_long_names_and_sparse_files() {
    let scene = Scene::new();
    let shell = program(RISCV64);
    let long = format!("usr/{}", "n".repeat(200));
    let device =
        header(&end_to_end::Header { name: b"lib/null", kind: b'3', mode: 0o666, size: 0, target: b"" });
    let members = [
        directory("./"),
        directory("./usr/"),
        owned("./usr/sh", 0o4755, 33, &shell),
        link(b'1', "./usr/same", "./usr/sh"),
        link(b'2', "./bin", "/usr"),
        // Through a link, which is resolved inside.
        file("./bin/inside", 0o644, b"1"),
        pax(&[("path", &long), ("uid", "3000000000"), ("SCHILY.xattr.security.capability", "x")]),
        file("short", 0o600, b"22"),
        pax(&[("GNU.sparse.size", "9000"), ("GNU.sparse.map", "8998,2"), ("GNU.sparse.name", "sparse")]),
        file("GNUSparseFile.1/sparse", 0o644, b"33"),
        device.clone(),
        link(b'1', "lib/zero", "lib/null"),
        file("./tmp/x", 0o644, b"x"),
    ];
    let tar = raw_tar(&members);
    scene.write("root.tar.zst", &zstd::encode_all(&tar[..], 1).expect("compressed"));
    let report = pack(&scene, "root.tar.zst", "").ok().out;
    let left = "left  1 device, 1 file's capabilities, 1 name in /proc";
    assert!(report.contains(left), "{report}");
    let length = shell.len();
    let mut expected = [
        "lrwxrwxrwx 0/0 0 bin -> /usr".to_owned(),
        "-rw-r--r-- 0/0 9000 sparse".to_owned(),
        "drwxr-xr-x 0/0 0 usr".to_owned(),
        "-rw-r--r-- 0/0 1 usr/inside".to_owned(),
        format!("-rw------- 3000000000/0 2 {long}"),
        format!("-rwsr-xr-x 33/0 {length} usr/same"),
        "hrwsr-xr-x 33/0 0 usr/sh link to usr/same".to_owned(),
    ];
    expected.sort();
    assert_eq!(listed(&scene), expected);
    scene.write("root.tar", &tar);
    let first = fs::read(scene.at("w/out")).expect("a bundle");
    pack(&scene, "root.tar", "").ok();
    assert_eq!(fs::read(scene.at("w/out")).expect("a bundle"), first, "however it is compressed");
    for (name, member) in [("../x", "leaves the archive"), ("a\u{0}b", "")] {
        if member.is_empty() {
            continue;
        }
        scene.write("bad.tar", &raw_tar(&[file(name, 0o644, b"x")]));
        pack(&scene, "bad.tar", "").refused(3, &[member]);
    }
    scene.write("cut.tar", &tar[..900]);
    assert_ne!(pack(&scene, "cut.tar", "").code, Some(0));
}

#[test]
fn what_cannot_be_started_is_refused_and_an_entry_helps() {
    let scene = Scene::new();
    let with = |members: &[Vec<u8>]| drop(scene.write("root.tar", &raw_tar(members)));
    with(&[file("sbin/tool", 0o755, &program(RISCV64)), file("sbin/data", 0o644, b"x")]);
    pack(&scene, "root.tar", "").refused(3, &["has no shell", "--entry PATH"]);
    pack(&scene, "root.tar", "--entry /sbin/none").refused(3, &["no program `/sbin/none`"]);
    pack(&scene, "root.tar", "--entry sbin/data").refused(3, &["no program `/sbin/data`"]);
    let report = pack(&scene, "root.tar", "--entry t=/sbin/tool --env A=b --arg -x").ok().out;
    assert!(report.contains("entry t            sbin/tool"), "{report}");
    let inspected = scene.run(["inspect", "out", "--json"]).ok().out;
    assert!(inspected.contains("\"set A b\"") && inspected.contains("\"argument -x\""), "{inspected}");
    assert!(!inspected.contains("\"command\""), "the arguments are the program's: {inspected}");
    with(&[file("bin/sh", 0o755, &program(X86_64))]);
    pack(&scene, "root.tar", "--target riscv64").refused(3, &["x86_64", "riscv64"]);
    with(&[file("bin/sh", 0o755, b"#!/bin/real\n"), file("bin/real", 0o755, &program(RISCV64))]);
    pack(&scene, "root.tar", "--target riscv64").ok();
    with(&[file("bin/sh", 0o755, b"text")]);
    pack(&scene, "root.tar", "").refused(3, &["its architecture is not known"]);
    scene.write("text", b"text");
    pack(&scene, "text", "").refused(3, &["neither a directory nor a tar archive"]);
    scene
        .run(["pack", "--system", "root.tar", "--deb", "jq", "--target", "riscv64"])
        .refused(2, &["--system"]);
    fs::remove_file(scene.at("launchers/broker-riscv64")).expect("there");
    with(&[file("bin/sh", 0o755, &program(RISCV64))]);
    pack(&scene, "root.tar", "").refused(1, &["broker-riscv64"]);
}
