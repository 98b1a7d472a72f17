//! Bundles that no `unibin pack` writes, around the real stub and launcher. The only file that touches
//! `zstd`.

use std::io::Write;

use bundle::{
    Arch, Attends, BlobKind, Digest, Encoding, Footer, Frame, FrameTable, ManifestBuilder, NewBlob, NewEntry,
    NewVariant, Rule,
};
use sha2::{Digest as _, Sha256};

use crate::parts::Parts;

/// A bundle for this machine's CPU whose app is given byte by byte.
#[derive(Clone, Debug)]
pub struct Handmade {
    /// The Zstandard frames that are stored, and how long the table says that each is unpacked.
    pub frames: Vec<(Vec<u8>, u64)>,
    /// How many of them hold directories, the first ones.
    pub directories: u32,
    /// How many of them hold links, the last ones.
    pub links: u32,
    /// The digest that the manifest gives for what all of them hold.
    pub digest: Digest,
    /// Its entry's name and path.
    pub entry: &'static str,
    /// The tar archive of a blob that it shares with nobody.
    pub shared: Option<Vec<u8>>,
    /// It is the root of a system: then the model is one, too.
    pub root: bool,
    /// It has the model's broker.
    pub broker: bool,
}

/// The members of a tar archive in the three parts of a tree, each in the archive's order: directories and
/// what announces files, files and whatever else there is, links.
fn parts(tar: &[u8]) -> [Vec<u8>; 3] {
    let mut parts = [const { Vec::new() }; 3];
    let (mut start, mut at) = (0, 0);
    while let Some(header) = tar.get(at..at + 512).filter(|header| header.iter().any(|byte| *byte != 0)) {
        let size =
            str::from_utf8(&header[124..135]).ok().and_then(|size| usize::from_str_radix(size, 8).ok());
        let behind = size.map_or(tar.len(), |size| at + 512 + size.next_multiple_of(512)).min(tar.len());
        at = behind;
        let part = match header[156] {
            // A long name belongs to the member behind it.
            b'L' | b'K' => continue,
            b'5' => 0,
            b'M' if size == Some(0) => 0,
            b'1' | b'2' => 2,
            _ => 1,
        };
        parts[part].extend_from_slice(&tar[start..behind]);
        start = behind;
    }
    parts
}

fn packed(bytes: &[u8]) -> (Vec<u8>, u64) {
    (zstd::bulk::compress(bytes, 3).expect("compressed"), bytes.len() as u64)
}

/// The stored bytes of frames, their table, and what they unpack to.
fn stored(frames: &[(Vec<u8>, u64)], directories: u32, links: u32) -> (Vec<u8>, Vec<u8>, u64) {
    let row = |(frame, length): &(Vec<u8>, u64)| Frame {
        offset: 0,
        stored: frame.len() as u64,
        length: *length,
        digest: sha256(frame),
    };
    let table = FrameTable::encode(&frames.iter().map(row).collect::<Vec<_>>(), directories, links);
    let all = frames.iter().fold(table.clone(), |all, (frame, _)| [all, frame.clone()].concat());
    (all, table, frames.iter().map(|(_, length)| length).sum())
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

impl Handmade {
    /// An app of this tar archive, honestly described.
    pub fn of(tar: &[u8]) -> Self {
        let parts = parts(tar);
        let count = |part: &Vec<u8>| u32::from(!part.is_empty());
        let frames: Vec<_> = parts.iter().filter(|part| !part.is_empty()).map(|part| packed(part)).collect();
        Self {
            frames,
            directories: count(&parts[0]),
            links: count(&parts[2]),
            digest: sha256(&parts.concat()),
            entry: "app",
            shared: None,
            root: false,
            broker: true,
        }
    }

    /// An app of one frame of files, which holds these bytes, whatever they are.
    pub fn files(bytes: &[u8]) -> Self {
        let (frames, digest) = (vec![packed(bytes)], sha256(bytes));
        Self {
            frames,
            directories: 0,
            links: 0,
            digest,
            entry: "app",
            shared: None,
            root: false,
            broker: true,
        }
    }

    /// An app of these frames: directories, files, links, each as it is unpacked.
    pub fn of_frames(directories: &[Vec<u8>], files: &[Vec<u8>], links: &[Vec<u8>]) -> Self {
        let all = [directories, files, links].concat();
        let count = |frames: &[Vec<u8>]| u32::try_from(frames.len()).expect("few frames");
        Self {
            frames: all.iter().map(|frame| packed(frame)).collect(),
            directories: count(directories),
            links: count(links),
            digest: sha256(&all.concat()),
            entry: "app",
            shared: None,
            root: false,
            broker: true,
        }
    }

    /// One of files alone with a frame that demands a window of `1 << log` bytes.
    pub fn with_window(tar: &[u8], log: u32) -> Self {
        let files = &parts(tar)[1];
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 3).expect("encoder");
        encoder.window_log(log).expect("window");
        encoder.write_all(files).expect("compressed");
        let frame = encoder.finish().expect("compressed");
        Self { frames: vec![(frame, files.len() as u64)], ..Self::of(tar) }
    }

    /// The app as it is stored, its table, and how long it is unpacked.
    pub fn stored(&self) -> (Vec<u8>, Vec<u8>, u64) {
        stored(&self.frames, self.directories, self.links)
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
        let (all, table, length) = self.stored();
        let app = manifest.blob(&NewBlob {
            kind: BlobKind::App,
            encoding: if self.root { Encoding::Root } else { Encoding::TarZstd },
            offset: bytes.len() as u64,
            stored: all.len() as u64,
            length,
            stored_digest: sha256(&table),
            digest: self.digest,
        });
        bytes.extend_from_slice(&all);
        let shared = self.shared.as_ref().map(|tar| {
            let made = Self::of(tar);
            let (all, table, length) = stored(&made.frames, made.directories, made.links);
            let number = manifest.blob(&NewBlob {
                kind: BlobKind::App,
                encoding: Encoding::TarZstd,
                offset: bytes.len() as u64,
                stored: all.len() as u64,
                length,
                stored_digest: sha256(&table),
                digest: made.digest,
            });
            bytes.extend_from_slice(&all);
            number
        });
        if self.broker {
            // Which unpacks it.
            let broker = model.manifest().broker(host).expect("a broker").blob;
            let number = manifest.blob(&NewBlob { offset: bytes.len() as u64, ..broker.into() });
            bytes.extend_from_slice(model.blob(BlobKind::Broker));
            manifest.broker(host, if self.root { Attends::Always } else { Attends::Emulated }, number);
        }
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
