//! What both forms of a bill contain: the bundle's parts, the components of each, and its files with their
//! digests, read from the bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use bundle::{Arch, Blob, BlobKind, Digest, Encoding, Manifest, Root};

use crate::components::{Component, Facts, Kind, path, purl};
use crate::error::Error;
use crate::hash;
use crate::json;
use crate::write::bundle_file::{BundleFile, blob_name};
use crate::write::tarball::TarEntry;
use crate::write::{facts, read_back};

/// A bundle's bill.
pub(super) struct Bill {
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// SHA-256 of the bundle's manifest, which is the same whoever signs the bundle.
    pub(super) manifest: Digest,
    /// A time, as RFC 3339 has it.
    pub(super) created: Option<String>,
    pub(super) parts: Vec<Part>,
    /// Whether the bundle says of all parts what they are made of.
    pub(super) is_complete: bool,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartKind {
    App,
    Image,
    /// Emulators, or a part of unibin itself.
    Tool,
}

/// A part of a bundle.
pub(super) struct Part {
    /// Its name in references: `app:riscv64`.
    pub(super) id: String,
    pub(super) kind: PartKind,
    pub(super) name: String,
    pub(super) version: Option<String>,
    /// The CPU that it is for, by unibin's name.
    pub(super) cpu: Option<&'static str>,
    pub(super) licence: Option<String>,
    pub(super) purl: Option<String>,
    /// SHA-256 and SHA-1 of a part that is one file.
    pub(super) digests: Option<(String, String)>,
    /// The distribution that a system is made from.
    pub(super) distribution: Option<String>,
    /// What it is made of.
    pub(super) components: Vec<Component>,
    pub(super) files: Vec<FileRow>,
}

/// A file of a part.
pub(super) struct FileRow {
    pub(super) path: String,
    pub(super) sha256: String,
    pub(super) sha1: String,
    /// The component that it belongs to; the part itself if that is none.
    pub(super) owner: Option<usize>,
}

/// A component's name in references: the same for the same component wherever it is, if it has no files.
pub(super) fn reference(part: &Part, index: usize) -> String {
    let Some(component) = part.components.get(index) else { return part.id.clone() };
    let name = |component: &Component| {
        let Component { kind, name, version, .. } = component;
        purl::of(component).unwrap_or_else(|| format!("{}:{name}@{version}", kind.name()))
    };
    let own = name(component);
    if component.kind == Kind::Source {
        return own;
    }
    // A tree may hold a package of npm several times.
    let earlier = part.components[..index].iter().filter(|other| name(other) == own).count();
    let nth = if earlier == 0 { String::new() } else { format!("#{}", earlier + 1) };
    format!("{}/{own}{nth}", part.id)
}

impl Bill {
    /// Reads all that `bundle` tells. Trees are unpacked, with every digest checked, and nothing is kept of
    /// them.
    pub(super) fn of(bundle: &BundleFile) -> Result<Self, Error> {
        let manifest = bundle.manifest()?;
        let first = manifest.variants().next().and_then(|variant| manifest.entries(&variant).next());
        let own = first.map_or_else(|| b"bundle".to_vec(), |entry| entry.name.to_vec());
        let mut bill = Self {
            name: json::name(&own),
            version: None,
            manifest: bundle.footer.manifest_digest,
            created: None,
            parts: Vec::new(),
            is_complete: true,
        };
        let mut starters = Vec::new();
        for row in manifest.launchers() {
            starters.push((format!("launcher:{}", row.host), row.host, row.blob));
        }
        for host in Arch::HOSTS {
            starters.extend(manifest.broker(host).map(|row| (format!("broker:{host}"), host, row.blob)));
        }
        let mut of_unibin = None;
        for (id, host, blob) in starters {
            match facts::of(bundle, &manifest, &blob)?.and_then(|facts| facts.components.into_iter().next()) {
                Some(component) => of_unibin = Some(component),
                None => bill.is_complete = false,
            }
            let mut part = Part::of_unibin(id, "unibin-launcher", of_unibin.as_ref());
            part.cpu = Some(host.name());
            part.digests = Some(digests(bundle, &manifest, &blob)?);
            bill.parts.push(part);
        }
        for blob in manifest.blobs().filter(|blob| blob.kind == BlobKind::Stub) {
            // The text in front of the launchers has their version.
            let mut part = Part::of_unibin("stub".to_owned(), "unibin-stub", of_unibin.as_ref());
            part.digests = Some(digests(bundle, &manifest, &blob)?);
            bill.parts.push(part);
        }
        bill.variants(bundle, &manifest, &own)?;
        bill.emulators(bundle, &manifest)?;
        Ok(bill)
    }

