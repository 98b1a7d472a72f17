//! `unibin verify`: whether a bundle is whole, by its own digests.

use std::path::Path;

use crate::error::Error;
use crate::write::bundle_file::BundleFile;
use crate::write::check_bundle;

/// Checks the bundle at `path` and says that it is whole.
pub(crate) fn verify(path: &Path) -> Result<String, Error> {
    let bundle = BundleFile::open(path)?;
    check_bundle::check(&bundle)?;
    let blobs = bundle.manifest()?.blobs().count();
    Ok(format!("{}: whole: {} bytes, {blobs} blobs\n", path.display(), bundle.footer.file_length))
}
