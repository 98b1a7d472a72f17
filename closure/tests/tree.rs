//! What paths mean in a tree of several layers, whatever this machine has at the same paths.

mod fixture;

use bundle::Arch;
use closure::{Directory, Layer, Tree, expand};
use fixture::{Root, library, program, told};

fn find(root: &Root, path: &str) -> Option<String> {
    let directory = Directory::new(root.path(), b"");
    let layers: Vec<&dyn Layer> = vec![&directory];
    let resolved = Tree::new(layers).resolve(path.as_bytes()).expect("readable")?;
    Some(String::from_utf8(resolved.path).expect("text"))
}

#[test]
fn absolute_links_are_followed_inside_the_root() {
    let root = Root::empty()
        .link("lib/a.so", "/etc/passwd")
        .link("lib/b.so", "/opt/real.so")
        .link("opt", "/srv/opt")
        .file("srv/opt/real.so", "x")
        .link("lib/up", "../../../../opt/./real.so")
        .link("lib/round", "round");
    assert_eq!(find(&root, "lib/a.so"), None, "this machine's own file is no answer");
    assert_eq!(find(&root, "lib/b.so").as_deref(), Some("srv/opt/real.so"));
    assert_eq!(find(&root, "/lib/up").as_deref(), Some("srv/opt/real.so"), "no path leaves the root");
    assert_eq!(find(&root, "lib/round"), None);
}

#[test]
fn a_file_is_no_directory() {
    let root = Root::empty().file("a", "x");
    assert_eq!(find(&root, "a/b"), None);
    assert_eq!(find(&root, "a/../a"), Some("a".to_owned()));
}

#[test]
fn directories_of_merged_usr_are_found_without_the_links_of_base_files() {
    let root = Root::empty()
        .elf("usr/lib/ld-linux-riscv64-lp64d.so.1", &fixture::loader())
        .elf("usr/bin/app", &program().needs("liba.so"))
        .elf("usr/lib/riscv64-linux-gnu/liba.so", &library(Arch::Riscv64));
    assert_eq!(told(&root.closure("bin/app")), ["lib/riscv64-linux-gnu/liba.so (built-in directory)"]);
    assert_eq!(
        find(&root, "lib/riscv64-linux-gnu/liba.so").as_deref(),
        Some("usr/lib/riscv64-linux-gnu/liba.so")
    );
    assert_eq!(find(&root, "lib64"), None, "only where there is such a directory");
}

#[test]
fn the_first_layer_that_has_something_wins_and_directories_are_one() {
    let (first, second) =
        (Root::empty().file("lib/a", "1"), Root::empty().file("lib/a", "22").file("lib/b", "2"));
    let mounted = Root::empty().file("c", "3");
    let layers = [
        Directory::new(first.path(), b""),
        Directory::new(second.path(), b""),
        Directory::new(mounted.path(), b"lib/deep"),
    ];
    let tree = Tree::new(layers.iter().map(|layer| layer as &dyn Layer).collect());
    assert_eq!(tree.names(b"lib").expect("readable"), [&b"a"[..], b"b", b"deep"]);
    let read =
        |path: &[u8]| tree.read(&tree.resolve(path).expect("readable").expect("there")).expect("readable");
    assert_eq!(read(b"lib/a"), b"1");
    assert_eq!(read(b"lib/b"), b"2");
    assert_eq!(read(b"lib/deep/c"), b"3");
}

#[test]
fn patterns_find_files_without_following_links_to_directories() {
    let root = Root::empty()
        .file("usr/lib/p/a.so", "x")
        .file("usr/lib/p/deep/b.so", "x")
        .file("usr/lib/p/c.txt", "x")
        .link("usr/lib/p/round", "..")
        .link("usr/lib/p/d.so", "a.so");
    let directory = Directory::new(root.path(), b"");
    let layers: Vec<&dyn Layer> = vec![&directory];
    let tree = Tree::new(layers);
    let found = |pattern: &str| expand(&tree, pattern.as_bytes()).expect("readable");
    assert_eq!(found("lib/p/*.so"), [&b"lib/p/a.so"[..], b"lib/p/d.so"]);
    let all: [&[u8]; 4] = [b"usr/lib/p/a.so", b"usr/lib/p/c.txt", b"usr/lib/p/d.so", b"usr/lib/p/deep/b.so"];
    assert_eq!(found("/usr/lib/p/**"), all);
    assert_eq!(found("usr/l*/**/b.so"), [b"usr/lib/p/deep/b.so"]);
    assert!(found("usr/none/*").is_empty());
}
