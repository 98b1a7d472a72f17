//! What the launcher unpacks: its Zstandard decoder, against zstd itself, and its tar reader.

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;

use bundle::{Arch, BlobKind, Digest, Encoding, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant};
use launcher::blob_reader::BlobReader;
use launcher::bundle_file::BundleFile;
use launcher::tar::{Kind, TarReader};
use launcher::zstd::Decoder;
use sha2::{Digest as _, Sha256};

use crate::{launched, reference, scratch};

/// No more than this is unpacked of one input.
const MOST: usize = 1 << 18;

/// What both take, both unpack to the same bytes.
pub(crate) fn zstd(input: &[u8]) {
    launched(|| compare(input));
}

fn compare(input: &[u8]) {
    let ours = decode(input);
    let theirs = reference::unpack_frame(input, MOST);
    // Each refuses some frames that the other takes: zstd some codes that the RFC allows, ours a dictionary, say.
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
    let decoder = Decoder::open(&mut fill)?;
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

/// The tar reader over a bundle whose app is this stream: every member that it gives out is inside the tree.
pub(crate) fn tar(input: &[u8]) {
    let path = scratch::file(&bundle_around(input));
    let path = CString::new(path.as_os_str().as_bytes()).expect("a path without NUL");
    launched(|| read_all(&path));
}

fn read_all(path: &CStr) {
    let Ok(file) = BundleFile::open(path) else { panic!("an honest bundle") };
    let Ok(manifest) = file.manifest() else { panic!("an honest manifest") };
    let blob = manifest.blobs().next().expect("a blob");
    let Ok(bytes) = BlobReader::open(file, blob) else { panic!("an honest frame") };
    let mut members = TarReader::new(bytes);
    let mut last: &[u8] = b"";
    let mut piece = [0; 700];
    loop {
        let member = match members.next_member() {
            Ok(Some(member)) => member,
            Ok(None) => break,
            Err(_) => return,
        };
        assert!(bundle::is_tree_path(member.path) && member.path > last, "{:?}", member.path);
        last = member.path;
        match member.kind {
            Kind::File { size, .. } => {
                let mut left = size;
                while let Ok(read @ 1..) = members.content(&mut piece) {
                    left = left.checked_sub(read as u64).expect("no more than its header says");
                }
            }
            Kind::Symlink(target) => assert!(!target.is_empty() && target[0] != b'/'),
            Kind::Hardlink(target) => assert!(bundle::is_tree_path(target)),
            Kind::Directory => {}
        }
    }
    // The digest is right, so that nothing but the archive itself can be refused.
    assert!(members.finish().is_ok());
}

/// A bundle of one app, in a frame of raw blocks.
fn bundle_around(tar: &[u8]) -> Vec<u8> {
    // Magic, one byte of window (64 MiB); RFC 8878, 3.1.1.
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (26 - 10) << 3];
    let mut blocks = tar.chunks(100_000).peekable();
    while let Some(block) = blocks.next() {
        let header = u32::try_from(block.len() << 3).expect("24 bits") | u32::from(blocks.peek().is_none());
        bytes.extend_from_slice(&header.to_le_bytes()[..3]);
        bytes.extend_from_slice(block);
    }
    if tar.is_empty() {
        bytes.extend_from_slice(&[1, 0, 0]);
    }
    let mut manifest = ManifestBuilder::new();
    let app = manifest.blob(&NewBlob {
        kind: BlobKind::App,
        encoding: Encoding::TarZstd,
        offset: 0,
        stored: bytes.len() as u64,
        length: tar.len() as u64,
        stored_digest: Digest([0; 32]),
        digest: Digest(Sha256::digest(tar).into()),
    });
    let target = Arch::X86_64;
    let variant = manifest.variant(&NewVariant { target, level: 0, app, loader: b"", rules: &[] });
    manifest.entry(&NewEntry { variant, name: b"app", path: b"app", rules: &[] });
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
