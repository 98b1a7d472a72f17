//! Container images by hand: layers, configurations, manifests and indexes, as an OCI layout, as its archive,
//! and as `docker save` writes one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use end_to_end::{file, raw_tar};

use super::sha256;

/// A blob that something names by digest and size.
#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
}

impl Blob {
    pub(crate) fn digest(&self) -> String {
        format!("sha256:{}", sha256(&self.bytes))
    }

    /// A descriptor with `more` fields.
    pub(crate) fn descriptor(&self, more: &str) -> String {
        format!(
            r#"{{"mediaType":"{}","digest":"{}","size":{}{more}}}"#,
            self.media_type,
            self.digest(),
            self.bytes.len()
        )
    }
}

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// One image and all its blobs.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) manifest: Blob,
    pub(crate) config: Blob,
    pub(crate) layers: Vec<Blob>,
    platform: String,
}

impl Image {
    /// For a platform such as `arm64`; `config` is the configuration's inner part. Layers are tar streams,
    /// stored as they are.
    pub(crate) fn new(architecture: &str, config: &str, layers: &[Vec<u8>]) -> Self {
        let layers: Vec<Blob> =
            layers.iter().map(|bytes| Blob { media_type: LAYER, bytes: bytes.clone() }).collect();
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("\"{}\"", layer.digest())).collect();
        let config = format!(
            r#"{{"architecture":"{architecture}","os":"linux","config":{config},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        );
        let config = Blob { media_type: CONFIG, bytes: config.into_bytes() };
        let rows: Vec<String> = layers.iter().map(|layer| layer.descriptor("")).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{}]}}"#,
            config.descriptor(""),
            rows.join(",")
        );
        let manifest = Blob { media_type: MANIFEST, bytes: manifest.into_bytes() };
        let platform = format!(r#","platform":{{"os":"linux","architecture":"{architecture}"}}"#);
        Self { manifest, config, layers, platform }
    }

    pub(crate) fn blobs(&self) -> Vec<Blob> {
        [&self.manifest, &self.config].into_iter().chain(&self.layers).cloned().collect()
    }
}

/// An index of several images.
pub(crate) fn index(images: &[Image]) -> Blob {
    let rows: Vec<String> = images.iter().map(|image| image.manifest.descriptor(&image.platform)).collect();
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#, rows.join(","));
    Blob { media_type: INDEX, bytes: text.into_bytes() }
}

/// The files of a layout with these blobs; its index names `roots` with further fields.
pub(crate) fn layout(roots: &[(&Blob, &str)], blobs: &[Blob]) -> BTreeMap<String, Vec<u8>> {
    let rows: Vec<String> = roots.iter().map(|(root, more)| root.descriptor(more)).collect();
    let mut files = BTreeMap::new();
    files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, rows.join(","));
    files.insert("index.json".to_owned(), index.into_bytes());
    for blob in blobs.iter().chain(roots.iter().map(|(root, _)| *root)) {
        files.insert(format!("blobs/{}", blob.digest().replace(':', "/")), blob.bytes.clone());
    }
    files
}

/// Writes files into a directory.
pub(crate) fn write(directory: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (name, bytes) in files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, bytes).expect("written");
    }
}

/// The same as a tar archive.
pub(crate) fn archive(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    raw_tar(&files.iter().map(|(name, bytes)| file(name, 0o644, bytes)).collect::<Vec<_>>())
}
