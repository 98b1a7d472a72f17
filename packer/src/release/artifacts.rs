//! `artifacts.json`: what is in a release, for the scripts that publish it.

use std::path::Path;

use serde::Serialize;

use crate::error::Error;
use crate::json;
use crate::project::file::Project;
use crate::release::dist::{self, DistFile};
use crate::release::{BILLS, hosts_of, provenance, sources};

/// The file's name.
pub(super) const NAME: &str = "artifacts.json";

#[derive(Serialize)]
struct Artifacts<'r> {
    schema: u32,
    name: &'r str,
    version: Option<&'r str>,
    /// Whether it is a try-out.
    snapshot: bool,
    /// The commit that it is made of, if git knows one.
    commit: Option<&'r str>,
    #[serde(rename = "artifacts")]
    files: Vec<Artifact>,
}

#[derive(Serialize)]
struct Artifact {
    /// Its path in the directory.
    name: String,
    kind: &'static str,
    /// What a bundle runs on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<&'static str>,
    length: u64,
    sha256: String,
}

/// Writes the list of what is in `directory`.
pub(super) fn write(
    project: &Project,
    bundle: &str,
    commit: Option<&str>,
    snapshot: bool,
    directory: &Path,
) -> Result<(), Error> {
    let row = |file: DistFile| -> Result<Artifact, Error> {
        let kind = kind(&file.name, bundle);
        let hosts = match kind {
            "bundle" | "thin" => {
                hosts_of(&directory.join(&file.name))?.iter().map(|host| host.name()).collect()
            }
            _ => Vec::new(),
        };
        Ok(Artifact { kind, hosts, length: file.length, sha256: file.digest.to_string(), name: file.name })
    };
    let artifacts = Artifacts {
        schema: 1,
        name: &project.name,
        version: project.version.as_deref(),
        snapshot,
        commit,
        files: dist::files(directory)?.into_iter().map(row).collect::<Result<_, _>>()?,
    };
    dist::write(directory, NAME, &json::text(&artifacts))
}

/// What a file of a release is, by its name.
pub(super) fn kind(name: &str, bundle: &str) -> &'static str {
    match name {
        _ if name == bundle => "bundle",
        _ if name == provenance::NAME => "provenance",
        _ if name.split('/').next() == Some(sources::DIRECTORY) && name.contains('/') => "source",
        _ if [".sig", ".minisig"].iter().any(|ending| name.ends_with(ending)) => "signature",
        _ if BILLS.iter().any(|(_, ending)| name.strip_suffix(ending) == Some(bundle)) => "sbom",
        _ => "thin",
    }
}
