//! Where a release comes from: an in-toto statement (version 1) with a predicate of SLSA (provenance, version
//! 1). It names what went in by digest, and no time unless SOURCE_DATE_EPOCH gives one.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use bundle::BlobKind;
use serde::Serialize;

use crate::error::{Error, ProjectError};
use crate::json;
use crate::project::file::Project;
use crate::release::dist;
use crate::release::sources;
use crate::write::bundle_file::{BundleFile, blob_name};

/// The file's name.
pub(super) const NAME: &str = "provenance.json";

/// What the parameters below mean: the page that says so.
const BUILD_TYPE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/releasing.md#provenance");

/// Who has built it, if the project does not say.
const BUILDER: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "#unibin-", env!("CARGO_PKG_VERSION"));

#[derive(Serialize)]
struct Statement<'p> {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<Descriptor>,
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Predicate<'p>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Predicate<'p> {
    build_definition: BuildDefinition<'p>,
    run_details: RunDetails<'p>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition<'p> {
    build_type: &'static str,
    external_parameters: Parameters<'p>,
    resolved_dependencies: Vec<Descriptor>,
}

#[derive(Serialize)]
struct Parameters<'p> {
    name: &'p str,
    version: Option<&'p str>,
    /// The project's file, by its name in its directory.
    project: String,
    /// The commands of the builds, in their order.
    commands: Vec<&'p str>,
}

#[derive(Serialize)]
struct RunDetails<'p> {
    builder: Builder<'p>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

#[derive(Serialize)]
struct Builder<'p> {
    id: &'p str,
    version: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    started_on: String,
    finished_on: String,
}

/// `ResourceDescriptor` of in-toto.
#[derive(Clone, Debug, Serialize)]
struct Descriptor {
    name: String,
    digest: BTreeMap<&'static str, String>,
}

impl Descriptor {
    fn new(name: String, kind: &'static str, digest: impl ToString) -> Self {
        Self { name, digest: BTreeMap::from([(kind, digest.to_string())]) }
    }
}

/// What goes into a release.
#[derive(Debug)]
pub(super) struct Materials(Vec<Descriptor>);

impl Materials {
    /// The commit, the project's file, and the files of its builds as they are now.
    pub(super) fn of(project: &Project, commit: Option<&str>) -> Result<Self, Error> {
        let mut all: Vec<_> = commit
            .map(|commit| Descriptor::new("source".to_owned(), "gitCommit", commit))
            .into_iter()
            .collect();
        let lock = project.directory.join("unibin.lock");
        let files = [&project.path].into_iter().chain(lock.exists().then_some(&lock));
        let builds = project.builds.iter().filter_map(|build| build.file.as_ref());
        // A directory has no digest of its own.
        for path in files.chain(builds).filter(|path| path.is_file()) {
            let inside = path.strip_prefix(&project.directory).unwrap_or(path);
            let (_, digest) = dist::digest(path)?;
            all.push(Descriptor::new(json::name(inside.as_os_str().as_encoded_bytes()), "sha256", digest));
        }
        Ok(Self(all))
    }
}

/// The time of SOURCE_DATE_EPOCH, in seconds since 1970.
pub(super) fn epoch() -> Result<Option<u64>, Error> {
    let Some(text) = env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let text = text.to_string_lossy();
    match text.parse() {
        // The last second of the year 9999.
        Ok(seconds) if seconds <= 253_402_300_799 => Ok(Some(seconds)),
        _ => Err(ProjectError::Epoch { text: text.into_owned() }.into()),
    }
}

/// Writes the statement about all files in `directory` that are made here.
pub(super) fn write(
    project: &Project,
    Materials(materials): &Materials,
    bundle: &Path,
    directory: &Path,
    epoch: Option<u64>,
) -> Result<(), Error> {
    let is_made = |name: &str| name.split('/').next() != Some(sources::DIRECTORY) || !name.contains('/');
    let files = dist::files(directory)?.into_iter().filter(|file| is_made(&file.name));
    let mut dependencies = materials.clone();
    dependencies.extend(emulators(&BundleFile::open(bundle)?)?);
    let project_file = project.path.file_name().unwrap_or_default();
    let statement = Statement {
        kind: "https://in-toto.io/Statement/v1",
        subject: files.map(|file| Descriptor::new(file.name, "sha256", file.digest)).collect(),
        predicate_type: "https://slsa.dev/provenance/v1",
        predicate: Predicate {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE,
                external_parameters: Parameters {
                    name: &project.name,
                    version: project.version.as_deref(),
                    project: json::name(project_file.as_encoded_bytes()),
                    commands: project.builds.iter().filter_map(|build| build.command.as_deref()).collect(),
                },
                resolved_dependencies: dependencies,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: project.release.builder.as_deref().unwrap_or(BUILDER),
                    version: BTreeMap::from([("unibin", env!("CARGO_PKG_VERSION"))]),
                },
                metadata: epoch
                    .map(timestamp)
                    .map(|time| Metadata { started_on: time.clone(), finished_on: time }),
            },
        },
    };
    dist::write(directory, NAME, &json::text(&statement))
}

/// The emulators in a bundle, by the digest of what each unpacks to.
fn emulators(bundle: &BundleFile) -> Result<Vec<Descriptor>, Error> {
    let manifest = bundle.manifest()?;
    let blobs = manifest.blobs().filter(|blob| blob.kind == BlobKind::Emulator);
    Ok(blobs.map(|blob| Descriptor::new(blob_name(&manifest, &blob), "sha256", blob.digest())).collect())
}

/// Seconds since 1970 as RFC 3339 writes them.
fn timestamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86400, seconds % 86400);
    // The calendar repeats every 400 years of 146097 days; years begin in March here, so that the day that is
    // not in every year is the last one.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_is_written_as_a_date() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(super::timestamp(seconds), date);
        }
    }
}
