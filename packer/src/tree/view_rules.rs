//! The rules by which a launcher lays a tree over the host's root by mounts, natively (FORMAT.md, section
//! 5.6.2). Which side wins is what [`super::view`] has decided, but for one thing: programs of the host that
//! the app starts are in the same mounts, and must find the host's libraries. So those are on top in the
//! directories where loaders look, and the tree's programs find theirs through a name of the tree itself.

use std::collections::{BTreeMap, BTreeSet};

use bundle::{TreePath, directory_of, file_name_of, join};

use crate::cli::values::View;
use crate::error::Error;
use crate::hash;
use crate::request::Rule;
use crate::tree::app_tree::{App, Node};
use crate::tree::view;

/// The host's, whatever the tree has there: the kernel's, what is of one start of the machine, and users'.
const HOSTS: [&[u8]; 8] = [b"dev", b"home", b"proc", b"root", b"run", b"sys", b"tmp", b"var/tmp"];

/// What programs of the host are loaded by (ld.so(8), FILES).
const LOADERS: [&[u8]; 4] =
    [b"etc/ld.so.cache", b"etc/ld.so.conf", b"etc/ld.so.conf.d", b"etc/ld.so.preload"];

/// More of the host's that is seen where nothing of it is laid over: what is mounted there comes and goes.
const MOUNTED: [&[u8]; 2] = [b"media", b"mnt"];

/// Directories at the top that are made anew, with overlays only three levels below: what else the host has
/// there stays writable, and there is not much of it.
const MADE_ANEW: [&[u8]; 5] = [b"media", b"mnt", b"opt", b"srv", b"var"];

/// Where loaders look for libraries: `lib` also stands for the directories of several CPUs in it.
const LIBRARIES: [&[u8]; 8] = [
    b"lib",
    b"lib32",
    b"lib64",
    b"usr/lib",
    b"usr/lib32",
    b"usr/lib64",
    b"usr/local/lib",
    b"usr/local/lib64",
];

/// Plug-ins that the tree's libraries find beside themselves, and the host's libraries at this place.
const BESIDE: [&str; 3] = ["gconv", "ossl-modules", "engines-*"];

/// The name by which the tree itself is found from everywhere in it, and in the union too, where a tree
/// inside another one's union has another name.
pub(crate) fn name(app: &App) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    for (path, node) in app.nodes() {
        all.extend_from_slice(path);
        all.push(0);
        match node {
            Node::File { content, .. } => all.extend(content.digest().map_err(Error::Temporary)?.0),
            Node::Symlink(target) | Node::HardLink(target) => all.extend_from_slice(target),
            Node::Directory => {}
        }
        all.push(0);
    }
    let digest = hash::of(&all).to_hex();
    Ok([b".unibin-tree-", digest.get(..16).unwrap_or_default()].concat())
}

/// Adds that name to a finished tree, and returns the rules of its view.
pub(crate) fn add(app: &mut App, view: View, name: &[u8]) -> Result<Vec<Rule>, Error> {
    app.add(name, Node::Symlink(b".".to_vec()))?;
    let (which, mut seen) = match view {
        View::Host => return Ok(Vec::new()),
        View::Union => (&b"union"[..], over(app, Libraries::Hosts)),
        View::Root => {
            // Where files of the host are seen one by one.
            for directory in [&b"etc"[..], b"var"] {
                app.place(directory, Node::Directory)?;
            }
            (&b"root"[..], instead())
        }
    };
    seen.insert(name.to_vec(), b"whole");
    Ok([Rule::View(which.to_vec())].into_iter().chain(rows(seen)).collect())
}

/// The rules for a tree that others run than unibin's emulators. Its libraries are of another CPU than the
/// host's, and lie elsewhere, so that it comes first.
pub(crate) fn emulated(app: &App) -> Vec<Rule> {
    rows(over(app, Libraries::Trees))
}

/// Whether programs of the host would not find their libraries below such a tree: those of the tree lie in
/// directories without the name of a CPU. A loader alone has a name of its own.
pub(crate) fn hides_libraries(app: &App, loader: &[u8]) -> bool {
    let is_library = |(path, node): (&[u8], &Node)| {
        !matches!(node, Node::Directory)
            && LIBRARIES.contains(&directory_of(path))
            && is_library(path)
            && !file_name_of(path).starts_with(b"ld")
            && path != loader
    };
    app.nodes().any(is_library)
}

