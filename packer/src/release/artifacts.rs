//! `artifacts.json`: what is in a release, for the scripts that publish it.

use std::path::Path;

use serde::Serialize;

use crate::error::Error;
use crate::json;
use crate::project::file::Project;
use crate::release::contents::{ARTIFACTS, hosts_of, kind};
use crate::release::dist::{self, DistFile};

#[derive(Serialize)]
struct Artifacts<'r> {
    schema: u32,
    name: &'r str,
    version: Option<&'r str>,
    /// Whether it is a trial release.
    snapshot: bool,
    /// The commit that it was made from, if git knows one.
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
    dist::write(directory, ARTIFACTS, &json::text(&artifacts))
}
