//! `unibin inspect`: shows what a bundle contains, or what an ELF file is and which emulators run it. Reads
//! headers only; `verify` checks whether the bytes are intact.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bundle::{Arch, Attends, Blob, Manifest, Rule, Rules};
use serde::Serialize;

use crate::cli::InspectArgs;
use crate::commands::notices;
use crate::components::packages::{self, PackageRow};
use crate::compose::routes;
use crate::emulators::builtin_catalogue;
use crate::error::{Error, kind_of, readable};
use crate::json;
use crate::tree::content::Content;
use crate::units::size;
use crate::write::bundle_file::{self, BundleFile};
use crate::write::facts;
use crate::write::signature_rows;
use inputs::elf::{self, Elf, Kind, NotElf};

/// Reads the file and describes it.
pub(crate) fn inspect(args: &InspectArgs) -> Result<String, Error> {
    let path = &args.file;
    let found = std::fs::metadata(path).map_err(|source| Error::io("open", path, source))?.file_type();
    if !found.is_file() {
        return Err(Error::NotAFile { path: path.clone(), found: kind_of(found) });
    }
    let file = File::open(path).map_err(|source| Error::io("open", path, source))?;
    let begins = bundle_file::begins_as_bundle(&file);
    let content = Content::whole(file).map_err(|source| Error::io("read", path, source))?;
    if args.notices {
        return notices::of_bundle(&BundleFile::open(path)?);
    }
    if begins || args.hosts || bundle_file::is_bundle(&content) {
        let bundle = BundleFile::open(path)?;
        if args.hosts {
            return Ok(routes::line(&bundle.manifest()?));
        }
        let view = BundleView::of(&bundle)?;
        return Ok(if args.list.json { json::text(&view) } else { view.text() });
    }
    let elf = elf::read(&mut content.reader()).map_err(|source| Error::io("read", path, source))?;
    if let Err(NotElf::Cpu { machine, class, data }) = elf {
        let file = json::name(path.as_os_str().as_bytes());
        let view =
            UnknownView { file, format: elf::shape(class, data), machine, target: None, emulators: [] };
        return Ok(if args.list.json { json::text(&view) } else { view.text() });
    }
    let elf = elf.map_err(|found| Error::NotAProgram { path: path.clone(), found })?;
    let view = ElfView::of(path, &elf);
    Ok(if args.list.json { json::text(&view) } else { view.text() })
}

#[derive(Serialize)]
struct BundleView {
    file: String,
    version: u16,
    length: u64,
    manifest_digest: String,
    head: String,
    launchers: Vec<&'static str>,
    hosts: Vec<HostView>,
    variants: Vec<VariantView>,
    /// Whether the bundle says of its variants what they are made of.
    components: bool,
    translators: Vec<TranslatorView>,
    notices: Vec<NoticeView>,
    blobs: Vec<BlobView>,
    signatures: Vec<SignatureView>,
}

/// A signature inside the bundle. Nothing here says whether to trust its key.
#[derive(Serialize)]
struct SignatureView {
    algorithm: &'static str,
    fingerprint: String,
    /// As in a `.pub` file.
    public_key: String,
    /// Whether it is a signature of this manifest by that key.
    holds: bool,
}

/// What a host adds to the bundle.
#[derive(Serialize)]
struct HostView {
    host: &'static str,
    /// Stored length of its launcher in bytes.
    launcher: u64,
    /// Stored length of all its emulators in bytes.
    emulators: u64,
    /// Stored length of its broker in bytes.
    broker: u64,
    /// Whether the broker runs programs that an app starts; else it only unpacks.
    children: bool,
    /// Stored length of the apps for its own architecture in bytes.
    native: u64,
}

impl HostView {
    fn of(manifest: &Manifest<'_>, host: Arch) -> Self {
        let total = |blobs: &mut dyn Iterator<Item = Blob>| {
            let blobs: BTreeMap<u64, u64> = blobs.map(|blob| (blob.offset(), blob.stored())).collect();
            blobs.values().sum()
        };
        let launchers = manifest.launchers().filter(|row| row.host == host);
        let emulators = manifest.translators().filter(|row| row.key.host == host);
        let native = manifest.variants().filter(|row| row.target == host);
        Self {
            host: host.name(),
            launcher: total(&mut launchers.map(|row| row.blob)),
            emulators: total(&mut emulators.map(|row| row.blob)),
            broker: total(&mut manifest.broker(host).into_iter().map(|row| row.blob)),
            children: manifest.broker(host).is_some_and(|row| row.attends != Attends::Never),
            native: total(&mut native.flat_map(|row| [Some(row.app), row.shared]).flatten()),
        }
    }
}

#[derive(Serialize)]
struct VariantView {
    target: &'static str,
    /// Stored length of its own blob in bytes.
    stored: u64,
    /// Stored length of the blob that it shares with other variants in bytes; 0 if there is none.
    shared: u64,
    loader: String,
    /// The packages that it is made of.
    packages: Vec<PackageRow>,
    entries: Vec<EntryView>,
    rules: Vec<String>,
}

