//! `emulators.toml`: a user's own emulators. Each is a program for one pair, with templates for its command
//! line and, optionally, for a probe that tests on the machine whether it works there. They take precedence
//! over the catalogue's. Refuses unknown placeholders, and programs that are not static ELF files for their
//! host or do not match their digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bundle::{Arch, Digest, EmulatorKey, OwnedRule, Rule};
use debian::digest;
use serde::Deserialize;
use serde::de::Deserializer;

use crate::calling;
use crate::catalogue::{Catalogue, NoEmulator};
use crate::elf_check::{self, ElfFault};
use crate::record::{Emulator, Provenance, Record, SourcePackage};
use crate::{arch_name, toml_file};

/// The contents of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Translators {
    rows: Vec<Own>,
    only: bool,
}

/// One emulator of the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The host and target.
    pub key: EmulatorKey,
    /// Its kind, such as `box64`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its command line and probe.
    pub rules: Vec<OwnedRule>,
    program: PathBuf,
    sha256: Option<Digest>,
    licence: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default = "yes")]
    catalogue: bool,
    #[serde(default)]
    translator: Vec<Row>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Row {
    #[serde(with = "arch_name")]
    host: Arch,
    #[serde(with = "arch_name")]
    target: Arch,
    name: String,
    version: String,
    program: PathBuf,
    #[serde(default, deserialize_with = "optional_digest")]
    sha256: Option<Digest>,
    licence: Option<String>,
    source: Option<String>,
    arguments: Option<Vec<String>>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    default: BTreeMap<String, String>,
    #[serde(default)]
    unset: Vec<String>,
    #[serde(default)]
    unset_prefix: Vec<String>,
    #[serde(default)]
    probe: Vec<String>,
    #[serde(default)]
    children: Vec<String>,
    pages: Option<u64>,
}

fn optional_digest<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Digest>, D::Error> {
    digest::hex::deserialize(from).map(Some)
}

/// An error in `emulators.toml`, or in one of its emulators.
#[derive(Debug, thiserror::Error)]
pub enum TranslatorsError {
    /// The file cannot be read.
    #[error("cannot read the emulators in `{path}`: {reason}", path = path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A program cannot be the emulator.
    #[error("`{program}` cannot be the emulator `{name}` for {key}: {fault}", program = program.display())]
    Program {
        /// The host and target.
        key: EmulatorKey,
        /// The emulator's name.
        name: String,
        /// Its program.
        program: PathBuf,
        /// The reason.
        fault: ElfFault,
    },
    /// A program does not match its digest in the file.
    #[error(
        "`{program}` does not match the digest in `emulators.toml`\n  expected sha256 {expected}\n  computed sha256 \
         {computed}",
        program = program.display()
    )]
    Digest {
        /// The program.
        program: PathBuf,
        /// The digest in the file.
        expected: Digest,
        /// The digest of its bytes.
        computed: Digest,
    },
}

impl TranslatorsError {
    /// A hint for the user: what would work instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Form { .. } => Some("docs/translators.md describes the file".into()),
            Self::Program { fault, .. } => fault.hint(),
            Self::Digest { .. } => Some("use the intended program, or correct the digest".into()),
        }
    }
}

impl Translators {
    /// Reads the file at `path`; its programs lie relative to it.
    pub fn read(path: &Path) -> Result<Self, TranslatorsError> {
        let form = |reason: String| TranslatorsError::Form { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|error| form(error.to_string()))?;
        let page: Page = toml_file::read(&text).map_err(form)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let rows = page.translator.into_iter().map(|row| row.checked(directory).map_err(form));
        let rows: Vec<Own> = rows.collect::<Result<_, _>>()?;
        let mut seen = BTreeSet::new();
        match rows.iter().find(|own| !seen.insert((own.key, own.name.clone(), own.version.clone()))) {
            Some(Own { key, name, version, .. }) => {
                Err(form(format!("`{name}` {version} for {key} is listed twice")))
            }
            None => Ok(Self { rows, only: !page.catalogue }),
        }
    }

    /// Whether the catalogue is disabled.
    pub fn only(&self) -> bool {
        self.only
    }

    /// The catalogue, or an empty one if the file says `catalogue = false`.
    pub fn beside(&self, catalogue: Catalogue) -> Catalogue {
        if self.only { Catalogue::left_out() } else { catalogue }
    }

