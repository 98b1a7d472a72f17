//! SPDX 2.3, JSON. Names of fields are those of its schema.
#![expect(clippy::struct_field_names, reason = "the schema names them so")]

use std::collections::BTreeMap;

use serde::Serialize;

use crate::commands::sbom::bill::{Bill, Part, PartKind, reference};
use crate::components::{Component, Kind, purl};
use crate::hash;
use crate::source_date;

const UNKNOWN: &str = "NOASSERTION";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const BUNDLE: &str = "SPDXRef-Bundle";

/// A document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package>,
    files: Vec<File>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
struct CreationInfo {
    created: String,
    creators: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_info: Option<String>,
    download_location: &'static str,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    package_verification_code: Option<VerificationCode>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checksums: Vec<Checksum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    license_concluded: &'static str,
    license_declared: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_comments: Option<String>,
    copyright_text: &'static str,
    primary_package_purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<ExternalRef>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationCode {
    package_verification_code_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum {
    algorithm: &'static str,
    checksum_value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExternalRef {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "SPDXID")]
    id: String,
    file_name: String,
    checksums: Vec<Checksum>,
    license_concluded: &'static str,
    copyright_text: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: String,
    relationship_type: &'static str,
    related_spdx_element: String,
}

impl Document {
    fn relate(&mut self, one: &str, kind: &'static str, other: &str) {
        self.relationships.push(Relationship {
            spdx_element_id: one.to_owned(),
            relationship_type: kind,
            related_spdx_element: other.to_owned(),
        });
    }
}

/// The document for `bill`.
pub(super) fn document(bill: &Bill) -> Document {
    let plain = |text: &str, also: char| -> String {
        let kept = |letter: char| letter.is_ascii_alphanumeric() || letter == also;
        text.chars().map(|letter| if kept(letter) { letter } else { '-' }).collect()
    };
    let manifest = format!("the bundle's manifest has SHA-256 {}", bill.manifest);
    let bundle = Package {
        version_info: bill.version.clone(),
        comment: Some(if bill.is_complete {
            manifest
        } else {
            format!(
                "{manifest}; it does not say what its parts are made of: sources are those of its notices"
            )
        }),
        ..package(BUNDLE.to_owned(), &bill.name)
    };
    let mut document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: bill.name.clone(),
        document_namespace: format!("https://spdx.org/spdxdocs/{}-{}", plain(&bill.name, '-'), bill.uuid()),
        creation_info: CreationInfo {
            created: bill.created.clone().unwrap_or_else(|| source_date::NONE.to_owned()),
            creators: [format!("Tool: unibin-{}", env!("CARGO_PKG_VERSION"))],
        },
        packages: vec![bundle],
        files: Vec::new(),
        relationships: Vec::new(),
    };
    document.relate(DOCUMENT, "DESCRIBES", BUNDLE);
    for distribution in bill.distributions() {
        let (name, version) = distribution.split_once('-').unwrap_or((distribution, ""));
        // By this identifier Trivy knows a system; others go by the purpose.
        let id = format!("SPDXRef-OperatingSystem-{}", plain(distribution, '.'));
        document.packages.push(Package {
            version_info: Some(version.to_owned()).filter(|version| !version.is_empty()),
            primary_package_purpose: "OPERATING-SYSTEM",
            ..package(id.clone(), name)
        });
        document.relate(BUNDLE, "DEPENDS_ON", &id);
    }
    // The identifier of each component, by its reference: a source that several parts have linked in is one.
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for part in &bill.parts {
        let id = format!("SPDXRef-Part-{}", part.id.replace([':', '_'], "-"));
        document.packages.push(with_files(part_package(part, id.clone()), part, None));
        document.relate(BUNDLE, "CONTAINS", &id);
        let mut new = Vec::new();
        for (index, component) in part.components.iter().enumerate() {
            let number = ids.len();
            let own = ids.entry(reference(part, index)).or_insert_with(|| {
                new.push(index);
                format!("SPDXRef-Package-{}", number + 1)
            });
            let own = own.clone();
            if new.last() == Some(&index) {
                document.packages.push(with_files(
                    component_package(component, own.clone()),
                    part,
                    Some(index),
                ));
            }
            // What is linked into something is not in the tree by itself.
            if component.kind != Kind::Source {
                document.relate(&id, "CONTAINS", &own);
            }
        }
        for index in new {
            let Some(own) = ids.get(&reference(part, index)) else { continue };
            for needed in &part.components[index].depends {
                let is_linked = part.components.get(*needed).is_some_and(|one| one.kind == Kind::Source);
                let kind = if is_linked { "STATIC_LINK" } else { "DEPENDS_ON" };
                if let Some(other) = ids.get(&reference(part, *needed)) {
                    document.relate(own, kind, other);
                }
            }
        }
        for file in &part.files {
            let file_id = format!("SPDXRef-File-{}", document.files.len() + 1);
            let owner = file.owner.and_then(|index| ids.get(&reference(part, index))).unwrap_or(&id);
            document.relate(owner, "CONTAINS", &file_id);
            document.files.push(File {
                id: file_id,
                file_name: format!("./{}", file.path),
                checksums: checksums(&file.sha256, Some(&file.sha1)),
                license_concluded: UNKNOWN,
                copyright_text: UNKNOWN,
            });
        }
    }
    document
}

