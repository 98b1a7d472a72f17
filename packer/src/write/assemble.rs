//! Writes a bundle from front to back into a file without a name, reads it back with the launcher's decoder,
//! checks every digest, and only then gives it its name. Offsets are made here and nowhere else in the
//! packer.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use bundle::{
    Arch, BlobKind, Encoding, Footer, LAUNCHER_ALIGN, Manifest, ManifestBuilder, NewBlob, NewEntry,
    NewNotice, NewTranslator, NewVariant,
};

use crate::atomic_file::NewFile;
use crate::cli::values::Head;
use crate::emulators::Emulator;
use crate::error::Error;
use crate::hash;
use crate::notices::Owed;
use crate::request::{Entry, Rule};
use crate::write::bundle_file::BundleFile;
use crate::write::check_bundle;
use crate::write::compress::Frame;
use crate::write::header::{self, LauncherRange};
use crate::write::{read_back, summary};

/// Everything that goes into a bundle, compressed already.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) head: Head,
    pub(crate) hosts: Vec<Arch>,
    pub(crate) variants: Vec<PackedVariant>,
    pub(crate) emulators: Vec<PackedEmulators>,
    /// Each host's broker.
    pub(crate) brokers: Vec<(Arch, Frame)>,
}

/// The app for one CPU, and what is owed for it.
#[derive(Debug)]
pub(crate) struct PackedVariant {
    pub(crate) target: Arch,
    /// Of that CPU; 0 for the baseline.
    pub(crate) level: u16,
    /// Of its tree: an app's, or the root of a system.
    pub(crate) encoding: Encoding,
    pub(crate) app: Frame,
    /// What its tree has in common with others'.
    pub(crate) shared: Option<Arc<Frame>>,
    /// The loader's path in the app; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) notices: Option<Notices>,
}

/// All emulators of one host in one frame, and what is owed for each.
#[derive(Debug)]
pub(crate) struct PackedEmulators {
    pub(crate) emulators: Vec<PackedEmulator>,
    /// One file where there is one emulator, else a tree.
    pub(crate) encoding: Encoding,
    pub(crate) frame: Frame,
}

#[derive(Debug)]
pub(crate) struct PackedEmulator {
    pub(crate) emulator: Emulator,
    /// Its path in the tree; empty where the frame is one file.
    pub(crate) member: Vec<u8>,
    pub(crate) notices: Notices,
}

/// What is owed for a part, its text compressed.
#[derive(Debug)]
pub(crate) struct Notices {
    pub(crate) owed: Owed,
    pub(crate) frame: Frame,
}

/// What became of it, for the report.
#[derive(Debug)]
pub(crate) struct Written {
    /// Length of the file in bytes.
    pub(crate) length: u64,
    /// Its blobs.
    pub(crate) blobs: Vec<NewBlob>,
}

/// Writes the bundle to `path`. On any error nothing is at `path` that was not there before.
pub(crate) fn write(parts: &Parts, path: &Path) -> Result<Written, Error> {
    let failed = |source| Error::io("write", path, source);
    let new = NewFile::beside(path).map_err(failed)?;
    let mut writer = Writer::new(BufWriter::new(new.file.try_clone().map_err(failed)?));

    let mut manifest = ManifestBuilder::new();
    writer.start(parts, &mut manifest, path)?;
    writer.blobs(parts, &mut manifest, path)?;
    writer.summary(&mut manifest, path)?;
    let manifest = manifest.finish(writer.at).map_err(Error::Manifest)?;
    let footer = Footer {
        file_length: writer.at + manifest.len() as u64 + Footer::LEN as u64,
        manifest_offset: writer.at,
        manifest_length: manifest.len() as u64,
        signatures_length: 0,
        manifest_digest: hash::of(&manifest),
    };
    writer.bytes(&manifest).map_err(failed)?;
    writer.bytes(&footer.encode()).map_err(failed)?;
    writer.out.flush().map_err(failed)?;

    let back = BundleFile::of(new.file.try_clone().map_err(failed)?, path)?;
    check_bundle::check_stored(&back)?;
    read_back::check(&new.file, path)?;
    new.settle().map_err(failed)?;
    Ok(Written {
        length: footer.file_length,
        blobs: writer.blobs.into_iter().map(|(_, blob)| blob).collect(),
    })
}

