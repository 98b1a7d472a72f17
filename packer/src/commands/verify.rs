//! `unibin verify`: checks a bundle against its own digests.

use std::path::Path;

use crate::error::{Error, shown};
use crate::write::bundle_file::BundleFile;
use crate::write::check_bundle;

/// Checks the bundle at `path` and reports that it is intact.
pub(crate) fn verify(path: &Path) -> Result<String, Error> {
    let bundle = BundleFile::open(path)?;
    check_bundle::whole(&bundle)?;
    let blobs = bundle.manifest()?.blobs().count();
    Ok(format!("{}: whole: {} bytes, {blobs} blobs\n", shown(path), bundle.footer.file_length))
}
