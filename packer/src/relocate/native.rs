//! Makes a tree's programs run natively from wherever the tree is unpacked, with the tree's own loader and
//! libraries and never with the host's: search paths relative to `$ORIGIN`, a `PT_INTERP` that points to
//! where the launcher writes the loader's path, and a loader that knows no directory of the host. It sets no
//! environment variable that programs of the host would heed.

use std::collections::BTreeSet;

use bundle::{Arch, TreePath, file_name_of, join};
use closure::{Libc, Loader, Object, PLUGIN_SETS, Tree};

use crate::byte_search;
use crate::error::{Error, readable};
use crate::relocate::gconv::{self, Converters};
use crate::relocate::patch_paths::forget;
use crate::relocate::rpath;
use crate::request::Rule;
use crate::say;
use crate::tree::app_tree::{App, Node};
use crate::tree::content::Content;
use inputs::elf::{self, Kind};

/// What glibc's loader reads from the host besides its directories (ld.so(8), FILES): libraries of another C
/// library.
const GLIBC_FILES: [&[u8]; 2] = [b"/etc/ld.so.cache", b"/etc/ld.so.preload"];

/// Libraries that load plug-ins from a directory beside them by its absolute path, a constant in the library:
/// the library's name, the directory's name. The loader accepts `$ORIGIN` in such a path too
/// (`_dl_map_object` of glibc's elf/dl-load.c), and that is shorter.
const LOADED_FROM: [(&[u8], &[u8]); 3] = [
    (b"libcrypto.so.", b"ossl-modules"),
    (b"libcrypto.so.", b"engines-3"),
    (b"libcrypto.so.", b"engines-1.1"),
];

/// The name of glibc's C library (its `DT_SONAME`) on all hosts.
const GLIBC: &[u8] = b"libc.so.6";

/// The original loader of a tree: its built-in paths are gone once [`prepare`] has changed the tree.
pub(crate) struct TreeLoader {
    /// The path in the tree that programs name.
    path: Vec<u8>,
    /// The file at that path.
    file: Vec<u8>,
    bytes: Vec<u8>,
    facts: Loader,
}

impl TreeLoader {
    /// The loader at `path`; `None` if there is none, as with static programs.
    pub(crate) fn of(app: &App, path: &[u8]) -> Result<Option<Self>, Error> {
        let Some((file, Node::File { content, .. })) = app.file(path) else { return Ok(None) };
        let bytes = content.bytes().map_err(Error::Temporary)?;
        let facts = Loader::read(&bytes, path);
        Ok(Some(Self { path: path.to_vec(), file: file.to_vec(), bytes, facts }))
    }

    /// Arguments that make `program` look for its data in the tree, where absolute paths lead to the host's.
    pub(crate) fn arguments(&self, app: &App, program: &[u8]) -> Vec<Rule> {
        let wanted = PLUGIN_SETS.iter().flat_map(|set| set.arguments_of(&self.facts, program));
        let rules = wanted.flat_map(|(before, pattern)| {
            let found = app.nodes().filter(move |(path, node)| {
                matches!(node, Node::Directory | Node::File { .. }) && closure::matches(&pattern, path)
            });
            found.map(move |(path, _)| Rule::Tree {
                before: before.as_bytes().to_vec(),
                after: [b"/", path].concat(),
            })
        });
        rules.collect()
    }
}

