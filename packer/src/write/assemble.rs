//! Writes a bundle from front to back into a file without a name, reads it back with the launcher's decoder,
//! checks every digest, and only then gives it its name. Offsets are made here and nowhere else in the
//! packer.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use bundle::{
    Arch, Attends, Blob, BlobKind, EmulatorKey, Encoding, Footer, LAUNCHER_ALIGN, Manifest, ManifestBuilder,
    NewBlob, NewEntry, NewNotice, NewTranslator, NewVariant,
};

use crate::atomic_file::NewFile;
use crate::cli::values::Head;
use crate::error::Error;
use crate::hash;
use crate::notices::Owed;
use crate::request::{Entry, Rule};
use crate::tree::content::Content;
use crate::write::bundle_file::{BundleFile, blob_name};
use crate::write::check_bundle;
use crate::write::compress::{self, Frame, Remembered};
use crate::write::header::{self, LauncherRange};
use crate::write::summary;

/// Everything that goes into a bundle, compressed already.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) head: Head,
    /// Each host's launcher, as it is behind a stub.
    pub(crate) launchers: Vec<(Arch, Vec<u8>)>,
    pub(crate) variants: Vec<PackedVariant>,
    pub(crate) emulators: Vec<PackedEmulators>,
    /// Each host's broker.
    pub(crate) brokers: Vec<(Arch, Frame)>,
    /// Whether they run what the app starts.
    pub(crate) attends: bool,
    /// The facts about each host's launcher and broker.
    pub(crate) components: Vec<(Arch, Frame)>,
}

/// The app for one CPU, and what is owed for it.
#[derive(Debug)]
pub(crate) struct PackedVariant {
    pub(crate) target: Arch,
    /// The level of that CPU; 0 for the baseline.
    pub(crate) level: u16,
    /// The encoding of its tree: an app's, or the root of a system.
    pub(crate) encoding: Encoding,
    pub(crate) app: Frame,
    /// What its tree has in common with others'.
    pub(crate) shared: Option<Arc<Frame>>,
    /// The loader's path in the app; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) notices: Vec<Notices>,
    /// The facts about its components.
    pub(crate) components: Option<Frame>,
}

/// All emulators of one host in one frame, and what is owed for each.
#[derive(Debug)]
pub(crate) struct PackedEmulators {
    pub(crate) emulators: Vec<PackedEmulator>,
    /// One file where there is one emulator, else a tree.
    pub(crate) encoding: Encoding,
    pub(crate) frame: Frame,
    pub(crate) notices: Vec<Notices>,
    /// The facts about their components.
    pub(crate) components: Option<Frame>,
}

/// An emulator of a frame, and how it is called.
#[derive(Debug)]
pub(crate) struct PackedEmulator {
    pub(crate) key: EmulatorKey,
    pub(crate) translator: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) rules: Vec<Rule>,
    /// Its path in the tree; empty where the frame is one file.
    pub(crate) member: Vec<u8>,
}

/// What is owed for a part, its text compressed.
#[derive(Debug)]
pub(crate) struct Notices {
    pub(crate) owed: Owed,
    pub(crate) frame: Frame,
}

impl Notices {
    /// Compresses the text.
    pub(crate) fn compressed(owed: Owed, level: i32) -> Result<Self, Error> {
        let text = Content::from(owed.text.clone().into_bytes());
        Ok(Self { frame: compress::frame(&text, level, None).map_err(Error::Temporary)?, owed })
    }
}

/// The written bundle, for the report.
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
    writer.components(&mut manifest, path)?;
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
    writer.check(&back)?;
    new.settle().map_err(failed)?;
    Ok(Written {
        length: footer.file_length,
        blobs: writer.blobs.into_iter().map(|(_, blob)| blob).collect(),
    })
}

