//! A bundle on disk, read with the launcher's own decoder. The manifest's digest is compared before anything
//! is believed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundle::{
    Arch, Blob, BlobKind, Encoding, Footer, FormatError, Frame, FrameTable, Manifest, Part, Source,
};

use crate::error::Error;
use crate::hash;
use crate::notices::once;
use crate::tree::content::{Content, Reader};
use crate::write::header;
use crate::write::zstd_frame;

/// A file as crate `bundle` reads it.
struct OnDisk<'a>(&'a File);

/// Why a footer could not be read.
enum ReadError {
    Io(io::Error),
    Format(FormatError),
}

impl From<FormatError> for ReadError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl Source for OnDisk<'_> {
    type Error = ReadError;

    fn len(&self) -> Result<u64, ReadError> {
        Ok(self.0.metadata().map_err(ReadError::Io)?.len())
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.0.read_exact_at(buffer, offset).map_err(ReadError::Io)
    }
}

/// An open bundle: footer decoded, manifest read and equal to its digest.
pub(crate) struct BundleFile {
    path: PathBuf,
    file: Arc<File>,
    pub(crate) footer: Footer,
    manifest: Vec<u8>,
}

impl BundleFile {
    /// Opens the bundle at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        // A FIFO is refused, not waited for.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
        let opened = File::options().read(true).custom_flags(flags).open(path);
        Self::of(opened.map_err(|source| Error::io("open", path, source))?, path)
    }

    /// The bundle in `file`, which messages call `path`.
    pub(crate) fn of(file: File, path: &Path) -> Result<Self, Error> {
        let kind = file.metadata().map_err(|source| Error::io("read", path, source))?.file_type();
        if !kind.is_file() {
            return Err(Error::NotAFile { path: path.to_owned(), found: crate::error::kind_of(kind) });
        }
        let footer = Footer::read(&OnDisk(&file)).map_err(|error| match error {
            ReadError::Io(source) => Error::io("read", path, source),
            ReadError::Format(FormatError::NoFooter) if begins_as_bundle(&file) => {
                Error::CutOff { path: path.to_owned() }
            }
            ReadError::Format(FormatError::NoFooter) => Error::NotABundle { path: path.to_owned() },
            ReadError::Format(error) => Error::damaged(path, "footer", &error),
        })?;
        let length = usize::try_from(footer.manifest_length).unwrap_or_default();
        let mut manifest = vec![0; length];
        file.read_exact_at(&mut manifest, footer.manifest_offset)
            .map_err(|source| Error::io("read", path, source))?;
        let found = hash::of(&manifest);
        if found != footer.manifest_digest {
            return Err(Error::digest(path, "manifest", footer.manifest_digest, found));
        }
        let bundle = Self { path: path.to_owned(), file: Arc::new(file), footer, manifest };
        bundle.manifest()?;
        Ok(bundle)
    }

    /// What messages call it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The manifest's rows.
    pub(crate) fn manifest(&self) -> Result<Manifest<'_>, Error> {
        Manifest::decode(&self.manifest, self.footer.manifest_offset)
            .and_then(|manifest| manifest.check_rest().map(|()| manifest))
            .map_err(|error| Error::damaged(&self.path, "manifest", &error))
    }

    /// A byte range.
    pub(crate) fn range(&self, offset: u64, length: u64) -> Reader {
        Content::File { file: Arc::clone(&self.file), offset, length }.reader()
    }

    /// A blob's stored bytes, which stay where they are.
    pub(crate) fn content(&self, blob: &Blob<'_>) -> Content {
        Content::File { file: Arc::clone(&self.file), offset: blob.offset(), length: blob.stored() }
    }

    /// The table of a blob's frames, as long as its header says, or all of a raw blob.
    pub(crate) fn table(&self, blob: &Blob<'_>) -> io::Result<Content> {
        let stored = self.content(blob);
        if blob.encoding == Encoding::Raw {
            return Ok(stored);
        }
        let mut header = [0; FrameTable::HEADER];
        stored.reader().read_exact(&mut header)?;
        let length = FrameTable::length(&header).map_err(io::Error::other)? as u64;
        if length > stored.len() {
            return Err(io::Error::other(FormatError::Length(Part::Frames)));
        }
        Ok(stored.range(0, length))
    }

    /// A blob's frames, of which a raw blob has none.
    pub(crate) fn frames(&self, blob: &Blob<'_>) -> io::Result<Vec<Frame>> {
        if blob.encoding == Encoding::Raw {
            return Ok(Vec::new());
        }
        let table = self.table(blob)?.bytes()?;
        FrameTable::decode(*blob, &table).map(|table| table.frames().collect()).map_err(io::Error::other)
    }

    /// A blob's unpacked bytes (for an app: its tar stream), not yet compared with its digest.
    pub(crate) fn unpacked(&self, blob: &Blob<'_>) -> io::Result<Box<dyn Read>> {
        let stored = self.content(blob);
        Ok(match self.frames(blob)?.first() {
            None => Box::new(stored.reader()),
            Some(first) => {
                let before = first.offset.saturating_sub(blob.offset());
                let frames = stored.range(before, stored.len().saturating_sub(before));
                Box::new(zstd_frame::decoder(frames.reader())?)
            }
        })
    }
}

