//! The first thing that a reader of the README tries works as it is written there.

use std::fs;
use std::path::Path;
use std::process::Command;

use end_to_end::{needs, store, unibin};

/// The first line of an indented block that packs.
fn first_command(readme: &str) -> Option<&str> {
    readme.lines().filter_map(|line| line.strip_prefix("    ")).find(|line| line.contains(" pack "))
}

#[test]
fn the_first_command_of_the_readme_prints_the_foreign_cpu() {
    needs!("network");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).expect("README.md");
    let line = first_command(&readme).expect("the README shows how to pack");
    let unibin = unibin().get_program().to_str().expect("text").to_owned();
    // The one thing that may differ: the program is built already.
    let typed = line.replacen("cargo run --", &unibin, 1);
    assert!(typed.starts_with(&unibin) && typed.contains(" pack "), "not a command of ours: {line}");

    let directory = tempfile::tempdir().expect("directory");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(&typed).current_dir(directory.path());
    // The cache stays the reader's own, but not this tester's.
    shell.env("UNIBIN_STORE", store()).env("UNIBIN_CACHE", directory.path().join("cache"));
    let ran = shell.output().expect("sh");
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "`{line}`: {} {printed}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(printed.lines().last().map(str::trim), Some("riscv64"), "`{line}` printed {printed}");
}
