//! `unibin pack` from start to end: request, app, hosts, emulators, blobs, bundle, report. The packer
//! executes nothing of what it packs, but for `--trace` and for the scripts of a Debian's packages
//! (`debootstrap`). It also runs programs of Debian's for this machine (`host_program`).

pub(crate) mod cpu_model;
pub(crate) mod dedup;
pub(crate) mod emulator_only;
pub(crate) mod foreign_programs;
pub(crate) mod report;
pub(crate) mod systems;
pub(crate) mod variants;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundle::{Arch, Encoding};

use crate::cli::PackArgs;
use crate::cli::values::{Children, Head, Level};
use crate::configure;
use crate::emulators::{Emulator, Emulators};
use crate::error::Error;
use crate::machine;
use crate::pack::dedup::SharedTree;
use crate::pack::report::Report;
use crate::request::system::{SystemRequest, SystemSource};
use crate::request::{Contents, Request, is_told_of_tree};
use crate::resolve::gather::gather;
use crate::resolve::resolved_app::{ResolvedApp, ResolvedVariant, RootOfSystem};
use crate::system::gathered::Gathered;
use crate::tree::app_tree::App;
use crate::tree::{view_map, view_rules};
use crate::write::assemble::{self, Notices, PackedEmulator, PackedEmulators, PackedVariant, Parts};
use crate::write::compress::{self, Frame, How, Uncompressed};
use crate::write::emulator_frame::{self, EmulatorFrame};
use crate::write::facts;
use crate::write::header;
use crate::write::similar::By;
use crate::write::tarball;
use crate::write::turns;

/// Packs, and returns the report.
pub(crate) fn pack(args: PackArgs) -> Result<String, Error> {
    let json = args.list.json;
    packed(Request::from_args(args)?, json)
}

/// Packs what `request` asks for.
pub(crate) fn packed(mut request: Request, json: bool) -> Result<String, Error> {
    let (first, natives) = match &request.contents {
        Contents::App(app) => {
            let first = gather(app, configure::add)?;
            let natives = variants::gathered(&request, &first)?;
            (first, natives)
        }
        Contents::Emulator { target, rules } => (emulator_only::app(*target, rules), Vec::new()),
        Contents::System(system) => {
            systems::gathered(system, &|root, path| stage(&request, system, root, path))?
        }
        Contents::Machine(machine) => {
            let (output, archive) = (machine.output.clone(), machine.archive.clone());
            let source = SystemSource::Directory(output.clone());
            let system = SystemRequest::whole(source, Some(machine.cpu), output, archive);
            machine::gathered(&request, machine, &|root, path| stage(&request, &system, root, path))?
        }
    };
    if request.is_machine() {
        // It is native wherever it runs.
        let others = natives.iter().map(|native| native.resolved.target);
        request.hosts = [first.target].into_iter().chain(others).collect();
    }
    let emulators = Emulators::open(&request.archive)?;
    let plan = emulators.plan(&request, first.target, &systems::natives(&request, &natives))?;
    // Checked before anything is fetched: whether every host has what starts the bundle.
    header::require(request.head, &plan.hosts)?;
    foreign_programs::hint(&request, &first, &plan);
    let mut report = Report::new(&request, &first, &natives, &plan);
    if request.dry_run {
        return Ok(report.text(json));
    }
    let cpu = cpu_model::of(&request, &first, &plan)?;
    let obtained = emulators.obtain(&plan, first.target, first.calling(), cpu.as_deref())?;
    let parts = if request.is_emulator_only() {
        emulator_only::parts(&request, &first, &plan.hosts, obtained, emulators.kept())?
    } else {
        let variants = variants::in_order(first, natives);
        compressed(&request, variants, &plan.hosts, &obtained, &emulators)?
    };
    let written = assemble::write(&parts, &request.output)?;
    report.written(&parts, &written, emulators.transferred_in_all());
    Ok(report.text(json))
}

/// Writes a system as a bundle for this machine alone, compressed fast, for what must run in it before it is
/// finished. Returns whether it has an emulator.
fn stage(request: &Request, system: &SystemRequest, root: Gathered, path: &Path) -> Result<bool, Error> {
    let target = system.target.or(root.target).ok_or(Error::NoTarget)?;
    let host = Arch::HOST.ok_or(Error::NoHostLeft { target })?;
    let of_host = |(of, _): &&(Arch, PathBuf)| *of == host;
    let source = SystemSource::Directory(path.to_owned());
    let wanted = SystemRequest::whole(source, system.target, path.to_owned(), system.archive.clone());
    let first = systems::resolved(root, &wanted)?;
    let given = request.emulators.iter().filter(of_host).cloned().collect();
    let request = Request {
        emulators: given,
        emulates_own: true,
        cpu: request.cpu.clone(),
        ..Request::for_one_host(host, Head::Sh, wanted)
    };
    let emulators = Emulators::open(&request.archive)?;
    let plan = emulators.plan(&request, target, &[])?;
    let cpu = cpu_model::of(&request, &first, &plan)?;
    let obtained = emulators.obtain(&plan, target, first.calling(), cpu.as_deref())?;
    let parts = compressed(&request, vec![first.baseline()], &plan.hosts, &obtained, &emulators)?;
    assemble::write(&parts, &request.output)?;
    Ok(!obtained.is_empty())
}