/// Whether a host's broker has to do with apps that run natively: it starts systems, and a host may have
/// emulators for CPUs that no variant is of, for programs that the app starts.
fn natively(parts: &Parts, host: Arch) -> bool {
    if parts.variants.iter().any(|variant| variant.encoding == Encoding::Root) {
        return true;
    }
    let keys = parts.emulators.iter().flat_map(|packed| &packed.emulators).map(|row| row.emulator.key);
    let mut targets = keys.filter(|key| key.host == host).map(|key| key.target);
    targets.any(|target| !parts.variants.iter().any(|variant| variant.target == target))
}

fn borrowed(rules: &[Rule]) -> Vec<bundle::Rule<&[u8]>> {
    rules.iter().map(Rule::borrowed).collect()
}

/// Knows how far the file has grown and which blobs are in it.
struct Writer<W> {
    out: W,
    at: u64,
    blobs: Vec<(u32, NewBlob)>,
}

impl<W: Write> Writer<W> {
    fn new(out: W) -> Self {
        Self { out, at: 0, blobs: Vec::new() }
    }

    /// The part that starts the bundle: stub and launchers, or the one launcher that is the head.
    fn start(&mut self, parts: &Parts, manifest: &mut ManifestBuilder, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::io("write", path, source);
        if let Head::Elf(host) = parts.head {
            let number =
                self.raw(BlobKind::Launcher, &header::head_launcher(host)?, manifest).map_err(failed)?;
            manifest.launcher(host, true, number);
            return self.align().map_err(failed);
        }
        let launchers = parts.hosts.iter().map(|host| Ok((*host, header::launcher(*host)?)));
        let launchers = launchers.collect::<Result<Vec<_>, Error>>()?;
        let mut offset = header::STUB_LEN.next_multiple_of(LAUNCHER_ALIGN);
        let mut placed = Vec::new();
        for (host, bytes) in &launchers {
            let length = bytes.len() as u64;
            placed.push(LauncherRange { host: *host, digest: hash::of(bytes), offset, length });
            offset += length.next_multiple_of(LAUNCHER_ALIGN);
        }
        self.raw(BlobKind::Stub, &header::stub(&placed)?, manifest).map_err(failed)?;
        for ((host, bytes), placed) in launchers.iter().zip(placed) {
            self.align().map_err(failed)?;
            debug_assert_eq!(
                self.at, placed.offset,
                "internal error: the launcher moved after the stub was written"
            );
            let number = self.raw(BlobKind::Launcher, bytes, manifest).map_err(failed)?;
            manifest.launcher(*host, false, number);
        }
        self.align().map_err(failed)
    }

    /// App, emulators, brokers and notices, and the rows that name them.
    fn blobs(&mut self, parts: &Parts, manifest: &mut ManifestBuilder, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::io("write", path, source);
        for variant in &parts.variants {
            let PackedVariant { target, level, encoding, app, shared, loader, rules, entries, notices } =
                variant;
            let mut frame = |frame| self.frame(BlobKind::App, *encoding, frame, manifest).map_err(failed);
            let app = frame(app)?;
            let shared = shared.as_deref().map(frame).transpose()?;
            let (target, level, rules) = (*target, *level, &borrowed(rules));
            let variant = manifest.variant(&NewVariant { target, level, app, shared, loader, rules });
            for Entry { name, path, rules } in entries {
                manifest.entry(&NewEntry { variant, name, path, rules: &borrowed(rules) });
            }
            if let Some(notices) = notices {
                self.notices(app, notices, manifest).map_err(failed)?;
            }
        }
        for PackedEmulators { emulators, encoding, frame } in &parts.emulators {
            let blob = self.frame(BlobKind::Emulator, *encoding, frame, manifest).map_err(failed)?;
            self.translators(blob, emulators, manifest).map_err(failed)?;
        }
        for (host, frame) in &parts.brokers {
            let blob = self.frame(BlobKind::Broker, Encoding::Zstd, frame, manifest).map_err(failed)?;
            manifest.broker(*host, natively(parts, *host), blob);
        }
        Ok(())
    }

