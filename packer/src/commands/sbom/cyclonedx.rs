//! `CycloneDX` 1.6 (ECMA-424), JSON.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::commands::sbom::bill::{Bill, FileRow, Part, PartKind, reference};
use crate::components::{Component, Kind, purl};

/// The reference of the bundle itself.
const BUNDLE: &str = "bundle";

/// A document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Vec<Row>,
    dependencies: Vec<Dependency>,
    compositions: Vec<Composition>,
}

#[derive(Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    tools: Tools,
    component: Row,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Row>,
}

/// A component.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "String::is_empty")]
    reference: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Licence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    components: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Licence {
    Expression(String),
    License { name: String },
}

#[derive(Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

#[derive(Serialize)]
struct Composition {
    aggregate: &'static str,
    assemblies: [&'static str; 1],
}

/// The document for `bill`.
pub(super) fn document(bill: &Bill) -> Document {
    let mut components = Vec::new();
    for distribution in bill.distributions() {
        let (name, version) = distribution.split_once('-').unwrap_or((distribution, ""));
        components.push(Row {
            kind: "operating-system",
            reference: format!("os:{distribution}"),
            name: name.to_owned(),
            version: Some(version.to_owned()).filter(|version| !version.is_empty()),
            ..Row::default()
        });
    }
    let mut dependencies = vec![Dependency {
        reference: BUNDLE.to_owned(),
        depends_on: bill.parts.iter().map(|part| part.id.clone()).collect(),
    }];
    // A source that several parts have linked in is one component.
    let mut told = BTreeSet::new();
    for part in &bill.parts {
        components.push(part_row(part));
        let mut of_part: Vec<String> = Vec::new();
        for (index, component) in part.components.iter().enumerate() {
            let reference = reference(part, index);
            of_part.push(reference.clone());
            if told.insert(reference.clone()) {
                components.push(row(part, index, component));
                dependencies.push(Dependency { reference, depends_on: needed(part, component) });
            }
        }
        dependencies.push(Dependency { reference: part.id.clone(), depends_on: unique(of_part) });
    }
    Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{}", bill.uuid()),
        version: 1,
        metadata: Metadata {
            timestamp: bill.created.clone(),
            tools: Tools {
                components: vec![Row {
                    kind: "application",
                    name: "unibin".to_owned(),
                    version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                    ..Row::default()
                }],
            },
            component: Row {
                kind: "application",
                reference: BUNDLE.to_owned(),
                name: bill.name.clone(),
                version: bill.version.clone(),
                properties: vec![Property {
                    name: "unibin:manifest:sha256",
                    value: bill.manifest.to_string(),
                }],
                ..Row::default()
            },
        },
        components,
        dependencies,
        compositions: vec![Composition {
            aggregate: if bill.is_complete { "complete" } else { "incomplete" },
            assemblies: [BUNDLE],
        }],
    }
}

fn part_row(part: &Part) -> Row {
    let cpu = part.cpu.map(|cpu| Property { name: "unibin:architecture", value: cpu.to_owned() });
    Row {
        kind: if part.kind == PartKind::Image { "container" } else { "application" },
        reference: part.id.clone(),
        name: part.name.clone(),
        version: part.version.clone(),
        hashes: part.digests.iter().flat_map(|(sha256, sha1)| hashes(sha256, Some(sha1))).collect(),
        licenses: part.licence.clone().map(Licence::Expression).into_iter().collect(),
        purl: part.purl.clone(),
        components: files(part, None),
        properties: cpu.into_iter().collect(),
    }
}

fn row(part: &Part, index: usize, component: &Component) -> Row {
    Row {
        kind: if matches!(component.kind, Kind::Emulator | Kind::Unibin) { "application" } else { "library" },
        reference: reference(part, index),
        name: component.name.clone(),
        version: Some(component.version.clone()),
        hashes: component.sha256.iter().flat_map(|sha256| hashes(sha256, None)).collect(),
        licenses: match &component.licence {
            Some(expression) => vec![Licence::Expression(expression.clone())],
            None => component.licences.iter().map(|name| Licence::License { name: name.clone() }).collect(),
        },
        purl: purl::of(component),
        components: files(part, Some(index)),
        properties: source(component),
    }
}

/// The source package, which vulnerabilities are filed against. Package URLs have it too; Trivy reads it here
/// alone, and takes the package's own epoch and revision where the source has none.
fn source(component: &Component) -> Vec<Property> {
    let Some((name, version)) = component.source.as_ref().zip(component.source_version.as_ref()) else {
        return Vec::new();
    };
    let mut all = vec![("unibin:source", format!("{name} {version}"))];
    if matches!(component.kind, Kind::Deb | Kind::Apk) {
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) => (Some(epoch), rest),
            None => (None, version.as_str()),
        };
        // A version of Alpine is one whole.
        let is_debian = component.kind == Kind::Deb;
        let (upstream, revision) = match rest.rsplit_once('-').filter(|_| is_debian) {
            Some((upstream, revision)) => (upstream, Some(revision)),
            None => (rest, None),
        };
        all.push(("aquasecurity:trivy:SrcName", name.clone()));
        all.push(("aquasecurity:trivy:SrcVersion", upstream.to_owned()));
        all.extend(revision.map(|revision| ("aquasecurity:trivy:SrcRelease", revision.to_owned())));
        all.extend(epoch.map(|epoch| ("aquasecurity:trivy:SrcEpoch", epoch.to_owned())));
    }
    all.into_iter().map(|(name, value)| Property { name, value }).collect()
}

/// The files of a part that belong to a component, or to no component.
fn files(part: &Part, owner: Option<usize>) -> Vec<Row> {
    let own = part.files.iter().filter(|file| file.owner == owner);
    let file = |FileRow { path, sha256, sha1, .. }: &FileRow| Row {
        kind: "file",
        reference: format!("{}/file/{path}", part.id),
        name: path.clone(),
        hashes: hashes(sha256, Some(sha1)),
        ..Row::default()
    };
    own.map(file).collect()
}

fn hashes(sha256: &str, sha1: Option<&String>) -> Vec<Hash> {
    let sha1 = sha1.map(|sha1| Hash { alg: "SHA-1", content: sha1.clone() });
    sha1.into_iter().chain([Hash { alg: "SHA-256", content: sha256.to_owned() }]).collect()
}

fn needed(part: &Part, component: &Component) -> Vec<String> {
    unique(component.depends.iter().map(|index| reference(part, *index)).collect())
}

/// The schema wants each once.
fn unique(references: Vec<String>) -> Vec<String> {
    let mut told = BTreeSet::new();
    references.into_iter().filter(|reference| told.insert(reference.clone())).collect()
}
