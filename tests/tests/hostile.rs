//! Bundles that were made to do harm: refused with the member's name, and nothing is written outside the
//! cache.

use std::fs;
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest};
use end_to_end::{
    Handmade, Header, Parts, Sandbox, directory, file, header, link, raw_tar, smallest_bundle, unibin,
};

/// A program that would tell that it ran. The kernel starts it as well as an ELF file.
const APP: &[u8] = b"#!/bin/sh\necho ran\n";

fn model() -> Parts {
    Parts::of(&smallest_bundle(Arch::X86_64))
}

/// A member with nothing but a header.
fn odd(name: &str, kind: u8, mode: u32) -> Vec<u8> {
    header(&Header { name: name.as_bytes(), kind, mode, size: 0, target: b"" })
}

/// Runs a handmade bundle. When it must be refused, no file but launcher and broker may be there afterwards.
fn run(made: &Handmade) -> (Sandbox, end_to_end::Outcome) {
    let sandbox = Sandbox::new();
    let bundle = sandbox.write("bundle", &made.bytes(&model()));
    let ran = sandbox.run(&bundle, &["x"]);
    (sandbox, ran)
}

/// Whether a path is that of a cache entry: its name is a digest.
fn is_slot(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn refused(what: &str, made: &Handmade, words: &[&str]) {
    let (sandbox, ran) = run(made);
    ran.must_fail_with(125, words);
    assert_eq!(ran.text(), "", "{what}: nothing ran");
    let left: Vec<PathBuf> = Sandbox::tree(sandbox.path());
    let expected = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of_a_file = ["emulator", "complete"].contains(&name) || name.starts_with("written-");
        ["bundle", "home", ".cache", "unibin", "x86_64"].contains(&name)
            || name.starts_with("launcher-")
            || of_a_file
            || is_slot(path)
    };
    assert!(left.iter().all(|path| expected(path)), "{what}: it left {left:?}");
    assert!(left.iter().filter(|path| is_slot(path)).count() <= 1, "{what}: it left {left:?}");

    let extracted = Sandbox::new();
    let bundle = extracted.write("bundle", &made.bytes(&model()));
    let variables = [("UNIBIN_DO", "extract"), ("UNIBIN_TO", "out")];
    extracted.run_with(&variables, &bundle, &[] as &[&str]).must_fail_with(125, words);
    assert!(!extracted.at("out").exists(), "{what}: extract left {:?}", Sandbox::tree(extracted.path()));
}

#[test]
fn an_honest_bundle_made_by_hand_runs() {
    let members =
        [file("app", 0o755, APP), directory("lib"), file("lib/data", 0o644, b"x"), link(b'2', "link", "app")];
    let (_, ran) = run(&Handmade::of(&raw_tar(&members)));
    assert_eq!(ran.must_succeed(), "ran\n");
    let hard = [file("app", 0o755, APP), link(b'1', "second", "app"), link(b'2', "third", "app")];
    let (_, ran) = run(&Handmade::of(&raw_tar(&hard)));
    assert_eq!(ran.must_succeed(), "ran\n");
}

#[test]
fn a_shared_blob_is_laid_beside_the_own_one_and_never_over_it_or_through_its_links() {
    let own = [file("app", 0o755, APP), directory("lib"), link(b'2', "link", "lib")];
    let with =
        |shared: &[Vec<u8>]| Handmade { shared: Some(raw_tar(shared)), ..Handmade::of(&raw_tar(&own)) };
    let extracted = |made: &Handmade| {
        let sandbox = Sandbox::new();
        let bundle = sandbox.write("bundle", &made.bytes(&model()));
        let to = sandbox.at("out");
        let variables = [("UNIBIN_DO", "extract"), ("UNIBIN_TO", to.to_str().expect("text"))];
        let by_bundle = sandbox.run_with(&variables, &bundle, &[] as &[&str]);
        let there = to.join("lib/x").exists();
        let by_unibin = unibin().arg("extract").arg(&bundle).arg(sandbox.at("out2")).output();
        let by_unibin = by_unibin.expect("unibin starts").status.success();
        let stays = |path: &PathBuf| path.ends_with("x") || path.ends_with("lib");
        let left = Sandbox::tree(sandbox.path()).iter().filter(|path| stays(path)).count();
        (by_bundle.status.success(), there, by_unibin, left)
    };
    // Its directories may be the own one's; `lib` and `lib/x` twice.
    assert_eq!(extracted(&with(&[directory("lib"), file("lib/x", 0o644, b"x")])), (true, true, true, 4));
    for bad in [
        vec![directory("link"), file("link/x", 0o644, b"x")],
        vec![file("link/x", 0o644, b"x")],
        vec![file("app", 0o755, b"#!/bin/sh\necho other\n")],
        vec![file("lib", 0o644, b"x")],
        vec![link(b'2', "app", "lib")],
        vec![link(b'1', "x", "link/app")],
    ] {
        assert_eq!(extracted(&with(&bad)), (false, false, false, 0), "{bad:?}");
    }
    let (_, ran) = run(&with(&[directory("lib"), file("lib/x", 0o644, b"x")]));
    assert_eq!(ran.must_succeed(), "ran\n");
}

