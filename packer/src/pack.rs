//! `unibin pack`, as a story: request, app, hosts, emulators, blobs, bundle, report.
//! The packer never executes what it packs.

use bundle::Arch;

use crate::assemble::{self, Notices, Packed, PackedEmulator, PackedVariant, Parts};
use crate::cli::PackArgs;
use crate::compress::{self, Frame};
use crate::content::Content;
use crate::emulators::{Emulator, Emulators};
use crate::error::Error;
use crate::gather::{Checked, gather};
use crate::notices::Owed;
use crate::report::Report;
use crate::request::Request;
use crate::{archive, emulator_only, head};

/// Packs, and says what was packed.
pub(crate) fn pack(args: PackArgs) -> Result<String, Error> {
    let json = args.list.json;
    let request = Request::check(args)?;
    let checked = gather(&request)?;
    let emulators = Emulators::open(&request.archive)?;
    let plan = emulators.plan(&request, checked.target)?;
    // Before anything is fetched: whether every host can be started on.
    head::check(request.head, &plan.hosts)?;
    let mut report = Report::new(&request, &checked, &plan);
    if request.dry_run {
        return Ok(report.text(json));
    }
    let obtained = emulators.obtain(&plan, checked.calling())?;
    let parts = if request.is_emulator_only() {
        emulator_only::parts(&request, &checked, plan.hosts, obtained)?
    } else {
        compressed(&request, checked, plan.hosts, &obtained, &emulators)?
    };
    let written = assemble::write(&parts, &request.output)?;
    report.written(&parts, &written, emulators.transferred_in_all());
    Ok(report.text(json))
}

/// Tree, emulators and notices as frames, as many at once as there are CPUs.
fn compressed(
    request: &Request,
    checked: Checked,
    hosts: Vec<Arch>,
    obtained: &[Emulator],
    emulators: &Emulators,
) -> Result<Parts, Error> {
    let level = request.level;
    let Checked { app, entries, target, loader, rules, owed, .. } = checked;
    let app = || -> Result<Frame, Error> {
        let tar = compress::spool(|to| archive::write(&app, to)).map_err(Error::Temporary)?;
        compress::frame(&tar, level).map_err(Error::Temporary)
    };
    let notices = |owed: Owed| -> Result<Notices, Error> {
        let text = Content::from(owed.text.clone().into_bytes());
        Ok(Notices { frame: compress::frame(&text, level).map_err(Error::Temporary)?, owed })
    };
    let packed = |of_host: Vec<Emulator>| -> Result<Packed, Error> {
        let (frame, encoding, members) = emulators.frame(&of_host, level)?;
        let emulators = of_host.into_iter().zip(members).map(|(emulator, member)| {
            Ok(PackedEmulator { notices: notices(emulator.owed.clone())?, emulator, member })
        });
        Ok(Packed { frame, encoding, emulators: emulators.collect::<Result<_, Error>>()? })
    };
    let of_hosts = obtained.chunk_by(|one, next| one.key.host == next.key.host).map(<[Emulator]>::to_vec);
    let (app, packed) = compress::both(app, || compress::each(of_hosts.collect(), packed));
    Ok(Parts {
        head: request.head,
        hosts,
        variants: vec![PackedVariant {
            target,
            app: app?,
            loader,
            rules,
            entries,
            notices: owed.map(notices).transpose()?,
        }],
        emulators: packed.into_iter().collect::<Result<_, _>>()?,
    })
}
