//! The known static emulators: unibin's own, and Debian's, one row per host and package, with the pinned
//! package and the pinned digest of every program in it. The rows are data (`catalogue.toml`, written by
//! [`crate::pin`]). For a pair without an emulator it gives the reason, and the nearest alternative.

use std::collections::BTreeMap;
use std::fmt;

use bundle::{Arch, Digest, EmulatorKey};
use debian::digest;
use serde::Deserialize;
use serde::de::Deserializer;

use crate::built::{Built, BuiltMember};
use crate::record::SourceFile;
use crate::{arch_name, toml_file};

/// Everything that is known. unibin's own come first, then the rows: hosts in the order of [`Arch`], rows of
/// one host in the order in which they are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    built: Vec<Built>,
    rows: Vec<Row>,
    /// Whether Debian's come first.
    prefers_debian: bool,
    /// Whether it is empty because the user disabled it.
    left_out: bool,
}

/// The emulator that serves a pair.
#[derive(Debug, Clone, Copy)]
pub enum Known<'c> {
    /// One of unibin's own.
    Built(&'c Built, &'c BuiltMember),
    /// A program of a Debian package.
    Packaged(&'c Row, &'c Member),
}

/// The emulators of one package, for one host.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Row {
    /// The CPU that the programs run on.
    #[serde(with = "arch_name")]
    pub host: Arch,
    /// Their kind, such as `qemu-user`.
    pub translator: String,
    /// The translator's own version, such as `10.0.13`.
    pub version: String,
    /// SPDX expression for the static programs, all that is linked into them included.
    pub licence: String,
    /// Where the package is.
    pub package: PackageRow,
    /// A caveat for users.
    pub limits: Vec<String>,
    /// The program for each target.
    #[serde(deserialize_with = "members")]
    pub members: BTreeMap<Arch, Member>,
}

/// A pinned Debian package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageRow {
    /// The suite that has it, such as `trixie`.
    pub suite: String,
    /// Debian's name of the host, such as `arm64`.
    pub architecture: String,
    /// The binary package.
    pub name: String,
    /// Its version, epoch and revision included.
    pub version: String,
    /// The source package.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
    /// `Built-Using` as the package says it: the sources of what is linked in. May be empty.
    pub built_using: String,
    /// The files of the source package. Empty if the archive no longer has that version of the source.
    #[serde(default)]
    pub source_files: Vec<SourceFile>,
    /// The `.deb`'s path, relative to a mirror's base.
    pub file: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    #[serde(with = "digest::hex")]
    pub sha256: Digest,
}

/// One pinned program of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Member {
    /// Its path in the package, without a leading `/` or `./`.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    #[serde(with = "digest::hex")]
    pub sha256: Digest,
    /// The offset of its header in the package's unpacked `data.tar`, in bytes. It saves a search, and is not
    /// trusted.
    pub tar_offset: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    row: Vec<Row>,
}

/// A catalogue that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Not TOML, or unknown fields.
    #[error("the catalogue of emulators cannot be read: {0}")]
    Syntax(String),
    /// A row for a CPU that is not a host.
    #[error("the catalogue has a row for {0}, which is no host")]
    NotAHost(Arch),
    /// Rows out of order, or duplicate rows.
    #[error("the catalogue's rows are not sorted: {0} `{1}` is out of place or there twice")]
    Order(Arch, String),
}

/// No emulator runs programs of the target on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoEmulator {
    /// The requested host and target.
    pub key: EmulatorKey,
    /// The reason.
    pub why: &'static str,
    /// The hosts that can run such programs.
    pub nearest: Vec<Arch>,
}

/// QEMU's `docs/about/removed-features.rst`: 10.0 removed 64-bit targets on 32-bit hosts, 11.0 removed 32-bit
/// hosts.
const WHY_32_BIT: &str = "QEMU 10.0 dropped 64-bit targets on 32-bit hosts, and QEMU 11.0 dropped 32-bit hosts \
                          altogether; the catalogue has no older release built for this host";
const WHY_NO_HOST: &str = "the catalogue has no emulator built for this host";
const WHY_LEFT_OUT: &str =
    "`catalogue = false` disables the built-in catalogue, and your `emulators.toml` has none for this pair";
const WHY_NAMED: &str = "the catalogue has no emulator for this target";
const WHY_NO_TARGET: &str = "the QEMU release for this host does not support this target";