#[test]
fn names_that_lead_out_of_the_tree_are_refused() {
    for name in ["/etc/evil", "../evil", "lib/../../evil", "./evil", "lib//evil", ".."] {
        let members = [file("app", 0o755, APP), directory("lib"), file(name, 0o644, b"x")];
        // In whatever order the name stands: it is the name that is refused.
        let mut sorted = members.to_vec();
        sorted.sort_by(|one, other| one[..100].cmp(&other[..100]));
        refused(name, &Handmade::of(&raw_tar(&sorted)), &["invalid file", name]);
    }
}

#[test]
fn links_that_lead_out_of_the_tree_are_refused() {
    for target in ["/etc/passwd", "..", "../x", "lib/../../x", "lib/../app", ""] {
        let members = [file("app", 0o755, APP), link(b'2', "evil", target)];
        refused(target, &Handmade::of(&raw_tar(&members)), &["invalid file", "`evil`"]);
    }
    let deep = [file("app", 0o755, APP), directory("lib"), link(b'2', "lib/evil", "../../x")];
    refused("deep", &Handmade::of(&raw_tar(&deep)), &["invalid file", "`lib/evil`"]);
}

#[test]
fn a_name_that_leads_through_a_link_is_refused() {
    let members = [
        file("app", 0o755, APP),
        directory("lib"),
        link(b'2', "link", "lib"),
        file("link/evil", 0o644, b"x"),
    ];
    refused("through a link", &Handmade::of(&raw_tar(&members)), &["invalid file", "`link/evil`"]);
    let twice = [file("app", 0o755, APP), link(b'2', "link", "app"), file("link", 0o755, b"x")];
    refused("over a link", &Handmade::of(&raw_tar(&twice)), &["invalid file", "`link`"]);
}

#[test]
fn hard_links_to_what_is_not_in_the_tree_before_are_refused() {
    for target in ["/etc/passwd", "../x", "later", "second"] {
        let members = [file("app", 0o755, APP), link(b'1', "hard", target)];
        refused(target, &Handmade::of(&raw_tar(&members)), &["invalid file", "`hard`"]);
    }
}

#[test]
fn devices_fifos_and_every_kind_that_is_not_in_the_format_are_refused() {
    for kind in [b'3', b'4', b'6', b'7', b'S', b'x', b'g', b'V', b'M', 0, b'A'] {
        let members = [file("app", 0o755, APP), odd("odd", kind, 0o644)];
        let what = format!("kind {:?}", char::from(kind));
        refused(&what, &Handmade::of(&raw_tar(&members)), &["invalid file", "`odd`"]);
    }
}

#[test]
fn set_user_id_bits_are_refused() {
    for mode in [0o4755, 0o2755, 0o1755] {
        let members = [file("app", mode, APP)];
        refused("bits", &Handmade::of(&raw_tar(&members)), &["invalid file", "`app`", "set-user-ID"]);
    }
}

#[test]
fn members_out_of_order_or_twice_are_refused() {
    let reversed = [file("app", 0o755, APP), directory("lib"), directory("etc")];
    refused("order", &Handmade::of(&raw_tar(&reversed)), &["`etc`", "out of order"]);
    let reversed = [file("app", 0o755, APP), link(b'2', "b", "app"), link(b'2', "a", "app")];
    refused("order of links", &Handmade::of(&raw_tar(&reversed)), &["`a`", "out of order"]);
    let twice = [file("app", 0o755, APP), file("app", 0o755, b"other")];
    refused("twice", &Handmade::of(&raw_tar(&twice)), &["`app`", "twice"]);
    let twice = [directory("app"), file("app", 0o755, APP)];
    refused("a directory too", &Handmade::of(&raw_tar(&twice)), &["`app`", "twice"]);
    let orphan = [file("app", 0o755, APP), file("no/directory", 0o644, b"x")];
    refused(
        "orphan",
        &Handmade::of(&raw_tar(&orphan)),
        &["`no/directory`", "directory does not come before"],
    );
}

#[test]
fn a_header_with_a_wrong_checksum_or_a_size_beyond_the_stream_is_refused() {
    let mut broken = file("app", 0o755, APP);
    broken[0] = b'b';
    refused("checksum", &Handmade::of(&raw_tar(&[broken])), &["damaged", "app"]);
    for size in [1 << 20, 1 << 40, u64::MAX >> 1, u64::MAX] {
        let huge = header(&Header { name: b"app", kind: b'0', mode: 0o755, size, target: b"" });
        refused("size", &Handmade::of(&raw_tar(&[huge])), &["damaged", "app"]);
    }
}

