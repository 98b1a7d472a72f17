//! The project's rules that no compiler checks: each is a function over the tracked files, named after the
//! rule.
//!
//! `cargo xtask tidy` prints every violation, with file and line, and fails if there is one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail, ensure};
use bundle::Arch;

use self::files::File;

mod circles;
mod features;
mod files;
mod modules;
mod prose;
mod tokens;

/// A longer file should be split.
const MAX_LINES: usize = 500;

/// File names that say nothing about the contents.
const EMPTY_NAMES: [&str; 6] = ["common", "utils", "helpers", "misc", "core", "types"];

/// Where `unsafe` is allowed: the launcher's system calls and its allocator.
const UNSAFE_PLACES: [&str; 2] = ["launcher/src/sys/", "launcher/src/alloc.rs"];

/// Third-party crates that only one file of each of our crates may name, so that each can be replaced in one
/// place.
const ONE_FILE: [&str; 24] = [
    "aes",
    "base64",
    "bcrypt_pbkdf",
    "blake2",
    "clap",
    "ctr",
    "deb822_fast",
    "debversion",
    "ed25519_dalek",
    "fast_glob",
    "flate2",
    "indicatif",
    "liblzma",
    "object",
    "pgp",
    "rust_embed",
    "ruzstd",
    "scrypt",
    "serde_json",
    "signal_hook",
    "tar",
    "toml",
    "ureq",
    "zstd",
];

pub(crate) fn run() -> Result<()> {
    let files = files::tracked(&crate::workspace())?;
    ensure!(files.len() > 100, "only {} tracked files found: not a checkout?", files.len());
    let found: Vec<String> = [
        modules_say_what_they_are_for(&files),
        no_file_is_too_long(&files),
        no_name_is_empty(&files),
        unsafe_stays_in_its_places(&files),
        a_third_party_crate_is_named_in_one_file(&files),
        nothing_is_left_for_later(&files),
        text_ends_with_a_line_feed(&files),
        the_readme_names_every_host(&files),
        the_contract_depends_on_nothing(&files),
        circles::no_modules_use_each_other(&files),
        prose::the_fields_words_are_used(&files),
        prose::comments_fit_their_column(&files),
        prose::subjects_fit_one_line(&crate::workspace()),
        features::nothing_is_compiled_twice(&crate::workspace())?,
    ]
    .concat();
    if found.is_empty() {
        println!("tidy: {} files keep the rules of the house", files.len());
        return Ok(());
    }
    bail!("rules of the house are broken:\n{}", found.join("\n"))
}

fn modules_say_what_they_are_for(files: &[File]) -> Vec<String> {
    let silent = files.iter().filter(|file| file.is_rust());
    let silent = silent
        .filter(|file| !file.text.starts_with("//!") && !file.text.starts_with("#![doc = include_str!"));
    silent.map(|file| format!("{}:1: begins without `//!`: what is it for?", file.path)).collect()
}

fn no_file_is_too_long(files: &[File]) -> Vec<String> {
    let lengths = files.iter().filter(|file| file.is_rust()).map(|file| (file, file.text.lines().count()));
    let long = lengths.filter(|(_, lines)| *lines > MAX_LINES);
    long.map(|(file, lines)| format!("{}: {lines} lines, more than {MAX_LINES}", file.path)).collect()
}

fn no_name_is_empty(files: &[File]) -> Vec<String> {
    let parts = |file: &&File| {
        let mut parts = Path::new(&file.path).components();
        parts.any(|part| {
            let name = Path::new(part.as_os_str()).file_stem().unwrap_or_default();
            EMPTY_NAMES.iter().any(|empty| name == *empty)
        })
    };
    files.iter().filter(parts).map(|file| format!("{}: the name says nothing", file.path)).collect()
}

fn unsafe_stays_in_its_places(files: &[File]) -> Vec<String> {
    let elsewhere = |file: &&File| {
        let allowed = UNSAFE_PLACES.iter().any(|place| file.path.starts_with(place));
        file.is_rust() && !allowed && !file.path.starts_with("xtask/src/tidy")
    };
    let mut found = Vec::new();
    for file in files.iter().filter(elsewhere) {
        for (number, code) in file.code() {
            let words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            if words.into_iter().any(|word| word == "unsafe") && !code.contains('"') {
                found.push(format!("{}:{number}: unsafe outside {}", file.path, UNSAFE_PLACES.join(" and ")));
            }
        }
    }
    found
}