fn is_library(path: &[u8]) -> bool {
    file_name_of(path).windows(3).any(|part| part == b".so")
}

fn rows(seen: BTreeMap<Vec<u8>, &'static [u8]>) -> Vec<Rule> {
    seen.into_iter().map(|(path, what)| Rule::Seen { path, what: what.to_vec() }).collect()
}

/// Whose libraries are on top where loaders look for them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Libraries {
    Hosts,
    Trees,
}

/// Of the host what a root cannot do without.
fn instead() -> BTreeMap<Vec<u8>, &'static [u8]> {
    let hosts = HOSTS.iter().chain(&MOUNTED).chain(&view::HOSTS_OWN);
    hosts.map(|path| (path.to_vec(), &b"host"[..])).collect()
}

/// What is seen at the paths of a tree over the host's.
fn over(app: &App, on_top: Libraries) -> BTreeMap<Vec<u8>, &'static [u8]> {
    let libraries: BTreeSet<&[u8]> = app
        .nodes()
        .filter(|(path, node)| !matches!(node, Node::Directory) && is_library(path))
        .map(|(path, _)| directory_of(path))
        .collect();
    let mut seen: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
    for (path, node) in app.nodes() {
        let Some(place) = TreePath::new(path) else { continue };
        let above = place.ancestors().filter_map(|above| seen.get(above.bytes())).last().copied();
        let has_libraries = on_top == Libraries::Hosts && libraries.contains(path);
        let what = match what(path, matches!(node, Node::Directory), has_libraries) {
            // The host's are of no use to the app, and its loader would complain.
            Some(b"host") if on_top == Libraries::Trees && path == view::PRELOADED => None,
            what => what,
        };
        if let Some(what) = what
            && !matches!(above, Some(b"tree" | b"host"))
            && above != Some(what)
        {
            seen.insert(path.to_vec(), what);
        }
    }
    // Where the host has a directory of that name, the two are merged.
    for (name, node) in app.nodes() {
        let (Node::Symlink(target), Some(link)) = (node, TreePath::new(name)) else { continue };
        let Some(inside) = link.follow(target).filter(|inside| !inside.is_empty() && link.parent().is_none())
        else {
            continue;
        };
        let below = |path: &[u8]| TreePath::new(path).is_some_and(|path| path.is_within(&inside));
        let of_target = |path: &&Vec<u8>| TreePath::new(&inside).is_some_and(|inside| inside.is_within(path));
        let nearest = seen.keys().filter(of_target).max_by_key(|path| path.len());
        let own = nearest.map(|path| (name.to_vec(), seen[path]));
        let others = seen.iter().filter(|(path, _)| below(path) && **path != inside);
        let others = others.map(|(path, what)| (join(name, &path[inside.len() + 1..]), *what));
        let all: Vec<_> = own.into_iter().chain(others).collect();
        seen.extend(all);
    }
    seen
}

