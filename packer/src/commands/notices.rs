//! `unibin inspect --notices`: the licences and source packages of everything in a bundle.

use std::fmt::Write;
use std::io::Read;

use bundle::BlobKind;

use crate::error::{Error, readable};
use crate::write::bundle_file::{BundleFile, blob_name};

/// All notices of a bundle as one text; each licence text once.
pub(crate) fn of_bundle(bundle: &BundleFile) -> Result<String, Error> {
    let manifest = bundle.manifest()?;
    let mut text = String::new();
    for notice in manifest.notices() {
        let _ = writeln!(
            text,
            "{}\n  licence: {}\n  source:  {}\n  origin:  {}\n",
            blob_name(&manifest, &notice.subject),
            readable(notice.licence),
            readable(notice.source),
            readable(notice.origin),
        );
    }
    for blob in manifest.blobs().filter(|blob| blob.kind == BlobKind::Notices) {
        let mut bytes = Vec::new();
        let unpacked = bundle
            .unpacked(&blob)
            .and_then(|blob_bytes| blob_bytes.take(blob.length()).read_to_end(&mut bytes));
        unpacked.map_err(|source| Error::damaged(bundle.path(), "notices", &source))?;
        text += &String::from_utf8_lossy(&bytes);
        text += "\n";
    }
    Ok(text)
}