#[derive(Serialize)]
struct EntryView {
    name: String,
    path: String,
    rules: Vec<String>,
}

#[derive(Serialize)]
struct TranslatorView {
    host: &'static str,
    target: &'static str,
    name: String,
    version: String,
    rules: Vec<String>,
}

#[derive(Serialize)]
struct NoticeView {
    part: String,
    licence: String,
    source: String,
    origin: String,
}

#[derive(Serialize)]
struct BlobView {
    part: String,
    encoding: &'static str,
    offset: u64,
    stored: u64,
    length: u64,
    stored_digest: String,
    digest: String,
}

fn rules(manifest: &Manifest<'_>, rules: Rules) -> Vec<String> {
    let text = |rule: Rule<&[u8]>| {
        let (kind, parts) = rule.words();
        let parts = parts.into_iter().filter(|part| !part.is_empty()).map(json::name);
        parts.fold(kind.to_owned(), |text, part| format!("{text} {part}"))
    };
    manifest.rules(rules).map(text).collect()
}

impl BundleView {
    fn of(bundle: &BundleFile) -> Result<Self, Error> {
        let manifest = bundle.manifest()?;
        let head = manifest.launchers().find(|launcher| launcher.head);
        let mut components = true;
        let mut packages = |app: &Blob<'_>| {
            let facts = facts::of(bundle, &manifest, app)?;
            components &= facts.is_some();
            Ok::<_, Error>(facts.map(|facts| packages::rows(&facts)).unwrap_or_default())
        };
        let of_variants = manifest.variants().map(|variant| packages(&variant.app));
        let mut of_variants = of_variants.collect::<Result<Vec<_>, _>>()?.into_iter();
        let entries = |variant: &bundle::Variant<'_>| {
            let row = |entry: bundle::Entry<'_>| EntryView {
                name: json::name(entry.name),
                path: json::name(entry.path),
                rules: rules(&manifest, entry.rules),
            };
            manifest.entries(variant).map(row).collect()
        };
        Ok(Self {
            file: json::name(bundle.path().as_os_str().as_bytes()),
            version: bundle::Footer::VERSION,
            length: bundle.footer.file_length,
            manifest_digest: bundle.footer.manifest_digest.to_string(),
            head: head.map_or_else(|| "sh".to_owned(), |launcher| format!("elf:{}", launcher.host)),
            launchers: manifest.launchers().map(|launcher| launcher.host.name()).collect(),
            hosts: manifest.launchers().map(|launcher| HostView::of(&manifest, launcher.host)).collect(),
            variants: manifest
                .variants()
                .map(|variant| VariantView {
                    target: variant.target.name(),
                    stored: variant.app.stored(),
                    shared: variant.shared.map_or(0, |shared| shared.stored()),
                    loader: json::name(variant.loader),
                    packages: of_variants.next().unwrap_or_default(),
                    entries: entries(&variant),
                    rules: rules(&manifest, variant.rules),
                })
                .collect(),
            components,
            translators: manifest
                .translators()
                .map(|row| TranslatorView {
                    host: row.key.host.name(),
                    target: row.key.target.name(),
                    name: json::name(row.name),
                    version: json::name(row.version),
                    rules: rules(&manifest, row.rules),
                })
                .collect(),
            notices: manifest
                .notices()
                .map(|row| NoticeView {
                    part: bundle_file::blob_name(&manifest, &row.subject),
                    licence: json::name(row.licence),
                    source: json::name(row.source),
                    origin: json::name(row.origin),
                })
                .collect(),
            blobs: manifest
                .blobs()
                .map(|blob| BlobView {
                    part: bundle_file::blob_name(&manifest, &blob),
                    encoding: blob.encoding.name(),
                    offset: blob.offset(),
                    stored: blob.stored(),
                    length: blob.length(),
                    stored_digest: blob.stored_digest().to_string(),
                    digest: blob.digest().to_string(),
                })
                .collect(),
            signatures: signature_rows::of(bundle)?
                .iter()
                .map(|row| SignatureView {
                    algorithm: "ed25519",
                    fingerprint: row.key.fingerprint(),
                    public_key: row.key.line(),
                    holds: row.holds,
                })
                .collect(),
        })
    }

    fn text(&self) -> String {
        let shown = |name: &String| readable(name.as_bytes());
        let mut text = format!(
            "{}: bundle, format {}, {} ({} bytes), head {}\nmanifest sha256:{}\n",
            shown(&self.file),
            self.version,
            size(self.length),
            self.length,
            self.head,
            self.manifest_digest
        );
        for variant in &self.variants {
            for entry in &variant.entries {
                let (name, path) = (shown(&entry.name), shown(&entry.path));
                let _ = writeln!(text, "entry     {name:<14} {:<10} {path}", variant.target);
            }
        }
        for HostView { host, launcher, emulators, broker, children, native } in &self.hosts {
            let rows = self.translators.iter().filter(|row| row.host == *host);
            let (rows, others): (Vec<_>, Vec<_>) =
                rows.partition(|row| self.variants.iter().any(|variant| variant.target == row.target));
            let rows: Vec<String> = rows
                .iter()
                .map(|row| {
                    readable(format!("{} {} ({})", row.name, row.version, row.rules.join("; ")).as_bytes())
                })
                .collect();
            let others = others.iter().fold(String::new(), |also, row| {
                also + &format!("; for {} {} {}", row.target, shown(&row.name), shown(&row.version))
            });
            let route = match &rows[..] {
                _ if *native > 0 => "native".to_owned(),
                [] => "no route".to_owned(),
                rows => rows.join(", else "),
            };
            let broker_too = match (*broker, *children) {
                (0, _) => "",
                (_, true) => ", broker",
                (_, false) => ", broker that only unpacks",
            };
            let all = launcher + emulators + broker + native;
            let _ = writeln!(text, "host      {host:<14} {all:>10} {route}{others}{broker_too}");
        }
        // An emulator has two: what is stated about it, and the licences.
        let notices = self.notices.iter().map(|notice| {
            let (licence, source) = (shown(&notice.licence), shown(&notice.source));
            format!("notice    {}: {licence}, source {source}\n", shown(&notice.part))
        });
        let mut notices: Vec<_> = notices.collect();
        notices.dedup();
        text += &notices.concat();
        for blob in &self.blobs {
            let _ = writeln!(
                text,
                "blob      {:<28} {:<9} {:>10} {:>10} of {:>10}  sha256:{}",
                shown(&blob.part),
                blob.encoding,
                blob.offset,
                blob.stored,
                blob.length,
                blob.digest
            );
        }
        for SignatureView { fingerprint, holds, .. } in &self.signatures {
            let state = if *holds { "" } else { "  DOES NOT HOLD" };
            let _ = writeln!(text, "signer    {fingerprint}{state}");
        }
        text
    }
}