    /// The emulators for `key`, in the order in which they are tried. Those after one without a probe could
    /// never be reached, and are omitted.
    pub fn of(&self, key: EmulatorKey) -> Vec<&Own> {
        let mut found = Vec::new();
        for own in self.rows.iter().filter(|own| own.key == key) {
            found.push(own);
            if !own.is_probed() {
                break;
            }
        }
        found
    }

    /// `nothing`, the catalogue's answer for a pair, with the hosts added for which the file has an emulator.
    pub fn besides(&self, mut nothing: NoEmulator) -> NoEmulator {
        let own = self.rows.iter().filter(|own| own.key.target == nothing.key.target);
        nothing.nearest.extend(own.map(|own| own.key.host));
        nothing.nearest.sort_unstable();
        nothing.nearest.dedup();
        nothing
    }

    /// Whether the catalogue's emulator is needed after the user's own for `key`: if each of those has a
    /// probe, which may fail.
    pub fn need_more(&self, key: EmulatorKey) -> bool {
        self.of(key).iter().all(|own| own.is_probed())
    }
}

impl Own {
    /// Whether the launcher probes it before use.
    pub fn is_probed(&self) -> bool {
        self.rules.iter().any(|rule| rule.probe().is_some())
    }

    /// Whether the file has its program's digest.
    pub fn is_pinned(&self) -> bool {
        self.sha256.is_some()
    }

    /// The program, checked.
    pub fn emulator(&self) -> Result<Emulator, TranslatorsError> {
        let Self { key, name, program, .. } = self;
        let refused = |fault| {
            let (name, program) = (name.clone(), program.clone());
            TranslatorsError::Program { key: *key, name, program, fault }
        };
        elf_check::check(program, key.host).map_err(refused)?;
        let found =
            digest::of_file(program).map_err(|error| refused(ElfFault::Unreadable(error.to_string())))?;
        let computed = found.sha256;
        if let Some(expected) = self.sha256.filter(|expected| *expected != computed) {
            return Err(TranslatorsError::Digest { program: program.clone(), expected, computed });
        }
        let source = self.source.clone().unwrap_or_default();
        let (source_name, version) = source.split_once(' ').unwrap_or((&source, ""));
        let record = Record {
            digest: computed,
            size: found.size,
            translator: name.clone(),
            version: self.version.clone(),
            source: SourcePackage {
                name: source_name.to_owned(),
                version: version.to_owned(),
                ..SourcePackage::default()
            },
            licence: self.licence.clone().unwrap_or_else(|| "NOASSERTION".to_owned()),
            provenance: Provenance::Given { path: program.display().to_string() },
            pin: None,
        };
        Ok(Emulator { key: *key, file: program.clone(), record })
    }
}

impl Row {
    fn checked(self, directory: &Path) -> Result<Own, String> {
        if !self.host.is_host() {
            return Err(format!("`{}` is not a host", self.host));
        }
        if self.name.is_empty() || self.version.is_empty() {
            return Err("an emulator needs a name and a version".into());
        }
        let key = EmulatorKey { host: self.host, target: self.target };
        Ok(Own {
            key,
            rules: self.rules(key)?,
            program: directory.join(&self.program),
            name: self.name,
            version: self.version,
            sha256: self.sha256,
            licence: self.licence,
            source: self.source,
        })
    }

    fn rules(&self, key: EmulatorKey) -> Result<Vec<OwnedRule>, String> {
        let mut rules = match &self.arguments {
            Some(words) => words.iter().map(|word| argument(word)).collect::<Result<Vec<_>, _>>()?,
            None => calling::qemu_arguments(key),
        };
        let needs = |rule: &OwnedRule, word: &str| {
            if rules.contains(rule) { Ok(()) } else { Err(format!("`arguments` lacks `{word}`")) }
        };
        needs(&Rule::Program, "{program}")?;
        needs(&Rule::Rest, "{arguments}")?;
        let bytes = |text: &String| text.as_bytes().to_vec();
        // They are options: the program and its arguments come last.
        rules.splice(0..0, self.children.iter().map(|word| Rule::Children(bytes(word))));
        rules.extend(self.unset_prefix.iter().map(|name| Rule::UnsetPrefix(bytes(name))));
        rules.extend(self.unset.iter().map(|name| Rule::UnsetVariable(bytes(name))));
        let default = self.default.iter();
        rules.extend(
            default.map(|(name, value)| Rule::DefaultVariable { name: bytes(name), value: bytes(value) }),
        );
        let set = self.set.iter();
        rules.extend(set.map(|(name, value)| Rule::SetVariable { name: bytes(name), value: bytes(value) }));
        rules.extend(self.probe.iter().map(|word| Rule::Probe(bytes(word))));
        rules.extend(match self.pages {
            Some(pages) => Some(Rule::Pages(bytes(&pages.to_string()))),
            None => calling::pages(key, &self.name, &self.version),
        });
        if rules.iter().all(Rule::is_valid) {
            Ok(rules)
        } else {
            Err("a variable's name is empty or has a `=`, or a text holds a NUL byte".into())
        }
    }
}

