//! `--update`: pins what Debian's archive has now. Every digest is followed from a signature; the next build
//! uses nothing else.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bundle::Arch;
use debian::{Archive, ArchiveOptions, MirrorSources, Package, Silent, compare_versions, depends};

use super::pins::{HOSTS, Hosts, ROOT, RootPins, SOURCE, SourcePins};

/// The suite of source and packages, the last with QEMU 10.0.
const SUITE: &str = "trixie";
/// Debian's name of the machine that builds.
const BUILDER: &str = "amd64";
/// The source package.
const PACKAGE: &str = "qemu";
/// Versions that our changes are for. Another series is not an update but a decision.
const SERIES: &str = "1:10.0.";

/// Writes `source.toml` and `root.toml` in the directory of the recipe.
pub(crate) fn update(recipe: &Path, work: &Path, mirrors: &MirrorSources) -> Result<()> {
    let hosts = fs::read_to_string(recipe.join(HOSTS)).with_context(|| format!("cannot read `{HOSTS}`"))?;
    let hosts = Hosts::read(&hosts)?;
    let mut options = ArchiveOptions::new(work.join("archive"), &Silent);
    options.mirrors = mirrors.clone();
    let archive = Archive::open(options, SUITE).map_err(|error| {
        let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        anyhow::Error::new(error).context(format!("nothing can be pinned{hint}"))
    })?;
    let source = archive.sources(|name| name == PACKAGE)?;
    let newest = source.into_iter().max_by(|one, other| compare_versions(&one.version, &other.version));
    let source = newest.with_context(|| format!("`{SUITE}` has no source package `{PACKAGE}`"))?;
    ensure!(
        source.version.starts_with(SERIES),
        "`{SUITE}` has `{PACKAGE}` {}, and our changes are for {SERIES}x",
        source.version
    );
    let index = archive.packages(BUILDER)?;
    let mut packages: Vec<(Option<Arch>, &Package)> = Vec::new();
    let names: Vec<&str> = hosts.tools.iter().map(String::as_str).collect();
    packages.extend(depends::closure(&index, &names)?.into_iter().map(|package| (None, package)));
    let foreign = hosts.rows.iter().filter(|(_, row)| !row.libraries.is_empty());
    let foreign = foreign
        .map(|(host, _)| {
            let debian = host.debian_name().context("a host that Debian has a name for")?;
            Ok((*host, archive.packages(debian)?))
        })
        .collect::<Result<Vec<_>>>()?;
    for (host, row) in &hosts.rows {
        let common = packages.clone();
        let is_new = |package: &&Package| {
            !common.iter().any(|(only, there)| only.is_none_or(|only| only == *host) && there == package)
        };
        let names: Vec<&str> = row.tools.iter().map(String::as_str).collect();
        let tools = depends::closure(&index, &names)?.into_iter().filter(is_new);
        packages.extend(tools.map(|package| (Some(*host), package)));
        for name in &row.libraries {
            let (_, index) = foreign.iter().find(|(other, _)| other == host).context("its index is open")?;
            let package =
                index.find(name).with_context(|| format!("`{SUITE}` has no `{name}` for {host}"))?;
            packages.push((Some(*host), package));
        }
    }
    packages.sort_by_key(|(host, package)| (*host, package.name.as_str(), package.architecture.as_str()));
    let moment = archive.release().end_of_its_day().context("the archive's table has no date")?;
    for (name, text) in
        [(SOURCE, SourcePins::text(SUITE, &source)?), (ROOT, RootPins::text(SUITE, &moment, &packages)?)]
    {
        let path = recipe.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    if let Some(note) = archive.note() {
        println!("foundry: {note}");
    }
    println!("foundry: pinned {PACKAGE} {} and {} packages of `{SUITE}`", source.version, packages.len());
    Ok(())
}
