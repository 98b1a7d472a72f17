//! `unibin release`: runs the builds of a project, packs it, and writes what belongs to a release into one
//! directory. It uploads nothing, and asks no clock: the same commit gives the same directory.

mod artifacts;
mod builds;
mod checkout;
mod contents;
mod dist;
pub(crate) mod plan;
mod provenance;
mod signing;
mod sources;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use bundle::Arch;

use crate::atomic_file::NewDirectory;
use crate::cli::compose::ThinArgs;
use crate::cli::project::ReleaseArgs;
use crate::cli::sbom::SbomArgs;
use crate::cli::values::{self, Hosts};
use crate::cli::{ListArgs, PackArgs};
use crate::commands::sbom;
use crate::compose::thin;
use crate::error::{Error, ProjectError, shown};
use crate::pack;
use crate::project;
use crate::project::file::Project;
use crate::release::contents::{BILLS, SOURCES, hosts_of};
use crate::release::provenance::Materials;
use crate::release::signing::Signing;
use crate::say;
use crate::source_date;
use crate::units::size;
use crate::write::bundle_file::BundleFile;

/// The default directory of a release.
const DIST: &str = "dist";

/// The suffix of a trial release's version.
const SNAPSHOT: &str = "-snapshot";

/// Makes the release, and lists its files.
pub(crate) fn release(args: &ReleaseArgs) -> Result<String, Error> {
    let path = project::place(args.project.file.as_ref());
    let project = Project::read(&path, args.snapshot.then_some(SNAPSHOT))?;
    let target = directory(&project, args.dist.as_deref());
    let time = source_date::given()?;
    let name = output_name(&project)?;
    dist::check_replaceable(&target)?;
    let key = args.key.as_ref().or(project.release.sign.as_ref()).filter(|_| !args.snapshot);
    let signing = key.map(|key| Signing::open(key, &project.release.detach)).transpose()?;
    let commit = if args.snapshot { None } else { checkout::commit(&path) };
    if commit.is_some() {
        checkout::check_tag(&path, project.version.as_deref())?;
        checkout::check_unchanged(&path)?;
    } else if !args.snapshot {
        say::warning(&format!("git has no `{}`: the provenance names no commit", shown(&path)));
    }
    builds::run(&project)?;
    project.check_builds()?;
    if commit.is_some() {
        checkout::check_unchanged(&path)?;
    }

    let made = NewDirectory::beside_any(&target).map_err(|source| Error::io("write", &target, source))?;
    let bundle = made.path().join(&name);
    let pack_args = pack_args(&project, Some(&bundle), args.offline)?;
    // Read before it is packed: what is changed meanwhile differs from what is stated.
    let materials = Materials::of(&project, commit.as_deref())?;
    pack::pack(pack_args.clone())?;
    let hosts = hosts_of(&bundle)?;
    let mut bundles = vec![bundle.clone()];
    for host in thin_hosts(&project, &hosts)? {
        let output = made.path().join(format!("{name}-{host}"));
        thin::thin(&ThinArgs {
            file: bundle.clone(),
            hosts: Some(Hosts::Listed(vec![host])),
            head: None,
            output: output.clone(),
            list: ListArgs { json: false },
        })?;
        bundles.push(output);
    }
    if let Some(signing) = &signing {
        bundles.iter().try_for_each(|bundle| signing.bundle(bundle))?;
    }
    for (format, ending) in BILLS.into_iter().filter(|(format, _)| project.release.sbom.contains(format)) {
        sbom::sbom(&SbomArgs {
            file: bundle.clone(),
            format,
            output: Some(made.path().join(format!("{name}{ending}"))),
            name: Some(project.name.clone()),
            app_version: project.version.clone(),
        })?;
    }
    if project.release.sources {
        sources::write(&BundleFile::open(&bundle)?, &pack_args, &made.path().join(SOURCES))?;
    }
    if !args.snapshot {
        provenance::write(&project, &materials, &name, made.path(), time)?;
    }
    artifacts::write(&project, &name, commit.as_deref(), args.snapshot, made.path())?;
    dist::write_sums(made.path())?;
    if let Some(signing) = &signing {
        signing.beside(&made.path().join(dist::SUMS))?;
    }
    dist::set_modes(made.path())?;
    let told = told(&target, made.path())?;
    // Once more: the builds took their time.
    dist::check_replaceable(&target)?;
    made.settle_over().map_err(|source| Error::io("write", &target, source))?;
    Ok(told)
}

/// The directory of the release.
fn directory(project: &Project, named: Option<&Path>) -> PathBuf {
    let of_project = || project.release.dist.clone().unwrap_or_else(|| project.directory.join(DIST));
    named.map_or_else(of_project, Path::to_owned)
}

/// The bundle's name in the release.
fn output_name(project: &Project) -> Result<String, Error> {
    let Some(output) = &project.output else { return Ok(project.name.clone()) };
    let inside = output.strip_prefix(&project.directory).unwrap_or(output);
    match inside.to_str() {
        Some(name) if !name.is_empty() && !name.contains('/') && !name.starts_with('.') => {
            Ok(name.to_owned())
        }
        _ => Err(ProjectError::OutputElsewhere { output: output.clone() }.into()),
    }
}

/// The options of `pack` for the release.
fn pack_args(project: &Project, output: Option<&Path>, offline: bool) -> Result<PackArgs, Error> {
    let mut words = project.words.clone();
    if let Some(output) = output {
        let mut word = OsString::from("--output=");
        word.push(output);
        words.push(word);
    }
    let mut args = project::pack_args(project, words)?;
    args.archive.offline |= offline;
    Ok(args)
}

/// The hosts that get a bundle of their own, out of those that the bundle runs on.
fn thin_hosts(project: &Project, served: &[Arch]) -> Result<Vec<Arch>, Error> {
    let listed = project.release.thin.as_ref().filter(|list| !list.is_empty());
    let Some(list) = listed else { return Ok(Vec::new()) };
    let refused =
        |what| ProjectError::Refused { path: project.path.clone(), what: format!("`thin`: {what}") };
    Ok(match values::hosts(list).map_err(refused)? {
        Hosts::All => served.to_vec(),
        Hosts::Listed(hosts) => hosts,
    })
}

fn told(target: &Path, made: &Path) -> Result<String, Error> {
    let row = |file: &dist::DistFile| format!("  {:>9}  {}\n", size(file.length), file.name);
    let rows: String = dist::files(made)?.iter().map(row).collect();
    Ok(format!("{}:\n{rows}", shown(target)))
}
