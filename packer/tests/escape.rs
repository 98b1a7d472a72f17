//! Bundles whose digests are right and whose trees are not: made to write outside the directory that they are
//! extracted to.

mod scene;

use bundle::{Arch, BlobKind, Encoding, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant};
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
    let tar = [&entries.concat()[..], &[0; 1024]].concat();
    let length = u32::try_from(tar.len()).expect("small");
    // RFC 8878: magic, single segment with four bytes of content size, one last raw block.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend(length.to_le_bytes());
    frame.extend(&((length << 3) | 1).to_le_bytes()[..3]);
    frame.extend(&tar);

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
    let app = manifest.blob(&blob(BlobKind::App, Encoding::TarZstd, 4096, &frame, &tar));
    let variant = manifest.variant(&NewVariant {
        target: Arch::Riscv64,
        level: 0,
        app,
        shared: None,
        loader: b"",
        rules: &[],
    });
    manifest.entry(&NewEntry { variant, name: b"a", path: b"a", rules: &[] });
    let manifest_offset = (stub.len() + frame.len()) as u64;
    let manifest = manifest.finish(manifest_offset).expect("a manifest");
    let manifest_length = manifest.len() as u64;
    let footer = Footer {
        file_length: manifest_offset + manifest_length + Footer::LEN as u64,
        manifest_offset,
        manifest_length,
        signatures_length: 0,
        manifest_digest: sha256(&manifest),
    };
    [stub, frame, manifest, footer.encode().to_vec()].concat()
}

#[test]
fn a_tree_that_leads_out_of_its_directory_is_refused_and_a_good_one_is_extracted() {
    let scene = Scene::new();
    let inside = "not a path inside the tree";
    let cases: [(&str, Vec<Vec<u8>>, i32, &str); 8] = [
        ("parent", vec![entry(b'0', "../out", "", b"x")], 3, inside),
        ("deep", vec![entry(b'5', "a", "", b""), entry(b'0', "a/../../out", "", b"x")], 3, inside),
        ("absolute", vec![entry(b'0', "/out", "", b"x")], 3, inside),
        ("link out", vec![entry(b'2', "a", "../out", b"")], 3, "leads out of the tree"),
        ("absolute link", vec![entry(b'2', "a", "/out", b"")], 3, "leads out of the tree"),
        ("hard link out", vec![entry(b'1', "a", "../../bundle", b"")], 3, inside),
        ("device", vec![entry(b'3', "a", "", b"")], 5, "`a` is an entry of type"),
        ("twice", vec![entry(b'0', "a", "", b"x"), entry(b'0', "a", "", b"y")], 1, "cannot write"),
    ];
    for (name, entries, code, text) in cases {
        scene.write("bundle", &bundle_of(&entries));
        scene.run(["verify", "bundle"]).ok();
        let run = scene.run(["extract", "bundle", "tree"]);
        assert!(run.err.contains(text), "{name}: {run:?}");
        run.refused(code, &[]);
        assert_eq!(scene.names(), ["bundle"], "{name}");
    }
    // What lies under a link is written before the link is made, and so never through it.
    let through = [entry(b'2', "a", "b", b""), entry(b'0', "a/x", "", b"x")];
    scene.write("bundle", &bundle_of(&through));
    scene.run(["extract", "bundle", "tree"]).refused(1, &["cannot write"]);
    let good = [entry(b'5', "a", "", b""), entry(b'0', "a/x", "", b"x"), entry(b'2', "b", "a/x", b"")];
    scene.write("bundle", &bundle_of(&good));
    scene.run(["extract", "bundle", "tree"]).ok();
    assert_eq!(std::fs::read(scene.at("w/tree/b")).expect("it is there"), b"x");
}
