//! What the parts of a bundle are made of: the facts of FORMAT.md, section "Components". They do not
//! influence how anything is run.

pub(crate) mod copyright;
pub(crate) mod installed;
pub(crate) mod languages;
pub(crate) mod owners;
pub(crate) mod packages;
pub(crate) mod paragraphs;
pub(crate) mod purl;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::json;

/// The schema that this version writes and reads.
const SCHEMA: u32 = 1;

/// The longest facts that are accepted, in bytes.
pub(crate) const FACTS_MAX: u64 = 64 << 20;

/// What is known about a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    schema: u32,
    /// Of a system: `debian-13`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) distribution: Option<String>,
    pub(crate) components: Vec<Component>,
}

impl Default for Facts {
    fn default() -> Self {
        Self { schema: SCHEMA, distribution: None, components: Vec::new() }
    }
}

/// What a component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A binary package of Debian or a system made from it.
    Deb,
    /// A package of Alpine.
    Apk,
    /// A Debian source package of which something is linked in.
    Source,
    /// A package for Node.js.
    Npm,
    /// A package for Python.
    Pypi,
    /// A program that runs those of other architectures.
    Emulator,
    /// A part of unibin itself.
    Unibin,
}

impl Kind {
    /// Its name in facts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Source => "source",
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Emulator => "emulator",
            Self::Unibin => "unibin",
        }
    }
}

/// One component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Component {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) version: String,
    /// As its packages' system names it: `arm64`, `all`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) architecture: Option<String>,
    /// Where it is from: `debian-13`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) distribution: Option<String>,
    /// The source package that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source_version: Option<String>,
    /// An SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) licence: Option<String>,
    /// Names of licences as the package has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) licences: Vec<String>,
    /// SHA-256 of the package's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// The components that it needs or contains, by their indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) depends: Vec<usize>,
    /// Its files, by their paths in the tree, as [`path`] writes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) files: Vec<String>,
}

impl Component {
    /// A component of which nothing else is known.
    pub(crate) fn new(kind: Kind, name: &str, version: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            version: version.to_owned(),
            architecture: None,
            distribution: None,
            source: None,
            source_version: None,
            licence: None,
            licences: Vec::new(),
            sha256: None,
            depends: Vec::new(),
            files: Vec::new(),
        }
    }

    /// A part of unibin itself, of this version.
    pub(crate) fn of_unibin(name: &str) -> Self {
        let licence = Some(env!("CARGO_PKG_LICENSE").to_owned());
        Self { licence, ..Self::new(Kind::Unibin, name, env!("CARGO_PKG_VERSION")) }
    }

    /// The sources that a field `Built-Using` names: `name (= version), name (= version)`.
    pub(crate) fn linked(built_using: &str, distribution: Option<&str>) -> Vec<Self> {
        let sources = debian::relations(built_using).into_iter().flatten();
        let one = |source: debian::Alternative| Self {
            distribution: distribution.map(str::to_owned),
            ..Self::new(Kind::Source, &source.name, &source.version.unwrap_or_default().1)
        };
        sources.map(one).collect()
    }
}

impl Facts {
    /// Adds a component unless it is there already; its index.
    pub(crate) fn add(&mut self, component: Component) -> usize {
        if let Some(same) = self.components.iter().position(|other| *other == component) {
            return same;
        }
        self.components.push(component);
        self.components.len() - 1
    }

    /// Adds the components of `inner`, which lie in one file of the tree: their files have no paths there.
    pub(crate) fn enclose(&mut self, inner: Self) {
        let first = self.components.len();
        self.components.extend(inner.components.into_iter().map(|component| Component {
            depends: component.depends.iter().map(|index| first + index).collect(),
            files: Vec::new(),
            ..component
        }));
    }

    /// The facts as they are stored.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        json::compact(self)
    }

    /// Reads what [`Self::bytes`] wrote, or says what is wrong with it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let facts: Self = json::parse(bytes)?;
        if facts.schema != SCHEMA {
            return Err(format!("it has schema {}, and this version of unibin reads {SCHEMA}", facts.schema));
        }
        let mut files = BTreeSet::new();
        for component in &facts.components {
            if component.depends.iter().any(|index| *index >= facts.components.len()) {
                return Err(format!("component `{}` depends on one that is not there", component.name));
            }
            if let Some(twice) = component.files.iter().find(|file| !files.insert(file.as_str())) {
                return Err(format!("file `{twice}` belongs to two components"));
            }
        }
        Ok(facts)
    }
}

/// A path of a tree as facts have it: `%`, control characters and bytes that are not UTF-8 are `%` and two
/// digits.
pub(crate) fn path(bytes: &[u8]) -> String {
    let mut text = String::new();
    let hex = |text: String, byte: &u8| text + &format!("%{byte:02X}");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '%' || letter.is_control() {
                text = letter.encode_utf8(&mut [0; 4]).as_bytes().iter().fold(text, hex);
            } else {
                text.push(letter);
            }
        }
        text = chunk.invalid().iter().fold(text, hex);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(files: [&str; 2], depends: usize) -> Facts {
        let one = |name: &str, file: &str| Component {
            files: vec![file.to_owned()],
            depends: vec![depends],
            ..Component::new(Kind::Deb, name, "1")
        };
        Facts { components: vec![one("a", files[0]), one("b", files[1])], ..Facts::default() }
    }

    #[test]
    fn a_file_of_two_components_is_refused() {
        let bad = facts(["usr/x", "usr/x"], 0).bytes();
        assert_eq!(Facts::read(&bad).expect_err("twice"), "file `usr/x` belongs to two components");
        let good = facts(["usr/x", "usr/y"], 0);
        assert_eq!(Facts::read(&good.bytes()), Ok(good));
    }

    #[test]
    fn what_points_nowhere_or_is_of_another_schema_is_refused() {
        assert!(Facts::read(&facts(["x", "y"], 2).bytes()).is_err_and(|why| why.contains("not there")));
        let later = Facts { schema: 2, ..Facts::default() };
        assert!(Facts::read(&later.bytes()).is_err_and(|why| why.contains("schema 2")));
        assert!(Facts::read(b"{").is_err());
        assert!(
            Facts::read(br#"{"schema":1,"components":[],"later":1}"#).is_ok(),
            "other members are ignored"
        );
    }

    #[test]
    fn what_lies_in_a_disk_keeps_its_relations_and_has_no_paths() {
        let mut outer = facts(["usr/x", "usr/y"], 0);
        outer.enclose(facts(["usr/x", "usr/z"], 1));
        assert_eq!(outer.components[2].depends, [3]);
        assert!(outer.components[2].files.is_empty());
        assert!(Facts::read(&outer.bytes()).is_ok());
    }

    #[test]
    fn paths_stay_different() {
        assert_eq!(path("usr/ä b".as_bytes()), "usr/ä b");
        assert_eq!(path(b"a%\n\xff"), "a%25%0A%FF");
    }

    #[test]
    fn what_is_linked_in_is_a_source_of_its_own() {
        let linked = Component::linked("glibc (= 2.41-12), zlib (= 1:1.3)", Some("debian-13"));
        let told: Vec<_> = linked.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
        assert_eq!(told, [("glibc", "2.41-12"), ("zlib", "1:1.3")]);
    }
}
