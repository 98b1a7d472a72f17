//! Archives of `docker save` and their like (the Docker image specification 1.2, "Combined Image JSON +
//! Filesystem Changeset Format"): `manifest.json` names a configuration and layers. A configuration is named
//! by its digest; layers are compared with what it says of them.

use bundle::Digest;
use inputs::Allowance;
use serde::Deserialize;

use crate::archive::Archive;
use crate::config::Document;
use crate::descriptor::BlobDigest;
use crate::error::OciError;
use crate::image::{Found, Image};
use crate::json;
use crate::layout::is_tag;
use crate::platform::Platform;
use crate::select::{LAYERS_MAX, check_unpacked, choose};
use crate::stored::{Layer, digest_of};

/// One image of the archive.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// What is said of all images, and for each wanted platform the one that serves it best.
type Chosen = (Vec<Row>, Vec<(Digest, Document)>, Vec<(Platform, usize)>);

/// The images in `files` for the platforms that are wanted.
pub(crate) fn images(
    files: &Archive,
    tag: Option<&str>,
    wanted: &[Platform],
) -> Result<Vec<Image>, OciError> {
    let (rows, documents, chosen) = chosen(files, tag, wanted)?;
    let image = |(platform, at): (Platform, usize)| {
        let (digest, document) = &documents[at];
        let paths = rows[at].layers.as_deref().unwrap_or_default();
        let layers = layers(files, paths, &document.diff_ids)?;
        Ok(Image { platform, digest: *digest, config: document.config.clone(), layers })
    };
    chosen.into_iter().map(image).collect()
}

fn chosen(files: &Archive, tag: Option<&str>, wanted: &[Platform]) -> Result<Chosen, OciError> {
    let name = files.name();
    if !files.has("manifest.json") {
        let why = if files.has("repositories") {
            "it was saved by Docker before 1.10"
        } else {
            "it has neither an `index.json` nor a `manifest.json`"
        };
        return Err(OciError::form(&name, why));
    }
    let bytes = files.file("manifest.json")?.bytes(&name)?;
    let mut rows: Vec<Row> =
        json::read(&bytes).map_err(|why| OciError::form(&format!("{name}: manifest.json"), why))?;
    let names = |row: &Row| row.repo_tags.clone().unwrap_or_default();
    let tags: Vec<String> = rows.iter().flat_map(names).collect();
    match tag {
        Some(tag) => {
            rows.retain(|row| names(row).iter().any(|name| is_tag(name, tag)));
            if rows.is_empty() {
                return Err(OciError::NoSuchTag { name, tag: tag.to_owned(), tags });
            }
        }
        None if rows.len() > 1 => return Err(OciError::Several { name, tags }),
        None => {}
    }
    let read = |row: &Row| -> Result<(Digest, Document), OciError> {
        let stored = files.file(&row.config)?;
        let found = digest_of(&mut stored.reader()).map_err(OciError::Temporary)?;
        // `HEX.json`, `sha256:HEX`, or `blobs/sha256/HEX`.
        let named = row.config.rsplit(['/', ':']).next().unwrap_or_default();
        let expected = Digest::from_hex(named.strip_suffix(".json").unwrap_or(named));
        if expected.is_some_and(|expected| expected != found) {
            return Err(OciError::damaged(&name, &row.config, format!("has the digest sha256:{found}")));
        }
        let document = Document::read(&stored.bytes(&name)?);
        let document = document.map_err(|why| OciError::form(&format!("{name}: {}", row.config), why))?;
        Ok((found, document))
    };
    let documents = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let claims: Vec<_> = documents.iter().map(|(_, document)| &document.claim).collect();
    let chosen = choose(&name, &claims, wanted)?;
    Ok((rows, documents, chosen))
}

/// The same, without their layers.
pub(crate) fn found(files: &Archive, tag: Option<&str>, wanted: &[Platform]) -> Result<Vec<Found>, OciError> {
    let (_, documents, chosen) = chosen(files, tag, wanted)?;
    let found = chosen.into_iter().map(|(platform, at)| Found { platform, digest: documents[at].0 });
    Ok(found.collect())
}

/// The layers of one image, compared with its configuration.
fn layers(files: &Archive, paths: &[String], diff_ids: &[BlobDigest]) -> Result<Vec<Layer>, OciError> {
    let name = files.name();
    if paths.len() != diff_ids.len() {
        let why = format!("it has {} layers, and its configuration names {}", paths.len(), diff_ids.len());
        return Err(OciError::form(&name, why));
    }
    if paths.len() > LAYERS_MAX {
        return Err(OciError::form(&name, format!("it has {} layers, more than {LAYERS_MAX}", paths.len())));
    }
    let mut allowance = Allowance::of(0);
    let layer = |(path, diff_id): (&String, &BlobDigest)| {
        let stored = files.file(path)?;
        let as_it_is = digest_of(&mut stored.reader()).map_err(OciError::Temporary)?;
        if as_it_is != diff_id.0 {
            // It may be compressed.
            check_unpacked(&name, path, &stored, diff_id, &mut allowance).map_err(|error| match error {
                OciError::Input(_) => OciError::damaged(
                    &name,
                    &path,
                    format!("has the digest sha256:{as_it_is}, not {diff_id}"),
                ),
                other => other,
            })?;
        }
        Ok(Layer { stored, name: format!("{name}: {path}") })
    };
    paths.iter().zip(diff_ids).map(layer).collect()
}
