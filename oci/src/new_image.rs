//! New images: configurations, manifests and one index of them, as the OCI image specification defines them.
//! The same parts give the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use bundle::Digest;
use serde::Serialize;

use crate::descriptor::BlobDigest;
use crate::json;
use crate::layer::NewLayer;
use crate::new_blob::NewBlob;
use crate::platform::Platform;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// How an image's program is started.
#[derive(Clone, Debug, Default)]
pub struct NewConfig {
    /// `USER[:GROUP]`; empty means root.
    pub user: String,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// Default arguments, which the user's replace.
    pub command: Vec<String>,
    /// The working directory.
    pub directory: String,
    /// The signal that stops it, by name or number.
    pub stop_signal: Option<String>,
    /// Labels, for people and tools.
    pub labels: BTreeMap<String, String>,
}

/// An image for one platform.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// The platform that it is for.
    pub platform: Platform,
    /// How its program is started.
    pub config: NewConfig,
    /// Its layers, the lowest first.
    pub layers: Vec<NewLayer>,
}

/// Images for several platforms under one name.
#[derive(Debug)]
pub struct NewIndex {
    /// Layers and configurations, each once.
    pub(crate) blobs: Vec<NewBlob>,
    /// In the order of the images.
    pub(crate) manifests: Vec<NewManifest>,
    pub(crate) index: NewBlob,
}

#[derive(Debug)]
pub(crate) struct NewManifest {
    pub(crate) platform: Platform,
    pub(crate) blob: NewBlob,
    pub(crate) config: BlobDigest,
    pub(crate) layers: Vec<BlobDigest>,
}

impl NewIndex {
    /// The index of `images`. `created` is the time that all of them get, in the form of RFC 3339.
    pub fn new(images: &[NewImage], annotations: &BTreeMap<String, String>, created: &str) -> Self {
        let mut kept = BTreeSet::new();
        let mut in_order = Vec::new();
        let mut keep = |blob: &NewBlob| {
            if kept.insert(blob.digest()) {
                in_order.push(blob.clone());
            }
        };
        let mut manifests = Vec::new();
        for image in images {
            for layer in &image.layers {
                keep(&layer.blob);
            }
            let config = config(image, created);
            keep(&config);
            let layers: Vec<&NewBlob> = image.layers.iter().map(|layer| &layer.blob).collect();
            let document = Manifest {
                schema_version: 2,
                media_type: MANIFEST,
                config: Descriptor::of(&config),
                layers: layers.iter().map(|blob| Descriptor::of(blob)).collect(),
                annotations,
            };
            manifests.push(NewManifest {
                platform: image.platform.clone(),
                blob: NewBlob::of_bytes(&json::write(&document), MANIFEST),
                config: config.digest(),
                layers: layers.iter().map(|blob| blob.digest()).collect(),
            });
        }
        let rows = manifests.iter().map(|manifest| Descriptor {
            platform: Some(Claim::of(&manifest.platform)),
            ..Descriptor::of(&manifest.blob)
        });
        let document = Index { schema_version: 2, media_type: INDEX, manifests: rows.collect(), annotations };
        let index = NewBlob::of_bytes(&json::write(&document), INDEX);
        Self { blobs: in_order, manifests, index }
    }

    /// SHA-256 of the index, by which it can be named.
    pub fn digest(&self) -> Digest {
        self.index.digest().0
    }

    /// SHA-256 of each image's manifest.
    pub fn images(&self) -> impl Iterator<Item = (&Platform, Digest)> {
        self.manifests.iter().map(|manifest| (&manifest.platform, manifest.blob.digest().0))
    }

    /// The length of all parts together, in bytes.
    pub fn length(&self) -> u64 {
        self.all().map(NewBlob::length).sum()
    }

    /// All parts, each after those that it names.
    pub(crate) fn all(&self) -> impl Iterator<Item = &NewBlob> {
        self.blobs.iter().chain(self.manifests.iter().map(|manifest| &manifest.blob)).chain([&self.index])
    }
}

fn config(image: &NewImage, created: &str) -> NewBlob {
    let NewImage { platform, config, layers } = image;
    let document = Config {
        created,
        architecture: &platform.architecture,
        os: "linux",
        variant: &platform.variant,
        start: Start {
            user: &config.user,
            env: &config.environment,
            entrypoint: &config.entrypoint,
            cmd: &config.command,
            working_dir: &config.directory,
            labels: &config.labels,
            stop_signal: config.stop_signal.as_deref(),
        },
        rootfs: RootFs {
            kind: "layers",
            diff_ids: layers.iter().map(|layer| BlobDigest(layer.unpacked).to_string()).collect(),
        },
        history: layers.iter().map(|layer| History { created, created_by: &layer.what }).collect(),
    };
    NewBlob::of_bytes(&json::write(&document), CONFIG)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor<'a> {
    pub(crate) media_type: &'static str,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Claim<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<&'static str, &'a str>,
}

impl Descriptor<'_> {
    pub(crate) fn of(blob: &NewBlob) -> Self {
        let (media_type, digest, size) = (blob.media_type(), blob.digest().to_string(), blob.length());
        Self { media_type, digest, size, platform: None, annotations: BTreeMap::new() }
    }
}

#[derive(Serialize)]
pub(crate) struct Claim<'a> {
    architecture: &'a str,
    os: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    variant: &'a str,
}

impl<'a> Claim<'a> {
    fn of(platform: &'a Platform) -> Self {
        Self { architecture: &platform.architecture, os: "linux", variant: &platform.variant }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index<'a> {
    pub(crate) schema_version: u32,
    pub(crate) media_type: &'static str,
    pub(crate) manifests: Vec<Descriptor<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor<'a>,
    layers: Vec<Descriptor<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Config<'a> {
    created: &'a str,
    architecture: &'a str,
    os: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    variant: &'a str,
    #[serde(rename = "config")]
    start: Start<'a>,
    rootfs: RootFs,
    history: Vec<History<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Start<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    user: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    env: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    entrypoint: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    cmd: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    working_dir: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<&'a str>,
}

#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
struct History<'a> {
    created: &'a str,
    created_by: &'a str,
}