    /// The rows of the emulators in a blob.
    fn translators(
        &mut self,
        blob: u32,
        emulators: &[PackedEmulator],
        manifest: &mut ManifestBuilder,
    ) -> io::Result<()> {
        for PackedEmulator { emulator, member, notices } in emulators {
            let rules = borrowed(&emulator.rules);
            manifest.translator(&NewTranslator {
                key: emulator.key,
                blob,
                member,
                name: emulator.translator.as_bytes(),
                version: emulator.version.as_bytes(),
                rules: &rules,
            });
            self.notices(blob, notices, manifest)?;
        }
        Ok(())
    }

    /// The text that tells of all the rest.
    fn summary(&mut self, manifest: &mut ManifestBuilder, path: &Path) -> Result<(), Error> {
        let so_far = manifest.clone().finish(self.at).map_err(Error::Manifest)?;
        let so_far = Manifest::decode(&so_far, self.at).map_err(|error| Error::Manifest(error.into()))?;
        let text = summary::text(&so_far);
        self.raw(BlobKind::Summary, text.as_bytes(), manifest)
            .map_err(|source| Error::io("write", path, source))?;
        Ok(())
    }

    fn notices(&mut self, subject: u32, notices: &Notices, manifest: &mut ManifestBuilder) -> io::Result<()> {
        let Notices { owed, frame } = notices;
        let text = self.frame(BlobKind::Notices, Encoding::Zstd, frame, manifest)?;
        let (licence, source, origin) =
            (owed.licence.as_bytes(), owed.source.as_bytes(), owed.origin.as_bytes());
        manifest.notice(&NewNotice { subject, text, licence, source, origin });
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Zeros up to the next multiple of [`LAUNCHER_ALIGN`].
    fn align(&mut self) -> io::Result<()> {
        let gap = self.at.next_multiple_of(LAUNCHER_ALIGN) - self.at;
        self.at += io::copy(&mut io::Read::take(io::repeat(0), gap), &mut self.out)?;
        Ok(())
    }

    fn raw(&mut self, kind: BlobKind, bytes: &[u8], manifest: &mut ManifestBuilder) -> io::Result<u32> {
        let (length, digest) = (bytes.len() as u64, hash::of(bytes));
        let encoding = Encoding::Raw;
        let blob = NewBlob {
            kind,
            encoding,
            offset: self.at,
            stored: length,
            length,
            stored_digest: digest,
            digest,
        };
        self.bytes(bytes)?;
        Ok(self.note(blob, manifest))
    }

    /// Appends a frame, or finds the same one among those that are in the file already.
    fn frame(
        &mut self,
        kind: BlobKind,
        encoding: Encoding,
        frame: &Frame,
        manifest: &mut ManifestBuilder,
    ) -> io::Result<u32> {
        let Frame { stored, stored_digest, length, digest } = frame;
        let same = |blob: &NewBlob| {
            (blob.kind, blob.encoding, blob.stored_digest, blob.digest)
                == (kind, encoding, *stored_digest, *digest)
        };
        if let Some((number, _)) = self.blobs.iter().find(|(_, blob)| same(blob)) {
            return Ok(*number);
        }
        let blob = NewBlob {
            kind,
            encoding,
            offset: self.at,
            stored: stored.len(),
            length: *length,
            stored_digest: *stored_digest,
            digest: *digest,
        };
        self.at += io::copy(&mut stored.reader(), &mut self.out)?;
        Ok(self.note(blob, manifest))
    }

    fn note(&mut self, blob: NewBlob, manifest: &mut ManifestBuilder) -> u32 {
        let number = manifest.blob(&blob);
        self.blobs.push((number, blob));
        number
    }
}