impl Catalogue {
    /// The built-in catalogue.
    pub fn embedded() -> Result<Self, CatalogueError> {
        let built = Built::embedded().map_err(CatalogueError::Syntax)?;
        Ok(Self { built, ..Self::of_debian()? })
    }

    /// The built-in catalogue without unibin's own emulators.
    pub fn of_debian() -> Result<Self, CatalogueError> {
        Self::parse(include_str!("../catalogue.toml"))
    }

    /// The same, but Debian's emulators serve every pair that they can. A lock file may still name others.
    #[must_use]
    pub fn preferring_debian(self) -> Self {
        Self { prefers_debian: true, ..self }
    }

    /// An empty catalogue, for users who disabled it.
    pub fn left_out() -> Self {
        Self { left_out: true, ..Self::default() }
    }

    /// Reads the rows of a catalogue; they must be sorted and their hosts must be hosts.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let File { row: rows } = toml_file::read(text).map_err(CatalogueError::Syntax)?;
        if let Some(row) = rows.iter().find(|row| !row.host.is_host()) {
            return Err(CatalogueError::NotAHost(row.host));
        }
        for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
            let twice =
                row.host == next.host && row.translator == next.translator && row.version == next.version;
            if next.host < row.host || twice {
                return Err(CatalogueError::Order(next.host, next.translator.clone()));
            }
        }
        Ok(Self { rows, ..Self::default() })
    }

    /// unibin's own emulators for `host`.
    pub fn built(&self, host: Arch) -> Option<&Built> {
        self.built.iter().find(|built| built.host == host)
    }

    /// Whether there are emulators of unibin's own for programs of `target`, on whatever host, used or not.
    pub fn is_own(&self, target: Arch) -> bool {
        self.built.iter().any(|built| built.members.contains_key(&target))
    }

    /// The program of unibin's own with this digest, and its pair.
    pub(crate) fn built_with(&self, sha256: Digest) -> Option<(EmulatorKey, &Built, &BuiltMember)> {
        self.built.iter().find_map(|built| {
            let (target, member) = built.members.iter().find(|(_, member)| member.sha256 == sha256)?;
            Some((EmulatorKey { host: built.host, target: *target }, built, member))
        })
    }

    /// The rows of `host`, in the order in which they are tried.
    pub fn rows(&self, host: Arch) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.host == host)
    }

    /// Every row of Debian's.
    pub fn all(&self) -> &[Row] {
        &self.rows
    }

    /// The emulator that serves `key`: unibin's own, else Debian's, unless these are preferred.
    pub fn find(&self, key: EmulatorKey) -> Result<Known<'_>, NoEmulator> {
        self.look_up(key).ok_or_else(|| self.nothing_for(key))
    }

    fn look_up(&self, key: EmulatorKey) -> Option<Known<'_>> {
        let own = || self.built.iter().find_map(|built| Some(Known::Built(built, built.member(key)?)));
        let packaged = || self.packaged(key).map(|(row, member)| Known::Packaged(row, member));
        if self.prefers_debian { packaged().or_else(own) } else { own().or_else(packaged) }
    }

    /// The first row of Debian's that serves `key`, and its program.
    pub fn packaged(&self, key: EmulatorKey) -> Option<(&Row, &Member)> {
        self.rows(key.host).find_map(|row| Some((row, row.members.get(&key.target)?)))
    }

    /// The hosts that run programs of `target`, through an emulator of this catalogue.
    pub fn hosts_for(&self, target: Arch) -> Vec<Arch> {
        let known = |host: &Arch| self.look_up(EmulatorKey { host: *host, target }).is_some();
        Arch::HOSTS.into_iter().filter(known).collect()
    }

    fn nothing_for(&self, key: EmulatorKey) -> NoEmulator {
        let why = match key.host.class() {
            _ if !key.target.is_catalogued() => WHY_NAMED,
            _ if self.left_out => WHY_LEFT_OUT,
            bundle::Class::Elf32 => WHY_32_BIT,
            bundle::Class::Elf64 if self.rows(key.host).next().is_none() => WHY_NO_HOST,
            bundle::Class::Elf64 => WHY_NO_TARGET,
        };
        NoEmulator { key, why, nearest: self.hosts_for(key.target) }
    }
}

