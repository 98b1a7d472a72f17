//! Selects images below what a reference names: follows nested indexes, finds the platform of each image, and
//! picks the wanted ones.

use std::path::Path;

use inputs::Allowance;
use sha2::{Digest as _, Sha256};

use crate::config::Document;
use crate::descriptor::{BlobDigest, Claim, Descriptor, Index, Manifest, Outline};
use crate::error::OciError;
use crate::image::{Found, Image};
use crate::json;
use crate::platform::Platform;
use crate::stored::{Layer, Stored};

/// How deep indexes may be nested, and how many images they may name.
const DEPTH_MAX: usize = 8;
const IMAGES_MAX: usize = 1000;

/// More layers than any builder makes.
pub(crate) const LAYERS_MAX: usize = 512;

/// What marks a manifest that is no image but says something about one.
const ABOUT: &str = "vnd.docker.reference.type";

/// Where blobs come from. Whatever it hands over has the digest and the size of its descriptor.
pub(crate) trait Source {
    /// What messages call it.
    fn name(&self) -> String;
    /// A layer.
    fn blob(&self, descriptor: &Descriptor) -> Result<Stored, OciError>;
    /// Index, manifest or configuration.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, OciError>;
}

/// An image that could be taken.
struct Candidate {
    descriptor: Descriptor,
    claim: Claim,
}

/// The images below `roots` for the platforms that are wanted.
pub(crate) fn images(
    source: &dyn Source,
    roots: Vec<Descriptor>,
    wanted: &[Platform],
) -> Result<Vec<Image>, OciError> {
    let chosen = chosen(source, roots, wanted)?;
    chosen.into_iter().map(|(platform, descriptor)| image(source, platform, &descriptor)).collect()
}

/// The same, without their layers.
pub(crate) fn found(
    source: &dyn Source,
    roots: Vec<Descriptor>,
    wanted: &[Platform],
) -> Result<Vec<Found>, OciError> {
    let chosen = chosen(source, roots, wanted)?;
    let found = chosen.into_iter().map(|(platform, of)| Found { platform, digest: of.digest.0 });
    Ok(found.collect())
}

/// For each wanted platform the manifest below `roots` that serves it best.
fn chosen(
    source: &dyn Source,
    roots: Vec<Descriptor>,
    wanted: &[Platform],
) -> Result<Vec<(Platform, Descriptor)>, OciError> {
    let mut found = Vec::new();
    for root in roots {
        walk(source, root, DEPTH_MAX, &mut found)?;
    }
    let claims: Vec<&Claim> = found.iter().map(|candidate| &candidate.claim).collect();
    let chosen = choose(&source.name(), &claims, wanted)?;
    Ok(chosen.into_iter().map(|(platform, at)| (platform, found[at].descriptor.clone())).collect())
}

/// For each wanted platform the image that serves it best.
pub(crate) fn choose(
    name: &str,
    claims: &[&Claim],
    wanted: &[Platform],
) -> Result<Vec<(Platform, usize)>, OciError> {
    let own: Vec<Platform> = Platform::of_this_machine().into_iter().collect();
    let mut all: Vec<(Platform, usize)> = Vec::new();
    for wanted in if wanted.is_empty() { &own } else { wanted } {
        let serves = |claim: &Claim| claim.platform().map_or(0, |platform| platform.serves(wanted));
        let best = claims.iter().enumerate().rev().max_by_key(|(_, claim)| serves(claim));
        let Some((at, _)) = best.filter(|(_, claim)| serves(claim) != 0) else {
            let mut has: Vec<String> = claims.iter().map(|claim| claim.shown()).collect();
            has.sort();
            has.dedup();
            return Err(OciError::Platform { name: name.to_owned(), wanted: wanted.to_string(), has });
        };
        if all.iter().all(|(known, _)| known != wanted) {
            all.push((wanted.clone(), at));
        }
    }
    Ok(all)
}

fn is_index(media_type: &str) -> bool {
    media_type.contains("image.index.") || media_type.contains("manifest.list.")
}

fn is_manifest(media_type: &str) -> bool {
    media_type.contains("image.manifest.") || media_type.contains("distribution.manifest.v2")
}

