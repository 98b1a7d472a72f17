//! What was written, unpacked by the launcher's own decoders before it gets its name: so that no bundle is
//! published which its launcher cannot unpack. The one file that names crate `launcher`.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use bundle::{Blob, Encoding};
use launcher::blob_reader::BlobReader;
use launcher::bundle_file::BundleFile;
use launcher::tar::{Kind, TarReader};

use crate::error::{Error, readable};
use crate::write::bundle_file::blob_name;
use crate::write::compress;

/// Contents of files are read in pieces of this size.
const PIECE: usize = 128 * 1024;

/// Unpacks every blob of the bundle in `file`, which messages call `path`, and compares length and digest.
/// Nothing is kept but names and the decoder's window.
pub(crate) fn check(file: &File, path: &Path) -> Result<(), Error> {
    // It has no name yet.
    let link = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
    let told = |error: launcher::error::Error| error.text().to_vec();
    let unreadable = |text: Vec<u8>| {
        Error::damaged(path, "bundle", &format!("the launcher cannot read it: {}", readable(&text)))
    };
    let bundle = BundleFile::open(&link).map_err(told).map_err(unreadable)?;
    let manifest = bundle.manifest().map_err(told).map_err(unreadable)?;
    let blobs: Vec<Blob<'_>> = manifest.blobs().collect();
    let checked = compress::each(blobs, |blob| {
        unpack(bundle, blob).map_err(|error| {
            let part = blob_name(&manifest, &blob);
            let text = format!("the launcher cannot unpack it: {}", readable(error.text()));
            Error::damaged(path, &part, &text)
        })
    });
    checked.into_iter().collect()
}

fn unpack(bundle: &BundleFile<'_>, blob: Blob<'_>) -> Result<(), launcher::error::Error> {
    let mut bytes = BlobReader::open(bundle, blob)?;
    match blob.encoding {
        Encoding::Raw | Encoding::Zstd => bytes.finish(),
        Encoding::TarZstd => {
            let mut members = TarReader::new(bytes);
            let mut piece = vec![0; PIECE];
            while let Some(member) = members.next_member()? {
                match member.kind {
                    Kind::File { .. } => while members.content(&mut piece)? != 0 {},
                    Kind::Directory | Kind::Symlink(_) | Kind::Hardlink(_) => {}
                }
            }
            members.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bundle::{Arch, BlobKind, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant};

    use super::*;
    use crate::hash;
    use crate::write::tarball;

    /// A bundle without a stub, of one app: this tar stream, compressed with a window of `1 << window` bytes.
    fn checked(tar: &[u8], window: u32) -> Result<(), String> {
        let mut bytes = compress::frame_with_window(tar, window).expect("zstd knows such windows");
        let mut manifest = ManifestBuilder::new();
        let stored = bytes.len() as u64;
        let app = manifest.blob(&NewBlob {
            kind: BlobKind::App,
            encoding: Encoding::TarZstd,
            offset: 0,
            stored,
            length: tar.len() as u64,
            stored_digest: hash::of(&bytes),
            digest: hash::of(tar),
        });
        let target = Arch::Riscv64;
        let variant =
            manifest.variant(&NewVariant { target, level: 0, app, shared: None, loader: b"", rules: &[] });
        manifest.entry(&NewEntry { variant, name: b"app", path: b"app", rules: &[] });
        let manifest = manifest.finish(stored).expect("the format allows it");
        let footer = Footer {
            file_length: stored + (manifest.len() + Footer::LEN) as u64,
            manifest_offset: stored,
            manifest_length: manifest.len() as u64,
            signatures_length: 0,
            manifest_digest: hash::of(&manifest),
        };
        bytes.extend_from_slice(&manifest);
        bytes.extend_from_slice(&footer.encode());
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("it can be written");
        check(&file, Path::new("app.bundle")).map_err(|error| error.to_string())
    }

    fn tar(kind: u8) -> Vec<u8> {
        tarball::one_of_type(kind, "app").expect("memory can be written")
    }

    #[test]
    fn a_window_that_is_too_large_for_the_launcher_is_refused() {
        let refused = checked(&tar(b'0'), 27).expect_err("a window of 128 MiB");
        assert!(refused.contains("the launcher cannot unpack it"), "{refused}");
        assert_eq!(checked(&tar(b'0'), 26), Ok(()));
    }

    #[test]
    fn a_member_that_the_launcher_does_not_know_is_refused() {
        // A FIFO, and a PAX header.
        for kind in [b'6', b'x'] {
            let refused = checked(&tar(kind), 20).expect_err("a member of another type");
            assert!(refused.contains("neither a file, a directory nor a link"), "{refused}");
        }
        assert_eq!(checked(&tar(b'0'), 20), Ok(()));
    }
}
