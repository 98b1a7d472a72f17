//! `unibin plan`: what a release would make, by what the project's file says. Executes, fetches and writes
//! nothing.

use std::fmt::Write as _;
use std::fs::File;

use bundle::{Arch, EmulatorKey};
use serde::Serialize;

use crate::cli::PackArgs;
use crate::cli::project::PlanArgs;
use crate::cli::values::{Head, Hosts};
use crate::emulators::builtin_catalogue;
use crate::error::{Error, readable, shown};
use crate::json;
use crate::project;
use crate::project::file::{Build, Project};
use crate::release::contents::{ARTIFACTS, BILLS, PROVENANCE, SOURCES};
use crate::release::dist::SUMS;
use crate::release::signing::Signing;
use crate::release::{SNAPSHOT, directory, output_name, pack_args, thin_hosts};
use inputs::elf;

#[derive(Serialize)]
struct Plan {
    schema: u32,
    project: String,
    name: String,
    version: Option<String>,
    /// The directory that would be written.
    dist: String,
    builds: Vec<BuildRow>,
    hosts: Vec<HostRow>,
    files: Vec<FileRow>,
    /// What `unibin pack` would be given.
    pack: Vec<String>,
}

#[derive(Serialize)]
struct BuildRow {
    arch: Option<String>,
    file: Option<String>,
    /// Whether it is there already.
    exists: bool,
    command: Option<String>,
}

#[derive(Serialize)]
struct HostRow {
    host: &'static str,
    /// `native`, `emulated`, or `unknown` until the first build is there.
    route: &'static str,
    /// The emulator of the catalogue; others may be given by `emulators.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    emulator: Option<String>,
}

#[derive(Serialize)]
struct FileRow {
    name: String,
    kind: &'static str,
}

/// Describes the release that would be made.
pub(crate) fn plan(args: &PlanArgs) -> Result<String, Error> {
    let path = project::place(args.project.file.as_ref());
    let project = Project::read(&path, args.snapshot.then_some(SNAPSHOT))?;
    let asked = pack_args(&project, None, false)?;
    let hosts = hosts(&project, &asked);
    let served: Vec<Arch> =
        hosts.iter().filter(|row| row.route != "none").filter_map(|row| Arch::from_name(row.host)).collect();
    let build = |build: &Build| BuildRow {
        arch: build.arch.clone(),
        file: build.file.as_ref().map(|file| file.display().to_string()),
        exists: build.file.as_ref().is_none_or(|file| file.exists()),
        command: build.command.clone(),
    };
    let plan = Plan {
        schema: 1,
        project: path.display().to_string(),
        name: project.name.clone(),
        version: project.version.clone(),
        dist: directory(&project, None).display().to_string(),
        builds: project.builds.iter().map(build).collect(),
        files: files(&project, &served, args.snapshot)?,
        hosts,
        pack: project.words.iter().map(|word| json::name(word.as_encoded_bytes())).collect(),
    };
    Ok(if args.list.json { json::text(&plan) } else { plan.text() })
}

/// The hosts that are asked for, and how the bundle would run there.
fn hosts(project: &Project, asked: &PackArgs) -> Vec<HostRow> {
    let arch = |build: &Build| {
        let named = build.arch.as_deref().and_then(|arch| Arch::from_name(arch.split("-v").next()?));
        named.or_else(|| {
            let mut file = File::open(build.file.as_ref()?).ok()?;
            Some(elf::read(&mut file).ok()?.ok()?.arch)
        })
    };
    let natives: Vec<Option<Arch>> = project.builds.iter().map(arch).collect();
    let first = asked.target.or_else(|| natives.first().copied().flatten());
    let listed = match (asked.head, &asked.hosts) {
        (Head::Elf(host), _) => vec![host],
        (Head::Sh, None) => Arch::DEFAULT_HOSTS.to_vec(),
        (Head::Sh, Some(Hosts::All)) => Arch::HOSTS.to_vec(),
        (Head::Sh, Some(Hosts::Listed(hosts))) => hosts.clone(),
    };
    let row = |host: Arch| {
        let name = host.name();
        if natives.contains(&Some(host)) || first == Some(host) {
            return HostRow { host: name, route: "native", emulator: None };
        }
        let Some(target) = first else { return HostRow { host: name, route: "unknown", emulator: None } };
        let own = asked.emulator.iter().any(|(of, _)| *of == host);
        let emulator = if own {
            Some("the one that `emulator` names".to_owned())
        } else {
            builtin_catalogue::emulator(EmulatorKey { host, target })
        };
        HostRow { host: name, route: if emulator.is_some() { "emulated" } else { "none" }, emulator }
    };
    listed.into_iter().map(row).collect()
}

fn files(project: &Project, served: &[Arch], snapshot: bool) -> Result<Vec<FileRow>, Error> {
    let name = output_name(project)?;
    let thin = thin_hosts(project, served)?;
    let mut files: Vec<_> =
        thin.iter().map(|host| FileRow { name: format!("{name}-{host}"), kind: "thin" }).collect();
    files.insert(0, FileRow { name: name.clone(), kind: "bundle" });
    for (_, ending) in BILLS.into_iter().filter(|(format, _)| project.release.sbom.contains(format)) {
        files.push(FileRow { name: format!("{name}{ending}"), kind: "sbom" });
    }
    if project.release.sources {
        files.push(FileRow { name: format!("{SOURCES}/"), kind: "source" });
    }
    if !snapshot {
        files.push(FileRow { name: PROVENANCE.to_owned(), kind: "provenance" });
    }
    files.push(FileRow { name: ARTIFACTS.to_owned(), kind: "artifacts" });
    files.push(FileRow { name: SUMS.to_owned(), kind: "checksums" });
    if project.release.sign.is_some() && !snapshot {
        let signed = files.iter().filter(|row| matches!(row.kind, "bundle" | "thin" | "checksums"));
        let of = |row: &FileRow| Signing::names(&row.name, &project.release.detach);
        let beside = signed.flat_map(of).map(|path| path.display().to_string());
        let beside: Vec<_> = beside.map(|name| FileRow { name, kind: "signature" }).collect();
        files.extend(beside);
    }
    Ok(files)
}

impl Plan {
    fn text(&self) -> String {
        let version = self.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let mut text = format!("{}{version}: a plan, nothing was made\n", self.name);
        for row in &self.builds {
            let arch = row.arch.as_deref().unwrap_or_default();
            let file = row.file.as_deref().map(|file| readable(file.as_bytes())).unwrap_or_default();
            let there = match (&row.command, row.exists) {
                (Some(command), _) => format!("  by `{}`", readable(command.as_bytes())),
                (None, true) => String::new(),
                (None, false) => "  which does not exist".to_owned(),
            };
            let _ = writeln!(text, "  build {arch:<12} {file}{there}"); // writing to a String cannot fail
        }
        for row in &self.hosts {
            let by = row.emulator.as_ref().map(|name| format!(" by {name}")).unwrap_or_default();
            let _ = writeln!(text, "  host  {:<12} {}{by}", row.host, row.route);
        }
        for row in &self.files {
            let _ = writeln!(text, "  {:<18} {}/{}", row.kind, shown(self.dist.as_ref()), row.name);
        }
        text
    }
}