#[test]
fn a_frame_that_unpacks_to_more_than_the_manifest_says_is_refused_in_time() {
    // 256 MiB of zeros behind an honest app, in a few KiB.
    let mut tar = raw_tar(&[file("app", 0o755, APP)]);
    let honest = tar.len() as u64;
    tar.resize(1 << 28, 0);
    let mut bomb = Handmade::files(&tar);
    assert!(bomb.frames[0].0.len() < 256 * 1024, "it is a bomb: {}", bomb.frames[0].0.len());
    bomb.frames[0].1 = honest;
    refused("bomb", &bomb, &["damaged", "app"]);
}

#[test]
fn a_file_that_grows_beyond_what_the_manifest_says_is_refused_before_it_fills_the_disk() {
    let size = 1 << 28;
    let mut tar = header(&Header { name: b"app", kind: b'0', mode: 0o755, size, target: b"" });
    tar.resize(tar.len() + (1 << 28) + 1024, 0);
    let mut bomb = Handmade::files(&tar);
    bomb.frames[0].1 = 4096;
    refused("growing file", &bomb, &["damaged", "app"]);
}

#[test]
fn a_wrong_digest_or_length_is_refused() {
    let honest = Handmade::of(&raw_tar(&[file("app", 0o755, APP)]));
    let (frame, length) = honest.frames[0].clone();
    let with = |frame: &[u8], length| Handmade { frames: vec![(frame.to_vec(), length)], ..honest.clone() };
    refused("longer", &with(&frame, length + 1), &["damaged", "app"]);
    refused("shorter", &with(&frame, length - 1), &["damaged", "app"]);
    refused("cut frame", &with(&frame[..frame.len() - 4], length), &["damaged", "app"]);
    refused("more behind it", &with(&[&frame[..], b"x"].concat(), length), &["damaged", "app"]);
    // What a frame holds follows from its bytes, which are compared: another digest of it shows a wrong
    // writer, or a wrong decoder.
    let sandbox = Sandbox::new();
    let other = Handmade { digest: Digest([7; 32]), ..honest };
    let bundle = sandbox.write("bundle", &other.bytes(&model()));
    let verify = [("UNIBIN_DO", "verify")];
    sandbox.run_with(&verify, &bundle, &[] as &[&str]).must_fail_with(125, &["damaged", "app"]);
    let unibin = unibin().arg("verify").arg(&bundle).output().expect("unibin starts");
    assert_eq!(unibin.status.code(), Some(5));
}

#[test]
fn a_frame_that_asks_for_more_memory_than_small_machines_have_is_refused() {
    let tar = raw_tar(&[file("app", 0o755, APP)]);
    let (_, ran) = run(&Handmade::with_window(&tar, 26));
    assert_eq!(ran.must_succeed(), "ran\n", "64 MiB are allowed");
    refused("window", &Handmade::with_window(&tar, 27), &["damaged", "app"]);
}

#[test]
fn an_entry_that_is_not_in_the_tree_or_is_no_program_is_not_executed() {
    for members in [vec![file("other", 0o755, APP)], vec![directory("app")], vec![file("app", 0o644, APP)]] {
        let (_, ran) = run(&Handmade::of(&raw_tar(&members)));
        assert!(!ran.status.success() && ran.text().is_empty(), "{ran}");
        assert!(matches!(ran.code(), Some(125..=127)), "{ran}");
    }
}

#[test]
fn terminal_codes_in_a_name_do_not_reach_the_terminal() {
    let (_, ran) =
        run(&Handmade::of(&raw_tar(&[file("app", 0o755, APP), odd("evil\x1b]0;x\x07", b'6', 0o644)])));
    ran.must_fail(125);
    assert!(!ran.stderr.contains(&0x1b), "the message holds an escape: {:?}", ran.errors());
}

#[test]
fn random_changes_never_run_anything_else() {
    let honest = Handmade::of(&raw_tar(&[file("app", 0o755, APP)])).bytes(&model());
    let sandbox = Sandbox::new();
    // Behind stub and launcher, which were tested elsewhere; one sandbox, so that the launcher is cut out
    // once.
    let start = model().blob_range(bundle::BlobKind::Launcher).end;
    for step in 0..150_usize {
        let at = start + step * 2_654_435_761 % (honest.len() - start);
        let mut bytes = honest.clone();
        bytes[at] ^= 1 << (step % 8);
        let bundle = sandbox.write("bundle", &bytes);
        let ran = sandbox.run(&bundle, &["x"]);
        let good = ran.text() == "ran\n" && ran.status.success();
        assert!(good || (ran.code() == Some(125) && ran.text().is_empty()), "byte {at}: {ran}");
        if step % 10 == 0 {
            let _ = fs::remove_dir_all(sandbox.cache());
        }
    }
}
