//! `unibin pack`, as a story: request, app, hosts, emulators, blobs, bundle, report.
//! The packer never executes what it packs.

pub(crate) mod dedup;
pub(crate) mod emulator_only;
pub(crate) mod foreign_programs;
pub(crate) mod report;
pub(crate) mod variants;

use std::sync::Arc;

use bundle::Arch;

use crate::cli::PackArgs;
use crate::cli::values::Children;
use crate::emulators::{Emulator, Emulators};
use crate::error::Error;
use crate::notices::Owed;
use crate::pack::dedup::Shared;
use crate::pack::report::Report;
use crate::request::Request;
use crate::resolve::gather::{Checked, gather};
use crate::tree::app_tree::App;
use crate::tree::content::Content;
use crate::write::assemble::{self, Notices, Packed, PackedEmulator, PackedVariant, Parts};
use crate::write::compress::{self, Frame};
use crate::write::header;
use crate::write::tarball;

/// Packs, and says what was packed.
pub(crate) fn pack(args: PackArgs) -> Result<String, Error> {
    let json = args.list.json;
    let request = Request::check(args)?;
    let checked = gather(&request)?;
    let natives = variants::gathered(&request, &checked)?;
    let emulators = Emulators::open(&request.archive)?;
    let plan = emulators.plan(&request, checked.target)?;
    // Before anything is fetched: whether every host can be started on.
    header::check(request.head, &plan.hosts)?;
    foreign_programs::hint(&request, &checked, &plan);
    let mut report = Report::new(&request, &checked, &natives, &plan);
    if request.dry_run {
        return Ok(report.text(json));
    }
    let obtained = emulators.obtain(&plan, checked.target, checked.calling())?;
    let parts = if request.is_emulator_only() {
        emulator_only::parts(&request, &checked, plan.hosts, obtained)?
    } else {
        let variants = variants::in_order(checked, natives);
        compressed(&request, variants, plan.hosts, &obtained, &emulators)?
    };
    let written = assemble::write(&parts, &request.output)?;
    report.written(&parts, &written, emulators.transferred_in_all());
    Ok(report.text(json))
}

/// Trees, emulators and notices as frames, as many at once as there are CPUs.
fn compressed(
    request: &Request,
    mut variants: Vec<(u16, Checked)>,
    hosts: Vec<Arch>,
    obtained: &[Emulator],
    emulators: &Emulators,
) -> Result<Parts, Error> {
    let level = request.level;
    let notices = |owed: Owed| -> Result<Notices, Error> {
        let text = Content::from(owed.text.clone().into_bytes());
        Ok(Notices { frame: compress::frame(&text, level).map_err(Error::Temporary)?, owed })
    };
    let tree = |app: &App, whose: &str| -> Result<Frame, Error> {
        let tar = compress::spool(|to| tarball::write(app, to)).map_err(Error::Temporary)?;
        let bar = emulators.bars.bar(&format!("app for {whose}"));
        compress::shown_frame(&tar, level, &bar).map_err(Error::Temporary)
    };
    let variant = |(cpu_level, checked): (u16, Checked)| -> Result<PackedVariant, Error> {
        let Checked { app, entries, target, loader, rules, owed, .. } = checked;
        let app = tree(&app, target.name())?;
        let notices = owed.map(notices).transpose()?;
        Ok(PackedVariant { target, level: cpu_level, app, shared: None, loader, rules, entries, notices })
    };
    let packed = |of_host: Vec<Emulator>| -> Result<Packed, Error> {
        let (frame, encoding, members) = emulators.frame(&of_host, level)?;
        let emulators = of_host.into_iter().zip(members).map(|(emulator, member)| {
            Ok(PackedEmulator { notices: notices(emulator.owed.clone())?, emulator, member })
        });
        Ok(Packed { frame, encoding, emulators: emulators.collect::<Result<_, Error>>()? })
    };
    let of_hosts = obtained.chunk_by(|one, next| one.key.host == next.key.host).map(<[Emulator]>::to_vec);
    let groups = dedup::take_out(&mut variants)?;
    let (variants, packed) =
        compress::both(|| compress::each(variants, variant), || compress::each(of_hosts.collect(), packed));
    let mut variants = variants.into_iter().collect::<Result<Vec<_>, _>>()?;
    for Shared { app, variants: group } in groups {
        let frame = Arc::new(tree(&app, "several CPUs")?);
        for (_, variant) in variants.iter_mut().enumerate().filter(|(number, _)| group.contains(number)) {
            variant.shared = Some(frame.clone());
        }
    }
    Ok(Parts {
        brokers: brokers(request, obtained)?,
        head: request.head,
        hosts,
        variants,
        emulators: packed.into_iter().collect::<Result<_, _>>()?,
    })
}

/// The brokers of the hosts that have emulators: where nothing is emulated, there is nothing to attend to.
fn brokers(request: &Request, obtained: &[Emulator]) -> Result<Vec<(Arch, Frame)>, Error> {
    let mut brokers = Vec::new();
    if request.children == Children::Auto {
        for of_host in obtained.chunk_by(|one, next| one.key.host == next.key.host) {
            let host = of_host.first().map(|emulator| emulator.key.host);
            if let Some(host) = host
                && let Some(broker) = header::broker(host)?
            {
                let frame = compress::frame(&Content::from(broker), request.level);
                brokers.push((host, frame.map_err(Error::Temporary)?));
            }
        }
    }
    Ok(brokers)
}
