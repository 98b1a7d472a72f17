//! The index of one architecture's packages (`Packages`): what is needed to fetch a package and to name its
//! sources. The caller passes only bytes whose digest a signed `Release` names.
//! Refuses file names that leave the archive and stanzas without a digest.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Component, Path};
use std::sync::OnceLock;

use bundle::Digest;

use crate::relation::relations;
use crate::stanza::{Stanza, stanzas};
use crate::version::Version;
use crate::xz;

/// A binary package, as the index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, epoch and revision included.
    pub version: String,
    /// Debian's name of the CPU, or `all`.
    pub architecture: String,
    /// The source package it was built from.
    pub source: String,
    /// That source package's version.
    pub source_version: String,
    /// Path of the `.deb`, relative to the mirror's base.
    pub filename: String,
    /// Size of the `.deb` in bytes.
    pub size: u64,
    /// What its files take when they are installed, in bytes, as `Installed-Size` estimates it; 0 if it does
    /// not say.
    pub installed_size: u64,
    /// SHA-256 of the `.deb`.
    pub sha256: Digest,
    /// The fields `Pre-Depends` and `Depends`, joined by `, `, verbatim; may be empty.
    pub depends: String,
    /// The field `Pre-Depends` by itself, verbatim; may be empty.
    pub pre_depends: String,
    /// The field `Provides` (virtual packages), verbatim; may be empty.
    pub provides: String,
    /// The fields `Conflicts` and `Breaks`, joined by `, `, verbatim; may be empty.
    pub conflicts: String,
    /// The field `Replaces`, verbatim; may be empty.
    pub replaces: String,
    /// Whether every system must have it (`Essential: yes`).
    pub essential: bool,
    /// The field `Priority`: `required`, `important`, `standard`, `optional`; may be empty.
    pub priority: String,
    /// The field `Built-Using` (the sources of what is linked into static programs), verbatim; may be empty.
    pub built_using: String,
}

/// An index that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackagesError {
    /// Not xz, or not the syntax of an index.
    #[error("the index of packages cannot be read")]
    Syntax(#[from] io::Error),
    /// A package's stanza lacks a field, or has an invalid value.
    #[error("the index describes package `{package}` without a usable field `{field}`")]
    Field {
        /// The package's name, if it has one.
        package: String,
        /// The field.
        field: &'static str,
    },
}

/// All packages of one architecture; a name may stand for several versions. Stanzas are read when they are
/// asked for: of tens of thousands few ever are.
#[derive(Debug, Clone)]
pub struct PackageIndex {
    /// SHA-256 of the index file (`Packages.xz`), as the signed `Release` names it.
    pub sha256: Digest,
    /// All of it. Every stanza is known to be readable.
    text: String,
    /// By name.
    names: Vec<Named>,
    /// The names of the packages that provide each virtual package, in order.
    providers: OnceLock<BTreeMap<String, Vec<String>>>,
}

/// The packages of one name.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    /// Where their stanzas are in the text, in its order.
    stanzas: Vec<Range<usize>>,
    /// The newest one first.
    packages: OnceLock<Vec<Package>>,
}

impl Named {
    fn packages(&self, text: &str) -> &[Package] {
        self.packages.get_or_init(|| {
            let stanza =
                |range: &Range<usize>| Package::read(text.get(range.clone()).unwrap_or_default()).ok();
            let mut packages: Vec<Package> = self.stanzas.iter().filter_map(stanza).flatten().collect();
            if packages.len() > 1 {
                packages.sort_by_cached_key(|package| std::cmp::Reverse(Version::of(&package.version)));
            }
            packages
        })
    }
}

impl PackageIndex {
    /// Reads a `Packages.xz` with the digest `sha256`, which the caller has checked.
    pub fn read_xz(reader: impl Read, sha256: Digest) -> Result<Self, PackagesError> {
        Self::read(xz::decode(reader)?, sha256)
    }

    /// Reads an index that is not compressed.
    pub fn read(mut reader: impl Read, sha256: Digest) -> Result<Self, PackagesError> {
        let mut text = String::new();
        reader.read_to_string(&mut text)?;
        let index = Self::checked(text, sha256);
        for stanza in index.names.iter().flat_map(|named| &named.stanzas) {
            Package::read(index.text.get(stanza.clone()).unwrap_or_default())?;
        }
        Ok(index)
    }

