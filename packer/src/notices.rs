//! What a distributor of a bundle owes to the authors of its parts: licences, and where the exact source is.

use std::fmt::Write;
use std::io::Read;

use bundle::BlobKind;

use crate::error::{Error, readable};
use crate::write::bundle_file::BundleFile;

/// What is owed for one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    /// SPDX expression.
    pub(crate) licence: String,
    /// The exact source: name and version.
    pub(crate) source: String,
    /// Where the part came from and how that was checked.
    pub(crate) origin: String,
    /// The licence texts.
    pub(crate) text: String,
}

/// What is owed for both, as one.
pub(crate) fn together(first: Option<Owed>, second: Option<Owed>) -> Option<Owed> {
    let (Some(first), Some(second)) = (&first, &second) else { return first.or(second) };
    let both =
        |first: &str, second: &str| once([first, second].into_iter().flat_map(|list| list.split(", ")));
    Some(Owed {
        // Expressions of SPDX.
        licence: match (&first.licence[..], &second.licence[..]) {
            (one, other) if one == other => one.to_owned(),
            (one, other) => format!("({one}) AND ({other})"),
        },
        source: both(&first.source, &second.source),
        origin: format!("{}, {}", first.origin, second.origin),
        text: format!("{}\n{}", first.text, second.text),
    })
}

/// The parts of a list, each where it is first: many packages come of one source.
pub(crate) fn once<Part: AsRef<str>>(parts: impl Iterator<Item = Part>) -> String {
    let mut all: Vec<String> = Vec::new();
    for part in parts {
        if !all.iter().any(|known| known == part.as_ref()) {
            all.push(part.as_ref().to_owned());
        }
    }
    all.join(", ")
}

/// Everything of that kind that a bundle carries, as one text; each licence text once.
pub(crate) fn of_bundle(bundle: &BundleFile) -> Result<String, Error> {
    let manifest = bundle.manifest()?;
    let mut text = String::new();
    for notice in manifest.notices() {
        let _ = writeln!(
            text,
            "{}\n  licence: {}\n  source:  {}\n  origin:  {}\n",
            crate::commands::verify::name(&manifest, &notice.subject),
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
        text += &readable(&bytes);
        text += "\n";
    }
    Ok(text)
}
