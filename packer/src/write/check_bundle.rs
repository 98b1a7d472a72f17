//! Every byte of a bundle accounted for: blobs match their digests stored and unpacked, what lies between
//! them is zero, and each signature is by the key that it names. The first damaged part is named; nothing
//! is repaired.

use std::io::Read as _;

use bundle::Blob;

use crate::bounds::unpacked_max;
use crate::error::Error;
use crate::write::bundle_file::{BundleFile, blob_name};
use crate::write::{read_back, signature_rows};

/// Refuses what claims to unpack to more than is plausible for its size.
pub(crate) fn plausible(bundle: &BundleFile) -> Result<(), Error> {
    let manifest = bundle.manifest()?;
    for blob in manifest.blobs() {
        let (stored, length, most) = (blob.stored(), blob.length(), unpacked_max(blob.stored()));
        if length > most {
            let (path, part) = (bundle.path().to_owned(), blob_name(&manifest, &blob));
            return Err(Error::Implausible { path, part, stored, length, most });
        }
    }
    Ok(())
}

/// Checks all of `bundle`; its trees as a launcher checks them.
pub(crate) fn whole(bundle: &BundleFile) -> Result<(), Error> {
    whole_but(bundle, |_| false)
}

/// Checks every byte of `bundle` as it is stored, and unpacks nothing.
pub(crate) fn check_stored(bundle: &BundleFile) -> Result<(), Error> {
    whole_but(bundle, |_| true)
}

/// Checks every byte of `bundle` as it is stored, and unpacks all blobs but those that are `known`: whose
/// stored bytes were unpacked before, as their digests tell.
pub(crate) fn whole_but(bundle: &BundleFile, known: impl Fn(&Blob<'_>) -> bool) -> Result<(), Error> {
    read_back::check(bundle, |blob| !known(blob))?;
    check_gaps(bundle, &bundle.manifest()?.blobs().collect::<Vec<_>>())?;
    signature_rows::check(bundle)
}

/// The decoder has checked that blobs are in order and none overlaps, so that gaps are what is left between
/// them.
fn check_gaps(bundle: &BundleFile, blobs: &[Blob<'_>]) -> Result<(), Error> {
    let mut free = 0;
    let starts = blobs.iter().map(Blob::offset).chain([bundle.footer.manifest_offset]);
    let ends = blobs.iter().map(|blob| blob.offset().saturating_add(blob.stored())).chain([0]);
    for (start, end) in starts.zip(ends) {
        let mut gap = bundle.range(free, start.saturating_sub(free));
        let mut at = free;
        let mut buffer = [0; 4096];
        loop {
            let length = gap.read(&mut buffer).map_err(|source| Error::io("read", bundle.path(), source))?;
            if length == 0 {
                break;
            }
            if let Some(within) = buffer[..length].iter().position(|byte| *byte != 0) {
                let text = format!("byte {} is not zero", at + within as u64);
                return Err(Error::damaged(bundle.path(), "gap between parts", &text));
            }
            at += length as u64;
        }
        free = end;
    }
    Ok(())
}
