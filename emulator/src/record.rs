//! What is known of one emulator, and the JSON it is kept as. The only file that touches `serde_json`.

use std::path::PathBuf;

use bundle::{Arch, Digest, EmulatorKey};
use debian::digest;
use serde::{Deserialize, Serialize};

use crate::arch_name;

/// An emulator that is here and was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// The pair that it serves.
    pub key: EmulatorKey,
    /// The program.
    pub file: PathBuf,
    /// All that is known of it.
    pub record: Record,
}

/// What is known of an emulator apart from where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    /// SHA-256 of the program.
    #[serde(with = "digest::hex", rename = "sha256")]
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What it is, such as `qemu-user`.
    pub translator: String,
    /// Its version.
    pub version: String,
    /// The source it was built from.
    pub source: SourcePackage,
    /// SPDX expression.
    pub licence: String,
    /// Where it came from.
    pub provenance: Provenance,
    /// The catalogue's pin when it was fetched. Differs from `sha256` when the archive no longer had that version.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_hex")]
    pub pin: Option<Digest>,
}

/// The exact source of an emulator, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourcePackage {
    /// The source package's name; empty when nothing is known.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The sources of what is linked in, as Debian's field `Built-Using` says it.
    pub built_using: String,
    /// The files of the source package, as the archive's signed index has them; empty where they are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SourceFile>,
}

/// One file of a source package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    #[serde(with = "digest::hex")]
    pub sha256: Digest,
}

/// Where an emulator came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Provenance {
    /// The user gave the file.
    Given {
        /// Its path, as it was given.
        path: String,
    },
    /// A program of a Debian package.
    #[serde(rename_all = "kebab-case")]
    Debian {
        /// The `.deb`'s path in the archive.
        deb: String,
        /// SHA-256 of the `.deb`.
        #[serde(with = "digest::hex")]
        deb_sha256: Digest,
        /// Size of the `.deb` in bytes; 0 in records of before it was kept.
        #[serde(default)]
        deb_size: u64,
        /// The program's path in the package.
        member: String,
        /// Why its bytes were believed.
        trust: Trust,
    },
}

/// Why the bytes of a package's program were believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "by")]
pub enum Trust {
    /// Their digest is the catalogue's.
    Pin,
    /// A signed index of the suite names the package's digest.
    #[serde(rename_all = "kebab-case")]
    Index {
        /// The suite.
        suite: String,
        /// SHA-256 of the signed `InRelease`.
        #[serde(with = "digest::hex")]
        inrelease_sha256: Digest,
        /// Fingerprints of the keys that signed it.
        signed_by: Vec<String>,
        /// SHA-256 of the index that lists the package.
        #[serde(with = "digest::hex")]
        packages_sha256: Digest,
    },
}

/// A record with the pair that it is about, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(with = "arch_name")]
    host: Arch,
    #[serde(with = "arch_name")]
    target: Arch,
    emulator: Record,
}

impl Record {
    /// The record as JSON with a final line end.
    pub(crate) fn to_json(&self, key: EmulatorKey) -> Result<Vec<u8>, String> {
        let page = Page { host: key.host, target: key.target, emulator: self.clone() };
        let mut json = serde_json::to_vec_pretty(&page).map_err(|error| error.to_string())?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a record back; one that is about another pair than `key` is refused.
    pub(crate) fn from_json(json: &[u8], key: EmulatorKey) -> Result<Self, String> {
        let page: Page = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let found = EmulatorKey { host: page.host, target: page.target };
        if found == key { Ok(page.emulator) } else { Err(format!("it is about {found}")) }
    }
}

mod optional_hex {
    use bundle::Digest;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference")]
    pub(super) fn serialize<S: Serializer>(digest: &Option<Digest>, to: S) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => to.collect_str(digest),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Digest>, D::Error> {
        #[derive(Deserialize)]
        struct Hex(#[serde(with = "debian::digest::hex")] Digest);
        Ok(Option::<Hex>::deserialize(from)?.map(|Hex(digest)| digest))
    }
}