impl Known<'_> {
    /// Its kind, such as `qemu-user`.
    pub fn translator(&self) -> &str {
        match self {
            Self::Built(built, _) => built.translator(),
            Self::Packaged(row, _) => &row.translator,
        }
    }

    /// Its version, such as `10.0.13+unibin1`.
    pub fn version(&self) -> &str {
        match self {
            Self::Built(built, _) => &built.version,
            Self::Packaged(row, _) => &row.version,
        }
    }

    /// SHA-256 of the program.
    pub fn sha256(&self) -> Digest {
        match self {
            Self::Built(_, member) => member.sha256,
            Self::Packaged(_, member) => member.sha256,
        }
    }
}

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.translator(), self.version())
    }
}

impl fmt::Display for NoEmulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EmulatorKey { host, target } = self.key;
        write!(f, "no emulator runs {target} programs on {} {host} host", article(host))
    }
}

impl std::error::Error for NoEmulator {}

impl NoEmulator {
    /// A hint for the user: the reason, and what would work instead.
    pub fn hint(&self) -> Option<String> {
        let EmulatorKey { host, target } = self.key;
        let can = match &*self.nearest {
            [] if self.why == WHY_LEFT_OUT => "add an entry for it, or remove that line".to_owned(),
            [] if self.why == WHY_NAMED => {
                "`emulators.toml` can name your own (docs/translators.md)".to_owned()
            }
            [] => format!("no host runs {target} programs"),
            hosts => {
                let names: Vec<&str> = hosts.iter().map(|host| host.name()).collect();
                format!("hosts that can: {}", names.join(", "))
            }
        };
        Some(format!("{}; {can}; or use your own with `--emulator {host}=FILE`", self.why))
    }
}

/// `a` or `an`, by the pronunciation of the CPU's name: an `x86_64`, an `s390x`, a `riscv64`.
fn article(arch: Arch) -> &'static str {
    if arch.name().starts_with(['a', 'i', 'x', 's', 'h', 'm']) { "an" } else { "a" }
}

fn members<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Arch, Member>, D::Error> {
    arch_name::by_arch(from, "a row without programs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_a_pair_without_emulator_say_who_why_and_what_instead() {
        let mut catalogue = Catalogue::embedded().expect("the embedded catalogue");
        catalogue.rows.retain(|row| row.host != Arch::I686);
        let key = EmulatorKey { host: Arch::I686, target: Arch::Riscv64 };
        let nothing = catalogue.find(key).expect_err("no row for i686");
        assert_eq!(nothing.to_string(), "no emulator runs riscv64 programs on an i686 host");
        let hint = nothing.hint().expect("a hint");
        assert!(hint.contains("QEMU 10.0 dropped 64-bit targets on 32-bit hosts"), "{hint}");
        assert!(hint.contains("hosts that can: x86_64, aarch64"), "{hint}");
        let key = EmulatorKey { host: Arch::Riscv64, target: Arch::Armv7 };
        assert!(
            Catalogue::default().find(key).expect_err("empty").to_string().ends_with("on a riscv64 host")
        );
    }

    #[test]
    fn a_cpu_outside_the_catalogue_is_said_to_be_one_whether_the_catalogue_is_left_out_or_not() {
        let key = EmulatorKey { host: Arch::X86_64, target: Arch::Cris };
        for catalogue in [Catalogue::embedded().expect("the embedded catalogue"), Catalogue::left_out()] {
            let mut nothing = catalogue.find(key).expect_err("no row for it");
            assert_eq!(nothing.to_string(), "no emulator runs cris programs on an x86_64 host");
            let hint = nothing.hint().expect("a hint");
            for words in ["the catalogue has no emulator", "`emulators.toml`", "`--emulator x86_64=FILE`"] {
                assert!(hint.contains(words), "{hint}");
            }
            nothing.nearest.push(Arch::Aarch64);
            assert!(nothing.hint().expect("a hint").contains("hosts that can: aarch64"));
        }
    }

    #[test]
    fn rows_out_of_order_or_there_twice_are_refused_and_the_embedded_ones_accepted() {
        let text = include_str!("../catalogue.toml");
        let rows: Vec<&str> = text.split_inclusive("[[row]]\n").collect();
        assert!(rows.len() > 2, "there are rows to disturb");
        let start = text.find("[[row]]").expect("a row");
        let twice = format!("{text}{}", &text[start..]);
        assert!(matches!(Catalogue::parse(&twice), Err(CatalogueError::Order(..))));
        let foreign = text.replacen("host = \"x86_64\"", "host = \"alpha\"", 1);
        assert!(matches!(Catalogue::parse(&foreign), Err(CatalogueError::NotAHost(Arch::Alpha))));
        assert!(Catalogue::parse(text).is_ok());
    }
}
