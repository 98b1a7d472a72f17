//! Bundles that no `unibin pack` writes, around the real stub and launcher. The only file that touches
//! `zstd`.

use std::io::Write;

use bundle::{
    Arch, BlobKind, Digest, Encoding, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant, Rule,
};
use sha2::{Digest as _, Sha256};

use crate::parts::Parts;

/// A bundle for this machine's CPU whose app is given byte by byte.
#[derive(Clone, Debug)]
pub struct Handmade {
    /// The Zstandard frame that is stored.
    pub frame: Vec<u8>,
    /// How long the manifest says the tar stream is.
    pub length: u64,
    /// The digest that the manifest gives for the tar stream.
    pub digest: Digest,
    /// Its entry's name and path.
    pub entry: &'static str,
    /// The tar stream of a blob that it shares with nobody.
    pub shared: Option<Vec<u8>>,
    /// It is the root of a system.
    pub root: bool,
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

impl Handmade {
    /// An app of this tar stream, honestly described.
    pub fn of(tar: &[u8]) -> Self {
        let frame = zstd::bulk::compress(tar, 3).expect("compressed");
        Self { frame, length: tar.len() as u64, digest: sha256(tar), entry: "app", shared: None, root: false }
    }

    /// The same with a frame that demands a window of `1 << log` bytes.
    pub fn with_window(tar: &[u8], log: u32) -> Self {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).expect("encoder");
        encoder.window_log(log).expect("window");
        encoder.write_all(tar).expect("compressed");
        Self { frame: encoder.finish().expect("compressed"), ..Self::of(tar) }
    }

    /// The bundle's bytes, with stub and launcher of `model`, a bundle for one host.
    pub fn bytes(&self, model: &Parts) -> Vec<u8> {
        let head = model.blob_range(BlobKind::Launcher).end;
        let mut bytes = model.bytes[..head].to_vec();
        bytes.resize(bytes.len().next_multiple_of(4096), 0);

        let mut manifest = ManifestBuilder::new();
        let first = model.manifest().blobs().filter(|blob| blob.offset() < head as u64);
        let numbers: Vec<u32> = first.map(|blob| manifest.blob(&blob.into())).collect();
        let host = model.manifest().launchers().next().expect("a launcher").host;
        manifest.launcher(host, false, *numbers.last().expect("a launcher's blob"));
        let app = manifest.blob(&NewBlob {
            kind: BlobKind::App,
            encoding: if self.root { Encoding::Root } else { Encoding::TarZstd },
            offset: bytes.len() as u64,
            stored: self.frame.len() as u64,
            length: self.length,
            stored_digest: sha256(&self.frame),
            digest: self.digest,
        });
        bytes.extend_from_slice(&self.frame);
        let shared = self.shared.as_ref().map(|tar| {
            let frame = zstd::bulk::compress(tar, 3).expect("compressed");
            let number = manifest.blob(&NewBlob {
                kind: BlobKind::App,
                encoding: Encoding::TarZstd,
                offset: bytes.len() as u64,
                stored: frame.len() as u64,
                length: tar.len() as u64,
                stored_digest: sha256(&frame),
                digest: sha256(tar),
            });
            bytes.extend_from_slice(&frame);
            number
        });
        let target = Arch::HOST.expect("the tests run on a host");
        let rules: &[Rule<&[u8]>] = if self.root { &[Rule::Root(b"system")] } else { &[] };
        let variant = manifest.variant(&NewVariant { target, level: 0, app, shared, loader: b"", rules });
        let entry = self.entry.as_bytes();
        manifest.entry(&NewEntry { variant, name: entry, path: entry, rules: &[] });

        let manifest_offset = bytes.len() as u64;
        let manifest = manifest.finish(manifest_offset).expect("the format allows it");
        bytes.extend_from_slice(&manifest);
        let footer = Footer {
            file_length: manifest_offset + (manifest.len() + Footer::LEN) as u64,
            manifest_offset,
            manifest_length: manifest.len() as u64,
            signatures_length: 0,
            manifest_digest: sha256(&manifest),
        };
        bytes.extend_from_slice(&footer.encode());
        bytes
    }
}
