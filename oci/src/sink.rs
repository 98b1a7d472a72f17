//! Where images go: OCI layouts as directories and as archives, with crate `tar`, which is used here only. An
//! archive for a single platform is one of `docker save` too, which `docker load` takes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::Serialize;
use tar::{Builder, EntryType, Header};

use crate::descriptor::BlobDigest;
use crate::json;
use crate::new_blob::NewBlob;
use crate::new_image::{Descriptor, INDEX, Index, NewIndex};

/// The file by which a layout is known.
const LAYOUT: (&str, &[u8]) = ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
const TAG: &str = "org.opencontainers.image.ref.name";
/// What containerd, and so `docker load`, calls an image.
const FULL_NAME: &str = "io.containerd.image.name";

/// An image in an archive of `docker save`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl NewIndex {
    /// Writes a layout into `directory`, which is empty.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn write_directory(&self, directory: &Path, tag: &str) -> io::Result<()> {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        for blob in self.all() {
            let mut file = File::create_new(blobs.join(blob.digest().0.to_string()))?;
            copy(blob, &mut file)?;
        }
        fs::write(directory.join("index.json"), self.index_of_layout(tag))?;
        fs::write(directory.join(LAYOUT.0), LAYOUT.1)
    }

    /// Writes an archive of a layout. `name` is what `docker load` calls a single image, with its tag.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn write_archive(&self, to: &mut dyn Write, tag: &str, name: Option<&str>) -> io::Result<()> {
        let mut tar = Builder::new(to);
        for directory in ["blobs", "blobs/sha256"] {
            append(&mut tar, directory, EntryType::Directory, 0, &mut io::empty())?;
        }
        for blob in self.all() {
            append(&mut tar, &path(blob.digest()), EntryType::Regular, blob.length(), &mut blob.reader())?;
        }
        let mut document = |name: &str, bytes: &[u8]| {
            append(&mut tar, name, EntryType::Regular, bytes.len() as u64, &mut &bytes[..])
        };
        document("index.json", &self.index_of_layout(tag))?;
        if let [only] = &self.manifests[..] {
            let saved = Saved {
                config: path(only.config),
                repo_tags: name.map(str::to_owned).into_iter().collect(),
                layers: only.layers.iter().copied().map(path).collect(),
            };
            document("manifest.json", &json::write(&[saved]))?;
        }
        document(LAYOUT.0, LAYOUT.1)?;
        tar.into_inner()?.flush()
    }

    fn index_of_layout(&self, tag: &str) -> Vec<u8> {
        let mut annotations = BTreeMap::from([(TAG, tag)]);
        if tag.contains('/') && tag.contains(':') {
            annotations.insert(FULL_NAME, tag);
        }
        json::write(&Index {
            schema_version: 2,
            media_type: INDEX,
            manifests: vec![Descriptor { annotations, ..Descriptor::of(&self.index) }],
            annotations: &BTreeMap::new(),
        })
    }
}

fn path(digest: BlobDigest) -> String {
    format!("blobs/sha256/{}", digest.0)
}

fn copy(blob: &NewBlob, to: &mut dyn Write) -> io::Result<()> {
    let copied = io::copy(&mut blob.reader(), to)?;
    if copied == blob.length() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn append(
    tar: &mut Builder<&mut dyn Write>,
    path: &str,
    kind: EntryType,
    length: u64,
    content: &mut dyn Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_size(length);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    tar.append_data(&mut header, path, content)
}
