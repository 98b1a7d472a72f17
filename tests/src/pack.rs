//! Bundles of real programs, packed once for all tests that read them.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bundle::Arch;
use sha2::{Digest, Sha256};

use crate::needs::say;
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
    let options =
        ["--deb", "bash", "--deb", "coreutils", "--entry", "bash=/usr/bin/bash", "--target", "riscv64"];
    pack(&[&options[..], &["--hosts", "x86_64", "--level", "3"]].concat())
}

/// The bundle that `unibin pack` makes of these arguments; made once for one `unibin`, launchers and inputs, by whichever process
/// needs it first. It must not be changed.
pub fn pack(arguments: &[&str]) -> PathBuf {
    let directory = kept().join("bundles");
    fs::create_dir_all(&directory).expect("directory");
    let key = key(arguments);
    // Whoever runs a bundle must be able to reach it, and the target directory may be closed to others: see `Sandbox`.
    let output = directory.join(&key);
    // One for each bundle: two that differ are packed at the same time.
    let lock = File::create(directory.join(format!("{key}.lock"))).expect("lock");
    lock.lock().expect("locked");
    // What had to be packed of another suite is not kept for the next who wants it.
    if !output.exists() || stand_in(&output).exists() {
        let _ = fs::remove_file(stand_in(&output));
        let outcome = pack_by_hand(arguments, &output);
        assert!(outcome.status.success(), "unibin pack {arguments:?}: {outcome}");
        fs::set_permissions(&output, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    output
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

/// The line in which `unibin` says that the mirror does not have a package that its own index lists, as it may be for a while after
/// a point release.
pub fn lacking(told: &str) -> Option<&str> {
    told.lines().find(|line| line.starts_with("error: ") && line.ends_with(".deb` does not exist"))
}

/// `unibin pack ARGUMENTS -o OUTPUT`, whatever comes of it. Where the mirror lacks a package, of the suite before: what the tests look
/// at is the same in both.
pub fn pack_by_hand(arguments: &[impl AsRef<OsStr>], output: &Path) -> Outcome {
    let mut arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let pack = |arguments: &[&OsStr]| -> Outcome {
        let packed = unibin().arg("pack").args(arguments).arg("-o").arg(output).output();
        packed.expect("unibin starts").into()
    };
    let packed = pack(&arguments);
    let told = packed.errors();
    let Some(lacking) = lacking(&told).filter(|_| !arguments.contains(&OsStr::new("--suite"))) else {
        return packed;
    };
    let of_before = format!("debian:{SUITE_BEFORE}");
    arguments.iter_mut().filter(|libs| **libs == "debian").for_each(|libs| *libs = of_before.as_ref());
    if arguments.contains(&OsStr::new("--deb")) {
        arguments.splice(0..0, [OsStr::new("--suite"), SUITE_BEFORE.as_ref()]);
    }
    let of_before = pack(&arguments);
    // Not every CPU is in it.
    if !of_before.status.success() {
        return packed;
    }
    say(&format!("NOT RUN as it should be: {lacking}: of {SUITE_BEFORE} instead: {arguments:?}"));
    fs::write(stand_in(output), lacking).expect("a note");
    of_before
}

/// What lies beside a bundle that was packed of another suite than it should be.
fn stand_in(output: &Path) -> PathBuf {
    output.with_added_extension("stand-in")
}
