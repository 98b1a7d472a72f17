//! A tree of several frames: a long file is cut and whole again, the order of a directory decides nothing,
//! and a bit that is flipped in the table or in any frame is refused by every command that reads the blob.

mod scene;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bundle::{BlobKind, Footer, Frame, FrameTable, Manifest};
use scene::{RISCV64, Scene, program};

const PACK: &str = "pack tree --entry app --hosts riscv64 --level 3 -o out";

/// Longer than a frame may be, and different in every part.
const LONG: usize = 70 << 20;

/// A tree with these files besides, made in this order.
fn tree(scene: &Scene, names: &[&str]) {
    let tree = scene.at("w/tree");
    fs::create_dir_all(tree.join("of")).expect("a directory");
    for name in names {
        fs::write(tree.join("of").join(name), name.repeat(20_000)).expect("a file");
    }
    fs::write(tree.join("app"), program(RISCV64)).expect("a program");
    fs::set_permissions(tree.join("app"), fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut long = vec![0; LONG];
    for (number, piece) in (0u64..).zip(long.chunks_mut(1 << 20)) {
        piece[..8].copy_from_slice(&number.to_le_bytes());
    }
    fs::write(tree.join("long"), long).expect("a file");
    let link = tree.join("link");
    if !link.exists() {
        std::os::unix::fs::symlink("long", link).expect("a link");
    }
}

/// Where the app's blob begins, and its frames.
fn frames(bytes: &[u8]) -> (usize, Vec<Frame>) {
    let footer = Footer::read(&bytes).expect("a footer");
    let at = |number| usize::try_from(number).expect("small");
    let manifest = &bytes[at(footer.manifest_offset)..][..at(footer.manifest_length)];
    let manifest = Manifest::decode(manifest, footer.manifest_offset).expect("a manifest");
    let app = manifest.blobs().find(|blob| blob.kind == BlobKind::App).expect("an app");
    let start = at(app.offset());
    let header = bytes[start..].first_chunk().expect("a header");
    let table = &bytes[start..][..FrameTable::length(header).expect("a length")];
    (start, FrameTable::decode(app, table).expect("a table").frames().collect())
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let names = ["app", "long", "link", "of/a", "of/b", "of/c"];
    names.map(|name| (name.to_owned(), fs::read(directory.join(name)).expect("a file"))).into()
}

#[test]
fn a_long_file_is_cut_and_whole_again_and_no_flipped_bit_gets_through() {
    let scene = Scene::new();
    tree(&scene, &["a", "b", "c"]);
    scene.run(PACK.split_whitespace()).ok();
    let whole = fs::read(scene.at("w/out")).expect("a bundle");
    let (table, frames) = frames(&whole);
    // Directories, two pieces, the other files, links.
    assert_eq!(frames.len(), 5, "{frames:?}");
    scene.run(["verify", "out"]).ok();
    scene.run(["extract", "out", "again"]).ok();
    let place = |name: &str| scene.at("w").join(name).join("opt/tree");
    assert!(files(&place("again")) == files(&scene.at("w/tree")), "all files are as they were");

    let mut seed = 1u64;
    let mut within = |length: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (usize::try_from((seed >> 33) % length).expect("small"), 1u8 << (seed >> 30 & 7))
    };
    let length = frames[0].offset - u64::try_from(table).expect("small");
    let mut places = vec![(table, within(length))];
    for frame in &frames {
        places.push((usize::try_from(frame.offset).expect("small"), within(frame.stored)));
    }
    let mut bytes = whole.clone();
    for (start, (at, bit)) in places {
        bytes[start + at] ^= bit;
        scene.write("out", &bytes);
        let text = format!("bit {bit} of byte {at} behind {start}");
        for command in [
            &["extract", "out", "never"][..],
            &["thin", "out", "--hosts", "riscv64", "-o", "never"],
            &["oci", "out", "-o", "never"],
        ] {
            let run = scene.run(command);
            assert!(!matches!(run.code, Some(0 | 101) | None), "{command:?}, {text}: {run:?}");
            assert!(!scene.at("w/never").exists(), "{command:?}, {text}");
        }
        let run = scene.run(["verify", "out"]);
        run.refused(5, &["app"]);
        bytes[start + at] ^= bit;
    }
    scene.write("out", &bytes);
    scene.run(["verify", "out"]).ok();
}

#[test]
fn the_order_of_a_directory_decides_nothing_and_neither_does_what_is_remembered() {
    let bytes = |names: &[&str], again: bool| {
        let scene = Scene::new();
        tree(&scene, names);
        scene.run(PACK.split_whitespace()).ok();
        if again {
            fs::remove_file(scene.at("w/out")).expect("removed");
            scene.run(PACK.split_whitespace()).ok();
        }
        fs::read(scene.at("w/out")).expect("a bundle")
    };
    let first = bytes(&["a", "b", "c"], true);
    assert!(first == bytes(&["c", "a", "b"], false));
}
