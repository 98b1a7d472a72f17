//! What the launcher unpacks: its Zstandard decoder, against zstd itself, and its tar reader.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;

use bundle::{
    Arch, Blob, BlobKind, Digest, Encoding, Footer, Frame, FrameTable, ManifestBuilder, NewBlob, NewEntry,
    NewVariant, Rule, TreePath,
};
use launcher::bundle_file::BundleFile;
use launcher::tar::{Kind, Part, Tree};
use launcher::zstd::{BEHIND, Decoder};
use sha2::{Digest as _, Sha256};

use crate::launched::launched;
use crate::{reference, scratch};

/// At most this much of one input is unpacked.
const MOST: usize = 1 << 18;

/// Whatever both accept, both unpack to the same bytes.
pub(crate) fn zstd(input: &[u8]) {
    launched(|| compare(input));
}

fn compare(input: &[u8]) {
    let ours = decode(input);
    let theirs = reference::unpack_frame(input, MOST);
    // Each refuses some frames that the other accepts: zstd some codes that the RFC allows, ours for example
    // dictionaries.
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        assert!(ours == theirs, "unpacked to {} and {} bytes", ours.len(), theirs.len());
    }
}

fn decode(frame: &[u8]) -> Option<Vec<u8>> {
    // What stands behind a frame is read, and must not count.
    let behind = [frame, &[0x5A; BEHIND]].concat();
    let mut out = vec![0xA5; MOST + BEHIND];
    let length = Decoder::new().decode(&behind, frame.len(), &mut out)?;
    out.get(..length.min(MOST)).filter(|out| out.len() == length).map(<[u8]>::to_vec)
}

/// As long are the blobs of the bundle that serves all inputs: the launcher never closes a bundle.
const ROOM: usize = 1 << 9;

thread_local! {
    static BUNDLE: &'static BundleFile<'static> = open();
}

fn open() -> &'static BundleFile<'static> {
    let path = scratch::file(&bundle());
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
    let Ok(file) = BundleFile::open(Box::leak(path.into_boxed_c_str())) else { panic!("an honest bundle") };
    file
}

/// The table of frames: whatever is accepted is written back identically, and its sums are those of its rows.
pub(crate) fn table(input: &[u8]) {
    for encoding in [Encoding::Zstd, Encoding::TarZstd] {
        let Ok(table) = FrameTable::parse(encoding, 4096, input) else { continue };
        let frames: Vec<Frame> = table.frames().collect();
        let part = |count| u32::try_from(count).expect("few frames");
        assert_eq!(FrameTable::encode(&frames, part(table.directories()), part(table.links())), input);
        let mut end = 4096 + input.len() as u64;
        for frame in &frames {
            assert_eq!(frame.offset, end, "frames follow each other");
            end += frame.stored;
        }
        assert_eq!(table.sums(), (end, frames.iter().map(|frame| frame.length).sum()));
    }
}

/// The tar reader over an app and the root of a system: every member that it yields is inside the tree, in
/// the part that is its own. The input begins with how many blocks the first two parts have.
pub(crate) fn tar(input: &[u8]) {
    let Some(([one, two], stream)) = input.split_first_chunk() else { return };
    let (directories, rest) = stream.split_at(stream.len().min(usize::from(*one) * 512));
    let (files, links) = rest.split_at(rest.len().min(usize::from(*two) * 512));
    let file = BUNDLE.with(|file| *file);
    launched(|| {
        let Ok(manifest) = file.manifest() else { panic!("an honest manifest") };
        manifest.blobs().for_each(|blob| read_all(blob, [directories, files, links]));
    });
}

fn read_all(blob: Blob<'_>, parts: [&[u8]; 3]) {
    let root = blob.encoding == Encoding::Root;
    let mut tree = Tree::new(b"bundle", blob);
    let mut announced = Vec::new();
    for (part, mut frame) in [Part::Directories, Part::Files, Part::Links].into_iter().zip(parts) {
        let mut last: Vec<u8> = Vec::new();
        while let Ok(Some(member)) = tree.next_member(&mut frame, part) {
            assert!(TreePath::new(member.path).is_some(), "{:?}", member.path);
            assert!(part == Part::Files || *member.path > last[..], "{:?}", member.path);
            last = member.path.to_vec();
            let piece = matches!(member.kind, Kind::Piece { .. });
            assert_eq!(member.owner.is_some(), root && !piece, "an owner is a root's");
            match (part, member.kind) {
                (Part::Directories, Kind::File { size, .. }) => {
                    assert!(size != 0 && member.content.is_empty());
                    announced.push(size);
                }
                (Part::Files, Kind::File { size, .. }) => assert_eq!(size, member.content.len() as u64),
                (Part::Files, Kind::Piece { file, offset, last }) => {
                    let end = offset.checked_add(member.content.len() as u64).expect("an end");
                    assert!(!member.content.is_empty() && end <= announced[file]);
                    assert_eq!(last, end == announced[file]);
                    assert_eq!(member.goes_on(), (!last).then_some(end));
                }
                (Part::Directories, Kind::Directory) => {}
                (Part::Links, Kind::Symlink(target)) => {
                    assert!(!target.is_empty() && (root || target[0] != b'/'));
                }
                (Part::Links, Kind::Hardlink(target)) => assert!(TreePath::new(target).is_some()),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// A bundle with an app and a system, whose frames are never read.
fn bundle() -> Vec<u8> {
    let mut bytes = vec![0; 2 * ROOM];
    let mut manifest = ManifestBuilder::new();
    let parts: [(Encoding, &[Rule<&[u8]>]); 2] =
        [(Encoding::TarZstd, &[]), (Encoding::Root, &[Rule::Root(b"system")])];
    for (number, (encoding, rules)) in parts.into_iter().enumerate() {
        let app = manifest.blob(&NewBlob {
            kind: BlobKind::App,
            encoding,
            offset: (number * ROOM) as u64,
            stored: ROOM as u64,
            length: ROOM as u64,
            stored_digest: Digest([0; 32]),
            digest: Digest([0; 32]),
        });
        let target = Arch::X86_64;
        let variant =
            manifest.variant(&NewVariant { target, level: 0, app, shared: None, loader: b"", rules });
        manifest.entry(&NewEntry { variant, name: b"app", path: b"app", rules: &[] });
    }
    let manifest_offset = bytes.len() as u64;
    let manifest = manifest.finish(manifest_offset).expect("the format allows it");
    let footer = Footer {
        file_length: manifest_offset + (manifest.len() + Footer::LEN) as u64,
        manifest_offset,
        manifest_length: manifest.len() as u64,
        signatures_length: 0,
        manifest_digest: Digest(Sha256::digest(&manifest).into()),
    };
    bytes.extend_from_slice(&manifest);
    bytes.extend_from_slice(&footer.encode());
    bytes
}
