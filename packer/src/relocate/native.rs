//! Makes a tree's programs run natively from wherever the tree is unpacked, on the tree's own loader and libraries and never on
//! the host's: search paths relative to `$ORIGIN`, a `PT_INTERP` that points to where the launcher writes the loader's path, and
//! a loader that knows no directory of the host. Nothing is put into the environment that a program of the host would heed.

use std::collections::BTreeSet;
use std::io::Read;

use bundle::Arch;
use closure::{FAMILIES, Libc, Loader, Object, Tree};

use crate::elf::{self, Kind};
use crate::error::{Error, readable};
use crate::relocate::gconv::{self, Converters};
use crate::relocate::patch_paths::{find, forget};
use crate::relocate::rpath;
use crate::request::{Entry, Rule, last_part};
use crate::say;
use crate::tree::app_tree::{App, Node, relative};
use crate::tree::content::Content;

/// What glibc's loader reads of the host besides its directories (ld.so(8), FILES): libraries of another C library.
const GLIBC_FILES: [&[u8]; 2] = [b"/etc/ld.so.cache", b"/etc/ld.so.preload"];

/// Directories beside a library that it loads plug-ins from by their absolute path, as constants in it: the library's name, the directory's.
/// The loader takes `$ORIGIN` in such a path too (`_dl_map_object` of glibc's elf/dl-load.c), and that is shorter.
const LOADED_FROM: [(&[u8], &[u8]); 3] = [
    (b"libcrypto.so.", b"ossl-modules"),
    (b"libcrypto.so.", b"engines-3"),
    (b"libcrypto.so.", b"engines-1.1"),
];

/// The name of glibc's C library (its `DT_SONAME`), on the CPUs that there are hosts of.
const GLIBC: &[u8] = b"libc.so.6";

/// Changes every program of `app` whose loader is the one at `loader`, every library with a search path of its own, the loader
/// and its C library; gives the rules by which they find what is in the tree. `directories`: where the libraries of the tree are.
pub(crate) fn prepare(
    app: &mut App,
    target: Arch,
    loader: &[u8],
    directories: &BTreeSet<Vec<u8>>,
    entries: &[&[u8]],
) -> Result<Vec<Rule>, Error> {
    let mut rules = Vec::new();
    let Some((loader_file, Node::File { content, .. })) = app.file(loader) else { return Ok(rules) };
    let loader_file = loader_file.to_vec();
    let own = bytes(content)?;
    let known = Loader::read(&own, loader);
    let mut changed = vec![(loader_file.clone(), deaf(own, &known), false)];
    for (path, node) in app.nodes() {
        let Node::File { content, .. } = node else { continue };
        if path == loader_file {
            continue;
        }
        let found = elf::read(&mut content.reader()).map_err(Error::Temporary)?;
        let Ok(found) = found else { continue };
        if found.arch != target || !matches!(found.kind, Kind::Dynamic | Kind::Library) {
            continue;
        }
        let Ok(object) = Object::read(&mut content.reader()) else { continue };
        // The C library can be started, to tell its version, but is a library.
        let asks = found.loader.as_deref().is_some_and(|asked| leads(app, asked, &loader_file));
        let program = asks && object.soname.is_none();
        let own = if object.soname.as_deref() == Some(GLIBC) {
            Some(on_own_converters(app, path, content, &mut rules)?)
        } else {
            loading_from_beside(path, content)?
        };
        if !program && object.rpath.is_none() && object.runpath.is_none() {
            changed.extend(own.map(|own| (path.to_vec(), own, false)));
            continue;
        }
        let own = own.map_or_else(|| bytes(content), Ok)?;
        let given = object.runpath.as_ref().or(object.rpath.as_ref());
        let search = search(app, path, given.map_or(&b""[..], Vec::as_slice), directories);
        match rpath::rewritten(own, target, &search, program) {
            Ok(bytes) => changed.push((path.to_vec(), bytes, program)),
            Err(why) if entries.iter().any(|entry| app.file(entry).is_some_and(|(file, _)| file == path)) => {
                return Err(Error::NotRewritten { path: readable(path), why });
            }
            Err(why) => {
                let path = readable(path);
                say::warning(&format!(
                    "`{path}` will not run natively: its ELF file cannot be rewritten ({why})"
                ));
            }
        }
    }
    for (path, bytes, program) in changed {
        app.replace(&path, bytes.into());
        if program {
            app.asks_for(&path, loader);
        }
    }
    Ok(rules)
}

