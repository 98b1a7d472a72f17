//! The app of a request: its files from wherever they come, its entries looked at, its libraries found, everything in its
//! place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bundle::Arch;
use closure::{Directory, Tree};
use emulator::calling::Calling;

use crate::elf::{self, Elf, Kind, NotElf};
use crate::error::{Error, readable};
use crate::notices::Owed;
use crate::pack::emulator_only;
use crate::packages::deb::Debs;
use crate::progress::Bars;
use crate::relocate::native;
use crate::request::{Entry, Request, Rule, Source, last_part};
use crate::resolve::complete;
use crate::resolve::inventory::Listing;
use crate::resolve::layers::{Layers, Source as Layer};
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::tree::spool::Spool;
use crate::write::bundle_file;

/// Directories that programs are looked for in when no entry is named.
const PROGRAM_DIRECTORIES: [&[u8]; 5] = [b"bin", b"sbin", b"usr/bin", b"usr/sbin", b"usr/games"];

/// Where the directory of a dynamic program lies in the tree when it comes from no system's tree.
const OPT: &[u8] = b"opt";

/// An app whose every entry has been looked at.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) app: App,
    pub(crate) entries: Vec<Entry>,
    pub(crate) target: Arch,
    /// The loader's path in the tree; empty for static programs.
    pub(crate) loader: Vec<u8>,
    /// For every entry.
    pub(crate) rules: Vec<Rule>,
    pub(crate) owed: Option<Owed>,
    pub(crate) listing: Listing,
}

impl Checked {
    /// How the app wants to be called. Python, which looks for its modules by stat(2), finds them by its own path too.
    pub(crate) fn calling(&self) -> Calling {
        let statx = looks_by_statx(self.target);
        match self.loader[..] {
            [] => Calling::Static,
            _ if statx && self.listing.families.iter().any(|name| name == "Python") => Calling::ByPath,
            _ => Calling::Tree,
        }
    }
}

/// Whether programs of `target` look whether a file is there by a call for which QEMU does not look into the tree: it does for stat(2)
/// and its kin, but not for statx(2), which is what they become where the C library has 64-bit times on a 32-bit CPU, and on CPUs
/// without the older calls.
fn looks_by_statx(target: Arch) -> bool {
    target.class() == bundle::Class::Elf32 || target == Arch::Loongarch64
}

/// Makes the app that `request` asks for.
pub(crate) fn gather(request: &Request) -> Result<Checked, Error> {
    let bars = Bars::default();
    let bar = bars.bar("packages");
    let mut listing = Listing::default();
    let mut owed = None;
    let (mut layers, default, mut debs) = match &request.source {
        Source::Program { file, path, name } => {
            let (layers, entry) = one_program(request, file, path, name)?;
            (layers, Ok(entry), None)
        }
        Source::Debs(names) => {
            // `--deb` requires `--target` on the command line.
            let target = request.target.ok_or_else(|| Error::NoProgram { package: names.join(" ") })?;
            let debs = Debs::open(&request.archive, target, &bar)?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut spool = Spool::new()?;
            let packed = debs.tree(&debs.closure(&names)?, &mut spool)?;
            let default = default_entry(&packed.app, request, &names, &packed.origins);
            listing.packages = packed.packages;
            owed = Some(packed.owed);
            (Layers { spool, ..Layers::of(packed.app, packed.origins)? }, default, Some(debs))
        }
        Source::Sysroot => {
            let first = request.entries.first();
            let default = first.cloned().ok_or(Error::SysrootWithoutEntry);
            (Layers::of(App::default(), BTreeMap::new())?, default, None)
        }
        Source::Emulator => return emulator_only::checked(request),
    };
    for root in &request.tree.sysroots {
        let label = root.display().to_string();
        layers.after.push(Layer { directory: Directory::new(root, b""), label });
    }

    let mut entries = if request.entries.is_empty() { vec![default?] } else { Vec::new() };
    for entry in &request.entries {
        entries.extend(expanded(&layers, entry)?);
    }
    let mut target = request.target;
    let mut dynamic = Vec::new();
    for entry in &mut entries {
        let elf = look(&mut layers, entry, request)?;
        match target {
            Some(wanted) if wanted != elf.arch => {
                let path = named(request, &entry.path);
                return Err(Error::OtherCpu { path, found: elf.arch, wanted });
            }
            _ => target = Some(elf.arch),
        }
        if elf.kind == Kind::Dynamic && !dynamic.contains(&entry.path) {
            dynamic.push(entry.path.clone());
        }
    }
    // Every request has one entry at least, and every entry has told its CPU.
    let target = target.ok_or(Error::NoProgram { package: request.output.display().to_string() })?;
    let archive = request.libs_archive();
    if let (None, Some(args)) = (&debs, &archive) {
        debs = Some(Debs::open(args, target, &bar)?);
    }
    let mut done =
        complete::complete(request, layers, &dynamic, &entries, target, debs.as_ref(), &mut listing)?;
    if request.hosts.contains(&target) || looks_by_statx(target) {
        // Before the loader forgets its directories.
        for entry in &mut entries {
            let mut rules = native::arguments(&done.app, &done.loader, entry);
            rules.append(&mut entry.rules);
            entry.rules = rules;
        }
    }
    if request.hosts.contains(&target) {
        let programs: Vec<&[u8]> = dynamic.iter().map(Vec::as_slice).collect();
        let more = native::prepare(&mut done.app, target, &done.loader, &done.directories, &programs)?;
        done.rules.extend(more);
        if listing.families.iter().any(|name| name == "Python") {
            // It finds its modules from the path that it was called by.
            done.rules.push(Rule::Program);
        }
    }
    done.app.unite()?;
    let owed = crate::notices::together(owed, done.owed);
    Ok(Checked { app: done.app, entries, target, loader: done.loader, rules: done.rules, owed, listing })
}

