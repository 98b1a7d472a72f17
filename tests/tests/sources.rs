//! What is owed is there to be had: the very source package of an emulator, each file as the signed index has
//! it.

use std::fs;
use std::path::Path;

use end_to_end::{Outcome, Sandbox, needs, unibin};
use sha2::{Digest, Sha256};

#[test]
fn the_source_of_an_emulator_is_fetched_as_the_notices_name_it() {
    needs!("network");
    let sandbox = Sandbox::new();
    // Not in the sandbox: forty megabytes are fetched once.
    let directory = end_to_end::store().join("sources");
    let source = ["emulator", "source", "--only-own", "--target", "riscv64", "--hosts", "x86_64"];
    let fetched: Outcome = unibin().args(source).arg(&directory).output().expect("unibin starts").into();
    assert!(fetched.must_succeed().starts_with("qemu 1:10.0"), "{fetched}");
    let recipe =
        fetched.text().lines().find_map(|line| line.strip_prefix("unibin-recipe ")).map(str::to_owned);
    let recipe = recipe.expect("a recipe");
    let names = ["dsc", "orig.tar.xz", "debian.tar.xz"].map(|end| file_ending(&directory, end));
    let notices = notices(&sandbox);
    for name in names {
        let digest = Sha256::digest(fs::read(directory.join(&name)).expect("a file"));
        let line = format!("sha256 {}", bundle::Digest(digest.into()));
        let named = notices.lines().find(|line| line.contains(&name)).unwrap_or_else(|| panic!("{name}"));
        assert!(named.contains(&line), "{named}");
    }
    // What changes QEMU, and how it is built.
    assert!(notices.contains(&format!("recipe {recipe}")), "{recipe}: {notices}");
    let patch = directory.join("unibin-recipe/patches/0003-jump-cache.patch");
    let text = fs::read_to_string(&patch).expect("a patch");
    assert!(text.contains("--- a/"), "{text}");
    fs::write(&patch, "other\n").expect("written");
    // A file that is another one is fetched again.
    let dsc = directory.join(file_ending(&directory, "dsc"));
    let whole = fs::read(&dsc).expect("a file");
    fs::write(&dsc, &whole[1..]).expect("written");
    let again: Outcome = unibin().args(source).arg(&directory).output().expect("unibin starts").into();
    again.must_succeed();
    assert!(fs::read(&dsc).expect("a file") == whole);
    assert_eq!(fs::read_to_string(&patch).expect("a patch"), text);
}

fn file_ending(directory: &Path, end: &str) -> String {
    let names =
        fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names = names.map(|name| name.to_string_lossy().into_owned());
    names.find(|name| name.starts_with("qemu_10") && name.ends_with(end)).expect("it was fetched")
}

fn notices(sandbox: &Sandbox) -> String {
    let packed = sandbox.at("qemu-riscv64");
    let only = ["--emulator-only", "--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    end_to_end::pack_by_hand(&only, &packed).must_succeed();
    let inspect = unibin().args(["inspect", "--notices"]).arg(&packed).output().expect("unibin starts");
    Outcome::from(inspect).must_succeed()
}