/// The bytes of a C library that finds its converters in the tree; the rule that it wants for that goes to `rules`.
fn on_own_converters(
    app: &App,
    path: &[u8],
    content: &Content,
    rules: &mut Vec<Rule>,
) -> Result<Vec<u8>, Error> {
    let mut own = bytes(content)?;
    let tree = Tree::new(vec![app]);
    match gconv::of_the_tree(&mut own, &|path| matches!(tree.find_file(path), Ok(Some(_)))) {
        Converters::OfTheTree(rule) if rules.contains(&rule) => {}
        Converters::OfTheTree(rule) => rules.push(rule),
        Converters::None => {}
        Converters::Unknown => say::warning(&format!(
            "`{}` may load the host's character set converters (gconv modules) when it runs natively: its path to them could not be found",
            readable(path)
        )),
    }
    Ok(own)
}

/// Arguments that make `entry` look for its data in the tree, where absolute paths are the host's. The loader must be as it came.
pub(crate) fn arguments(app: &App, loader: &[u8], entry: &Entry) -> Vec<Rule> {
    let Some((_, Node::File { content, .. })) = app.file(loader) else { return Vec::new() };
    let Ok(own) = bytes(content) else { return Vec::new() };
    let known = Loader::read(&own, loader);
    let mut rules = Vec::new();
    for (before, pattern) in FAMILIES.iter().flat_map(|family| family.arguments_of(&known, &entry.path)) {
        let found = app.nodes().filter(|(path, node)| {
            matches!(node, Node::Directory | Node::File { .. }) && closure::matches(&pattern, path)
        });
        rules.extend(found.map(|(path, _)| Rule::Tree {
            before: before.as_bytes().to_vec(),
            after: [b"/", path].concat(),
        }));
    }
    rules
}

/// The bytes of a library that loads plug-ins from an absolute path, made to load them from beside itself; `None` for all others.
fn loading_from_beside(path: &[u8], content: &Content) -> Result<Option<Vec<u8>>, Error> {
    let name = last_part(path);
    let mut directories = LOADED_FROM.iter().filter(|(library, _)| name.starts_with(library)).peekable();
    if directories.peek().is_none() {
        return Ok(None);
    }
    let mut bytes = bytes(content)?;
    let beside = path.strip_suffix(name).unwrap_or_default();
    for (_, directory) in directories {
        let (old, new) = ([b"\0/", beside, directory, b"\0"].concat(), [b"\0$ORIGIN/", *directory].concat());
        let Some(at) = find(&bytes, &old) else { continue };
        if new.len() < old.len() {
            bytes[at..at + old.len()].fill(0);
            bytes[at..at + new.len()].copy_from_slice(&new);
        }
    }
    Ok(Some(bytes))
}

/// Whether the loader that a program asks for is the one at `loader`: by a link to it (musl's is one to its `libc.so`), or by its name
/// where the tree has nothing at that path.
fn leads(app: &App, asked: &[u8], loader: &[u8]) -> bool {
    let path = asked.strip_prefix(b"/").unwrap_or(asked);
    match Tree::new(vec![app]).find_file(path) {
        Ok(Some(place)) => place.path == loader,
        _ => last_part(asked) == last_part(loader),
    }
}

fn bytes(content: &Content) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    content.reader().read_to_end(&mut bytes).map_err(Error::Temporary)?;
    Ok(bytes)
}

