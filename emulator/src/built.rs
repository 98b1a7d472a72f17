//! unibin's own emulators: built by `foundry/` from Debian's source and our changes, and embedded: for each
//! host a table, and one zstd frame with all its programs. The table's digests are the pins: a program with
//! another digest is refused.

use std::collections::BTreeMap;
use std::io::{self, Read};

use bundle::{Arch, Digest, EmulatorKey};
use debian::digest;
use serde::Deserialize;
use serde::de::Deserializer;

use crate::record::{Provenance, Record, SourceFile, SourcePackage};
use crate::{arch_name, toml_file};

/// They are called like QEMU, whoever built them.
const TRANSLATOR: &str = "qemu-user";

/// Table and frame of each host.
#[cfg(feature = "embedded")]
const EMBEDDED: [(&str, &[u8]); 3] = [
    (emulators_x86_64::TABLE, emulators_x86_64::FRAME),
    (emulators_aarch64::TABLE, emulators_aarch64::FRAME),
    (emulators_riscv64::TABLE, emulators_riscv64::FRAME),
];
#[cfg(not(feature = "embedded"))]
const EMBEDDED: [(&str, &[u8]); 0] = [];

/// Caveats for users. Unlike Debian's, these emulators run the programs that their program starts.
pub const LIMITS: [&str; 2] = [crate::pin::LIMITS[0], crate::pin::LIMITS[2]];

/// The largest window of a frame, as a power of two: 128 MiB, what `zstd --long` decodes without being asked.
const WINDOW_LOG_MAX: u32 = 27;

/// The emulators for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The CPU that the programs run on.
    pub host: Arch,
    /// The version of QEMU and the number of our revision, such as `10.0.13+unibin1`.
    pub version: String,
    /// SPDX expression for the static programs, all that is linked into them included.
    pub licence: String,
    /// What they were built from, the recipe included.
    pub source: SourcePackage,
    /// The program for each target.
    pub members: BTreeMap<Arch, BuiltMember>,
    frame: &'static [u8],
}

/// One program of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BuiltMember {
    /// Where it begins in the unpacked frame, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    #[serde(with = "digest::hex")]
    pub sha256: Digest,
}

/// The table that `cargo xtask foundry` writes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    #[serde(with = "arch_name")]
    host: Arch,
    version: String,
    licence: String,
    source: String,
    source_version: String,
    source_files: Vec<SourceFile>,
    built_using: String,
    #[serde(with = "digest::hex")]
    recipe: Digest,
    frame: FrameRow,
    #[serde(deserialize_with = "members")]
    members: BTreeMap<Arch, BuiltMember>,
}

/// The table's row about the frame; sizes are in bytes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameRow {
    size: u64,
    #[serde(rename = "sha256", with = "digest::hex")]
    _sha256: Digest,
    #[serde(rename = "unpacked")]
    _unpacked: u64,
}

impl Built {
    /// All embedded emulators, in the order of [`Arch`]; or what is wrong with a table.
    pub(crate) fn embedded() -> Result<Vec<Self>, String> {
        EMBEDDED.iter().map(|(table, frame)| Self::read(table, frame)).collect()
    }

    fn read(table: &str, frame: &'static [u8]) -> Result<Self, String> {
        let table: Table = toml_file::read(table)?;
        if table.frame.size != frame.len() as u64 {
            return Err(format!(
                "the table for {} is of a frame of {} bytes, and this one has {}",
                table.host,
                table.frame.size,
                frame.len()
            ));
        }
        Ok(Self {
            host: table.host,
            version: table.version,
            licence: table.licence,
            source: SourcePackage {
                name: table.source,
                version: table.source_version,
                built_using: table.built_using,
                files: table.source_files,
                recipe: Some(table.recipe),
            },
            members: table.members,
            frame,
        })
    }

    /// Their kind.
    pub fn translator(&self) -> &'static str {
        TRANSLATOR
    }

    /// The program for `target`, to be read once from its beginning to its end, and what it should be.
    pub(crate) fn program(&self, member: &BuiltMember) -> io::Result<impl Read + use<>> {
        let mut decoder = zstd::Decoder::with_buffer(self.frame)?;
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        io::copy(&mut (&mut decoder).take(member.offset), &mut io::sink())?;
        Ok(decoder.take(member.size))
    }

    /// All facts about a program of this table.
    pub(crate) fn record(&self, member: &BuiltMember) -> Record {
        Record {
            digest: member.sha256,
            size: member.size,
            translator: TRANSLATOR.to_owned(),
            version: self.version.clone(),
            source: self.source.clone(),
            licence: self.licence.clone(),
            provenance: Provenance::Built,
            pin: Some(member.sha256),
        }
    }

    /// The program for `key`, if it is one of these.
    pub(crate) fn member(&self, key: EmulatorKey) -> Option<&BuiltMember> {
        self.members.get(&key.target).filter(|_| self.host == key.host)
    }
}

fn members<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<Arch, BuiltMember>, D::Error> {
    arch_name::by_arch(from, "a table without programs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_of_every_frame_is_what_its_table_says() {
        for built in Built::embedded().expect("the tables") {
            for (target, member) in &built.members {
                let mut program = built.program(member).expect("a frame");
                let found = digest::copy(&mut program, &mut io::sink()).expect("a program");
                assert_eq!((found.size, found.sha256), (member.size, member.sha256), "{target}");
            }
        }
    }

    #[test]
    fn a_table_of_another_frame_is_refused() {
        let (table, frame) = EMBEDDED[0];
        let refused = Built::read(table, &frame[1..]).expect_err("a byte less");
        assert!(refused.contains("and this one has"), "{refused}");
        let unknown = table.replace("riscv64 =", "riscv65 =");
        assert_ne!(unknown, table, "it has riscv64");
        assert!(Built::read(&unknown, frame).is_err_and(|why| why.contains("`riscv65`")));
        assert!(Built::read(table, frame).is_ok());
    }
}