fn a_third_party_crate_is_named_in_one_file(files: &[File]) -> Vec<String> {
    let mut users: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some((ours, _)) = file.path.split_once("/src/") else { continue };
        for (_, code) in file.code() {
            for theirs in ONE_FILE.into_iter().filter(|theirs| names_crate(code, theirs)) {
                users.entry((ours, theirs)).or_default().insert(&file.path);
            }
        }
    }
    let several = users.into_iter().filter(|(_, files)| files.len() > 1);
    several
        .map(|((ours, theirs), files)| {
            format!(
                "{ours}: `{theirs}` is named in {} files: {}",
                files.len(),
                Vec::from_iter(files).join(", ")
            )
        })
        .collect()
}

/// Whether a line names the crate (`name::`), and not one of our modules of that name.
fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    code.match_indices(&path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':' | '"'))
    })
}

fn nothing_is_left_for_later(files: &[File]) -> Vec<String> {
    // Written in two parts, so that this file keeps its own rule.
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!("), concat!("unimple", "mented!(")];
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.ends_in(&["rs", "sh"])) {
        for (number, line) in file.lines() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                found.push(format!("{}:{number}: `{mark}`", file.path));
            }
        }
    }
    found
}

fn text_ends_with_a_line_feed(files: &[File]) -> Vec<String> {
    let is_ours = |file: &&File| file.ends_in(&["rs", "md", "toml", "sh", "c"]);
    let cut = files.iter().filter(is_ours).filter(|file| !file.text.is_empty() && !file.text.ends_with('\n'));
    cut.map(|file| format!("{}: does not end with a line feed", file.path)).collect()
}

fn the_readme_names_every_host(files: &[File]) -> Vec<String> {
    let Some(readme) = files.iter().find(|file| file.path == "README.md") else {
        return vec!["README.md: missing".to_owned()];
    };
    let missing = Arch::HOSTS.iter().filter(|host| !readme.text.contains(&format!("| {} |", host.name())));
    missing.map(|host| format!("README.md: its table of hosts has no row `| {host} |`")).collect()
}

fn the_contract_depends_on_nothing(files: &[File]) -> Vec<String> {
    let manifest = files.iter().find(|file| file.path == "bundle/Cargo.toml");
    let depends = manifest.is_none_or(|file| file.text.contains("\n[dependencies]"));
    if depends { vec!["bundle/Cargo.toml: the contract has no dependencies".to_owned()] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<File> {
        vec![File::of(path, text)]
    }

    #[test]
    fn every_rule_can_be_broken() {
        assert_eq!(modules_say_what_they_are_for(&file("a.rs", "fn main() {}\n")).len(), 1);
        assert_eq!(no_file_is_too_long(&file("a.rs", &"//!\n".repeat(MAX_LINES + 1))).len(), 1);
        assert_eq!(no_name_is_empty(&file("packer/src/utils.rs", "")).len(), 1);
        assert_eq!(unsafe_stays_in_its_places(&file("packer/src/a.rs", "    unsafe { x() }\n")).len(), 1);
        let two = [
            file("packer/src/a.rs", "use tar::Header;\n"),
            file("packer/src/b.rs", "let a = tar::Header;\n"),
        ];
        assert_eq!(
            a_third_party_crate_is_named_in_one_file(&two.into_iter().flatten().collect::<Vec<_>>()).len(),
            1
        );
        assert_eq!(nothing_is_left_for_later(&file("a.rs", concat!("// TO", "DO: more\n"))).len(), 1);
        assert_eq!(text_ends_with_a_line_feed(&file("a.md", "a")).len(), 1);
        assert_eq!(the_readme_names_every_host(&file("README.md", "# unibin\n")).len(), Arch::HOSTS.len());
        assert_eq!(
            the_contract_depends_on_nothing(&file("bundle/Cargo.toml", "a\n[dependencies]\n")).len(),
            1
        );
    }

    #[test]
    fn what_keeps_the_rules_is_not_accused() {
        assert_eq!(unsafe_stays_in_its_places(&file("launcher/src/sys/fd.rs", "unsafe { x() }\n")).len(), 0);
        assert_eq!(unsafe_stays_in_its_places(&file("a.rs", "#![forbid(unsafe_code)] // unsafe\n")).len(), 0);
        let ours = [
            file("launcher/src/a.rs", "use crate::tar::X;\n"),
            file("launcher/src/b.rs", "crate::tar::Y;\n"),
        ];
        assert_eq!(
            a_third_party_crate_is_named_in_one_file(&ours.into_iter().flatten().collect::<Vec<_>>()).len(),
            0
        );
        assert_eq!(no_name_is_empty(&file("packer/src/report.rs", "")).len(), 0);
    }
}
