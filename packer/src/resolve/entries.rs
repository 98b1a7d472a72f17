//! The programs of an app that are started by name: which they are, and what each is.

use std::path::{Path, PathBuf};

use bundle::{file_name_of, join};

use crate::byte_search;
use crate::elf::{self, Elf, Kind, NotElf};
use crate::error::{Error, readable};
use crate::request::{Entry, Rule};
use crate::resolve::layers::Layers;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::write::bundle_file;

/// Directories that are searched for programs if no entry is named.
pub(crate) const PROGRAM_DIRECTORIES: [&[u8]; 5] = [b"bin", b"sbin", b"usr/bin", b"usr/sbin", b"usr/games"];

/// How many interpreters in a row are followed, each the interpreter of the one before: as many as the kernel
/// allows (`exec_binprm` of `fs/exec.c`).
const INTERPRETERS_MAX: usize = 4;

/// The entries of an app: at least one.
pub(crate) struct Entries {
    /// What is started by default.
    pub(crate) first: Entry,
    pub(crate) others: Vec<Entry>,
}

impl Entries {
    /// The entries that `--entry` names, else the default one.
    pub(crate) fn of(named: &[Entry], default: Option<Entry>, layers: &Layers) -> Result<Self, Error> {
        let [first, rest @ ..] = named else {
            let first = default.ok_or(Error::SysrootWithoutEntry)?;
            return Ok(Self { first, others: Vec::new() });
        };
        let mut entries = Self::expanded(layers, first)?;
        for entry in rest {
            let Self { first, others } = Self::expanded(layers, entry)?;
            entries.others.push(first);
            entries.others.extend(others);
        }
        Ok(entries)
    }

    /// The entries that one `--entry` means: several if it is a pattern.
    fn expanded(layers: &Layers, entry: &Entry) -> Result<Self, Error> {
        if !entry.path.contains(&b'*') || layers.resolve(&entry.path)?.is_some() {
            return Ok(Self { first: entry.clone(), others: Vec::new() });
        }
        let found = closure::expand(&layers.tree(), &entry.path)?;
        let mut programs = found.iter().filter(|path| match layers.app.file(path) {
            Some((_, Node::File { executable, content })) => {
                *executable && matches!(elf::read(&mut content.reader()), Ok(Ok(_)))
            }
            _ => layers.app.get(path).is_none(),
        });
        let entry_of = |path: &Vec<u8>| Entry::new(file_name_of(path), path);
        let first = programs.next().map(entry_of).ok_or_else(|| no_such_entry(layers, &entry.path))?;
        Ok(Self { first, others: programs.map(entry_of).collect() })
    }
}

/// Reads the header of a program; refuses what cannot be started.
pub(crate) fn startable(program: &Content, path: &Path) -> Result<Elf, Error> {
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

/// The name of a program of the tree in messages.
pub(crate) fn named(layers: &Layers, path: &[u8]) -> PathBuf {
    match &layers.given {
        Some(given) if given.tree_path == path => given.path.clone(),
        _ => readable(path).into(),
    }
}

fn no_such_entry(layers: &Layers, path: &[u8]) -> Error {
    Error::NoSuchEntry { path: readable(path), programs: layers.app.programs().map(readable).collect() }
}

/// Programs that are many in one: which, they decide by `argv[0]`.
const MULTI_CALL: [&[u8]; 4] = [b"usr/bin/busybox", b"bin/busybox", b"usr/bin/toybox", b"bin/toybox"];

/// Whether a program that is many in one contains the one at `path`; its link is made then, as an
/// installation would make it.
fn applet(layers: &mut Layers, path: &[u8]) -> Result<bool, Error> {
    for program in MULTI_CALL {
        let Some(content) = layers.app.program(program) else { continue };
        // The list of their names ends each with a NUL.
        let name = [b"\0", file_name_of(path), b"\0"].concat();
        let bytes = content.bytes().map_err(Error::Temporary)?;
        if byte_search::position(&bytes, &name).is_some() {
            layers.app.place(path, Node::Symlink([b"/", program].concat()))?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the program at `path` is chosen by the name that it is called by.
pub(crate) fn is_applet(app: &App, path: &[u8]) -> bool {
    let real = app.file(path).map(|(real, _)| real);
    real.is_some_and(|real| real != path && MULTI_CALL.contains(&real))
}

/// Adds an entry's program to the app and reads its header. An entry that is a script becomes its interpreter
/// with the script as argument: no emulator starts scripts.
pub(crate) fn look(layers: &mut Layers, entry: &mut Entry) -> Result<Elf, Error> {
    for _ in 0..INTERPRETERS_MAX {
        let found = layers.resolve(&entry.path)?.ok_or_else(|| no_such_entry(layers, &entry.path))?;
        layers.take(&found)?;
        let program = layers.app.program(&entry.path).ok_or_else(|| no_such_entry(layers, &entry.path))?;
        let shown = named(layers, &entry.path);
        let line = match startable(program, &shown) {
            Err(Error::NotAProgram { found: NotElf::Script(line), .. }) => line,
            other => return other,
        };
        let mut words = line.splitn(2, [' ', '\t']);
        let interpreter = words.next().unwrap_or_default().as_bytes().to_vec();
        let argument = words.next().map(str::trim).filter(|argument| !argument.is_empty());
        // By its real path: natively nothing else leads into the tree, and the script finds what lies beside
        // it.
        let script = Rule::Tree { before: Vec::new(), after: [b"/", entry.path.as_slice()].concat() };
        let interpreter = interpreter.strip_prefix(b"/").unwrap_or(&interpreter).to_vec();
        let mut before = vec![script];
        // `#!/usr/bin/env NAME` means the NAME that a search would find.
        if let (b"env", Some(name)) = (file_name_of(&interpreter), argument) {
            let in_directory = |directory: &&[u8]| join(directory, name.as_bytes());
            let found = PROGRAM_DIRECTORIES
                .iter()
                .map(in_directory)
                .find(|path| matches!(layers.resolve(path), Ok(Some(_))));
            entry.path = found.unwrap_or(join(b"usr/bin", name.as_bytes()));
        } else {
            before.extend(argument.map(|text| Rule::Argument(text.as_bytes().to_vec())));
            before.rotate_right(usize::from(argument.is_some()));
            entry.path = interpreter;
        }
        before.append(&mut entry.rules);
        entry.rules = before;
        if layers.resolve(&entry.path)?.is_none() && !applet(layers, &entry.path)? {
            return Err(Error::NotAProgram { path: shown, found: NotElf::Script(line) });
        }
    }
    Err(Error::NoSuchEntry { path: readable(&entry.path), programs: Vec::new() })
}