/// The layers of a program that was named by its path, and the entry that it is.
fn one_program(
    request: &Request,
    file: &std::fs::File,
    path: &Path,
    name: &[u8],
) -> Result<(Layers, Entry), Error> {
    let failed = |source| Error::io("read", path, source);
    let content = file.try_clone().and_then(Content::whole).map_err(failed)?;
    let elf = startable(&content, path)?;
    let mut layers = Layers::of(App::default(), BTreeMap::new())?;
    let real = path.canonicalize().map_err(failed)?;
    let inside = request.tree.sysroots.iter().find_map(|root| {
        let rest = real.strip_prefix(root.canonicalize().ok()?).ok()?;
        Some(std::os::unix::ffi::OsStrExt::as_bytes(rest.as_os_str()).to_vec())
    });
    let place = match (elf.kind, inside) {
        (_, Some(inside)) => inside,
        (Kind::Dynamic, None) => {
            // The directories that its `$ORIGIN/..` can mean come along, as far as something in them is needed.
            let up = complete::climbs(&content).min(real.components().count().saturating_sub(3));
            let mut root: PathBuf = real.clone();
            for _ in 0..=up {
                root.pop();
            }
            let mount = [OPT, b"/", name].concat();
            let below = real.strip_prefix(&root).unwrap_or(Path::new(""));
            let below = std::os::unix::ffi::OsStrExt::as_bytes(below.as_os_str());
            let label = root.display().to_string();
            layers.after.push(Layer { directory: Directory::new(&root, &mount), label });
            [&mount, &b"/"[..], below].concat()
        }
        _ => name.to_vec(),
    };
    layers.app.add(&place, Node::File { executable: true, content })?;
    layers.origins.insert(place.clone(), path.display().to_string().into());
    Ok((layers, Entry::new(name, &place)))
}

/// What the header of a program says; what cannot be started is refused.
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
        Kind::Static | Kind::Dynamic => Ok(elf),
        kind => Err(Error::NotStartable { path: path.to_owned(), arch: elf.arch, kind }),
    }
}

/// What a message calls a program of the tree.
fn named(request: &Request, path: &[u8]) -> PathBuf {
    match &request.source {
        Source::Program { path, .. } if request.entries.is_empty() => path.clone(),
        _ => readable(path).into(),
    }
}

/// The entries that one `--entry` means: several where it is a pattern.
fn expanded(layers: &Layers, entry: &Entry) -> Result<Vec<Entry>, Error> {
    if !entry.path.contains(&b'*') || layers.find(&entry.path)?.is_some() {
        return Ok(vec![entry.clone()]);
    }
    let tree: Tree<'_> = layers.tree();
    let found =
        closure::expand(&tree, &entry.path).map_err(|fault| crate::resolve::layers::unreadable(&fault))?;
    let mut entries: Vec<Entry> = Vec::new();
    for path in found {
        let is_program = match layers.app.file(&path) {
            Some((_, Node::File { executable, content })) => {
                *executable && matches!(elf::read(&mut content.reader()), Ok(Ok(_)))
            }
            _ => layers.app.get(&path).is_none(),
        };
        if is_program {
            entries.push(Entry::new(last_part(&path), &path));
        }
    }
    if entries.is_empty() { Err(no_such_entry(layers, &entry.path)) } else { Ok(entries) }
}

