//! What a tree accepts and refuses, and how it changes its links.

use super::*;

fn file(bytes: &[u8]) -> Node {
    Node::File { executable: true, content: bytes.to_vec().into() }
}

#[test]
fn paths_that_leave_the_tree_are_refused() {
    let mut app = App::default();
    for path in [&b""[..], b"/a", b"a/", b"a//b", b"a/../b", b"..", b"./a", b"a\0b", &[b'a'; 4096]] {
        assert!(app.add(path, Node::Directory).is_err(), "{}", path.escape_ascii());
        assert!(app.add(b"link", Node::HardLink(path.to_vec())).is_err());
    }
    assert!(app.add(b"a/\xff/..c", Node::Directory).is_ok());
}

#[test]
fn nothing_can_lie_under_a_link_or_twice_at_one_place() {
    let mut app = App::default();
    app.add(b"a", Node::Symlink(b"/etc".to_vec())).expect("a first node");
    assert!(app.add(b"a/passwd", file(b"x")).is_err());
    app.add(b"b/c", file(b"x")).expect("another node");
    assert!(app.add(b"b/c", file(b"y")).is_err());
    assert!(app.add(b"b", Node::Directory).is_ok(), "a directory may be named after what is in it");
}

#[test]
fn a_name_lies_where_the_links_of_the_tree_lead_and_directories_stay() {
    let mut app = App::default();
    app.add(b"lib", Node::Symlink(b"usr/lib".to_vec())).expect("a link");
    app.add(b"usr/bin", Node::Symlink(b"/lib/./bin".to_vec())).expect("a link");
    app.add(b"loop", Node::Symlink(b"loop".to_vec())).expect("a link");
    app.add(b"file", file(b"x")).expect("a file");
    assert_eq!(app.place(b"usr/bin/x/sh", file(b"y")).expect("placed"), b"usr/lib/bin/x/sh");
    assert_eq!(
        app.place(b"lib/sh", Node::HardLink(b"lib/bin/x/sh".to_vec())).expect("placed"),
        b"usr/lib/sh"
    );
    for path in [&b"lib/sh"[..], b"usr/bin/x/../../sh", b"lib/bin/x/sh"] {
        assert_eq!(app.file(path).expect("a file").0, b"usr/lib/bin/x/sh");
    }
    // A directory where a link leads to one, and a link where a directory is: both stay what they are.
    app.place(b"lib", Node::Directory).expect("left alone");
    app.place(b"usr/lib", Node::Symlink(b"../other".to_vec())).expect("left alone");
    assert!(matches!(app.get(b"lib"), Some(Node::Symlink(_))) && app.is_directory(b"lib"));
    assert!(matches!(app.get(b"usr/lib"), Some(Node::Directory)));
    assert_eq!(app.place(b"lib/sh", file(b"z")).expect("replaced"), b"usr/lib/sh");
    assert!(matches!(app.get(b"usr/lib/sh"), Some(Node::File { .. })));
    for bad in [&b"file/x"[..], b"loop/x", b"a/../b", b"/a"] {
        assert!(app.place(bad, file(b"x")).is_err(), "{}", bad.escape_ascii());
    }
}

#[test]
fn the_first_name_of_a_file_holds_its_bytes_whatever_order_they_came_in() {
    let mut app = App::default();
    app.add(b"usr/bin/z", file(b"x")).expect("added");
    app.add(b"usr/bin/m", Node::HardLink(b"usr/bin/z".to_vec())).expect("added");
    app.add(b"usr/bin/n", Node::HardLink(b"usr/bin/m".to_vec())).expect("added");
    app.settle().expect("links lead to files");
    let kinds: Vec<_> = app.nodes().filter(|(path, _)| path.len() == 9).collect();
    assert!(matches!(kinds[0], (b"usr/bin/m", Node::File { .. })));
    assert!(matches!(kinds[1], (b"usr/bin/n", Node::HardLink(to)) if to == b"usr/bin/m"));
    assert!(matches!(kinds[2], (b"usr/bin/z", Node::HardLink(to)) if to == b"usr/bin/m"));
}

#[test]
fn files_with_the_same_bytes_are_one_unless_they_are_short_or_differ_in_mode() {
    let mut app = App::default();
    let node = |executable, byte, length| Node::File { executable, content: vec![byte; length].into() };
    app.add(b"a", node(false, 1, 5000)).expect("added");
    app.add(b"b", node(true, 1, 5000)).expect("added");
    app.add(b"c", node(false, 2, 5000)).expect("added");
    app.add(b"d", node(false, 1, 5000)).expect("added");
    app.add(b"e", Node::HardLink(b"d".to_vec())).expect("added");
    app.add(b"f", node(false, 1, 5000)).expect("added");
    app.asks_for(b"f", b"loader");
    app.add(b"g", node(false, 1, 50)).expect("added");
    app.add(b"h", node(false, 1, 50)).expect("added");
    app.unite().expect("united");
    let links: Vec<_> = app
        .nodes()
        .filter_map(|(path, node)| match node {
            Node::HardLink(to) => Some((path, to.as_slice())),
            _ => None,
        })
        .collect();
    assert_eq!(links, [(&b"d"[..], &b"a"[..]), (b"e", b"a")]);
}