fn package(id: String, name: &str) -> Package {
    Package {
        id,
        name: name.to_owned(),
        version_info: None,
        download_location: UNKNOWN,
        files_analyzed: false,
        package_verification_code: None,
        checksums: Vec::new(),
        source_info: None,
        license_concluded: UNKNOWN,
        license_declared: UNKNOWN.to_owned(),
        license_comments: None,
        copyright_text: UNKNOWN,
        primary_package_purpose: "APPLICATION",
        comment: None,
        external_refs: Vec::new(),
    }
}

fn part_package(part: &Part, id: String) -> Package {
    Package {
        version_info: part.version.clone(),
        checksums: part.digests.iter().flat_map(|(sha256, sha1)| checksums(sha256, Some(sha1))).collect(),
        license_declared: part.licence.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        primary_package_purpose: if part.kind == PartKind::Image { "CONTAINER" } else { "APPLICATION" },
        comment: part.cpu.map(|cpu| format!("for {cpu}")),
        external_refs: part.purl.clone().map(by_purl).into_iter().collect(),
        ..package(id, &part.name)
    }
}

fn component_package(component: &Component, id: String) -> Package {
    let Component { name, version, source, source_version, licence, licences, .. } = component;
    let is_program = matches!(component.kind, Kind::Emulator | Kind::Unibin);
    Package {
        version_info: Some(version.clone()),
        checksums: component.sha256.iter().flat_map(|sha256| checksums(sha256, None)).collect(),
        source_info: source
            .as_ref()
            .zip(source_version.as_ref())
            // In the words that Trivy writes and reads.
            .map(|(name, version)| format!("built package from: {name} {version}")),
        license_declared: licence.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        // Debian's names are not SPDX's.
        license_comments: (!licences.is_empty())
            .then(|| format!("named by the package: {}", licences.join("; "))),
        primary_package_purpose: if is_program { "APPLICATION" } else { "LIBRARY" },
        external_refs: purl::of(component).map(by_purl).into_iter().collect(),
        ..package(id, name)
    }
}

/// A package with what its files come to: the SHA-1 of their SHA-1s in order (SPDX 2.3, clause 7.9).
fn with_files(package: Package, part: &Part, owner: Option<usize>) -> Package {
    let files = part.files.iter().filter(|file| file.owner == owner);
    let mut sums: Vec<&str> = files.map(|file| file.sha1.as_str()).collect();
    if sums.is_empty() {
        return package;
    }
    sums.sort_unstable();
    let package_verification_code_value = hash::sha1_of(sums.concat().as_bytes());
    Package {
        files_analyzed: true,
        package_verification_code: Some(VerificationCode { package_verification_code_value }),
        ..package
    }
}

fn by_purl(reference_locator: String) -> ExternalRef {
    ExternalRef { reference_category: "PACKAGE-MANAGER", reference_type: "purl", reference_locator }
}

fn checksums(sha256: &str, sha1: Option<&String>) -> Vec<Checksum> {
    let sha1 = sha1.map(|sha1| Checksum { algorithm: "SHA1", checksum_value: sha1.clone() });
    sha1.into_iter().chain([Checksum { algorithm: "SHA256", checksum_value: sha256.to_owned() }]).collect()
}