/// A loader that finds nothing in the host's directories: the first part of each path that it knows becomes a name that nothing has. It has
/// to be a path from the root (`_dl_init_paths` of glibc's elf/dl-load.c), and its length is kept elsewhere.
fn deaf(mut bytes: Vec<u8>, loader: &Loader) -> Vec<u8> {
    // musl looks beside itself, and is the C library itself.
    if loader.libc == Libc::Musl {
        return bytes;
    }
    let directories =
        loader.directories.iter().map(|directory| [b"\0/", directory.as_slice(), b"/\0"].concat());
    let files = GLIBC_FILES.iter().map(|file| [b"\0", *file, b"\0"].concat());
    for path in directories.chain(files) {
        forget(&mut bytes, &path);
    }
    bytes
}

/// `DT_RPATH` for the file at `path`: what it had itself, as far as that lies in the tree, then `directories`.
fn search(app: &App, path: &[u8], given: &[u8], directories: &BTreeSet<Vec<u8>>) -> Vec<u8> {
    let from_origin = |directory: &[u8]| [b"$ORIGIN/", relative(path, directory).as_slice()].concat();
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut add = |part: Vec<u8>| {
        if !parts.contains(&part) {
            parts.push(part);
        }
    };
    for part in given.split(|byte| *byte == b':').filter(|part| !part.is_empty()) {
        match part.strip_prefix(b"/") {
            Some(inside) if app.is_directory(inside) => add(from_origin(inside)),
            None if part.starts_with(b"$") => add(part.to_vec()),
            // On the host, or relative to whatever directory the caller is in.
            Some(_) | None => {}
        }
    }
    for directory in directories {
        add(from_origin(directory));
    }
    parts.join(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_path_is_relative_to_the_file_and_stays_in_the_tree() {
        let mut app = App::default();
        app.add(b"usr/lib/pulse", Node::Directory).expect("added");
        app.add(b"usr/bin/a", Node::Directory).expect("added");
        let directories = BTreeSet::from([b"usr/lib".to_vec()]);
        let search = |given: &[u8]| super::search(&app, b"usr/bin/a/b", given, &directories);
        assert_eq!(search(b""), b"$ORIGIN/../../lib");
        assert_eq!(
            search(b"/usr/lib/pulse:/opt/host:$ORIGIN/x:here::"),
            b"$ORIGIN/../../lib/pulse:$ORIGIN/x:$ORIGIN/../../lib"
        );
    }

    #[test]
    fn plug_ins_are_loaded_from_beside_the_library_that_wants_them() {
        let bytes =
            b"x\0/usr/lib/a-linux-gnu/ossl-modules\0MODULESDIR: \"/usr/lib/a-linux-gnu/ossl-modules\"\0"
                .to_vec();
        let path = b"usr/lib/a-linux-gnu/libcrypto.so.3";
        let beside = loading_from_beside(path, &bytes.clone().into()).expect("read").expect("changed");
        assert_eq!(beside.len(), bytes.len(), "nothing moves");
        assert!(beside.starts_with(b"x\0$ORIGIN/ossl-modules\0\0") && beside.ends_with(b"ossl-modules\"\0"));
        assert!(loading_from_beside(b"usr/lib/libssl.so.3", &bytes.into()).expect("read").is_none());
    }

    #[test]
    fn a_loader_forgets_the_hosts_directories_and_nothing_else() {
        let bytes =
            b"\0/lib/a-linux-gnu/\0/usr/lib/a-linux-gnu/\0/lib/\0/usr/lib/\0\0/etc/ld.so.cache\0/lib/kept\0"
                .to_vec();
        let deaf = deaf(bytes.clone(), &Loader::read(&bytes, b"/lib/ld.so"));
        assert_eq!(
            deaf,
            b"\0/\x01\x01\x01/a-linux-gnu/\0/\x01\x01\x01/lib/a-linux-gnu/\0/\x01\x01\x01/\0/\x01\x01\x01/lib/\0\0/\x01\x01\x01/ld.so.cache\0/lib/kept\0"
        );
    }
}