/// Changes every program of `app` whose loader is `loader`, every library with a search path of its own, the
/// loader and its C library. Returns the rules by which they find what is in the tree. `directories`: where
/// the libraries of the tree are. `itself`: a name of the tree's top in itself, by which all of it is found.
pub(crate) fn prepare(
    app: &mut App,
    target: Arch,
    loader: &TreeLoader,
    directories: &BTreeSet<Vec<u8>>,
    programs: &[Vec<u8>],
    itself: Option<&[u8]>,
) -> Result<Vec<Rule>, Error> {
    let mut rules = Vec::new();
    let mut changed = vec![(loader.file.clone(), deaf(loader.bytes.clone(), &loader.facts), false)];
    for (path, node) in app.nodes() {
        let Node::File { content, .. } = node else { continue };
        if path == loader.file {
            continue;
        }
        let found = elf::read(&mut content.reader()).map_err(Error::Temporary)?;
        let Ok(found) = found else { continue };
        if found.arch != target || !matches!(found.kind, Kind::Dynamic | Kind::Library) {
            continue;
        }
        let Ok(object) = Object::read(&mut content.reader()) else { continue };
        // The C library can be started, to print its version, but is a library.
        let asks = found.loader.as_deref().is_some_and(|asked| leads(app, asked, &loader.file));
        let program = asks && object.soname.is_none();
        let own = if object.soname.as_deref() == Some(GLIBC) {
            let (bytes, rule) = on_own_converters(app, path, content)?;
            let rule = rule.map(|rule| through(rule, itself));
            rules.extend(rule.filter(|rule| !rules.contains(rule)));
            Some(bytes)
        } else {
            loading_from_beside(path, content)?
        };
        if !program && object.rpath.is_none() && object.runpath.is_none() {
            changed.extend(own.map(|own| (path.to_vec(), own, false)));
            continue;
        }
        let own = own.map_or_else(|| content.bytes().map_err(Error::Temporary), Ok)?;
        let given = object.runpath.as_ref().or(object.rpath.as_ref());
        let search = search(app, path, given.map_or(&b""[..], Vec::as_slice), directories, itself);
        match rpath::rewritten(own, target, &search, program) {
            Ok(bytes) => changed.push((path.to_vec(), bytes, program)),
            Err(why)
                if programs.iter().any(|program| app.file(program).is_some_and(|(file, _)| file == path)) =>
            {
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
            app.asks_for(&path, &loader.path);
        }
    }
    Ok(rules)
}

/// A rule whose place in the tree is found by the name of the tree itself.
fn through(rule: Rule, itself: Option<&[u8]>) -> Rule {
    match (rule, itself) {
        (Rule::TreeVariable { name, after }, Some(itself)) => {
            Rule::TreeVariable { name, after: [b"/", itself, &after].concat() }
        }
        (rule, _) => rule,
    }
}

/// The bytes of a C library that finds its converters in the tree, and the rule that it needs for that.
fn on_own_converters(app: &App, path: &[u8], content: &Content) -> Result<(Vec<u8>, Option<Rule>), Error> {
    let mut own = content.bytes().map_err(Error::Temporary)?;
    let tree = Tree::new(vec![app]);
    let rule = match gconv::of_the_tree(&mut own, &|path| matches!(tree.resolve_file(path), Ok(Some(_)))) {
        Converters::OfTheTree(rule) => Some(rule),
        Converters::None => None,
        Converters::Unknown => {
            say::warning(&format!(
                "`{}` may load the host's character set converters (gconv modules) when it runs natively: its path to them could not be found",
                readable(path)
            ));
            None
        }
    };
    Ok((own, rule))
}

/// The bytes of a library that loads plug-ins from an absolute path, changed to load them from beside itself;
/// `None` for all others.
fn loading_from_beside(path: &[u8], content: &Content) -> Result<Option<Vec<u8>>, Error> {
    let name = file_name_of(path);
    let mut directories = LOADED_FROM.iter().filter(|(library, _)| name.starts_with(library)).peekable();
    if directories.peek().is_none() {
        return Ok(None);
    }
    let mut bytes = content.bytes().map_err(Error::Temporary)?;
    let beside = path.strip_suffix(name).unwrap_or_default();
    for (_, directory) in directories {
        let (old, new) = ([b"\0/", beside, directory, b"\0"].concat(), [b"\0$ORIGIN/", *directory].concat());
        let Some(at) = byte_search::position(&bytes, &old) else { continue };
        if new.len() < old.len() {
            bytes[at..at + old.len()].fill(0);
            bytes[at..at + new.len()].copy_from_slice(&new);
        }
    }
    Ok(Some(bytes))
}

/// Whether the loader that a program names is the one at `loader`: through a link to it (musl's is a link to
/// its `libc.so`), or by its name if the tree has nothing at that path.
fn leads(app: &App, asked: &[u8], loader: &[u8]) -> bool {
    let path = asked.strip_prefix(b"/").unwrap_or(asked);
    match Tree::new(vec![app]).resolve_file(path) {
        Ok(Some(place)) => place.path == loader,
        _ => file_name_of(asked) == file_name_of(loader),
    }
}

/// A loader that finds nothing in the host's directories: in each path that it knows, the first component
/// becomes a name that nothing has. It must remain an absolute path (`_dl_init_paths` of glibc's
/// elf/dl-load.c), and its length is stored elsewhere.
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

/// `DT_RPATH` for the file at `path`: its previous one, as far as it lies in the tree, then `directories`.
/// With `itself`, all of it through that name.
fn search(
    app: &App,
    path: &[u8],
    given: &[u8],
    directories: &BTreeSet<Vec<u8>>,
    itself: Option<&[u8]>,
) -> Vec<u8> {
    let Some(file) = TreePath::new(path) else { return Vec::new() };
    let from_origin = |directory: &[u8]| {
        let link = file.link_to(&join(itself.unwrap_or_default(), directory));
        [b"$ORIGIN/", link.as_slice()].concat()
    };
    // Where such a part leads by its text, if that is in the tree.
    let own = |part: &[u8]| {
        let rest = part.strip_prefix(b"$ORIGIN").or_else(|| part.strip_prefix(b"${ORIGIN}"))?;
        let inside = file.follow(&[b".", rest].concat())?;
        (itself.is_some() && app.is_directory(&inside)).then_some(inside)
    };
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut add = |part: Vec<u8>| {
        if !parts.contains(&part) {
            parts.push(part);
        }
    };
    for part in given.split(|byte| *byte == b':').filter(|part| !part.is_empty()) {
        match part.strip_prefix(b"/") {
            Some(inside) if app.is_directory(inside) => add(from_origin(inside)),
            None if part.starts_with(b"$") => {
                add(own(part).map_or_else(|| part.to_vec(), |inside| from_origin(&inside)));
            }
            // On the host, or relative to the caller's working directory.
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
        let search = |given: &[u8]| super::search(&app, b"usr/bin/a/b", given, &directories, None);
        assert_eq!(search(b""), b"$ORIGIN/../../lib");
        assert_eq!(
            search(b"/usr/lib/pulse:/opt/host:$ORIGIN/x:here::"),
            b"$ORIGIN/../../lib/pulse:$ORIGIN/x:$ORIGIN/../../lib"
        );
        // Where other libraries are seen at the places of the tree's.
        let search = super::search(
            &app,
            b"usr/bin/a/b",
            b"/usr/lib/pulse:${ORIGIN}/../../lib:$ORIGIN/../../../..:$ORIGIN/x",
            &directories,
            Some(b".t"),
        );
        let wanted =
            "$ORIGIN/../../../.t/usr/lib/pulse:$ORIGIN/../../../.t/usr/lib:$ORIGIN/../../../..:$ORIGIN/x";
        assert_eq!(String::from_utf8_lossy(&search), wanted);
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