#[test]
fn a_file_stays_under_the_names_that_are_not_taken_out() {
    let mut app = App::default();
    app.add(b"a/1", file(b"x")).expect("added");
    for name in [&b"a/2"[..], b"b/3", b"b/4"] {
        app.add(name, Node::HardLink(b"a/1".to_vec())).expect("added");
    }
    app.remove(&|path| path.starts_with(b"a"));
    app.settle().expect("links lead to files");
    let left: Vec<_> = app.nodes().map(|(path, _)| path).collect();
    assert_eq!(left, [&b"b"[..], b"b/3", b"b/4"]);
    assert_eq!(app.program(b"b/4").map(Content::len), Some(1));
    app.place(b"b/3", file(b"yy")).expect("replaced");
    assert_eq!(app.program(b"b/4").map(Content::len), Some(1), "the other name keeps the old bytes");
    assert_eq!(app.names(b"b").collect::<Vec<_>>(), [b"3", b"4"]);
    assert_eq!(app.names(b"").collect::<Vec<_>>(), [b"b"]);
}

#[test]
fn a_hard_link_to_nothing_is_refused() {
    let mut app = App::default();
    app.add(b"a", Node::HardLink(b"b".to_vec())).expect("may still come");
    assert!(app.settle().is_err());
    app.add(b"b", file(b"x")).expect("added");
    assert!(app.settle().is_ok());
}

#[test]
fn a_link_leads_through_directories_that_are_links() {
    let mut app = App::default();
    app.add(b"usr/lib/cpu/real", file(b"x")).expect("added");
    app.add(b"lib", Node::Symlink(b"usr/lib".to_vec())).expect("added");
    app.add(b"usr/lib64/absolute", Node::Symlink(b"/lib/cpu/real".to_vec())).expect("added");
    app.add(b"usr/lib64/relative", Node::Symlink(b"../../lib/cpu/real".to_vec())).expect("added");
    app.add(b"usr/lib64/directory", Node::Symlink(b"/lib/cpu".to_vec())).expect("added");
    assert!(app.settle().expect("no hard link").is_empty(), "nothing is left out");
    for name in ["absolute", "relative"] {
        let path = [b"usr/lib64/", name.as_bytes()].concat();
        assert!(app.file(&path).is_some_and(|(found, _)| found == b"usr/lib/cpu/real"), "{name}");
    }
    let directory = app.get(b"usr/lib64/directory");
    assert!(matches!(directory, Some(Node::Symlink(target)) if target == b"../lib/cpu"), "{directory:?}");
}

#[test]
fn links_are_followed_inside_the_tree_only() {
    let mut app = App::default();
    app.add(b"usr/bin/real", file(b"x")).expect("added");
    app.add(b"bin/name", Node::Symlink(b"../usr/bin/real".to_vec())).expect("added");
    app.add(b"bin/absolute", Node::Symlink(b"/usr/bin/real".to_vec())).expect("added");
    app.add(b"bin/out", Node::Symlink(b"../../usr/bin/real".to_vec())).expect("added");
    app.add(b"bin/round", Node::Symlink(b"round".to_vec())).expect("added");
    let programs: Vec<_> = app.programs().collect();
    assert_eq!(programs, [&b"bin/absolute"[..], b"bin/name", b"usr/bin/real"]);

    app.add(b"a/b/c/up", Node::Symlink(b"./../x/../../d//e".to_vec())).expect("added");
    app.add(b"a/elsewhere", Node::Symlink(b"/etc/passwd".to_vec())).expect("added");
    let warnings = app.settle().expect("no hard link");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("`a/elsewhere`") && warnings[1].contains("`bin/out`"), "{warnings:?}");
    let links: Vec<_> = app
        .nodes()
        .filter_map(|(path, node)| match node {
            Node::Symlink(target) => Some((path, &target[..])),
            _ => None,
        })
        .collect();
    let expected: [(&[u8], &[u8]); 4] = [
        (b"a/b/c/up", b"../../d/e"),
        (b"bin/absolute", b"../usr/bin/real"),
        (b"bin/name", b"../usr/bin/real"),
        (b"bin/round", b"round"),
    ];
    assert_eq!(links, expected);
}