    /// The same for a text that has been read without an error before.
    pub(crate) fn checked(text: String, sha256: Digest) -> Self {
        let mut stanzas: Vec<(&str, Range<usize>)> = Vec::new();
        let mut start = 0;
        for stanza in text.split("\n\n") {
            let range = start..start + stanza.len();
            start = range.end + 2;
            if !stanza.trim().is_empty() {
                stanzas.push((name_of(stanza), range));
            }
        }
        // Stable: versions stay in the text's order.
        stanzas.sort_by_key(|(name, _)| *name);
        let names = stanzas.chunk_by(|(one, _), (other, _)| one == other).map(|of_name| Named {
            name: of_name.first().map(|(name, _)| (*name).to_owned()).unwrap_or_default(),
            stanzas: of_name.iter().map(|(_, range)| range.clone()).collect(),
            packages: OnceLock::new(),
        });
        let names = names.collect();
        Self { sha256, text, names, providers: OnceLock::new() }
    }

    /// All of it, as it was read.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The package of an index that has one.
    pub(crate) fn into_only(self) -> Option<Package> {
        let mut packages = self.names.iter().flat_map(|named| named.packages(&self.text));
        packages.next().filter(|_| packages.next().is_none()).cloned()
    }

    /// The newest version of the package `name`.
    pub fn find(&self, name: &str) -> Option<&Package> {
        self.versions(name).first()
    }

    /// All versions of the package `name`, newest first.
    pub fn versions(&self, name: &str) -> &[Package] {
        let found = self.names.binary_search_by(|named| named.name.as_str().cmp(name));
        found.ok().and_then(|found| self.names.get(found)).map_or(&[], |named| named.packages(&self.text))
    }

    /// The newest version of each package whose name begins with `prefix`, by name.
    pub fn beginning_with(&self, prefix: &str) -> impl Iterator<Item = &Package> {
        let from = self.names.partition_point(|named| named.name.as_str() < prefix);
        let these = self.names.iter().skip(from).take_while(move |named| named.name.starts_with(prefix));
        these.filter_map(|named| named.packages(&self.text).first())
    }

    /// The newest version of each package, by name.
    pub fn newest(&self) -> impl Iterator<Item = &Package> {
        self.names.iter().filter_map(|named| named.packages(&self.text).first())
    }

    /// The packages that provide the virtual package `name`, by name, newest first.
    pub fn providers(&self, name: &str) -> impl Iterator<Item = &Package> {
        let names = self.all_providers().get(name).map_or(&[][..], Vec::as_slice);
        names.iter().flat_map(|name| self.versions(name))
    }

    fn all_providers(&self) -> &BTreeMap<String, Vec<String>> {
        self.providers.get_or_init(|| {
            let mut providers: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let provide = |stanza: &&Range<usize>| {
                self.text.get((*stanza).clone()).is_some_and(|stanza| stanza.contains("\nProvides:"))
            };
            let these = self.names.iter().filter(|named| named.stanzas.iter().any(|stanza| provide(&stanza)));
            for package in these.flat_map(|named| named.packages(&self.text)) {
                for provided in relations(&package.provides).into_iter().flatten() {
                    let names = providers.entry(provided.name).or_default();
                    if names.last() != Some(&package.name) {
                        names.push(package.name.clone());
                    }
                }
            }
            providers
        })
    }

    /// Up to three names that are close to a misspelt `name`, nearest first.
    pub fn did_you_mean(&self, name: &str) -> Vec<&str> {
        let allowed = 1 + name.len() / 4;
        let mut near: Vec<(usize, &str)> = self
            .names
            .iter()
            .map(|named| named.name.as_str())
            .filter(|known| known.len().abs_diff(name.len()) <= allowed)
            .map(|known| (distance(known, name), known))
            .filter(|(distance, _)| *distance <= allowed)
            .collect();
        near.sort_unstable();
        near.into_iter().take(3).map(|(_, known)| known).collect()
    }

    /// How many packages there are, each version counted.
    pub fn len(&self) -> usize {
        self.names.iter().map(|named| named.stanzas.len()).sum()
    }