/// To which apps a host's broker attends: it starts systems, and a host may have emulators for CPUs that no
/// variant is of, for programs that an app starts which runs natively.
fn attends(parts: &Parts, host: Arch) -> Attends {
    if !parts.attends {
        return Attends::Never;
    }
    if parts.variants.iter().any(|variant| variant.encoding == Encoding::Root) {
        return Attends::Always;
    }
    let keys = parts.emulators.iter().flat_map(|packed| &packed.emulators).map(|row| row.key);
    let mut targets = keys.filter(|key| key.host == host).map(|key| key.target);
    let is_other = |target| !parts.variants.iter().any(|variant| variant.target == target);
    if targets.any(is_other) { Attends::Always } else { Attends::Emulated }
}

fn borrowed(rules: &[Rule]) -> Vec<bundle::Rule<&[u8]>> {
    rules.iter().map(Rule::borrowed).collect()
}

/// Writes the file, and keeps track of its length and of the blobs in it.
struct Writer<W> {
    out: W,
    at: u64,
    blobs: Vec<(u32, NewBlob)>,
    /// The notices: what they concern, their texts, licence, source and origin.
    noticed: Vec<(u32, u32, String, String, String)>,
    /// The facts about components, behind all other blobs but the summary: of which blob they are, and they.
    facts: Vec<(u32, Frame)>,
    /// Blobs that the store is told about, with their encodings.
    remembered: Vec<(Encoding, Remembered)>,
}

impl<W: Write> Writer<W> {
    fn new(out: W) -> Self {
        Self { out, at: 0, blobs: Vec::new(), noticed: Vec::new(), facts: Vec::new(), remembered: Vec::new() }
    }

    /// The part that starts the bundle: stub and launchers, or the one launcher that is the head.
    fn start(&mut self, parts: &Parts, manifest: &mut ManifestBuilder, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::io("write", path, source);
        let launchers = &parts.launchers;
        if let Head::Elf(head) = parts.head {
            let launcher = launchers.iter().find(|(host, _)| *host == head);
            let (host, bytes) = launcher.ok_or(Error::NoLauncher { host: head })?;
            let head = header::as_head(*host, bytes)?;
            let number = self.raw(BlobKind::Launcher, &head, manifest).map_err(failed)?;
            manifest.launcher(*host, true, number);
            self.know_host(number, parts, *host);
            return self.align().map_err(failed);
        }
        let mut offset = header::STUB_LEN.next_multiple_of(LAUNCHER_ALIGN);
        let mut placed = Vec::new();
        for (host, bytes) in launchers {
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
            self.know_host(number, parts, *host);
        }
        self.align().map_err(failed)
    }

    /// App, emulators, brokers and notices, and the rows that name them.
    fn blobs(&mut self, parts: &Parts, manifest: &mut ManifestBuilder, path: &Path) -> Result<(), Error> {
        let failed = |source| Error::io("write", path, source);
        for variant in &parts.variants {
            let PackedVariant {
                target,
                level,
                encoding,
                app,
                shared,
                loader,
                rules,
                entries,
                notices,
                components,
            } = variant;
            let mut frame = |frame| self.frame(BlobKind::App, *encoding, frame, manifest).map_err(failed);
            let app = frame(app)?;
            let shared = shared.as_deref().map(frame).transpose()?;
            let (target, level, rules) = (*target, *level, &borrowed(rules));
            let variant = manifest.variant(&NewVariant { target, level, app, shared, loader, rules });
            for Entry { name, path, rules } in entries {
                manifest.entry(&NewEntry { variant, name, path, rules: &borrowed(rules) });
            }
            self.notices(app, notices, manifest).map_err(failed)?;
            self.know(app, components.as_ref());
        }
        for PackedEmulators { emulators, encoding, frame, notices, components } in &parts.emulators {
            let blob = self.frame(BlobKind::Emulator, *encoding, frame, manifest).map_err(failed)?;
            for PackedEmulator { key, translator, version, rules, member } in emulators {
                let (key, rules) = (*key, &borrowed(rules));
                manifest.translator(&NewTranslator { key, blob, member, name: translator, version, rules });
            }
            self.notices(blob, notices, manifest).map_err(failed)?;
            self.know(blob, components.as_ref());
        }
        for (host, frame) in &parts.brokers {
            let blob = self.frame(BlobKind::Broker, Encoding::Zstd, frame, manifest).map_err(failed)?;
            manifest.broker(*host, attends(parts, *host), blob);
            self.know_host(blob, parts, *host);
        }
        Ok(())
    }

