//! Bundles whose digests are right and whose trees are not: made to write outside the directory that they are
//! extracted to, or more than there is, or to say what is not so.

mod scene;

use bundle::{Arch, BlobKind, Encoding, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant};
use end_to_end::Handmade;
use scene::{Scene, sha256};

/// One header of a tar stream, and the bytes that follow it.
fn entry(kind: u8, name: &str, link: &str, contents: &[u8]) -> Vec<u8> {
    let mut block = vec![0u8; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(b"0000755");
    block[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link.as_bytes());
    block[257..265].copy_from_slice(b"ustar  \0");
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend_from_slice(contents);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// A bundle of that tree, whole by all its digests.
fn bundle_of(entries: &[Vec<u8>]) -> Vec<u8> {
    bundle(b"a", entries, None)
}

/// The same, but its app claims this length.
fn bundle_claiming(entries: &[Vec<u8>], length: u64) -> Vec<u8> {
    bundle(b"a", entries, Some(length))
}

/// The same, with an entry of this name at this path.
fn bundle_named(name: &[u8], entries: &[Vec<u8>]) -> Vec<u8> {
    bundle(name, entries, None)
}

fn bundle(name: &[u8], entries: &[Vec<u8>], claimed: Option<u64>) -> Vec<u8> {
    let tree = Handmade::of(&entries.concat());
    let (frames, table, length) = tree.stored();

    let stub = vec![b'\n'; 4096];
    let blob = |kind, encoding, offset, stored: &[u8], unpacked: &[u8]| NewBlob {
        kind,
        encoding,
        offset,
        stored: stored.len() as u64,
        length: unpacked.len() as u64,
        stored_digest: sha256(stored),
        digest: sha256(unpacked),
    };
    let mut manifest = ManifestBuilder::new();
    manifest.blob(&blob(BlobKind::Stub, Encoding::Raw, 0, &stub, &stub));
    let app = manifest.blob(&NewBlob {
        length: claimed.unwrap_or(length),
        stored_digest: sha256(&table),
        digest: tree.digest,
        ..blob(BlobKind::App, Encoding::TarZstd, 4096, &frames, b"")
    });
    let variant = manifest.variant(&NewVariant {
        target: Arch::Riscv64,
        level: 0,
        app,
        shared: None,
        loader: b"",
        rules: &[],
    });
    manifest.entry(&NewEntry { variant, name, path: b"a", rules: &[] });
    let manifest_offset = (stub.len() + frames.len()) as u64;
    let manifest = manifest.finish(manifest_offset).expect("a manifest");
    let manifest_length = manifest.len() as u64;
    let footer = Footer {
        file_length: manifest_offset + manifest_length + Footer::LEN as u64,
        manifest_offset,
        manifest_length,
        signatures_length: 0,
        manifest_digest: sha256(&manifest),
    };
    [stub, frames, manifest, footer.encode().to_vec()].concat()
}

/// `entry` with these mode bits.
fn with_mode(mut entry: Vec<u8>, mode: [u8; 7]) -> Vec<u8> {
    entry[100..107].copy_from_slice(&mode);
    entry[148..156].copy_from_slice(b"        ");
    let sum: u32 = entry[..512].iter().map(|byte| u32::from(*byte)).sum();
    entry[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    entry
}

#[test]
fn a_tree_that_a_launcher_refuses_is_refused_by_verify_and_extract_too_and_a_good_one_is_extracted() {
    let scene = Scene::new();
    let (outside, link_out) = ("its name is absolute or leaves the tree", "it is a link out of the tree");
    let cases: [(&str, Vec<Vec<u8>>, &str); 10] = [
        ("parent", vec![entry(b'0', "../out", "", b"x")], outside),
        ("deep", vec![entry(b'5', "a", "", b""), entry(b'0', "a/../../out", "", b"x")], outside),
        ("absolute", vec![entry(b'0', "/out", "", b"x")], outside),
        ("link out", vec![entry(b'2', "a", "../out", b"")], link_out),
        ("absolute link", vec![entry(b'2', "a", "/out", b"")], link_out),
        (
            "hard link out",
            vec![entry(b'1', "a", "../../bundle", b"")],
            "it is a link to nothing that came before",
        ),
        ("device", vec![entry(b'3', "a", "", b"")], "it is neither a file, a directory nor a link"),
        ("twice", vec![entry(b'0', "a", "", b"x"), entry(b'0', "a", "", b"y")], "`a` is in the tree twice"),
        (
            "through a link",
            vec![entry(b'2', "a", "b", b""), entry(b'0', "a/x", "", b"x")],
            "its directory does not come before it",
        ),
        ("set-user-ID", vec![with_mode(entry(b'0', "a", "", b"x"), *b"0004755")], "it has a set-user-ID"),
    ];
    for (name, entries, text) in cases {
        scene.write("bundle", &bundle_of(&entries));
        let verified = scene.run(["verify", "bundle"]).refused(5, &["app riscv64", text]);
        let extracted = scene.run(["extract", "bundle", "tree"]).refused(5, &[text]);
        assert_eq!(verified.err, extracted.err, "{name}");
        assert_eq!(scene.names(), ["bundle"], "{name}");
    }
    let good = [entry(b'5', "a", "", b""), entry(b'0', "a/x", "", b"x"), entry(b'2', "b", "a/x", b"")];
    scene.write("bundle", &bundle_of(&good));
    scene.run(["verify", "bundle"]).ok();
    scene.run(["extract", "bundle", "tree"]).ok();
    assert_eq!(std::fs::read(scene.at("w/tree/b")).expect("it is there"), b"x");
}

#[test]
fn a_bundle_that_claims_to_unpack_to_more_than_is_plausible_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    scene.write("bundle", &bundle_claiming(&[entry(b'0', "a", "", b"x")], 1 << 40));
    scene.run(["verify", "bundle"]).refused(5, &["app riscv64"]);
    let words = ["app riscv64", "claims to unpack to 1099511627776", "not plausible", "hint: "];
    scene.run(["extract", "bundle", "tree"]).refused(5, &words);
    // An archive of emulators whose header claims as much.
    let mut huge = entry(b'0', "blobs", "", b"");
    huge[124..136].copy_from_slice(&[&[0x80, 0, 0, 0][..], &(1u64 << 50).to_be_bytes()].concat());
    scene.write("emulators.tar", &with_mode(huge, *b"0000644"));
    scene
        .run(["emulator", "import", "emulators.tar"])
        .refused(5, &["emulators.tar", "more than is plausible"]);
    assert_eq!(scene.names(), ["bundle", "emulators.tar"]);
}

#[test]
fn a_program_is_bound_to_the_place_that_at_names_or_to_where_it_is_extracted() {
    let scene = Scene::new();
    let tree = [
        entry(b'5', "lib", "", b""),
        entry(b'0', "lib/ld.so", "", b"loader"),
        entry(b'0', "program", "lib/ld.so", b"program"),
    ];
    scene.write("bundle", &bundle_of(&tree));
    let loader = |directory: &str| {
        let bytes = std::fs::read(scene.at("w").join(directory).join("program")).expect("extracted");
        let field = bytes.strip_prefix(b"program").expect("its own bytes come first");
        assert_eq!(field.len(), 4096);
        String::from_utf8(field.split(|byte| *byte == 0).next().expect("a path").to_vec()).expect("text")
    };
    scene.run(["extract", "bundle", "here"]).ok();
    assert_eq!(loader("here"), scene.at("w/here/lib/ld.so").display().to_string());
    scene.run(["extract", "--at", "/opt/app", "bundle", "there"]).ok();
    assert_eq!(loader("there"), "/opt/app/lib/ld.so");
    scene.run(["extract", "--at", "/opt/app", "--all", "bundle", "all"]).ok();
    assert_eq!(loader("all/app-riscv64"), "/opt/app/app-riscv64/lib/ld.so");
    scene.run(["extract", "--at", "opt", "bundle", "none"]).refused(3, &["`--at opt`", "absolute", "hint: "]);
    let long = format!("/{}", "x/".repeat(2048));
    scene.run(["extract", "--at", &long, "bundle", "none"]).refused(1, &["cannot write"]);
    assert!(!scene.at("w/none").exists());
}

#[test]
fn names_of_a_bundle_are_shown_on_their_line_and_in_their_order() {
    let scene = Scene::new();
    let name = "a\n x: whole: 1 bytes\u{202e}\x1b[2J";
    let shown = r"a\n x: whole: 1 bytes\u{202e}\x1b[2J";
    scene.write("bundle", &bundle_named(name.as_bytes(), &[entry(b'0', name, "", b"x")]));
    let lines = scene.run(["inspect", "bundle"]).ok().out;
    assert!(lines.contains(&format!("entry     {shown}")), "{lines}");
    let json = scene.run(["inspect", "--json", "bundle"]).ok().out;
    assert!(json.contains(r"a\n x: whole: 1 bytes\u202e\u001b[2J"), "{json}");
    for text in [lines, json] {
        assert!(!text.contains(['\u{202e}', '\x1b']) && !text.contains("\n x: whole"), "{text}");
    }
    // In messages too: this one is about a member.
    scene.write("bundle", &bundle_of(&[entry(b'3', name, "", b"")]));
    let refused = scene.run(["verify", "bundle"]).refused(5, &[shown]);
    assert!(!refused.err.contains("\n x: whole"), "{refused:?}");
    // And the bundle's own name.
    scene.write(name, &bundle_of(&[entry(b'0', "a", "", b"x")]));
    let verified = scene.run(["verify", name]).ok();
    assert!(verified.out.starts_with(shown) && verified.out.lines().count() == 1, "{verified:?}");
}
