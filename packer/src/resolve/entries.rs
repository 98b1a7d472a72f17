//! The programs of an app that are started by name: which they are, and what each is.

use std::path::{Path, PathBuf};

use bundle::{components_of, directory_of, file_name_of, join};

use crate::byte_search;
use crate::error::{Error, readable};
use crate::input::given_tree::GivenTree;
use crate::request::{Entry, Rule};
use crate::resolve::layers::Layers;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use crate::write::bundle_file;
use inputs::elf::{self, Elf, Kind, NotElf};

/// Directories that are searched for programs if no entry is named.
pub(crate) const PROGRAM_DIRECTORIES: [&[u8]; 5] = [b"bin", b"sbin", b"usr/bin", b"usr/sbin", b"usr/games"];

/// How many interpreters in a row are followed, each the interpreter of the one before: as many as the kernel
/// allows (`exec_binprm` of `fs/exec.c`).
pub(crate) const INTERPRETERS_MAX: usize = 4;

/// The entries of an app: at least one.
pub(crate) struct Entries {
    /// What is started by default.
    pub(crate) first: Entry,
    pub(crate) others: Vec<Entry>,
}

impl Entries {
    /// The entries that `--entry` names, else the default ones.
    pub(crate) fn of(
        named: &[Entry],
        defaults: Vec<Entry>,
        given: Option<&GivenTree>,
        layers: &Layers,
    ) -> Result<Self, Error> {
        let mut all = Vec::new();
        for entry in named {
            let entry = given.map_or_else(|| Ok(entry.clone()), |given| in_tree(entry, given, layers))?;
            all.extend(Self::expanded(layers, &entry)?);
        }
        if named.is_empty() {
            all = defaults;
        }
        let mut all = all.into_iter();
        let first = all.next().ok_or_else(|| match given {
            Some(given) => {
                let path = given.label.clone();
                Error::TreeWithoutEntry { path, programs: candidates(given, layers) }
            }
            None => Error::SysrootWithoutEntry,
        })?;
        Ok(Self { first, others: all.collect() })
    }

    /// All entries, the default one first.
    pub(crate) fn all(&self) -> Vec<&Entry> {
        [&self.first].into_iter().chain(&self.others).collect()
    }

    /// The entries that one `--entry` means: several if it is a pattern.
    fn expanded(layers: &Layers, entry: &Entry) -> Result<Vec<Entry>, Error> {
        if !entry.path.contains(&b'*') || layers.resolve(&entry.path)?.is_some() {
            return Ok(vec![entry.clone()]);
        }
        let found = closure::expand(&layers.tree(), &entry.path)?;
        let programs = found.iter().filter(|path| match layers.app.file(path) {
            Some((_, Node::File { executable, content })) => {
                *executable && matches!(elf::read(&mut content.reader()), Ok(Ok(_)))
            }
            _ => layers.app.get(path).is_none(),
        });
        let all: Vec<Entry> = programs.map(|path| Entry::new(file_name_of(path), path)).collect();
        if all.is_empty() { Err(no_such_entry(layers, &entry.path)) } else { Ok(all) }
    }
}

/// A named entry of a given tree: by its path there, by its path in the app, or by the name that the tree has
/// for one.
fn in_tree(entry: &Entry, given: &GivenTree, layers: &Layers) -> Result<Entry, Error> {
    if let Some(known) = given.entries.iter().find(|known| known.name == entry.path) {
        return Ok(Entry { name: entry.name.clone(), ..known.clone() });
    }
    let pattern = entry.path.contains(&b'*');
    for path in [given.at(&entry.path), entry.path.clone()] {
        let is_there = if pattern {
            !closure::expand(&layers.tree(), &path)?.is_empty()
        } else {
            layers.resolve(&path)?.is_some()
        };
        if is_there {
            return Ok(Entry { path, ..entry.clone() });
        }
    }
    let (path, tree) = (readable(&entry.path), given.label.clone());
    Err(Error::NoEntryInTree { path, tree, programs: candidates(given, layers) })
}