/// Trees, emulators and notices as frames, compressed in parallel.
fn compressed(
    request: &Request,
    mut variants: Vec<ResolvedVariant>,
    hosts: &[Arch],
    obtained: &[Emulator],
    emulators: &Emulators,
) -> Result<Parts, Error> {
    let level = request.level.parts;
    let variant = |variant| compressed_variant(variant, request.level, emulators);
    let packed = |of_host: Vec<Emulator>| -> Result<PackedEmulators, Error> {
        let EmulatorFrame { frame, encoding, members } =
            emulator_frame::compressed(emulators, &of_host, level)?;
        let facts = of_host.iter().zip(&members);
        let facts =
            facts::of_emulators(facts.map(|(emulator, member)| (&emulator.components[..], &member[..])));
        let components = Some(facts::frame(&facts, level)?);
        let owed = of_host.iter().flat_map(|emulator| emulator.owed.clone());
        let notices = owed.map(|owed| Notices::compressed(owed, level)).collect::<Result<_, _>>()?;
        let row = |(emulator, member): (Emulator, _)| PackedEmulator {
            key: emulator.key,
            translator: emulator.translator.into_bytes(),
            version: emulator.version.into_bytes(),
            rules: emulator.rules,
            member,
        };
        let emulators = of_host.into_iter().zip(members).map(row).collect();
        Ok(PackedEmulators { emulators, encoding, frame, notices, components })
    };
    let of_hosts = obtained.chunk_by(|one, next| one.key.host == next.key.host).map(<[Emulator]>::to_vec);
    // A variant that runs natively may start programs that an emulator runs.
    let view = obtained.iter().any(|emulator| emulator.rules.iter().any(bundle::Rule::is_view));
    for ResolvedVariant { resolved, .. } in &mut variants {
        if resolved.root.is_none() && !request.is_machine() && (view || emulators.give_view(resolved.target))
        {
            view_map::add(&mut resolved.app)?;
        }
    }
    for ResolvedVariant { resolved, .. } in &mut variants {
        if gets_mounts(request, resolved, obtained) {
            let rules = view_rules::emulated(&resolved.app);
            resolved.rules.extend(rules);
        }
    }
    let groups = dedup::take_out(&mut variants)?;
    let (variants, packed) =
        turns::both(|| turns::each(variants, variant), || turns::each(of_hosts.collect(), packed));
    let mut variants = variants.into_iter().collect::<Result<Vec<_>, _>>()?;
    for SharedTree { app, variants: group } in groups {
        let frame = Arc::new(tree(&app, "several CPUs", request.level.tree, emulators)?);
        for (_, variant) in variants.iter_mut().enumerate().filter(|(number, _)| group.contains(number)) {
            variant.shared = Some(frame.clone());
        }
    }
    Ok(Parts {
        brokers: header::brokers(hosts, level, Some(emulators.kept()))?,
        attends: request.children == Children::Auto || request.is_system(),
        head: request.head,
        launchers: header::launchers(hosts)?,
        components: facts::of_hosts(hosts, level)?,
        variants,
        emulators: packed.into_iter().collect::<Result<_, _>>()?,
    })
}

/// Whether mounts can show an app the union, since an emulator runs it and nobody has decided: where that
/// does not do so itself, and where what the app changes is kept.
fn gets_mounts(request: &Request, resolved: &ResolvedApp, obtained: &[Emulator]) -> bool {
    let Contents::App(app) = &request.contents else { return false };
    let has_tree =
        |emulator: &Emulator| emulator.key.target == resolved.target && is_told_of_tree(&emulator.rules);
    app.view.is_none()
        && request.children == Children::Auto
        && obtained.iter().any(has_tree)
        && !view_rules::hides_libraries(&resolved.app, &resolved.loader)
}

/// The app of `args` alone, without launchers and emulators. `view`: whether it gets a view in any case.
pub(crate) fn variant(args: PackArgs, view: bool) -> Result<PackedVariant, Error> {
    let request = Request::from_args(args)?;
    let Contents::App(app) = &request.contents else { return Err(Error::NoTarget) };
    let mut resolved = gather(app, configure::add)?;
    let emulators = Emulators::open(&request.archive)?;
    if view || emulators.give_view(resolved.target) {
        view_map::add(&mut resolved.app)?;
    }
    compressed_variant(resolved.baseline(), request.level, &emulators)
}

fn compressed_variant(
    variant: ResolvedVariant,
    level: Level,
    emulators: &Emulators,
) -> Result<PackedVariant, Error> {
    let ResolvedVariant { level: cpu_level, resolved } = variant;
    let ResolvedApp { app, root, entries, target, loader, rules, owed, facts, .. } = resolved;
    let components = Some(facts::frame(&facts, level.parts)?);
    let (encoding, app) = match &root {
        Some(RootOfSystem { tree, is_image }) => {
            let kind = if *is_image { "image" } else { "system" };
            let whose = format!("{kind} for {target}");
            (
                Encoding::Root,
                frame(tarball::write_root(tree, By::of_level(level.tree)), &whose, level.tree, emulators)?,
            )
        }
        None => (Encoding::TarZstd, tree(&app, target.name(), level.tree, emulators)?),
    };
    let notices = owed.map(|owed| Notices::compressed(owed, level.parts)).transpose()?.into_iter().collect();
    let (level, shared) = (cpu_level, None);
    Ok(PackedVariant { target, level, encoding, app, shared, loader, rules, entries, notices, components })
}

fn tree(app: &App, whose: &str, level: i32, emulators: &Emulators) -> Result<Frame, Error> {
    frame(tarball::write(app, By::of_level(level)), &format!("app for {whose}"), level, emulators)
}

fn frame(
    tar: io::Result<Uncompressed>,
    whose: &str,
    level: i32,
    emulators: &Emulators,
) -> Result<Frame, Error> {
    let bar = emulators.bars.bar(whose);
    let how = How { level, store: Some(emulators.kept()), bar: Some(&bar) };
    let made = tar.and_then(|tar| compress::blob(&tar, how));
    made.map_err(Error::Temporary)
}
