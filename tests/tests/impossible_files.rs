//! Files in a tree that no `unibin pack` writes: each is refused in words of its own, which docs/messages.md
//! lists.

use std::path::PathBuf;

use bundle::Arch;
use end_to_end::{
    Handmade, Header, Parts, Sandbox, busybox, checksummed, directory, documented, file, header, link, needs,
    raw_tar, small_system,
};

const NO_ARGUMENTS: [&str; 0] = [];

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

/// A bundle whose app, or the root of whose system, is made of these members.
fn handmade(sandbox: &Sandbox, members: &[Vec<u8>], root: bool) -> PathBuf {
    let bundle = Handmade { root, ..Handmade::of(&raw_tar(members)) };
    let model = if root { small_system(sandbox, Arch::X86_64, &[]) } else { busybox(Arch::X86_64) };
    sandbox.write("handmade", &bundle.bytes(&Parts::of(&model)))
}

#[test]
fn every_impossible_file_is_told_in_its_own_words() {
    needs!("network");
    let sandbox = Sandbox::new();
    let app = || file("app", 0o755, b"#!/bin/sh\n");
    let odd = |name: &[u8], kind: u8, mode: u32, size: u64, target: &[u8]| {
        header(&Header { name, kind, mode, size, target })
    };
    let cases: [(&str, Vec<Vec<u8>>); 11] = [
        ("its name is absolute or leaves the tree", vec![file("/etc/evil", 0o644, b"x")]),
        ("it is out of order", vec![app(), directory("b"), directory("a")]),
        ("its name is there twice", vec![app(), app()]),
        ("its pieces do not make one file", vec![app(), odd(b"piece", b'M', 0o644, 512, b""), vec![0; 512]]),
        ("its directory does not come before it", vec![app(), file("no/directory", 0o644, b"x")]),
        ("it has a set-user-ID, set-group-ID or sticky bit", vec![file("app", 0o4755, b"x")]),
        ("its loader is not in the tree", vec![odd(b"app", b'0', 0o755, 0, b"/lib/ld.so")]),
        ("it has content but is not a file", vec![app(), odd(b"dir", b'5', 0o755, 512, b""), vec![0; 512]]),
        ("it is a link out of the tree", vec![app(), link(b'2', "evil", "/etc/passwd")]),
        ("it is a link to nothing that came before", vec![app(), link(b'1', "hard", "later")]),
        (
            "it is neither a file, a directory nor a link",
            vec![app(), directory("dir"), odd(b"fifo", b'6', 0o644, 0, b"")],
        ),
    ];
    for (words, members) in &cases {
        let ran = sandbox.run(&handmade(&sandbox, members, false), &NO_ARGUMENTS);
        ran.must_fail_with(125, &["holds an invalid file", words, "hint: "]);
    }
    let part = "it is in another part of the tree";
    let bundle = Handmade::files(&[app(), directory("dir")].concat());
    let bundle = sandbox.write("parts", &bundle.bytes(&Parts::of(&busybox(Arch::X86_64))));
    sandbox.run(&bundle, &NO_ARGUMENTS).must_fail_with(125, &["holds an invalid file", part, "hint: "]);
    // Owners count in a system's root.
    let nobody = file("app", 0o755, b"x");
    let nobody = [&nobody[..108], b"\x80\0\0\0\xff\xff\xff\xff", &nobody[116..]].concat();
    let root = handmade(&sandbox, &[checksummed(nobody)], true);
    let no_owner = "it has no owner that the kernel knows";
    let ran = sandbox.run_with(&[("UNIBIN_DO", "extract")], &root, &NO_ARGUMENTS);
    ran.must_fail_with(125, &["holds an invalid file", no_owner, "hint: "]);
    // A link of the root leads anywhere; a hard link through it would be one to a file of the host.
    let through = [directory("a"), link(b'2', "a/etc", "/etc"), link(b'1', "b", "a/etc/passwd")];
    let other = Sandbox::new();
    let root = handmade(&other, &through, true);
    let ran = other.run_with(&[("UNIBIN_DO", "extract")], &root, &NO_ARGUMENTS);
    ran.must_fail_with(125, &["holds an invalid file", "it is a link to nothing that came before"]);
    let met = cases
        .iter()
        .map(|(words, _)| (*words).to_owned())
        .chain([no_owner.to_owned(), part.to_owned()])
        .collect();
    assert_eq!(sorted(documented("What is invalid")), sorted(met));
}