    fn variants(&mut self, bundle: &BundleFile, manifest: &Manifest<'_>, own: &[u8]) -> Result<(), Error> {
        for variant in manifest.variants() {
            let level = if variant.level == 0 { String::new() } else { format!("-v{}", variant.level) };
            let root = manifest.rules(variant.rules).find_map(|rule| rule.root());
            let kind = if root == Some(Root::Image) { PartKind::Image } else { PartKind::App };
            let mut part = Part::new(format!("app:{}{level}", variant.target), kind, json::name(own));
            part.cpu = Some(variant.target.name());
            let told = facts::of(bundle, manifest, &variant.app)?;
            self.is_complete &= told.is_some();
            let told = told.unwrap_or_else(|| from_notices(manifest, &variant.app));
            part.take(told);
            let owners = part.owners();
            for blob in [Some(variant.app), variant.shared].into_iter().flatten() {
                tree(bundle, manifest, &blob, &owners, &mut part.files)?;
            }
            part.files.sort_by(|one, other| one.path.cmp(&other.path));
            self.parts.push(part);
        }
        Ok(())
    }

    fn emulators(&mut self, bundle: &BundleFile, manifest: &Manifest<'_>) -> Result<(), Error> {
        for blob in manifest.blobs().filter(|blob| blob.kind == BlobKind::Emulator) {
            let Some(row) = manifest.translators().find(|row| row.blob == blob) else { continue };
            let (name, version) = (json::name(row.name), json::name(row.version));
            // Several for one host, for different targets, are in one blob, unless a user has more of them.
            let same = format!("emulator:{}", row.key.host);
            let count = self.parts.iter().filter(|part| part.id.starts_with(&same)).count();
            let id = if count == 0 { same } else { format!("{same}-{}", count + 1) };
            let mut part = Part::new(id, PartKind::Tool, name.clone());
            part.version = Some(version);
            part.cpu = Some(row.key.host.name());
            let told = facts::of(bundle, manifest, &blob)?;
            self.is_complete &= told.is_some();
            part.take(told.unwrap_or_else(|| from_notices(manifest, &blob)));
            if blob.encoding == Encoding::TarZstd {
                let owners = part.owners();
                tree(bundle, manifest, &blob, &owners, &mut part.files)?;
            } else {
                let (sha256, sha1) = digests(bundle, manifest, &blob)?;
                let owner = part.components.iter().position(|one| one.kind == Kind::Emulator);
                part.files.push(FileRow { path: name, sha256, sha1, owner });
            }
            self.parts.push(part);
        }
        Ok(())
    }

    /// A UUID of the manifest's digest, of version 8 (RFC 9562).
    pub(super) fn uuid(&self) -> String {
        let mut bytes = self.manifest.0;
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = Digest(bytes).to_string();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
    }

    /// Each distribution that a system of it is made from, or a package is of, once.
    pub(super) fn distributions(&self) -> BTreeSet<&str> {
        let of_parts = self.parts.iter().filter_map(|part| part.distribution.as_deref());
        let components = self.parts.iter().flat_map(|part| &part.components);
        let binary = components.filter(|one| matches!(one.kind, Kind::Deb | Kind::Apk));
        of_parts.chain(binary.filter_map(|one| one.distribution.as_deref())).collect()
    }
}

impl Part {
    fn new(id: String, kind: PartKind, name: String) -> Self {
        Self {
            id,
            kind,
            name,
            version: None,
            cpu: None,
            licence: None,
            purl: None,
            digests: None,
            distribution: None,
            components: Vec::new(),
            files: Vec::new(),
        }
    }