#[derive(Serialize)]
struct ElfView {
    file: String,
    format: &'static str,
    kind: String,
    target: &'static str,
    loader: Option<String>,
    needed: Vec<String>,
    native: bool,
    emulators: Vec<EmulatorView>,
    /// Whether only an emulator of the user's own can run it.
    #[serde(skip)]
    needs_own: bool,
}

/// An ELF file for an architecture outside the table.
#[derive(Serialize)]
struct UnknownView {
    file: String,
    format: &'static str,
    /// `e_machine`.
    machine: u16,
    /// Always null; a file for a known architecture has its name here.
    target: Option<&'static str>,
    emulators: [EmulatorView; 0],
}

impl UnknownView {
    fn text(&self) -> String {
        let Self { file, format, machine, .. } = self;
        let file = readable(file.as_bytes());
        format!(
            "{file}: {format}, unknown architecture (e_machine {machine})\n  no emulator is known for it\n"
        )
    }
}

#[derive(Serialize)]
struct EmulatorView {
    host: &'static str,
    emulator: String,
}

impl ElfView {
    fn of(path: &Path, elf: &Elf) -> Self {
        let emulators = Arch::HOSTS.into_iter().filter(|host| *host != elf.arch).filter_map(|host| {
            let emulator = builtin_catalogue::emulator(bundle::EmulatorKey { host, target: elf.arch })?;
            Some(EmulatorView { host: host.name(), emulator })
        });
        let startable = matches!(elf.kind, Kind::Static | Kind::Dynamic);
        Self {
            file: json::name(path.as_os_str().as_bytes()),
            format: elf::shape(elf.arch.class() as u8, elf.arch.endian() as u8),
            kind: elf.kind.to_string(),
            target: elf.arch.name(),
            loader: elf.loader.as_deref().map(json::name),
            needed: elf.needed.iter().map(|name| json::name(name)).collect(),
            native: startable && Arch::HOST == Some(elf.arch),
            emulators: if startable { emulators.collect() } else { Vec::new() },
            needs_own: startable && !elf.arch.is_catalogued(),
        }
    }

    fn text(&self) -> String {
        let mut text =
            format!("{}: {} {}, {}", readable(self.file.as_bytes()), self.format, self.kind, self.target);
        if let Some(loader) = &self.loader {
            let _ = write!(text, ", loader {}", readable(loader.as_bytes()));
        }
        text.push('\n');
        if !self.needed.is_empty() {
            let _ = writeln!(text, "  needs {}", readable(self.needed.join(", ").as_bytes()));
        }
        for row in &self.emulators {
            let _ = writeln!(text, "  runs on {:<12} by {}", row.host, row.emulator);
        }
        if self.needs_own {
            text.push_str("  no known emulator runs it; add your own with `emulators.toml`\n");
        }
        text
    }
}
