//! The TOML files of the recipe and of the committed emulators.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bundle::{Arch, Digest};
use debian::{Package, PinnedFile, Source, SourceFile, relations};
use serde::Deserialize;

use super::request::Request;
use crate::tables::{self, quoted};

/// Names of the recipe's files.
pub(crate) const HOSTS: &str = "hosts.toml";
pub(crate) const ROOT: &str = "root.toml";
pub(crate) const SOURCE: &str = "source.toml";

/// `hosts.toml`.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// In the order of the programs in a frame.
    pub(crate) targets: Vec<Arch>,
    /// Packages of every root, of the architecture of the machine that builds.
    pub(crate) tools: Vec<String>,
    /// By host.
    pub(crate) rows: BTreeMap<Arch, HostRow>,
}

/// What a host needs besides.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostRow {
    /// Packages of the machine that builds.
    pub(crate) tools: Vec<String>,
    /// Packages of the host's own architecture, taken without what they depend on.
    pub(crate) libraries: Vec<String>,
}

impl Hosts {
    pub(crate) fn read(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            targets: Vec<String>,
            tools: Vec<String>,
            hosts: BTreeMap<String, HostRow>,
        }
        let file: File = tables::read(text).with_context(|| format!("`{HOSTS}` cannot be read"))?;
        let targets = file.targets.iter().map(|name| arch(name)).collect::<Result<Vec<_>>>()?;
        let hosts = file.hosts.into_iter().map(|(name, row)| Ok((arch(&name)?, row)));
        Ok(Self { targets, tools: file.tools, rows: hosts.collect::<Result<_>>()? })
    }

    /// The hosts that were asked for, or all that are committed, each with its targets in the order of the
    /// frame.
    pub(crate) fn chosen(&self, request: &Request, foundry: &Path) -> Result<Vec<(Arch, Vec<Arch>)>> {
        // A host whose emulators are not committed yet is built when it is named.
        let committed = self.rows.keys().filter(|host| foundry.join(host.name()).is_dir());
        if request.rotating {
            let pairs: Vec<(Arch, Arch)> =
                committed.flat_map(|host| self.targets.iter().map(|target| (*host, *target))).collect();
            ensure!(!pairs.is_empty(), "no emulators are committed");
            let (host, target) = pairs[crate::turn::turn()? % pairs.len()];
            return Ok(vec![(host, vec![target])]);
        }
        for host in &request.hosts {
            ensure!(self.rows.contains_key(host), "`{HOSTS}` has no host {host}");
        }
        for target in &request.targets {
            ensure!(self.targets.contains(target), "`{HOSTS}` has no target {target}");
        }
        let is_wanted = |target: &&Arch| request.targets.is_empty() || request.targets.contains(target);
        let targets: Vec<Arch> = self.targets.iter().filter(is_wanted).copied().collect();
        let hosts: Vec<Arch> =
            if request.hosts.is_empty() { committed.copied().collect() } else { request.hosts.clone() };
        Ok(hosts.into_iter().map(|host| (host, targets.clone())).collect())
    }
}

/// `source.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourcePins {
    /// The suite that had it; for people.
    #[serde(rename = "suite")]
    _suite: String,
    /// The source package.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Directory of its files, relative to a mirror's base.
    pub(crate) directory: String,
    /// Its files.
    pub(crate) files: Vec<FilePin>,
}

/// A file of the source package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilePin {
    pub(crate) name: String,
    pub(crate) size: u64,
    #[serde(with = "debian::digest::hex")]
    pub(crate) sha256: Digest,
}

impl SourcePins {
    pub(crate) fn read(text: &str) -> Result<Self> {
        let pins: Self = tables::read(text).with_context(|| format!("`{SOURCE}` cannot be read"))?;
        for FilePin { name, .. } in &pins.files {
            ensure!(!name.contains('/') && !name.starts_with('.'), "`{SOURCE}` names the file `{name}`");
        }
        Ok(pins)
    }

    pub(crate) fn pinned(&self, file: &FilePin) -> PinnedFile {
        PinnedFile { path: format!("{}/{}", self.directory, file.name), size: file.size, sha256: file.sha256 }
    }

    /// The file's text for a source package that an index names.
    pub(crate) fn text(suite: &str, source: &Source) -> Result<String> {
        let mut text = String::from(
            "# The source package that is built. Written by `cargo xtask foundry --update`; not edited by hand.\n",
        );
        let Source { name, version, directory, files } = source;
        for (field, value) in
            [("suite", suite), ("name", name), ("version", version), ("directory", directory)]
        {
            writeln!(text, "{field} = {}", quoted(value))?;
        }
        writeln!(text, "files = [")?;
        for SourceFile { name, size, sha256 } in files {
            writeln!(text, "    {{ name = {}, size = {size}, sha256 = \"{sha256}\" }},", quoted(name))?;
        }
        writeln!(text, "]")?;
        Ok(text)
    }
}

