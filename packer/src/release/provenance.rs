//! Where a release comes from: an in-toto statement (version 1) with a predicate of SLSA (provenance, version
//! 1). It names what went in by digest, and no time unless `SOURCE_DATE_EPOCH` gives one.

use std::collections::BTreeMap;
use std::path::Path;

use bundle::BlobKind;
use serde::Serialize;

use crate::error::Error;
use crate::json;
use crate::project::file::Project;
use crate::release::contents::{PROVENANCE, kind};
use crate::release::dist::{self, DistFile};
use crate::write::bundle_file::{BundleFile, blob_name};

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
    fn new(name: String, kind: &'static str, digest: &impl ToString) -> Self {
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
            .map(|commit| Descriptor::new("source".to_owned(), "gitCommit", &commit))
            .into_iter()
            .collect();
        let lock = project.directory.join("unibin.lock");
        let files = [&project.path].into_iter().chain(lock.exists().then_some(&lock));
        let builds = project.builds.iter().filter_map(|build| build.file.as_ref());
        // A directory has no digest of its own.
        for path in files.chain(builds).filter(|path| path.is_file()) {
            let inside = path.strip_prefix(&project.directory).unwrap_or(path);
            let (_, digest) = dist::digest(path)?;
            all.push(Descriptor::new(json::name(inside.as_os_str().as_encoded_bytes()), "sha256", &digest));
        }
        Ok(Self(all))
    }
}

/// Writes the statement about the bundles in `directory`, of which `name` is the whole one.
pub(super) fn write(
    project: &Project,
    Materials(materials): &Materials,
    name: &str,
    directory: &Path,
    time: Option<String>,
) -> Result<(), Error> {
    let is_bundle = |file: &DistFile| matches!(kind(&file.name, name), "bundle" | "thin");
    let files = dist::files(directory)?.into_iter().filter(is_bundle);
    let mut dependencies = materials.clone();
    dependencies.extend(emulators(&BundleFile::open(&directory.join(name))?)?);
    let project_file = project.path.file_name().unwrap_or_default();
    let statement = Statement {
        kind: "https://in-toto.io/Statement/v1",
        subject: files.map(|file| Descriptor::new(file.name, "sha256", &file.digest)).collect(),
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
                metadata: time.map(|time| Metadata { started_on: time.clone(), finished_on: time }),
            },
        },
    };
    dist::write(directory, PROVENANCE, &json::text(&statement))
}

/// The emulators in a bundle, by the digest of what each unpacks to.
fn emulators(bundle: &BundleFile) -> Result<Vec<Descriptor>, Error> {
    let manifest = bundle.manifest()?;
    let blobs = manifest.blobs().filter(|blob| blob.kind == BlobKind::Emulator);
    Ok(blobs.map(|blob| Descriptor::new(blob_name(&manifest, &blob), "sha256", &blob.digest())).collect())
}