/// Whether `file` begins as a bundle does, whatever it ends in.
pub(crate) fn begins_as_bundle(file: &File) -> bool {
    let mut start = vec![0; header::LONGEST];
    let read = file.read_at(&mut start, 0).unwrap_or(0);
    header::is_start(start.get(..read).unwrap_or_default())
}

/// Whether `content` ends in a bundle's footer.
pub(crate) fn is_bundle(content: &Content) -> bool {
    let mut reader = content.reader();
    let mut footer = [0; Footer::LEN];
    let read = i64::try_from(Footer::LEN).ok().and_then(|length| {
        reader.seek(SeekFrom::End(-length)).ok()?;
        reader.read_exact(&mut footer).ok()
    });
    read.is_some() && !matches!(Footer::decode(&footer, content.len()), Err(FormatError::NoFooter))
}

/// What messages call a blob: its kind and what tells it from others of that kind.
pub(crate) fn blob_name(manifest: &Manifest<'_>, blob: &Blob<'_>) -> String {
    let whose = match blob.kind {
        BlobKind::Stub | BlobKind::Notices | BlobKind::Summary => None,
        BlobKind::Components => {
            let row = manifest.components().find(|row| row.facts == *blob);
            // Of several that share it, the first.
            row.map(|row| format!("of {}", blob_name(manifest, &row.subject)))
        }
        BlobKind::Launcher => {
            manifest.launchers().find(|row| row.blob == *blob).map(|row| row.host.name().to_owned())
        }
        BlobKind::Broker => {
            let host = Arch::HOSTS
                .into_iter()
                .find(|host| manifest.broker(*host).is_some_and(|row| row.blob == *blob));
            host.map(|host| host.name().to_owned())
        }
        BlobKind::App => {
            let of = manifest.variants().filter(|row| row.app == *blob || row.shared == Some(*blob));
            let targets = once(of.map(|row| row.target.name()));
            (!targets.is_empty()).then(|| targets.replace(", ", "+"))
        }
        // One blob holds all of a host's.
        BlobKind::Emulator => {
            let keys: Vec<_> =
                manifest.translators().filter(|row| row.blob == *blob).map(|row| row.key).collect();
            let targets = once(keys.iter().map(|key| key.target.name())).replace(", ", "+");
            keys.first().map(|key| format!("{targets}-on-{}", key.host.name()))
        }
    };
    match whose {
        Some(whose) => format!("{} {whose}", blob.kind.name()),
        None => blob.kind.name().to_owned(),
    }
}
