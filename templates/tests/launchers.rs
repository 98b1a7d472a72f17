//! Which launchers a build embeds: those that its list of sums vouches for, from whichever directory.

#[path = "../build/checked.rs"]
mod checked;

use std::fs;
use std::path::Path;

use checked::checked;

const SUM_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn directory_of_abc() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    fs::write(at("launcher-x86_64"), "abc").expect("written");
    fs::write(at("README.md"), "not a launcher").expect("written");
    fs::write(at("SHA256SUMS"), format!("{SUM_OF_ABC}  launcher-x86_64\n")).expect("written");
    directory
}

#[test]
fn a_changed_launcher_is_refused_until_it_is_restored() {
    let directory = directory_of_abc();
    let launcher = directory.path().join("launcher-x86_64");
    fs::write(&launcher, "abd").expect("written");
    let refused = checked(directory.path()).expect_err("another sum");
    assert!(
        refused.ends_with("launcher-x86_64` has another SHA-256 sum than `SHA256SUMS` says"),
        "{refused}"
    );

    fs::write(&launcher, "abc").expect("written");
    let programs = checked(directory.path()).expect("as listed");
    assert_eq!(programs.into_iter().collect::<Vec<_>>(), [("launcher-x86_64".to_owned(), b"abc".to_vec())]);
}

#[test]
fn a_launcher_without_a_sum_is_refused() {
    let directory = directory_of_abc();
    let stranger = directory.path().join("broker-armv7");
    fs::write(&stranger, "abc").expect("written");
    let refused = checked(directory.path()).expect_err("not listed");
    assert!(refused.ends_with("broker-armv7` is not listed in `SHA256SUMS`"), "{refused}");
    fs::remove_file(stranger).expect("removed");
    checked(directory.path()).expect("all are listed");
}

#[test]
fn a_list_without_its_files_or_of_other_files_is_refused() {
    let directory = directory_of_abc();
    let list = directory.path().join("SHA256SUMS");
    for (text, why) in [
        ("", "lists no launcher".to_owned()),
        ("abc launcher-x86_64\n", "is not a launcher's or broker's sum".to_owned()),
        (&format!("{SUM_OF_ABC}  ../launcher-x86_64\n"), "is not a launcher's or broker's sum".to_owned()),
        (&format!("{SUM_OF_ABC}  launcher-x86_64\n{SUM_OF_ABC}  launcher-i686\n"), "cannot read".to_owned()),
    ] {
        fs::write(&list, text).expect("written");
        let refused = checked(directory.path()).expect_err(text);
        assert!(refused.contains(&why), "{text:?}: {refused}");
    }
    fs::remove_file(&list).expect("removed");
    checked(directory.path()).expect_err("no list");
    checked(Path::new("/nonexistent")).expect_err("no directory");
}