/// `root.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootPins {
    /// The suite that had the packages; for people.
    #[serde(rename = "suite")]
    _suite: String,
    /// When it had them, as the snapshot archive writes it.
    pub(crate) snapshot: String,
    packages: Vec<PackagePin>,
}

/// A package of a build root.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PackagePin {
    /// The only host that needs it; every host, where there is none.
    pub(crate) host: Option<String>,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    source: Option<String>,
    source_version: Option<String>,
    built_using: Option<String>,
    file: String,
    size: u64,
    #[serde(with = "debian::digest::hex")]
    pub(crate) sha256: Digest,
}

impl PackagePin {
    pub(crate) fn pinned(&self) -> PinnedFile {
        PinnedFile { path: self.file.clone(), size: self.size, sha256: self.sha256 }
    }

    /// The source packages, with versions, of its files: those that it says it was built of, as a cross
    /// compiler's package does, else its own.
    pub(crate) fn sources(&self) -> Vec<(String, String)> {
        let stated = relations(self.built_using.as_deref().unwrap_or_default()).into_iter().flatten();
        let stated: Vec<(String, String)> =
            stated.filter_map(|source| Some((source.name, source.version?.1))).collect();
        if !stated.is_empty() {
            return stated;
        }
        let version = self.source_version.as_deref().unwrap_or(&self.version);
        vec![(self.source.as_deref().unwrap_or(&self.name).to_owned(), version.to_owned())]
    }
}

impl RootPins {
    pub(crate) fn read(text: &str) -> Result<Self> {
        tables::read(text).with_context(|| format!("`{ROOT}` cannot be read"))
    }

    /// The packages of a host's root.
    pub(crate) fn of(&self, host: Arch) -> Vec<&PackagePin> {
        let serves = |pin: &&PackagePin| pin.host.as_deref().is_none_or(|only| only == host.name());
        self.packages.iter().filter(serves).collect()
    }

    /// The file's text for packages that an index names, each with the only host that needs it.
    pub(crate) fn text(suite: &str, snapshot: &str, packages: &[(Option<Arch>, &Package)]) -> Result<String> {
        let mut text = String::from(
            "# The packages of the build root. Written by `cargo xtask foundry --update` from the names in \
             hosts.toml; not edited\n# by hand. A source is named where it is not that of the same name and \
             version. `file` is relative to a mirror's base.\n",
        );
        writeln!(text, "suite = {}\nsnapshot = {}\npackages = [", quoted(suite), quoted(snapshot))?;
        for (host, package) in packages {
            let Package { name, version, architecture, source, source_version, .. } = package;
            write!(text, "    {{ ")?;
            if let Some(host) = host {
                write!(text, "host = {}, ", quoted(host.name()))?;
            }
            write!(text, "name = {}, version = {}, ", quoted(name), quoted(version))?;
            write!(text, "architecture = {}, ", quoted(architecture))?;
            if source != name {
                write!(text, "source = {}, ", quoted(source))?;
            }
            if source_version != version {
                write!(text, "source-version = {}, ", quoted(source_version))?;
            }
            if !package.built_using.is_empty() {
                write!(text, "built-using = {}, ", quoted(&package.built_using))?;
            }
            let (file, size, sha256) = (quoted(&package.filename), package.size, package.sha256);
            writeln!(text, "file = {file}, size = {size}, sha256 = \"{sha256}\" }},")?;
        }
        writeln!(text, "]")?;
        Ok(text)
    }
}

/// `emulators.toml`, as far as the task itself needs it.
#[derive(Debug, Deserialize)]
pub(crate) struct Committed {
    pub(crate) version: String,
    #[serde(with = "debian::digest::hex")]
    pub(crate) recipe: Digest,
    pub(crate) frame: FrameRow,
    pub(crate) members: BTreeMap<String, MemberRow>,
}

/// The frame.
#[derive(Debug, Deserialize)]
pub(crate) struct FrameRow {
    pub(crate) size: u64,
    #[serde(with = "debian::digest::hex")]
    pub(crate) sha256: Digest,
    pub(crate) unpacked: u64,
}

/// A program in the frame.
#[derive(Debug, Deserialize)]
pub(crate) struct MemberRow {
    pub(crate) offset: u64,
    pub(crate) size: u64,
    #[serde(with = "debian::digest::hex")]
    pub(crate) sha256: Digest,
}

impl Committed {
    pub(crate) fn read(text: &str) -> Result<Self> {
        tables::read(text)
    }
}

fn arch(name: &str) -> Result<Arch> {
    let found = Arch::ALL.iter().copied().find(|arch| arch.name() == name);
    found.with_context(|| format!("`{HOSTS}` names the architecture `{name}`, which is none of unibin's"))
}