/// Collects the images that `descriptor` names.
fn walk(
    source: &dyn Source,
    descriptor: Descriptor,
    depth: usize,
    found: &mut Vec<Candidate>,
) -> Result<(), OciError> {
    let name = source.name();
    if descriptor.annotations.contains_key(ABOUT) {
        return Ok(());
    }
    if found.len() >= IMAGES_MAX || depth == 0 {
        return Err(OciError::form(&name, "its indexes name too many images, or are nested too deep"));
    }
    if is_manifest(&descriptor.media_type)
        && let Some(claim) = descriptor.platform.clone().filter(|claim| !claim.os.is_empty())
    {
        // What builders attach to images, such as how they were built.
        if claim.os != "unknown" {
            found.push(Candidate { descriptor, claim });
        }
        return Ok(());
    }
    let bytes = source.document(&descriptor)?;
    let outline: Outline = parsed(&name, &descriptor.digest, &bytes)?;
    if is_index(&descriptor.media_type) || outline.manifests.is_some() {
        let Index { manifests } = parsed(&name, &descriptor.digest, &bytes)?;
        return manifests.into_iter().try_for_each(|one| walk(source, one, depth - 1, found));
    }
    if outline.config.is_none() {
        let why = match outline.schema_version {
            Some(1) => "its manifest has the form of Docker before 1.10 (schema 1)",
            _ => "its manifest is neither an image's nor an index",
        };
        return Err(OciError::form(&name, why));
    }
    let Manifest { config, .. } = parsed(&name, &descriptor.digest, &bytes)?;
    let Document { claim, .. } = configuration(source, &config)?;
    found.push(Candidate { descriptor, claim });
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(
    name: &str,
    digest: &BlobDigest,
    bytes: &[u8],
) -> Result<T, OciError> {
    json::read(bytes).map_err(|why| OciError::form(&format!("{name}: {digest}"), why))
}

fn configuration(source: &dyn Source, descriptor: &Descriptor) -> Result<Document, OciError> {
    let kind = descriptor.media_type.as_str();
    let is_images = kind.contains("image.config.") || kind.contains("container.image.") || kind.is_empty();
    if !is_images {
        return Err(OciError::form(&source.name(), format!("it is no image but `{kind}`")));
    }
    let bytes = source.document(descriptor)?;
    Document::read(&bytes)
        .map_err(|why| OciError::form(&format!("{}: {}", source.name(), descriptor.digest), why))
}

/// All of one image.
fn image(source: &dyn Source, platform: Platform, descriptor: &Descriptor) -> Result<Image, OciError> {
    let name = source.name();
    let bytes = source.document(descriptor)?;
    let Manifest { config, layers } = parsed(&name, &descriptor.digest, &bytes)?;
    let Document { diff_ids, config, .. } = configuration(source, &config)?;
    if diff_ids.len() != layers.len() || layers.len() > LAYERS_MAX {
        let why = format!("it has {} layers, and its configuration names {}", layers.len(), diff_ids.len());
        return Err(OciError::form(&name, why));
    }
    let mut stored = Vec::new();
    let mut allowance = Allowance::of(0);
    for (layer, diff_id) in layers.iter().zip(&diff_ids) {
        let kind = layer.media_type.as_str();
        let is_layer = kind.contains("image.layer.") || kind.contains("image.rootfs.");
        if !is_layer || kind.contains("encrypted") {
            return Err(OciError::form(&name, format!("a layer of it is `{kind}`")));
        }
        let blob = source.blob(layer)?;
        check_unpacked(&name, &layer.digest.to_string(), &blob, diff_id, &mut allowance)?;
        stored.push(Layer { stored: blob, name: format!("{name}: {}", layer.digest) });
    }
    Ok(Image { platform, digest: descriptor.digest.0, config, layers: stored })
}

/// Compares the SHA-256 of a layer, uncompressed, with what the configuration says. The layers of an image
/// share an allowance.
pub(crate) fn check_unpacked(
    name: &str,
    part: &str,
    stored: &Stored,
    expected: &BlobDigest,
    allowance: &mut Allowance,
) -> Result<(), OciError> {
    let mut state = Sha256::new();
    let path = format!("{name}: {part}");
    allowance.add(stored.length);
    inputs::decode(stored.reader(), Path::new(&path), allowance, &mut |piece| state.update(piece))?;
    let found = bundle::Digest(state.finalize().into());
    if found == expected.0 {
        return Ok(());
    }
    Err(OciError::damaged(name, &part, format!("unpacks to sha256:{found}, not to {expected}")))
}
