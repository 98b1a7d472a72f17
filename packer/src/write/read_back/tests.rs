//! Bundles that a launcher would refuse.

use std::io::Write as _;

use bundle::{Arch, BlobKind, Encoding, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant};

use super::*;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::write::similar::By;
use crate::write::{compress, tarball};

/// A bundle without a stub, of one app: this tar stream, compressed with a window of `1 << window` bytes.
fn checked(tar: &[u8], window: u32) -> Result<(), String> {
    let made = compress::blob_with_window(tar, window, 0);
    let (blob, table) = made.expect("zstd knows such windows");
    checked_blob(&blob, table, tar, |_| ())
}

/// The same of the stored bytes of a blob, after `damage` was done to them.
fn checked_blob(
    blob: &[u8],
    table: bundle::Digest,
    tar: &[u8],
    damage: impl FnOnce(&mut Vec<u8>),
) -> Result<(), String> {
    let bundle = of_blob(blob, table, tar, damage);
    let stored = check(&bundle, |_| false);
    let all = check_by(&bundle, |_| true, &Turns::new(3, 1 << 30));
    assert!(all.is_err() || stored.is_ok(), "{stored:?}");
    all.map_err(|error| error.to_string())
}

fn of_blob(blob: &[u8], table: bundle::Digest, tar: &[u8], damage: impl FnOnce(&mut Vec<u8>)) -> BundleFile {
    let mut bytes = blob.to_vec();
    let mut manifest = ManifestBuilder::new();
    let stored = bytes.len() as u64;
    let app = manifest.blob(&NewBlob {
        kind: BlobKind::App,
        encoding: Encoding::TarZstd,
        offset: 0,
        stored,
        length: tar.len() as u64,
        stored_digest: table,
        digest: hash::of(tar),
    });
    let target = Arch::Riscv64;
    let variant =
        manifest.variant(&NewVariant { target, level: 0, app, shared: None, loader: b"", rules: &[] });
    manifest.entry(&NewEntry { variant, name: b"app", path: b"app", rules: &[] });
    let manifest = manifest.finish(stored).expect("the format allows it");
    let footer = Footer {
        file_length: stored + (manifest.len() + Footer::LEN) as u64,
        manifest_offset: stored,
        manifest_length: manifest.len() as u64,
        signatures_length: 0,
        manifest_digest: hash::of(&manifest),
    };
    damage(&mut bytes);
    bytes.extend_from_slice(&manifest);
    bytes.extend_from_slice(&footer.encode());
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(&bytes).expect("it can be written");
    BundleFile::of(file, Path::new("app.bundle")).expect("it is a bundle")
}

/// A tree in many frames, one of its files in pieces: the blob, its table's digest, and the stream.
fn in_frames() -> (Vec<u8>, bundle::Digest, Vec<u8>) {
    let mut app = App::default();
    let long = Content::of_parts((0..33).map(|_| Content::from(vec![1; 2 << 20])));
    let mut add = |path: &str, node| app.add(path.as_bytes(), node).expect("a path");
    add("bin/long", Node::File { executable: true, content: long });
    add("bin/app", Node::File { executable: true, content: Content::from(b"app".to_vec()) });
    add("bin/same", Node::HardLink(b"bin/app".to_vec()));
    add("bin/link", Node::Symlink(b"app".to_vec()));
    let tar = tarball::write(&app, By::Contents).expect("memory is read");
    assert!(tar.frames.len() > 4, "{}", tar.frames.len());
    let stream = tar.frames.iter().flat_map(|frame| frame.bytes().expect("memory is read")).collect();
    let made = compress::blob(&tar, compress::How { level: 1, store: None, bar: None });
    let made = made.expect("it is compressed");
    (made.stored.bytes().expect("memory is read"), made.stored_digest, stream)
}

#[test]
fn frames_are_unpacked_in_any_order_and_each_flipped_bit_is_found() {
    let (blob, table, tar) = in_frames();
    assert_eq!(checked_blob(&blob, table, &tar, |_| ()), Ok(()));
    for at in (0..blob.len()).step_by(blob.len() / 7) {
        let refused = checked_blob(&blob, table, &tar, |bytes| bytes[at] ^= 4);
        let refused = refused.expect_err("a flipped bit");
        assert!(refused.contains("expected"), "byte {at}: {refused}");
        let bundle = of_blob(&blob, table, &tar, |bytes| bytes[at] ^= 4);
        assert!(check(&bundle, |_| false).is_err(), "byte {at}, not unpacked");
    }
}

#[test]
fn frames_that_make_another_tree_are_refused() {
    let (blob, _, tar) = in_frames();
    let header = bundle::FrameTable::HEADER;
    let swapped = |one: usize, other: usize| {
        // Rows of 48 bytes, and what they are of.
        let count = usize::from(blob[0]);
        let lengths: Vec<usize> = (0..count)
            .map(|row| usize::from_le_bytes(*blob[header + 48 * row..].first_chunk().expect("a row")))
            .collect();
        let mut order: Vec<usize> = (0..count).collect();
        order.swap(one, other);
        let start = |row: usize| header + 48 * count + lengths[..row].iter().sum::<usize>();
        let rows = order.iter().flat_map(|row| &blob[header + 48 * row..][..48]);
        let frames = order.iter().flat_map(|row| &blob[start(*row)..][..lengths[*row]]);
        let table: Vec<u8> = blob[..header].iter().chain(rows).copied().collect();
        let digest = hash::of(&table);
        checked_blob(&table.into_iter().chain(frames.copied()).collect::<Vec<_>>(), digest, &tar, |_| ())
    };
    // Directories, the two pieces, short files, links.
    assert_eq!(swapped(0, 0), Ok(()));
    for (one, other, why) in
        [(1, 2, "pieces"), (0, 3, "directory"), (2, 3, "pieces"), (3, 4, "another part of the tree")]
    {
        let refused = swapped(one, other).expect_err("another order");
        assert!(refused.contains(why), "{one} {other}: {refused}");
    }
}

fn tar(kind: u8) -> Vec<u8> {
    tarball::one_of_type(kind, "app").expect("memory can be written")
}

#[test]
fn a_window_that_is_too_large_for_the_launcher_is_refused() {
    let refused = checked(&tar(b'0'), 27).expect_err("a window of 128 MiB");
    assert!(refused.contains("the launcher cannot unpack it"), "{refused}");
    assert_eq!(checked(&tar(b'0'), 26), Ok(()));
}

#[test]
fn a_member_that_the_launcher_does_not_know_is_refused() {
    // A FIFO, and a PAX header.
    for kind in [b'6', b'x'] {
        let refused = checked(&tar(kind), 20).expect_err("a member of another type");
        assert!(refused.contains("neither a file, a directory nor a link"), "{refused}");
    }
    assert_eq!(checked(&tar(b'0'), 20), Ok(()));
}