    /// A part of unibin itself, of the version that `known` has.
    fn of_unibin(id: String, name: &str, known: Option<&Component>) -> Self {
        let mut part = Self::new(id, PartKind::Tool, name.to_owned());
        part.version = known.map(|known| known.version.clone());
        part.licence = known.and_then(|known| known.licence.clone());
        part.purl = known.and_then(purl::of);
        part
    }

    fn take(&mut self, facts: Facts) {
        self.distribution = facts.distribution;
        self.components = facts.components;
    }

    /// Whether it is of a distribution and none of its packages is known.
    pub(super) fn is_system_without_packages(&self) -> bool {
        self.distribution.is_some()
            && !self.components.iter().any(|one| matches!(one.kind, Kind::Deb | Kind::Apk))
    }

    /// The component of each file that has one.
    fn owners(&self) -> BTreeMap<String, usize> {
        let numbered = self.components.iter().enumerate();
        numbered.flat_map(|(index, one)| one.files.iter().map(move |file| (file.clone(), index))).collect()
    }
}

/// What the notices for a part tell of its sources, in a bundle without facts.
fn from_notices(manifest: &Manifest<'_>, subject: &Blob<'_>) -> Facts {
    let mut facts = Facts::default();
    for notice in manifest.notices().filter(|row| row.subject == *subject) {
        let (sources, licence) = (json::name(notice.source), json::name(notice.licence));
        for (name, version) in sources.split(", ").filter_map(|source| source.split_once(' ')) {
            let mut source = Component::new(Kind::Source, name, version);
            source.licence = Some(licence.clone()).filter(|licence| licence != "NOASSERTION");
            facts.add(source);
        }
    }
    facts
}

/// The digests of a blob that is one file.
fn digests(bundle: &BundleFile, manifest: &Manifest<'_>, blob: &Blob<'_>) -> Result<(String, String), Error> {
    let part = blob_name(manifest, blob);
    let read = bundle.unpacked(blob).and_then(|from| hash::both(from.take(blob.length().saturating_add(1))));
    let (sha256, sha1) = read.map_err(|source| Error::damaged(bundle.path(), &part, &source))?;
    if sha256 != blob.digest().to_string() {
        let found = Digest::from_hex(&sha256).unwrap_or(Digest([0; 32]));
        return Err(Error::digest(bundle.path(), &part, blob.digest(), found));
    }
    Ok((sha256, sha1))
}

/// Adds the files of a tree.
fn tree(
    bundle: &BundleFile,
    manifest: &Manifest<'_>,
    blob: &Blob<'_>,
    owners: &BTreeMap<String, usize>,
    files: &mut Vec<FileRow>,
) -> Result<(), Error> {
    let part = blob_name(manifest, blob);
    let mut known: BTreeMap<Vec<u8>, (String, String)> = BTreeMap::new();
    read_back::members(bundle.file(), bundle.path(), &part, blob, |name, _, entry| {
        let digests = match entry {
            TarEntry::File { content, .. } => {
                hash::both(content).map_err(|source| Error::damaged(bundle.path(), &part, &source))?
            }
            TarEntry::HardLink(target) => match known.get(&target) {
                Some(digests) => digests.clone(),
                None => {
                    return Err(Error::damaged(bundle.path(), &part, &"a link to a file that is not there"));
                }
            },
            TarEntry::Directory | TarEntry::Symlink(_) => return Ok(()),
        };
        known.insert(name.to_vec(), digests.clone());
        let path = path(name);
        let owner = owners.get(&path).copied();
        files.push(FileRow { path, sha256: digests.0, sha1: digests.1, owner });
        Ok(())
    })
}
