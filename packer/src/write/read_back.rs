//! Bundles read by the launcher's own decoders: what was written, before it gets its name, and what `verify`
//! and `extract` are given. So all readers give one answer about a tree: what a launcher refuses, `unibin`
//! refuses. The one file that names crate `launcher`.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use bundle::{Blob, Encoding, Owner};
use launcher::blob_reader::BlobReader;
use launcher::bundle_file::BundleFile;
use launcher::frames::{Frames, has_frames};
use launcher::tar::{Kind, Member, TarReader};

use crate::error::{Error, readable};
use crate::write::bundle_file::blob_name;
use crate::write::tarball::TarEntry;
use crate::write::turns::{self, Turns};

/// Hands every member of a tree's blob to `each`, as a launcher sees them, with its owner in the root of a
/// system, and compares length and digest.
pub(crate) fn members(
    file: &File,
    path: &Path,
    part: &str,
    blob: &Blob<'_>,
    mut each: impl FnMut(&[u8], Option<Owner>, TarEntry<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let damaged = |error: launcher::error::Error| {
        Error::damaged(path, part, &format!("the launcher cannot unpack it: {}", told(error)))
    };
    let link = link_to(file);
    let bundle = BundleFile::open(&link).map_err(damaged)?;
    let mut members = TarReader::open(bundle, *blob).map_err(damaged)?;
    let mut names = Names::default();
    while let Some(member) = members.next_member().map_err(damaged)? {
        names.add(&member).map_err(|why| Error::damaged(path, part, &why))?;
        let entry = match member.kind {
            Kind::Directory => TarEntry::Directory,
            Kind::Symlink(target) => TarEntry::Symlink(target.to_vec()),
            Kind::Hardlink(target) => TarEntry::HardLink(target.to_vec()),
            Kind::File { size, executable, loader } => TarEntry::File {
                executable,
                size,
                content: &mut Contents(&mut members),
                loader: Some(loader.to_vec()).filter(|loader| !loader.is_empty()),
            },
            // The reader puts them together.
            Kind::Piece { .. } => continue,
        };
        each(member.path, member.owner, entry)?;
    }
    members.finish().map_err(damaged)
}

/// The contents of the file that the reader stands at.
struct Contents<'m, 'b>(&'m mut TarReader<'b>);

impl Read for Contents<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.content(buffer.len()).map_err(|error| io::Error::other(told(error)))?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

/// What is wrong, without the launcher's hint.
fn told(error: launcher::error::Error) -> String {
    readable(error.text().split(|byte| *byte == b'\n').next().unwrap_or_default())
}

/// A name for a file that has none.
fn link_to(file: &File) -> CString {
    CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default()
}

/// Unpacks every blob of the bundle in `file`, which messages call `path`, and compares length and digest.
/// Nothing is kept but names and the largest frame, stored and unpacked: as many blobs at once as there is
/// memory for.
pub(crate) fn check(file: &File, path: &Path) -> Result<(), Error> {
    let link = link_to(file);
    let unreadable =
        |text: String| Error::damaged(path, "bundle", &format!("the launcher cannot read it: {text}"));
    let bundle = BundleFile::open(&link).map_err(told).map_err(unreadable)?;
    let manifest = bundle.manifest().map_err(told).map_err(unreadable)?;
    let blobs: Vec<Blob<'_>> = manifest.blobs().collect();
    let checked = turns::each(blobs, |blob| {
        unpack_by(bundle, blob, Turns::of_machine()).map_err(|error| {
            let part = blob_name(&manifest, &blob);
            let text = format!("the launcher cannot unpack it: {error}");
            Error::damaged(path, &part, &text)
        })
    });
    checked.into_iter().collect()
}

/// Unpacks `blob` when there is the memory that its frames take. Nobody who waits here has a turn already.
fn unpack_by(bundle: &BundleFile<'_>, blob: Blob<'_>, turns: &Turns) -> Result<(), String> {
    let memory = if has_frames(blob) { Frames::open(bundle, blob).map_err(told)?.memory() } else { 0 };
    let _turn = turns.take(memory);
    unpack(bundle, blob)
}

fn unpack(bundle: &BundleFile<'_>, blob: Blob<'_>) -> Result<(), String> {
    match blob.encoding {
        Encoding::Raw | Encoding::Zstd => {
            BlobReader::open(bundle, blob).and_then(|mut bytes| bytes.finish()).map_err(told)
        }
        Encoding::TarZstd | Encoding::Root => {
            let mut members = TarReader::open(bundle, blob).map_err(told)?;
            let mut names = Names::default();
            while let Some(member) = members.next_member().map_err(told)? {
                names.add(&member)?;
            }
            Ok(())
        }
    }
}

/// The names of a tree, and whether each is a file: a launcher learns from the file system that a name is
/// there twice, or that a hard link leads to no file.
#[derive(Default)]
struct Names(HashMap<Vec<u8>, bool>);

impl Names {
    fn add(&mut self, member: &Member<'_>) -> Result<(), String> {
        let refuse = |why| Err(format!("`{}` {why}", member.path.escape_ascii()));
        if let Kind::Hardlink(target) = member.kind
            && self.0.get(target) != Some(&true)
        {
            return refuse("is a link to no file of the tree");
        }
        match self
            .0
            .insert(member.path.to_vec(), matches!(member.kind, Kind::File { .. } | Kind::Hardlink(_)))
        {
            None => Ok(()),
            Some(_) => refuse("is in the tree twice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bundle::{Arch, BlobKind, Footer, ManifestBuilder, NewBlob, NewEntry, NewVariant};

    use super::*;
    use crate::hash;
    use crate::write::{compress, tarball};

    /// A bundle without a stub, of one app: this tar stream, compressed with a window of `1 << window` bytes.
    fn checked(tar: &[u8], window: u32) -> Result<(), String> {
        let made = compress::blob_with_window(tar, window, 0);
        let (mut bytes, table) = made.expect("zstd knows such windows");
        let mut manifest = ManifestBuilder::new();
        let stored = bytes.len() as u64;
        let app = manifest.blob(&NewBlob {
            kind: BlobKind::App,
            encoding: Encoding::TarZstd,
            offset: 0,
            stored,
            length: tar.len() as u64,
            stored_digest: table,
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
