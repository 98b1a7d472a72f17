//! The record of one emulator, and its JSON. The only file that uses `serde_json`.

use std::path::PathBuf;

use bundle::{Arch, Digest, EmulatorKey};
use debian::digest;
use serde::{Deserialize, Serialize};

use crate::arch_name;

/// An emulator on this machine that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// The host and target that it serves.
    pub key: EmulatorKey,
    /// The program.
    pub file: PathBuf,
    /// All facts about it.
    pub record: Record,
}

/// All facts about an emulator except the path of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    /// SHA-256 of the program.
    #[serde(with = "digest::hex", rename = "sha256")]
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its kind, such as `qemu-user`.
    pub translator: String,
    /// Its version.
    pub version: String,
    /// The source it was built from.
    pub source: SourcePackage,
    /// SPDX expression.
    pub licence: String,
    /// Its origin.
    pub provenance: Provenance,
    /// The catalogue's pin when it was fetched. Differs from [`Self::digest`] if the archive no longer had
    /// that version.
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
    /// The files of the source package, as the archive's signed index has them; empty where they are not
    /// known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SourceFile>,
    /// SHA-256 of the recipe by which unibin's foundry built it: changes, configuration and tools. `None` for
    /// others' builds.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_hex")]
    pub recipe: Option<Digest>,
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

/// The origin of an emulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "kind")]
pub enum Provenance {
    /// A file of the user's.
    Given {
        /// Its path, as the user wrote it.
        path: String,
    },
    /// Embedded in unibin: built from its source package by the recipe that [`SourcePackage::recipe`] names.
    Built,
    /// A program of a Debian package.
    #[serde(rename_all = "kebab-case")]
    Debian {
        /// The `.deb`'s path in the archive.
        deb: String,
        /// SHA-256 of the `.deb`.
        #[serde(with = "digest::hex")]
        deb_sha256: Digest,
        /// Size of the `.deb` in bytes; 0 in records of versions that did not keep it.
        #[serde(default)]
        deb_size: u64,
        /// The program's path in the package.
        member: String,
        /// Why its bytes were trusted.
        trust: Trust,
    },
}

/// Why the bytes of a package's program were trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "by")]
pub enum Trust {
    /// Their digest is the catalogue's.
    Pin,
    /// Their digest is in a lock file, and nothing else vouches for them. Never in a store's record.
    Lock,
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

/// A record with its pair, as in the file.
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
    /// The record as JSON with a final newline.
    pub(crate) fn to_json(&self, key: EmulatorKey) -> Result<Vec<u8>, String> {
        let page = Page { host: key.host, target: key.target, emulator: self.clone() };
        let mut json = serde_json::to_vec_pretty(&page).map_err(|error| error.to_string())?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads a record; refuses one for another pair than `key`.
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
