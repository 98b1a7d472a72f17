//! What the launcher unpacks: its Zstandard decoder, against zstd itself, and its tar reader.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;

use bundle::{
    Arch, Blob, BlobKind, Digest, Encoding, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant, Rule,
    TreePath,
};
use launcher::blob_reader::BlobReader;
use launcher::bundle_file::BundleFile;
use launcher::tar::{Kind, TarReader};
use launcher::zstd::Decoder;
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

fn decode(mut frame: &[u8]) -> Option<Vec<u8>> {
    let mut fill = |out: &mut [u8]| {
        let (now, later) = frame.split_at_checked(out.len())?;
        out.copy_from_slice(now);
        frame = later;
        Some(())
    };
    let mut decoder = Decoder::open(&mut fill)?;
    let (mut all, mut piece) = (Vec::new(), [0; 4093]);
    loop {
        match decoder.read(&mut fill, &mut piece)? {
            0 => return Some(all),
            read => all.extend_from_slice(&piece[..read]),
        }
        if all.len() > MOST {
            return None;
        }
    }
}

/// Space for one frame in the bundle that serves all inputs: the launcher never closes a bundle.
const ROOM: usize = 1 << 16;

thread_local! {
    static BUNDLE: &'static BundleFile<'static> = open();
}

fn open() -> &'static BundleFile<'static> {
    let path = scratch::file(&bundle());
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
    let Ok(file) = BundleFile::open(Box::leak(path.into_boxed_c_str())) else { panic!("an honest bundle") };
    file
}

/// The tar reader over a bundle whose app is this stream, and whose system's root is it too: every member
/// that it yields is inside the tree.
pub(crate) fn tar(input: &[u8]) {
    let file = BUNDLE.with(|file| *file);
    let mut frames = frame(input.get(..ROOM - 64).unwrap_or(input));
    let frame = frames.clone();
    frames.resize(ROOM, 0);
    frames.extend_from_slice(&frame);
    scratch::overwrite(&frames);
    launched(|| {
        let Ok(manifest) = file.manifest() else { panic!("an honest manifest") };
        manifest.blobs().for_each(|blob| read_all(file, blob));
    });
}

fn read_all(file: &BundleFile<'_>, blob: Blob<'_>) {
    let root = blob.encoding == Encoding::Root;
    let Ok(bytes) = BlobReader::open(file, blob) else { panic!("an honest frame") };
    let mut members = TarReader::new(bytes);
    let mut last: &[u8] = b"";
    let mut piece = [0; 700];
    while let Ok(Some(member)) = members.next_member() {
        assert!(TreePath::new(member.path).is_some() && member.path > last, "{:?}", member.path);
        last = member.path;
        assert_eq!(member.owner.is_some(), root, "an owner is a root's");
        match member.kind {
            Kind::File { size, .. } => {
                let mut left = size;
                while let Ok(read @ 1..) = members.content(&mut piece) {
                    left = left.checked_sub(read as u64).expect("no more than its header says");
                }
            }
            Kind::Symlink(target) => assert!(!target.is_empty() && (root || target[0] != b'/')),
            Kind::Hardlink(target) => assert!(TreePath::new(target).is_some()),
            Kind::Directory => {}
        }
    }
    // The manifest's digest matches no stream.
    assert!(members.finish().is_err());
}

/// A frame of one raw block (RFC 8878, 3.1.1): magic, descriptor, a window of 64 MiB.
fn frame(tar: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (26 - 10) << 3];
    let header = u32::try_from(tar.len() << 3).expect("24 bits") | 1;
    bytes.extend_from_slice(&header.to_le_bytes()[..3]);
    bytes.extend_from_slice(tar);
    bytes
}

/// A bundle with an app and a system, whose frames are written later.
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
