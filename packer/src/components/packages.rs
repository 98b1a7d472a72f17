//! Packages with what tells how they depend on each other.

use std::collections::{BTreeMap, BTreeSet};

use debian::Package;
use serde::Serialize;

use crate::components::{Component, Facts, Kind, purl};

/// A package, and its fields that become relations.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) component: Component,
    /// `Pre-Depends` and `Depends`.
    pub(crate) depends: String,
    pub(crate) provides: String,
    pub(crate) built_using: String,
}

impl Known {
    /// One of an archive or a file, whose copyright file names `licences`.
    pub(crate) fn of(package: &Package, distribution: Option<&str>, licences: Vec<String>) -> Self {
        let Package { name, version, architecture, source, source_version, sha256, .. } = package;
        Self {
            component: Component {
                architecture: Some(architecture.clone()),
                distribution: distribution.map(str::to_owned),
                source: Some(source.clone()),
                source_version: Some(source_version.clone()),
                licences,
                sha256: Some(sha256.to_string()),
                ..Component::new(Kind::Deb, name, version)
            },
            depends: package.depends.clone(),
            provides: package.provides.clone(),
            built_using: package.built_using.clone(),
        }
    }
}

/// Facts about all of `packages`, with the relations between them and what is linked into them.
pub(crate) fn facts(packages: Vec<Known>) -> Facts {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (index, known) in packages.iter().enumerate() {
        places.entry(known.component.name.clone()).or_insert(index);
    }
    for (index, known) in packages.iter().enumerate() {
        for provided in debian::relations(&known.provides).into_iter().flatten() {
            places.entry(provided.name).or_insert(index);
        }
    }
    let mut facts = Facts::default();
    let mut fields = Vec::new();
    for Known { component, depends, built_using, .. } in packages {
        fields.push((depends, built_using, component.distribution.clone()));
        facts.components.push(component);
    }
    for (index, (depends, built_using, distribution)) in fields.into_iter().enumerate() {
        let groups = debian::relations(&depends);
        let first =
            |group: Vec<debian::Alternative>| group.iter().find_map(|one| places.get(&one.name)).copied();
        let mut needed: BTreeSet<usize> = groups.into_iter().filter_map(first).collect();
        needed.remove(&index);
        let linked = Component::linked(&built_using, distribution.as_deref());
        needed.extend(linked.into_iter().map(|source| facts.add(source)));
        facts.components[index].depends = needed.into_iter().collect();
    }
    facts
}

/// A package in reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PackageRow {
    /// `deb`, `apk`, `npm` or `pypi`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) purl: Option<String>,
    /// SHA-256 of the package's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
}

/// The packages among the components.
pub(crate) fn rows(facts: &Facts) -> Vec<PackageRow> {
    let packages = facts.components.iter();
    let packages =
        packages.filter(|component| matches!(component.kind, Kind::Deb | Kind::Apk | Kind::Npm | Kind::Pypi));
    let row = |component: &Component| PackageRow {
        kind: component.kind.name(),
        name: component.name.clone(),
        version: component.version.clone(),
        architecture: component.architecture.clone(),
        source: component.source.clone(),
        source_version: component.source_version.clone(),
        purl: purl::of(component),
        sha256: component.sha256.clone(),
    };
    packages.map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str, depends: &str, provides: &str, built_using: &str) -> Known {
        Known {
            component: Component::new(Kind::Deb, name, "1"),
            depends: depends.to_owned(),
            provides: provides.to_owned(),
            built_using: built_using.to_owned(),
        }
    }

    #[test]
    fn relations_are_between_those_that_are_there() {
        let facts = facts(vec![
            known("a", "absent | c (>= 1), mail:any, a", "", "glibc (= 2)"),
            known("b", "gone", "mail (= 1)", "glibc (= 2)"),
            known("c", "", "", ""),
        ]);
        let depends: Vec<_> = facts.components.iter().map(|one| one.depends.clone()).collect();
        assert_eq!(depends, [vec![1, 2, 3], vec![3], vec![], vec![]]);
        assert_eq!(facts.components[3].name, "glibc");
        assert_eq!(rows(&facts).len(), 3, "what is linked in is no package of the tree");
    }
}
