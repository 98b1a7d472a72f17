//! `unibin pack`, as a story: request, app, hosts, emulators, blobs, bundle, report.
//! The packer never executes what it packs.

use std::path::Path;

use bundle::Arch;

use crate::app::{App, Node};
use crate::assemble::{self, Notices, Packed, Parts};
use crate::cli::PackArgs;
use crate::compress::{self, Frame};
use crate::content::Content;
use crate::elf::{self, Elf, Kind};
use crate::emulators::{Emulator, Emulators};
use crate::error::{Error, readable};
use crate::notices::Owed;
use crate::report::Report;
use crate::request::{Entry, Request, Source};
use crate::{archive, bundle_file, deb, head};

/// An app whose every entry has been looked at.
struct Checked {
    app: App,
    entries: Vec<Entry>,
    target: Arch,
    owed: Option<Owed>,
}

/// Packs, and says what was packed.
pub(crate) fn pack(args: PackArgs) -> Result<String, Error> {
    let json = args.list.json;
    let request = Request::check(args)?;
    let checked = gather(&request)?;
    let emulators = Emulators::open(&request.archive)?;
    let plan = emulators.plan(&request, checked.target)?;
    // Before anything is fetched: whether every host can be started on.
    head::check(request.head, &plan.hosts)?;
    let mut report = Report::new(&request, checked.target, &checked.entries, &plan);
    if request.dry_run {
        return Ok(report.text(json));
    }
    let obtained = emulators.obtain(&plan)?;
    let parts = compressed(&request, checked, plan.hosts, obtained, &emulators)?;
    let written = assemble::write(&parts, &request.output)?;
    report.written(&parts, &written);
    Ok(report.text(json))
}

/// The app's tree, its entries and its CPU.
fn gather(request: &Request) -> Result<Checked, Error> {
    let Gathered { app, default, owed } = match &request.source {
        Source::Program { file, path, name } => one_program(file, path, name)?,
        Source::Deb(package) => deb::app(request, package)?,
    };
    let entries = if request.entries.is_empty() { vec![default?] } else { request.entries.clone() };
    let mut target = request.target;
    for entry in &entries {
        let program = app.program(&entry.path).ok_or_else(|| Error::NoSuchEntry {
            path: readable(&entry.path),
            programs: app.programs().map(readable).collect(),
        })?;
        let shown = match &request.source {
            Source::Program { path, .. } => path.clone(),
            Source::Deb(_) => readable(&entry.path).into(),
        };
        let elf = startable(program, &shown)?;
        match target {
            Some(wanted) if wanted != elf.arch => {
                return Err(Error::OtherCpu { path: shown, found: elf.arch, wanted });
            }
            _ => target = Some(elf.arch),
        }
    }
    // Every request has one entry at least, and every entry has told its CPU.
    let target = target.ok_or(Error::NoProgram { package: request.output.display().to_string() })?;
    Ok(Checked { app, entries, target, owed })
}

/// What a source of apps gives.
pub(crate) struct Gathered {
    pub(crate) app: App,
    /// What starts when no entry is asked for, or why that cannot be said.
    pub(crate) default: Result<Entry, Error>,
    /// What a distributor of the app owes to its authors, where that is known.
    pub(crate) owed: Option<Owed>,
}

fn one_program(file: &std::fs::File, path: &Path, name: &[u8]) -> Result<Gathered, Error> {
    let content = file.try_clone().and_then(Content::whole);
    let content = content.map_err(|source| Error::io("read", path, source))?;
    let mut app = App::default();
    app.add(name, Node::File { executable: true, content })?;
    let default = Ok(Entry { name: name.to_vec(), path: name.to_vec() });
    Ok(Gathered { app, default, owed: None })
}

/// What the ELF header of a static program says; anything else is refused.
fn startable(program: &Content, path: &Path) -> Result<Elf, Error> {
    let found = elf::read(&mut program.reader()).map_err(|source| Error::io("read", path, source))?;
    let elf = match found {
        Ok(elf) => elf,
        Err(_) if bundle_file::is_bundle(program) => {
            return Err(Error::AlreadyABundle { path: path.to_owned() });
        }
        Err(found) => return Err(Error::NotAProgram { path: path.to_owned(), found }),
    };
    match elf.kind {
        Kind::Static if bundle_file::is_bundle(program) => {
            Err(Error::AlreadyABundle { path: path.to_owned() })
        }
        Kind::Static => Ok(elf),
        Kind::Dynamic => Err(Error::Dynamic {
            path: path.to_owned(),
            loader: readable(&elf.loader.unwrap_or_default()),
            needed: elf.needed.iter().take(3).map(|name| format!("`{}`", readable(name))).collect(),
        }),
        kind => Err(Error::NotStartable { path: path.to_owned(), arch: elf.arch, kind }),
    }
}

/// Tree, emulators and notices as frames, as many at once as there are CPUs.
fn compressed(
    request: &Request,
    checked: Checked,
    hosts: Vec<Arch>,
    obtained: Vec<Emulator>,
    emulators: &Emulators,
) -> Result<Parts, Error> {
    let level = request.level;
    let Checked { app, entries, target, owed } = checked;
    let app = || -> Result<Frame, Error> {
        let tar = compress::spool(|to| archive::write(&app, to)).map_err(Error::Temporary)?;
        compress::frame(&tar, level).map_err(Error::Temporary)
    };
    let notices = |owed: Owed| -> Result<Notices, Error> {
        let text = Content::from(owed.text.clone().into_bytes());
        Ok(Notices { frame: compress::frame(&text, level).map_err(Error::Temporary)?, owed })
    };
    let packed = |emulator: Emulator| -> Result<Packed, Error> {
        let frame = emulators.frame(&emulator, level)?;
        Ok(Packed { frame, notices: notices(emulator.owed.clone())?, emulator })
    };
    let (app, packed) = compress::both(app, || compress::each(obtained, packed));
    Ok(Parts {
        head: request.head,
        hosts,
        target,
        app: app?,
        app_notices: owed.map(notices).transpose()?,
        entries,
        emulators: packed.into_iter().collect::<Result<_, _>>()?,
    })
}