    /// Whether there is no package.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The name in a stanza. Nearly all begin with it.
fn name_of(stanza: &str) -> &str {
    let line = stanza.lines().find_map(|line| line.strip_prefix("Package:"));
    line.unwrap_or_default().trim()
}

impl Package {
    /// The package that a stanza is about; none of a comment.
    fn read(text: &str) -> Result<Option<Self>, PackagesError> {
        let mut stanzas = stanzas(text.as_bytes());
        let Some(stanza) = stanzas.next() else { return Ok(None) };
        let package = Self::from_stanza(&stanza?)?;
        if package.name != name_of(text) || stanzas.next().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a stanza has two names, or no empty line at its end",
            )
            .into());
        }
        Ok(Some(package))
    }

    fn from_stanza(stanza: &Stanza) -> Result<Self, PackagesError> {
        let name = stanza.get("Package").unwrap_or_default().trim().to_owned();
        let fault = |field| PackagesError::Field { package: name.clone(), field };
        let text = |field: &'static str| stanza.get(field).map(|value| value.trim().to_owned());
        let needed = |field| text(field).filter(|value| !value.is_empty()).ok_or(fault(field));
        let version = needed("Version")?;
        // `Source: name (version)`; absent where it is the same as the package, a part or the whole of it.
        let source = text("Source").unwrap_or_else(|| name.clone());
        let (source, source_version) = match source.split_once(" (") {
            Some((source, rest)) => (source.to_owned(), rest.trim_end_matches(')').to_owned()),
            None => (source, version.clone()),
        };
        let filename = needed("Filename")?;
        if !stays_inside(&filename) {
            return Err(fault("Filename"));
        }
        let joined =
            |fields: [&'static str; 2]| fields.into_iter().filter_map(text).collect::<Vec<_>>().join(", ");
        Ok(Self {
            architecture: needed("Architecture")?,
            size: needed("Size")?.parse().map_err(|_| fault("Size"))?,
            installed_size: text("Installed-Size")
                .and_then(|kib| kib.parse::<u64>().ok())
                .unwrap_or_default()
                .saturating_mul(1024),
            sha256: needed("SHA256")?.parse().map_err(|_| fault("SHA256"))?,
            depends: joined(["Pre-Depends", "Depends"]),
            pre_depends: text("Pre-Depends").unwrap_or_default(),
            provides: text("Provides").unwrap_or_default(),
            conflicts: joined(["Conflicts", "Breaks"]),
            replaces: text("Replaces").unwrap_or_default(),
            essential: text("Essential").is_some_and(|value| value == "yes"),
            priority: text("Priority").unwrap_or_default(),
            built_using: text("Built-Using").unwrap_or_default(),
            name: needed("Package")?,
            version,
            source,
            source_version,
            filename,
        })
    }
}

/// Whether a path stays below the directory to which it is joined, and needs no escapes in a URL.
pub(crate) fn stays_inside(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
        && !path.chars().any(|c| c.is_control() || matches!(c, ' ' | '?' | '#' | '%' | '\\'))
}

/// The Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
impl PackageIndex {
    /// An index of packages for riscv64: name, version, and further fields.
    pub(crate) fn of(packages: &[(&str, &str, &str)]) -> Self {
        let zero = "0".repeat(64);
        let text = packages.iter().fold(String::new(), |text, (name, version, fields)| {
            text + &format!(
                "Package: {name}\nVersion: {version}\nArchitecture: riscv64\nSize: 3\nSHA256: {zero}\n\
                 Filename: pool/{name}.deb\n{fields}\n"
            )
        });
        Self::read(text.as_bytes(), crate::digest::of(b"")).expect("an index")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZERO: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn package(text: &str) -> Result<Package, PackagesError> {
        let stanza = stanzas(text.as_bytes()).next().expect("a stanza").expect("readable");
        Package::from_stanza(&stanza)
    }

    fn stanza(extra: &str) -> String {
        format!("Package: a\nVersion: 1:1.0-2+b1\nArchitecture: amd64\nSize: 3\nSHA256: {ZERO}\n{extra}\n")
    }

    #[test]
    fn file_names_that_leave_the_archive_are_refused() {
        for bad in ["/etc/passwd", "pool/../../x.deb", "../x", "./x", "pool/a?b", "pool/a%2e", "pool/a b"] {
            let refused = package(&stanza(&format!("Filename: {bad}")));
            assert!(matches!(refused, Err(PackagesError::Field { field: "Filename", .. })), "{bad}");
        }
        assert!(package(&stanza("Filename: pool/main/a/a_1.0-2+b1~x_amd64.deb")).is_ok());
    }

    #[test]
    fn a_package_without_a_digest_is_refused() {
        let text = stanza("Filename: pool/a.deb").replace("SHA256", "MD5sum");
        assert!(matches!(package(&text), Err(PackagesError::Field { field: "SHA256", .. })));
    }

    #[test]
    fn what_is_installed_has_the_length_that_is_estimated_and_none_if_nobody_says() {
        let size = |extra: &str| {
            let package = package(&stanza(&format!("Filename: pool/a.deb\n{extra}"))).expect("a package");
            package.installed_size
        };
        assert_eq!(size("Installed-Size: 12"), 12 << 10);
        assert_eq!((size(""), size("Installed-Size: much")), (0, 0));
        assert_eq!(size(&format!("Installed-Size: {}", u64::MAX)), u64::MAX);
    }

    #[test]
    fn the_source_is_named_with_its_own_version_where_that_differs() {
        let own = package(&stanza("Filename: pool/a.deb")).expect("a package");
        assert_eq!((own.source.as_str(), own.source_version.as_str()), ("a", "1:1.0-2+b1"));
        let other = package(&stanza("Filename: pool/a.deb\nSource: s (1:1.0-2)")).expect("a package");
        assert_eq!((other.source.as_str(), other.source_version.as_str()), ("s", "1:1.0-2"));
    }
}