/// What could be an entry of a given tree, by its path there: programs in directories for programs first.
fn candidates(given: &GivenTree, layers: &Layers) -> Vec<String> {
    let above = join(&given.place, b"");
    let below = |path: &[u8]| path.strip_prefix(above.as_slice()).map(<[u8]>::to_vec);
    let mut paths = Vec::new();
    for path in layers.app.programs() {
        let Some(content) = layers.app.program(path) else { continue };
        let startable = match elf::read(&mut content.reader()) {
            Ok(Ok(elf)) => matches!(elf.kind, Kind::Static | Kind::Dynamic),
            Ok(Err(NotElf::Script(_))) => true,
            _ => false,
        };
        paths.extend(below(path).filter(|_| startable));
    }
    let in_bin = |path: &[u8]| matches!(file_name_of(directory_of(path)), b"bin" | b"sbin");
    paths.sort_by_key(|path| (!in_bin(path), components_of(path).count()));
    paths.iter().map(|path| readable(path)).collect()
}

/// The interpreter that a script's first line names, and its argument: `#!/usr/bin/env NAME` means the NAME
/// that a search would find.
pub(crate) fn interpreter_of(line: &str, layers: &Layers) -> Option<(Vec<u8>, Option<String>)> {
    let mut words = line.splitn(2, [' ', '\t']);
    let interpreter = words.next().filter(|word| !word.is_empty())?.as_bytes();
    let argument = words.next().map(str::trim).filter(|argument| !argument.is_empty());
    let interpreter = interpreter.strip_prefix(b"/").unwrap_or(interpreter);
    let (b"env", Some(name)) = (file_name_of(interpreter), argument) else {
        return Some((interpreter.to_vec(), argument.map(str::to_owned)));
    };
    let in_directory = |directory: &&[u8]| join(directory, name.as_bytes());
    let found =
        PROGRAM_DIRECTORIES.iter().map(in_directory).find(|path| matches!(layers.resolve(path), Ok(Some(_))));
    Some((found.unwrap_or_else(|| join(b"usr/bin", name.as_bytes())), None))
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
pub(crate) const MULTI_CALL: [&[u8]; 4] =
    [b"usr/bin/busybox", b"bin/busybox", b"usr/bin/toybox", b"bin/toybox"];

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

/// Whether the program at `path` is one of many in one, chosen by the name that it is called by.
pub(crate) fn is_applet(app: &App, path: &[u8]) -> bool {
    let real = app.file(path).map(|(real, _)| real);
    real.is_some_and(|real| MULTI_CALL.contains(&real) && file_name_of(real) != file_name_of(path))
}

/// Adds an entry's program to the app and reads its header. An entry that is a script becomes its interpreter
/// with the script as argument: no emulator starts scripts.
pub(crate) fn look(layers: &mut Layers, entry: &mut Entry) -> Result<Elf, Error> {
    for _ in 0..INTERPRETERS_MAX {
        let Some(found) = layers.resolve(&entry.path)? else {
            // It comes with arguments that are for an interpreter.
            let for_it = entry.rules.iter().any(|rule| matches!(rule, Rule::Argument(_)));
            let path = readable(&entry.path);
            return Err(if for_it {
                Error::NoInterpreter { path }
            } else {
                no_such_entry(layers, &entry.path)
            });
        };
        layers.take(&found)?;
        let program = layers.app.program(&entry.path).ok_or_else(|| no_such_entry(layers, &entry.path))?;
        let shown = named(layers, &entry.path);
        let line = match startable(program, &shown) {
            Err(Error::NotAProgram { found: NotElf::Script(line), .. }) => line,
            other => return other,
        };
        let Some((interpreter, argument)) = interpreter_of(&line, layers) else {
            return Err(Error::NotAProgram { path: shown, found: NotElf::Script(line) });
        };
        // By its real path: natively nothing else leads into the tree, and the script finds what lies beside
        // it.
        let script = Rule::Tree { before: Vec::new(), after: [b"/", entry.path.as_slice()].concat() };
        let argument = argument.map(|text| Rule::Argument(text.into_bytes()));
        let mut before: Vec<Rule> = argument.into_iter().chain([script]).collect();
        entry.path = interpreter;
        before.append(&mut entry.rules);
        entry.rules = before;
        if layers.resolve(&entry.path)?.is_none() && !applet(layers, &entry.path)? {
            return Err(Error::NotAProgram { path: shown, found: NotElf::Script(line) });
        }
    }
    Err(Error::NoSuchEntry { path: readable(&entry.path), programs: Vec::new() })
}
