//! What scripts need besides libraries: their interpreter, and the programs that they call by name, from
//! Debian where no other source has them. Names are found by reading the script, as words; a name that a
//! script makes up at run time is not.

use bundle::{Arch, file_name_of, join};

use crate::error::Error;
use crate::packages::deb::Suite;
use crate::packages::script;
use crate::request::Entry;
use crate::resolve::entries::{INTERPRETERS_MAX, MULTI_CALL, PROGRAM_DIRECTORIES, interpreter_of};
use crate::resolve::layers::Layers;
use crate::tree::app_tree::Node;
use inputs::elf::{self, NotElf};

/// The longest script that is read for the names of programs, in bytes. Some have an archive behind them.
const SCRIPT_MAX: u64 = 1 << 20;

/// Interpreters: the start of the name, its package, and whether it needs the package's dependencies (its
/// library in its own language).
const INTERPRETERS: [(&str, &str, bool); 8] = [
    ("sh", "dash", false),
    ("dash", "dash", false),
    ("bash", "bash", false),
    ("python3", "python3", true),
    ("perl", "perl", true),
    ("ruby", "ruby", true),
    ("node", "nodejs", true),
    ("env", "coreutils", false),
];

/// What scripts that start programs use, and the package of each.
const COMMANDS: [(&str, &[&str]); 8] = [
    (
        "coreutils",
        &[
            "basename", "cat", "chmod", "cp", "cut", "date", "dirname", "env", "expr", "head", "id", "ln",
            "ls", "mkdir", "mktemp", "mv", "nproc", "readlink", "realpath", "rm", "rmdir", "sleep", "sort",
            "stat", "tail", "tee", "touch", "tr", "tty", "uname", "uniq", "wc", "whoami",
        ],
    ),
    ("sed", &["sed"]),
    ("grep", &["grep", "egrep", "fgrep"]),
    ("mawk", &["awk"]),
    ("findutils", &["find", "xargs"]),
    ("gzip", &["gzip", "gunzip", "zcat"]),
    ("hostname", &["hostname"]),
    ("util-linux", &["getopt"]),
];

/// The programs for architecture `target` that `entries` need to start, into the pool and the app.
pub(crate) fn provide(entries: &[&Entry], suite: &Suite<'_>, layers: &mut Layers) -> Result<(), Error> {
    for entry in entries {
        let mut path = entry.path.clone();
        for _ in 0..INTERPRETERS_MAX {
            if layers.resolve(&path)?.is_none() {
                fetch_interpreter(&path, suite, layers)?;
            }
            let Some(content) = script_at(&path, layers)? else { break };
            let (text, line) = content;
            let Some((interpreter, _)) = interpreter_of(&line, layers) else { break };
            if matches!(file_name_of(&interpreter), b"sh" | b"dash" | b"bash" | b"ash") {
                fetch_commands(&text, suite, layers)?;
            }
            path = interpreter;
        }
    }
    Ok(())
}

/// The interpreters of `entries` that packages take for granted, into the pool: no package names an essential
/// one, such as `bash`, as its dependency.
pub(crate) fn essential(entries: &[&Entry], suite: &Suite<'_>, layers: &mut Layers) -> Result<(), Error> {
    // One of these is a shell, too.
    if MULTI_CALL.iter().any(|path| matches!(layers.resolve(path), Ok(Some(_)))) {
        return Ok(());
    }
    for entry in entries {
        let mut path = entry.path.clone();
        for _ in 0..INTERPRETERS_MAX {
            let Some((_, line)) = script_at(&path, layers)? else { break };
            let Some((interpreter, _)) = interpreter_of(&line, layers) else { break };
            if layers.resolve(&interpreter)?.is_none() {
                fetch_interpreter(&interpreter, suite, layers)?;
            }
            path = interpreter;
        }
    }
    Ok(())
}

/// The text of a script and its first line; `None` for anything else.
fn script_at(path: &[u8], layers: &mut Layers) -> Result<Option<(String, String)>, Error> {
    let Some(found) = layers.resolve(path)? else { return Ok(None) };
    layers.take(&found)?;
    let Some((_, Node::File { content, .. })) = layers.app.file(path) else { return Ok(None) };
    let read = elf::read(&mut content.reader()).map_err(Error::Temporary)?;
    let Err(NotElf::Script(line)) = read else { return Ok(None) };
    if content.len() > SCRIPT_MAX {
        return Ok(Some((String::new(), line)));
    }
    let bytes = content.bytes().map_err(Error::Temporary)?;
    Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), line)))
}

fn fetch_interpreter(path: &[u8], suite: &Suite<'_>, layers: &mut Layers) -> Result<(), Error> {
    let name = String::from_utf8_lossy(file_name_of(path)).into_owned();
    let is_it = |(start, ..): &&(&str, &str, bool)| {
        // `python3.13` is a `python3`, `shell` is no `sh`.
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| rest.chars().all(|letter| letter.is_ascii_digit() || letter == '.'))
    };
    match INTERPRETERS.iter().find(is_it) {
        Some((_, package, whole)) => fetch(package, *whole, suite, layers),
        None => Ok(()),
    }
}

fn fetch_commands(text: &str, suite: &Suite<'_>, layers: &mut Layers) -> Result<(), Error> {
    let words = script::words(text);
    for (package, names) in COMMANDS {
        for name in names.iter().filter(|name| words.contains(**name)) {
            let is_there =
                |directory: &&[u8]| matches!(layers.resolve(&join(directory, name.as_bytes())), Ok(Some(_)));
            if PROGRAM_DIRECTORIES.iter().any(is_there) {
                continue;
            }
            fetch(package, false, suite, layers)?;
        }
        for name in names.iter().filter(|name| words.contains(**name)) {
            if let Some(found) = layers.resolve(&join(b"usr/bin", name.as_bytes()))? {
                layers.take(&found)?;
            }
        }
    }
    Ok(())
}

/// Adds a package's files to the pool.
fn fetch(name: &str, whole: bool, suite: &Suite<'_>, layers: &mut Layers) -> Result<(), Error> {
    if !layers.fetched.insert(name.to_owned()) {
        return Ok(());
    }
    let packages = if whole { suite.closure(&[name])? } else { vec![suite.named(name)?] };
    let packages = suite.tree(&packages, &mut layers.spool)?;
    layers.pool_in(packages)
}

/// The architecture of the only kind of programs in the app; all of them where there are several.
pub(crate) fn architectures(layers: &Layers) -> Result<Vec<Arch>, Error> {
    let mut found = Vec::new();
    for (_, node) in layers.app.nodes() {
        let Node::File { executable: true, content } = node else { continue };
        if let Ok(elf) = elf::read(&mut content.reader()).map_err(Error::Temporary)?
            && matches!(elf.kind, elf::Kind::Static | elf::Kind::Dynamic)
            && !found.contains(&elf.arch)
        {
            found.push(elf.arch);
        }
    }
    found.sort();
    Ok(found)
}