    /// Notes the facts about the blob `subject`, once.
    fn know(&mut self, subject: u32, facts: Option<&Frame>) {
        if let Some(facts) = facts.filter(|_| !self.facts.iter().any(|(known, _)| *known == subject)) {
            self.facts.push((subject, facts.clone()));
        }
    }

    /// The same about a host's launcher or broker.
    fn know_host(&mut self, subject: u32, parts: &Parts, host: Arch) {
        let facts = parts.components.iter().find(|(of, _)| *of == host);
        self.know(subject, facts.map(|(_, facts)| facts));
    }

    /// The facts about components, and the rows that name them.
    fn components(&mut self, manifest: &mut ManifestBuilder, path: &Path) -> Result<(), Error> {
        for (subject, facts) in std::mem::take(&mut self.facts) {
            let blob = self.frame(BlobKind::Components, Encoding::Zstd, &facts, manifest);
            manifest.components(subject, blob.map_err(|source| Error::io("write", path, source))?);
        }
        Ok(())
    }

    /// The summary, which describes everything else in the bundle.
    fn summary(&mut self, manifest: &mut ManifestBuilder, path: &Path) -> Result<(), Error> {
        let so_far = manifest.clone().finish(self.at).map_err(Error::Manifest)?;
        let so_far = Manifest::decode(&so_far, self.at).map_err(|error| Error::Manifest(error.into()))?;
        let text = summary::text(&so_far);
        self.raw(BlobKind::Summary, text.as_bytes(), manifest)
            .map_err(|source| Error::io("write", path, source))?;
        Ok(())
    }

    /// What is owed for the blob `subject`, each notice once.
    fn notices(
        &mut self,
        subject: u32,
        notices: &[Notices],
        manifest: &mut ManifestBuilder,
    ) -> io::Result<()> {
        for Notices { owed, frame } in notices {
            let text = self.frame(BlobKind::Notices, Encoding::Zstd, frame, manifest)?;
            let row = (subject, text, owed.licence.clone(), owed.source.clone(), owed.origin.clone());
            if self.noticed.contains(&row) {
                continue;
            }
            let (_, _, licence, source, origin) = &row;
            let (licence, source, origin) = (licence.as_bytes(), source.as_bytes(), origin.as_bytes());
            manifest.notice(&NewNotice { subject, text, licence, source, origin });
            self.noticed.push(row);
        }
        Ok(())
    }

    /// Reads the file back, and tells the store what has become of it.
    fn check(&self, back: &BundleFile) -> Result<(), Error> {
        let known = |blob: &Blob<'_>| {
            let same =
                |remembered: &Remembered| remembered.is_of(blob) && remembered.was_read_back(blob.encoding);
            self.remembered.iter().any(|(_, remembered)| same(remembered))
        };
        let checked = check_bundle::whole_but(back, known);
        let manifest = back.manifest()?;
        for (encoding, remembered) in &self.remembered {
            let is_damaged = |error: &Error| {
                let mut blobs = manifest.blobs().filter(|blob| remembered.is_of(blob));
                blobs.any(|blob| error.part() == Some(&blob_name(&manifest, &blob)))
            };
            match &checked {
                Ok(()) => remembered.note(*encoding),
                Err(error) if is_damaged(error) => remembered.forget(),
                Err(_) => {}
            }
        }
        checked
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
        let Frame { stored, stored_digest, length, digest, remembered } = frame;
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
        self.remembered.extend(remembered.clone().map(|remembered| (encoding, remembered)));
        Ok(self.note(blob, manifest))
    }

    fn note(&mut self, blob: NewBlob, manifest: &mut ManifestBuilder) -> u32 {
        let number = manifest.blob(&blob);
        self.blobs.push((number, blob));
        number
    }
}