fn no_such_entry(layers: &Layers, path: &[u8]) -> Error {
    Error::NoSuchEntry { path: readable(path), programs: layers.app.programs().map(readable).collect() }
}

/// Takes an entry's program into the app and says what it is. An entry that is a script becomes its interpreter, with the
/// script as argument: no emulator starts scripts.
fn look(layers: &mut Layers, entry: &mut Entry, request: &Request) -> Result<Elf, Error> {
    for _ in 0..4 {
        let place = layers.find(&entry.path)?.ok_or_else(|| no_such_entry(layers, &entry.path))?;
        layers.take(&place)?;
        let program = layers.app.program(&entry.path).ok_or_else(|| no_such_entry(layers, &entry.path))?;
        let shown = named(request, &entry.path);
        let line = match startable(program, &shown) {
            Err(Error::NotAProgram { found: NotElf::Script(line), .. }) => line,
            other => return other,
        };
        let mut words = line.splitn(2, [' ', '\t']);
        let interpreter = words.next().unwrap_or_default().as_bytes().to_vec();
        let argument = words.next().map(str::trim).filter(|argument| !argument.is_empty());
        // By its real path: natively nothing else leads into the tree, and what lies beside it is found.
        let script = Rule::Tree { before: Vec::new(), after: [b"/", entry.path.as_slice()].concat() };
        let interpreter = interpreter.strip_prefix(b"/").unwrap_or(&interpreter).to_vec();
        let mut before = vec![script];
        // `#!/usr/bin/env NAME` means the NAME that a search would find.
        if let (b"env", Some(name)) = (last_part(&interpreter), argument) {
            let in_directory = |directory: &&[u8]| [directory, &b"/"[..], name.as_bytes()].concat();
            let found = PROGRAM_DIRECTORIES
                .iter()
                .map(in_directory)
                .find(|path| matches!(layers.find(path), Ok(Some(_))));
            entry.path = found.unwrap_or(interpreter);
        } else {
            before.extend(argument.map(|text| Rule::Argument(text.as_bytes().to_vec())));
            before.rotate_right(usize::from(argument.is_some()));
            entry.path = interpreter;
        }
        before.append(&mut entry.rules);
        entry.rules = before;
        if layers.find(&entry.path)?.is_none() {
            return Err(Error::NotAProgram { path: shown, found: NotElf::Script(line) });
        }
    }
    Err(Error::NoSuchEntry { path: readable(&entry.path), programs: Vec::new() })
}

/// The program that is named like the output or a package, or the only one of the packages that were asked for.
fn default_entry(
    app: &App,
    request: &Request,
    packages: &[&str],
    origins: &BTreeMap<Vec<u8>, std::rc::Rc<str>>,
) -> Result<Entry, Error> {
    let in_directory = |path: &&[u8]| {
        let directory = path.strip_suffix(last_part(path)).and_then(|directory| directory.strip_suffix(b"/"));
        directory.is_some_and(|directory| PROGRAM_DIRECTORIES.contains(&directory))
    };
    let all: Vec<&[u8]> = app.programs().filter(in_directory).collect();
    let is_own = |path: &&&[u8]| origins.get(**path).is_some_and(|origin| packages.contains(&&**origin));
    let own: Vec<&[u8]> = all.iter().filter(is_own).copied().collect();
    let output = request.output.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes);
    let plain = packages.iter().filter_map(|package| package.strip_suffix("-static")).map(str::as_bytes);
    let names = packages.iter().map(|package| package.as_bytes()).chain(output);
    let names: Vec<&[u8]> = names.chain(plain).collect();
    let named = |programs: &[&'_ [u8]]| -> Option<Vec<u8>> {
        let found = names.iter().find_map(|name| programs.iter().find(|path| last_part(path) == *name));
        found.map(|path| path.to_vec())
    };
    let path = match (&own[..], named(&own)) {
        (_, Some(path)) => path,
        ([only], None) => only.to_vec(),
        _ => named(&all).ok_or_else(|| match (&own[..], packages.join(" ")) {
            ([], package) => Error::NoProgram { package },
            (_, package) => {
                Error::WhichEntry { package, programs: own.iter().map(|path| readable(path)).collect() }
            }
        })?,
    };
    Ok(Entry::new(last_part(&path), &path))
}

/// Warns of what could not be kept.
pub(crate) fn settle(app: &mut App) -> Result<(), Error> {
    app.settle()?.iter().for_each(|warning| say::warning(warning));
    Ok(())
}
