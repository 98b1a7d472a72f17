//! Bundles of real programs, packed once for all tests that read them.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bundle::Arch;
use sha2::{Digest, Sha256};

use crate::needs::{not_run, say};
use crate::outcome::Outcome;
use crate::smallest::smallest;
use crate::unibin::{kept, program_digest, unibin};

/// A bundle of Debian's static busybox for `target` that runs on this machine.
pub fn busybox(target: Arch) -> PathBuf {
    bundle_of(target, "x86_64", &[])
}

/// A bundle of Debian's static busybox for `target` that runs on `hosts`.
pub fn bundle_of(target: Arch, hosts: &str, more: &[&str]) -> PathBuf {
    let target = ["--deb", "busybox-static", "--target", target.name(), "--hosts", hosts];
    pack(&[&target, more].concat())
}

/// A bundle of the smallest program for `target`, this machine's CPU: for it nothing is fetched.
pub fn smallest_bundle(target: Arch) -> PathBuf {
    let file = kept().join(format!("smallest-{target}"));
    let elf = smallest(target).elf();
    if fs::read(&file).ok().as_ref() != Some(&elf) {
        // In one step: other tests make it at the same time.
        let new = tempfile::NamedTempFile::new_in(kept()).expect("a file");
        fs::write(&new, &elf).expect("written");
        new.persist(&file).expect("renamed");
    }
    pack(&[file.to_str().expect("text"), "--hosts", target.name()])
}

/// A bundle of bash for riscv64, with coreutils for it to start.
pub fn shell() -> PathBuf {
    shell_on("x86_64", &[])
}

/// The same for `hosts`, with `more` arguments.
pub fn shell_on(hosts: &str, more: &[&str]) -> PathBuf {
    let shell = ["--deb", "bash", "--deb", "coreutils", "--entry", "bash=/usr/bin/bash"];
    pack(&[&shell, &["--target", "riscv64", "--level", "3", "--hosts", hosts], more].concat())
}

/// The same with Debian's emulator, which needs help for what the shell starts.
pub fn shell_of_debian() -> PathBuf {
    shell_on("x86_64", &["--debian-emulators"])
}

/// A bundle of Debian's packages for riscv64, with an entry for each of these programs of `/usr/bin`.
pub fn programs(packages: &[&str], entries: &[&str]) -> PathBuf {
    let entries: Vec<_> = entries.iter().map(|entry| format!("{entry}=/usr/bin/{entry}")).collect();
    let mut arguments = vec!["--target", "riscv64", "--hosts", "x86_64", "--level", "3"];
    for package in packages {
        arguments.extend(["--deb", package]);
    }
    for entry in &entries {
        arguments.extend(["--entry", entry]);
    }
    pack(&arguments)
}

/// The bundle that `unibin pack` makes of these arguments; made once for one `unibin`, launchers and inputs,
/// by whichever process needs it first. It must not be changed.
pub fn pack(arguments: &[&str]) -> PathBuf {
    packed(arguments).unwrap_or_else(|outcome| panic!("unibin pack {arguments:?}: {outcome}"))
}

fn packed(arguments: &[&str]) -> Result<PathBuf, Outcome> {
    let directory = kept().join("bundles");
    fs::create_dir_all(&directory).expect("directory");
    let key = key(arguments);
    // Whoever runs a bundle must be able to reach it, and the target directory may be closed to others: see
    // `Sandbox`.
    let output = directory.join(&key);
    // One for each bundle: two that differ are packed at the same time.
    let lock = File::create(directory.join(format!("{key}.lock"))).expect("lock");
    lock.lock().expect("locked");
    // What had to be packed of another suite is not kept for the next who wants it.
    if !output.exists() || stand_in(&output).exists() {
        let _ = fs::remove_file(stand_in(&output));
        // It appears by its last name when everything is right with it.
        let new = directory.join(format!("{key}.new"));
        let outcome = pack_by_hand(arguments, &new);
        if !outcome.status.success() {
            return Err(outcome);
        }
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("chmod");
        if stand_in(&new).exists() {
            fs::rename(stand_in(&new), stand_in(&output)).expect("renamed");
        }
        fs::rename(new, &output).expect("renamed");
    }
    Ok(output)
}