/// What is seen at this path, where that is not what is seen around it.
fn what(path: &[u8], is_directory: bool, has_libraries: bool) -> Option<&'static [u8]> {
    if HOSTS.contains(&path) || LOADERS.contains(&path) || view::is_hosts_own(path) {
        return Some(b"host");
    }
    if !is_directory {
        return None;
    }
    let beside = || BESIDE.iter().any(|name| closure::matches(name.as_bytes(), file_name_of(path)));
    if view::is_private(path) {
        return (!beside()).then_some(b"tree");
    }
    let (above, depth) = (directory_of(path), path.split(|byte| *byte == b'/').count() - 1);
    let is_searched = LIBRARIES.contains(&path) || LIBRARIES.contains(&above) && view::is_triplet(path);
    let top = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    match depth {
        _ if has_libraries && is_searched => Some(b"under"),
        0 if !MADE_ANEW.contains(&top) => Some(b"over"),
        2 if MADE_ANEW.contains(&top) => Some(b"over"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> App {
        let mut app = App::default();
        for path in files {
            let node = Node::File { executable: false, content: path.as_bytes().to_vec().into() };
            app.add(path.as_bytes(), node).expect("added");
        }
        app
    }

    fn lines(rules: &[Rule]) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let line = |rule: &Rule| match rule {
            Rule::View(which) => text(which),
            Rule::Seen { path, what } => format!("{} {}", text(what), text(path)),
            other => panic!("{other:?}"),
        };
        rules.iter().map(line).collect()
    }

    #[test]
    fn each_directory_is_seen_as_the_table_of_the_union_says() {
        let mut app = tree(&[
            "etc/app.conf",
            "etc/hosts",
            "etc/ld.so.preload",
            "lib64/ld-linux-x86-64.so.2",
            "opt/vendor/lib/libown.so",
            "usr/bin/app",
            "usr/lib/python3.13/os.py",
            "usr/lib/python3.13/lib-dynload/x.so",
            "usr/lib/x86_64-linux-gnu/gconv/UTF-16.so",
            "usr/lib/x86_64-linux-gnu/libc.so.6",
            "usr/lib/x86_64-linux-gnu/perl/5.40/POSIX.so",
            "var/lib/app/state",
            "var/tmp/x",
        ]);
        app.add(b"lib", Node::Symlink(b"usr/lib".to_vec())).expect("added");
        let rules = add(&mut app, View::Union, b".unibin-tree-x").expect("rules");
        let wanted = [
            "union",
            "whole .unibin-tree-x",
            "over etc",
            "host etc/hosts",
            "host etc/ld.so.preload",
            "over lib",
            "tree lib/python3.13",
            "under lib/x86_64-linux-gnu",
            "tree lib/x86_64-linux-gnu/perl",
            "under lib64",
            "over opt/vendor/lib",
            "over usr",
            "tree usr/lib/python3.13",
            "under usr/lib/x86_64-linux-gnu",
            "tree usr/lib/x86_64-linux-gnu/perl",
            "over var/lib/app",
            "host var/tmp",
        ];
        assert_eq!(lines(&rules), wanted);
        assert_eq!(app.get(b".unibin-tree-x").map(|node| matches!(node, Node::Symlink(_))), Some(true));
    }

    #[test]
    fn under_an_emulator_the_tree_comes_first_where_loaders_look_too() {
        let mut app = tree(&[
            "etc/app.conf",
            "etc/ld.so.cache",
            "etc/ld.so.preload",
            "usr/lib/python3.13/os.py",
            "usr/lib/riscv64-linux-gnu/libc.so.6",
            "usr/lib/ld-linux-riscv64-lp64d.so.1",
        ]);
        app.add(b"lib", Node::Symlink(b"usr/lib".to_vec())).expect("added");
        let wanted = [
            "over etc",
            "host etc/ld.so.cache",
            "over lib",
            "tree lib/python3.13",
            "over usr",
            "tree usr/lib/python3.13",
        ];
        assert_eq!(lines(&emulated(&app)), wanted);
        let loader = b"usr/lib/ld-linux-riscv64-lp64d.so.1";
        assert!(!hides_libraries(&app, loader));
        // As in an rpm: the host's programs would find these.
        assert!(hides_libraries(&tree(&["usr/lib64/libc.so.6"]), b"lib/ld-linux.so.2"));
        assert!(!hides_libraries(&tree(&["usr/lib64/app/libown.so", "opt/x/lib/libown.so"]), b""));
        assert!(!hides_libraries(&tree(&["lib/libc.musl.so.1"]), b"lib/libc.musl.so.1"));
    }

    #[test]
    fn a_root_has_of_the_host_what_is_the_machines() {
        let mut app = tree(&["usr/bin/app"]);
        let rules = lines(&add(&mut app, View::Root, b".unibin-tree-x").expect("rules"));
        for line in ["root", "host proc", "host etc/passwd", "host var/tmp", "whole .unibin-tree-x"] {
            assert!(rules.iter().any(|rule| rule == line), "{line}: {rules:?}");
        }
        assert!(app.is_directory(b"etc") && app.is_directory(b"var"));
    }

    #[test]
    fn another_tree_has_another_name() {
        let name = |files: &[&str]| name(&tree(files)).expect("a name");
        assert_eq!(name(&["a", "b"]), name(&["a", "b"]));
        assert_ne!(name(&["a", "b"]), name(&["a", "c"]));
        assert_eq!(name(&["a"]).len(), ".unibin-tree-".len() + 16);
    }
}