/// A word of `arguments`: a placeholder in braces, or a literal.
fn argument(word: &str) -> Result<OwnedRule, String> {
    Ok(match word {
        "{argv0}" => Rule::Argv0,
        "{program}" => Rule::Program,
        "{tree}" => Rule::Tree { before: Vec::new(), after: Vec::new() },
        "{arguments}" => Rule::Rest,
        other if other.contains('{') || other.contains('}') => {
            return Err(format!(
                "`{other}` is not a placeholder; those are `{{argv0}}`, `{{program}}`, `{{tree}}` and `{{arguments}}`"
            ));
        }
        literal => Rule::Argument(literal.as_bytes().to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "[[translator]]\nhost = \"x86_64\"\ntarget = \"riscv64\"\nname = \"fast\"\nversion = \"1\"\n\
                       program = \"bin/fast\"\n";
    const PAIR: EmulatorKey = EmulatorKey { host: Arch::X86_64, target: Arch::Riscv64 };

    fn read(text: &str) -> Result<Translators, TranslatorsError> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("emulators.toml");
        fs::write(&path, text).expect("written");
        Translators::read(&path)
    }

    #[test]
    fn what_the_file_does_not_know_is_refused_and_named() {
        for (bad, word) in [
            (ROW.replace("riscv64", "vax"), "vax"),
            (ROW.replace("x86_64", "alpha"), "alpha"),
            (ROW.replace("bin/fast\"", "bin/fast\"\nspeed = 9"), "speed"),
            (format!("{ROW}arguments = [\"{{programm}}\"]\n"), "{programm}"),
            (format!("{ROW}arguments = [\"{{program}}\"]\n"), "{arguments}"),
            (format!("{ROW}set = {{ \"A=B\" = \"c\" }}\n"), "="),
            (format!("{ROW}{ROW}"), "twice"),
        ] {
            let error = read(&bad).expect_err(&bad).to_string();
            assert!(error.contains(word), "{error}");
        }
        assert!(read(ROW).is_ok());
    }

    #[test]
    fn those_after_one_without_a_probe_are_left_out_and_the_catalogues_comes_last() {
        let probed = ROW.replace("fast", "first") + "probe = [\"--version\"]\n";
        let last = ROW.replace("fast", "never");
        let names =
            |found: &Translators| found.of(PAIR).iter().map(|own| own.name.clone()).collect::<Vec<_>>();
        let all = read(&format!("{probed}{ROW}{last}")).expect("readable");
        assert_eq!((names(&all), all.need_more(PAIR)), (vec!["first".to_owned(), "fast".to_owned()], false));
        let one = read(&probed).expect("readable");
        assert!(one.need_more(PAIR) && one.of(PAIR)[0].is_probed());
        assert!(
            one.need_more(EmulatorKey { host: Arch::S390x, ..PAIR }),
            "the file says nothing of that host"
        );
    }

    #[test]
    fn a_pair_without_emulator_is_told_with_the_hosts_that_the_file_serves() {
        let own = read(&ROW.replace("riscv64", "nios2")).expect("readable");
        let catalogue = Catalogue::embedded().expect("readable");
        let told = |host, target| {
            let nothing = catalogue.find(EmulatorKey { host, target }).expect_err("no row for it");
            own.besides(nothing).nearest
        };
        assert_eq!(told(Arch::S390x, Arch::Nios2), [Arch::X86_64]);
        assert_eq!(told(Arch::S390x, Arch::Cris), []);
    }

    #[test]
    fn without_arguments_of_its_own_it_is_called_as_qemu_is() {
        let own = read(ROW).expect("readable").of(PAIR)[0].clone();
        assert_eq!(own.rules, [Rule::Argument(b"-0".to_vec()), Rule::Argv0, Rule::Program, Rule::Rest]);
    }
}