/// Of everything that decides about a bundle's bytes, but for the archive.
fn key(arguments: &[&str]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(program_digest());
    // Launchers that are tried before they are committed.
    if let Some(launchers) = env::var_os("UNIBIN_LAUNCHERS") {
        for host in Arch::HOSTS {
            let file = |name: &str| fs::read(Path::new(&launchers).join(format!("{name}-{}", host.name())));
            hasher.update(file("launcher").expect("a launcher"));
            hasher.update(file("broker").unwrap_or_default());
        }
    }
    for argument in arguments {
        hasher.update(argument);
        hasher.update([0]);
        // `PATH`, `PATH:PLACE`, `CPU=PATH`.
        let words = argument.split([':', '=']).chain([*argument]);
        for input in words.map(Path::new).filter(|path| path.is_file()) {
            hasher.update(fs::read(input).expect("an input"));
        }
    }
    let digest = bundle::Digest(hasher.finalize().into()).to_string();
    digest[..16].to_owned()
}

/// The suite to take packages of where the mirror lacks those of the newest.
pub const SUITE_BEFORE: &str = "bookworm";

/// The suites that serve in its place, in this order. Not every CPU is in each.
pub const OTHER_SUITES: [&str; 3] = [SUITE_BEFORE, "forky", "sid"];

/// The line in which `unibin` says that the mirror does not have a package that its own index lists, as it
/// may be for a while after a point release.
pub fn lacking(told: &str) -> Option<&str> {
    told.lines().find(|line| line.starts_with("error: ") && line.ends_with(".deb` does not exist"))
}

/// What packing with these arguments must refuse, and say with these words; all that it says.
pub fn refused(arguments: &[&str], words: &[&str]) -> String {
    let output = std::env::temp_dir().join("never-written.bundle");
    let outcome = pack_by_hand(&[arguments, &["--hosts", "x86_64"]].concat(), &output);
    assert_eq!(outcome.code(), Some(3), "{arguments:?}: {outcome}");
    assert!(!output.exists());
    let errors = outcome.errors();
    for word in words {
        assert!(errors.contains(word), "{arguments:?}: the message lacks `{word}`: {errors}");
    }
    errors
}

/// `unibin pack ARGUMENTS -o OUTPUT`, whatever comes of it. Where the mirror lacks a package, of another
/// suite: what the tests look at is the same in all.
pub fn pack_by_hand(arguments: &[impl AsRef<OsStr>], output: &Path) -> Outcome {
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let pack = |arguments: &[&OsStr]| -> Outcome {
        // Of what the tests look at nothing depends on the level; one that is given counts.
        let packed = unibin().args(["pack", "--fast"]).args(arguments).arg("-o").arg(output).output();
        packed.expect("unibin starts").into()
    };
    let packed = pack(&arguments);
    let told = packed.errors();
    let Some(lacking) = lacking(&told).filter(|_| !arguments.contains(&OsStr::new("--suite"))) else {
        return packed;
    };
    for suite in OTHER_SUITES {
        let libs = format!("debian:{suite}");
        let before = [OsStr::new("")].into_iter().chain(arguments.iter().copied());
        let words = before.zip(arguments.iter().copied()).map(|(before, word)| {
            if before == "--debootstrap" {
                suite.as_ref()
            } else if word == "debian" {
                libs.as_ref()
            } else {
                word
            }
        });
        let mut other: Vec<&OsStr> = words.collect();
        if other.contains(&OsStr::new("--deb")) {
            other.splice(0..0, [OsStr::new("--suite"), suite.as_ref()]);
        }
        let instead = pack(&other);
        if instead.status.success() {
            say(&format!("NOT RUN: as it should be: {lacking}: of {suite} instead: {arguments:?}"));
            fs::write(stand_in(output), lacking).expect("a note");
            return instead;
        }
    }
    packed
}

/// As [`pack`]; `None`, loudly, where the mirror lacks a package of its own index in every suite. That is
/// never a failure of a test whose rule is shown by other packages too.
pub fn pack_if_there(arguments: &[&str]) -> Option<PathBuf> {
    match packed(arguments) {
        Ok(bundle) => Some(bundle),
        Err(outcome) => {
            let told = outcome.errors();
            let Some(lacking) = lacking(&told) else { panic!("unibin pack {arguments:?}: {outcome}") };
            not_run("mirror-whole", lacking);
            None
        }
    }
}

/// What was fetched; `None`, loudly, where the mirror lacks a package of its own index, which is no failure
/// of a test.
///
/// # Panics
///
/// When it failed for another reason.
pub fn there<T, E: std::error::Error>(fetched: Result<T, E>) -> Option<T> {
    let error = match fetched {
        Ok(fetched) => return Some(fetched),
        Err(error) => error,
    };
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    assert!(told.contains(".deb` does not exist"), "{told}");
    not_run("mirror-whole", &told);
    None
}

/// What lies beside a bundle that was packed of another suite than it should be.
fn stand_in(output: &Path) -> PathBuf {
    output.with_added_extension("stand-in")
}
