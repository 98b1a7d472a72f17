//! The tree by itself.

use super::*;

fn file(bytes: &[u8]) -> Inode {
    Inode { kind: Kind::File(bytes.to_vec().into()), mode: 0o644, uid: 1, gid: 2 }
}

fn symlink(target: &[u8]) -> Inode {
    Inode::of_root(Kind::Symlink(target.to_vec()), 0o777)
}

fn directory(mode: u16) -> Inode {
    Inode::of_root(Kind::Directory, mode)
}

fn paths(tree: &SystemTree) -> Vec<String> {
    tree.iter().map(|named| String::from_utf8_lossy(named.path).into_owned()).collect()
}

#[test]
fn names_that_leave_the_tree_or_that_no_file_system_has_are_refused() {
    let mut tree = SystemTree::default();
    for bad in [&b""[..], b"/a", b"a/../b", b"..", b"a//b", b"a\0b", &[b'a'; 256], &[b'a'; 4096]] {
        assert!(tree.add(bad, file(b"")).is_err(), "{}", bad.escape_ascii());
    }
    for bad in [&b""[..], b"a\0b", &[b'a'; 4096]] {
        assert!(tree.add(b"link", symlink(bad)).is_err(), "{}", bad.escape_ascii());
    }
    assert!(tree.add(b"a", Inode { uid: u32::MAX, ..file(b"") }).is_err(), "no file has this owner");
    assert_eq!(tree.iter().count(), 0);
    tree.add(b"link", symlink(b"../../../etc/shadow")).expect("where a link leads is its own affair");
    assert!(tree.add(b"link/a", file(b"")).is_err(), "nothing lies below a link");
}

#[test]
fn a_file_keeps_its_bytes_whichever_of_its_names_goes() {
    let mut tree = SystemTree::default();
    tree.add(b"m", file(b"x")).expect("added");
    tree.link(b"b", b"m").expect("linked");
    tree.link(b"z", b"b").expect("linked");
    let firsts = |tree: &SystemTree| -> Vec<Option<Vec<u8>>> {
        tree.iter().map(|named| named.first.map(<[u8]>::to_vec)).collect()
    };
    assert_eq!(firsts(&tree), [None, Some(b"b".to_vec()), Some(b"b".to_vec())]);
    assert!(tree.remove(b"b"));
    assert_eq!(firsts(&tree), [None, Some(b"m".to_vec())]);
    // The owner is the file's, not the name's.
    tree.get_mut(b"z").expect("there").uid = 7;
    assert_eq!(tree.get(b"m").map(|inode| inode.uid), Some(7));
    assert!(tree.link(b"c", b"b").is_err() && tree.link(b"z/c", b"m").is_err());
}

#[test]
fn what_takes_a_directorys_place_takes_all_below_it_along_and_a_directory_only_changes_it() {
    let mut tree = SystemTree::default();
    for path in [&b"d/e/f"[..], b"d/g", b"d-", b"d0"] {
        tree.add(path, file(b"")).expect("added");
    }
    tree.add(b"d", directory(0o2750)).expect("changed");
    assert_eq!(paths(&tree), ["d", "d-", "d/e", "d/e/f", "d/g", "d0"]);
    assert_eq!(tree.get(b"d").map(|inode| inode.mode), Some(0o2750));
    assert_eq!(tree.names(b"d").collect::<Vec<_>>(), [b"e", b"g"]);
    assert!(tree.remove(b"d/e") && !tree.remove(b"d/e"));
    tree.add(b"d", file(b"")).expect("replaced");
    assert_eq!(paths(&tree), ["d", "d-", "d0"]);
    tree.clear(b"");
    assert_eq!(paths(&tree), [""; 0]);
}

#[test]
fn links_are_followed_as_by_a_process_whose_root_it_is() {
    let mut tree = SystemTree::default();
    tree.add(b"usr/bin/sh", symlink(b"/bin/dash")).expect("added");
    tree.add(b"usr/bin/dash", file(b"")).expect("added");
    tree.add(b"bin", symlink(b"usr/bin")).expect("added");
    tree.add(b"out", symlink(b"../../../usr/bin/../bin")).expect("added");
    tree.add(b"loop", symlink(b"loop/x")).expect("added");
    assert_eq!(tree.resolve(b"/bin/sh").map(|found| found.0), Some(b"usr/bin/dash".to_vec()));
    assert_eq!(tree.resolve(b"out/dash").map(|found| found.0), Some(b"usr/bin/dash".to_vec()));
    assert_eq!(tree.real(b"bin/sh").expect("no circle"), b"usr/bin/sh");
    assert_eq!(tree.real(b"out/new/file").expect("no circle"), b"usr/bin/new/file");
    assert_eq!(tree.real(b"../..").expect("no circle"), b"");
    assert!(tree.real(b"loop/a").is_err() && tree.resolve(b"loop").is_none());
}
