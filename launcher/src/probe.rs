//! The stub's question to a launcher that it has just cut out: do you run here, and are you what the bundle holds?

use core::ffi::CStr;

use bundle::Manifest;
use sha2::{Digest as _, Sha256};

use crate::blob_reader::BlobReader;
use crate::bundle_file::BundleFile;
use crate::bytes::zeroed;
use crate::error::Error;
use crate::route::HOST;
use crate::start::Start;
use crate::sys::{self, At, OFlags};

/// Exit code 0 when the launcher's own file has the digest that the manifest gives for this host.
pub fn launcher_is_intact(
    start: &Start<'_>,
    file: &BundleFile<'_>,
    manifest: &Manifest<'_>,
) -> Result<i32, Error> {
    let damaged = || Error::damaged(file.name(), b"launcher");
    let launcher = manifest.launchers().find(|launcher| launcher.host == HOST).ok_or_else(damaged)?;
    // The bytes in the bundle first: they are what the next run would cut out.
    BlobReader::open(file, launcher.blob)?.finish()?;
    let own = start.launcher.ok_or_else(damaged)?;
    if digest_of_file(own, launcher.blob.length) == Some(launcher.blob.digest.0) {
        Ok(0)
    } else {
        Err(damaged())
    }
}

/// SHA-256 of the first `length` bytes of a file; the stub cuts out whole blocks, so zeros follow.
fn digest_of_file(path: &CStr, length: u64) -> Option<[u8; 32]> {
    let fd = sys::openat(At::CWD, path, OFlags::READ, 0).ok()?;
    let mut hasher = Sha256::new();
    let piece = zeroed(64 * 1024);
    let mut offset = 0u64;
    while offset < length {
        let want = usize::try_from(length.saturating_sub(offset)).unwrap_or(usize::MAX).min(piece.len());
        let read = fd.pread(piece.get_mut(..want)?, offset).ok().filter(|read| *read != 0)?;
        hasher.update(piece.get(..read)?);
        offset = offset.saturating_add(read as u64);
    }
    Some(hasher.finalize().into())
}
