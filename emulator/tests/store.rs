//! The store, with real programs: what it refuses, what it notices, what survives two users at once.
#![allow(clippy::print_stderr, reason = "a check that cannot run says so")]

mod support;

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bundle::{Arch, Digest, EmulatorKey};
use debian::FileDigest;
use emulator::{
    ElfFault, Emulator, EmulatorError, Provenance, Record, SourcePackage, Store, StoreError, obtain,
};
use end_to_end::needs;
use support::{RISCV64_ON_X86_64, Remarks, offline};

fn record(FileDigest { size, sha256: digest }: FileDigest) -> Record {
    Record {
        digest,
        size,
        translator: "qemu-user".into(),
        version: "1".into(),
        source: SourcePackage::default(),
        licence: "NOASSERTION".into(),
        provenance: Provenance::Given { path: "test".into() },
        pin: None,
    }
}

fn add(store: &Store, key: EmulatorKey, path: &Path) -> Result<Emulator, StoreError> {
    store.add(key, &mut File::open(path).expect("readable"), None, &record)
}

/// A minimal static program for `x86_64`: an ELF header and one segment that holds it.
fn program(last: u8) -> Vec<u8> {
    let mut elf = vec![0u8; 128];
    elf[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    for (at, value, size) in [
        (16, 2u64, 2), // ET_EXEC
        (18, 62, 2),
        (20, 1, 4),
        (24, 0x40_0078, 8),
        (32, 64, 8),
        (52, 64, 2),
        (54, 56, 2),
        (56, 1, 2),
        (64, 1, 4), // PT_LOAD
        (68, 5, 4),
        (80, 0x40_0000, 8),
        (88, 0x40_0000, 8),
        (96, 128, 8),
        (104, 128, 8),
        (112, 0x1000, 8),
    ] {
        elf[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }
    elf[127] = last;
    elf
}

fn edited(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut edited = bytes.to_vec();
    edited[at..at + new.len()].copy_from_slice(new);
    edited
}

#[test]
fn what_is_no_static_program_for_the_host_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path().join("store")).expect("a store");
    let file = dir.path().join("file");
    let refusal = |bytes: &[u8]| {
        fs::write(&file, bytes).expect("written");
        match add(&store, RISCV64_ON_X86_64, &file) {
            Err(StoreError::Refused { fault, .. }) => fault,
            other => panic!("expected a refusal, got {other:?}"),
        }
    };
    let good = program(0);
    assert!(matches!(refusal(b""), ElfFault::NotElf("an empty file")));
    assert!(matches!(refusal(b"#!/bin/sh\n"), ElfFault::NotElf("a script")));
    assert!(matches!(refusal(b"plain text"), ElfFault::NotElf("some other file")));
    assert!(matches!(refusal(&good[..40]), ElfFault::Damaged(_)));
    assert!(matches!(refusal(&edited(&good, 18, &[183])), ElfFault::WrongCpu { .. }));
    assert!(matches!(refusal(&edited(&good, 18, &[0xff, 0xfe])), ElfFault::WrongCpu { .. }));
    assert!(matches!(refusal(&edited(&good, 16, &[3])), ElfFault::NotProgram("a shared library")));
    assert!(matches!(refusal(&edited(&good, 16, &[1])), ElfFault::NotProgram("an object file")));
    assert!(matches!(refusal(&edited(&good, 16, &[4])), ElfFault::NotProgram("a core dump")));
    assert!(matches!(refusal(&edited(&good, 24, &[0xff])), ElfFault::Damaged(_)));
    assert!(store.list().expect("listed").is_empty());
    assert_eq!(
        fs::read_dir(dir.path().join("store/blobs/sha256")).expect("there").count(),
        0,
        "nothing is left"
    );
    fs::write(&file, &good).expect("written");
    add(&store, RISCV64_ON_X86_64, &file).expect("the untouched program is taken");
}

#[test]
fn a_dynamic_program_of_this_machine_is_refused_as_given_emulator_and_its_loader_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let catalogue = emulator::Catalogue::embedded().expect("readable");
    let store = Store::open(dir.path()).expect("a store");
    let watch = Remarks::default();
    let mut options = offline(&catalogue, &store, &watch);
    let host = Arch::HOST.expect("the tests run on a host");
    let key = EmulatorKey { host, target: Arch::Riscv64 };
    options.given.insert(key, "/bin/sh".into());
    let error = obtain(key, &options).expect_err("/bin/sh is dynamic");
    assert!(matches!(error, EmulatorError::Given { fault: ElfFault::Dynamic(_), .. }), "{error}");
    assert!(error.to_string().contains("ld"), "{error}");
    options.given.insert(key, "/etc/passwd".into());
    let error = obtain(key, &options).expect_err("no ELF file");
    assert!(matches!(error, EmulatorError::Given { fault: ElfFault::NotElf(_), .. }), "{error}");
    options.given.insert(key, "/nowhere/qemu".into());
    let error = obtain(key, &options).expect_err("no file");
    assert!(error.to_string().contains("`/nowhere/qemu`"), "{error}");
}

#[test]
fn a_changed_byte_is_noticed_and_the_entry_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path().join("store")).expect("a store");
    let file = dir.path().join("file");
    fs::write(&file, program(1)).expect("written");
    let kept = add(&store, RISCV64_ON_X86_64, &file).expect("added");
    assert_eq!(fs::metadata(&kept.file).expect("there").permissions().mode() & 0o7777, 0o555);
    fs::set_permissions(&kept.file, Permissions::from_mode(0o755)).expect("changed");
    fs::write(&kept.file, program(2)).expect("tampered");
    assert!(matches!(store.get(RISCV64_ON_X86_64), Err(StoreError::Corrupt { .. })));
    assert!(store.get(RISCV64_ON_X86_64).expect("readable").is_none());
    assert!(!kept.file.exists());
    add(&store, RISCV64_ON_X86_64, &file).expect("added again");
    assert!(store.get(RISCV64_ON_X86_64).expect("readable").is_some());
}

#[test]
fn a_program_is_removed_with_the_last_pair_that_it_serves() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path().join("store")).expect("a store");
    let file = dir.path().join("file");
    fs::write(&file, program(1)).expect("written");
    let other = EmulatorKey { target: Arch::Alpha, ..RISCV64_ON_X86_64 };
    let kept = add(&store, RISCV64_ON_X86_64, &file).expect("added");
    add(&store, other, &file).expect("added");
    assert!(store.remove(RISCV64_ON_X86_64).expect("removed"));
    assert!(kept.file.exists(), "it still serves {other}");
    assert!(!store.remove(RISCV64_ON_X86_64).expect("asked again"));
    assert!(store.remove(other).expect("removed"));
    assert!(!kept.file.exists());
}

#[test]
fn a_store_that_everyone_may_write_to_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    for mode in [0o777, 0o702, 0o770] {
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).expect("changed");
        let opened = Store::open(dir.path());
        assert!(matches!(opened, Err(StoreError::WritableByOthers { .. })), "{mode:o}");
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("changed");
    assert!(Store::open(dir.path()).is_ok());
    assert!(matches!(Store::open("/etc/passwd"), Err(StoreError::NotADirectory { .. })));
}

#[test]
fn a_store_of_another_user_is_refused() {
    needs!("root");
    let dir = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::chown(dir.path(), Some(12345), None).expect("root may give it away");
    let error = Store::open(dir.path()).expect_err("foreign");
    assert!(error.to_string().contains("belongs to user 12345"), "{error}");
}

#[test]
fn the_stores_place_follows_the_environment_and_relative_xdg_directories_do_not_count() {
    let root = |set: &[(&str, &str)]| {
        Store::default_root(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    };
    assert!(matches!(root(&[]), Err(StoreError::NoRoot)));
    assert!(matches!(root(&[("XDG_DATA_HOME", "data"), ("HOME", "")]), Err(StoreError::NoRoot)));
    let all = [("UNIBIN_STORE", "/s"), ("XDG_DATA_HOME", "/d"), ("HOME", "/h")];
    assert_eq!(root(&all).ok().as_deref(), Some(Path::new("/s")));
    assert_eq!(root(&all[1..]).ok().as_deref(), Some(Path::new("/d/unibin")));
    assert_eq!(root(&all[2..]).ok().as_deref(), Some(Path::new("/h/.local/share/unibin")));
}

#[test]
fn a_damaged_compressed_program_counts_as_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path()).expect("a store");
    let digest = Digest([7; 32]);
    let of = |digest, compressor, level| {
        store.compressed(digest, compressor, level).expect("asked").map(|mut found| {
            found.file.rewind().expect("it is a file");
            let mut frame = Vec::new();
            found.file.take(found.length).read_to_end(&mut frame).expect("it is read");
            assert_eq!(found.digest, debian::digest::of(&frame));
            frame
        })
    };
    assert_eq!(of(digest, "zstd1", 19), None);
    let stored = debian::digest::of(b"frame");
    store.put_compressed(digest, "zstd1", 19, &mut &b"frame"[..], stored).expect("kept");
    assert_eq!(of(digest, "zstd1", 3), None, "another level is another file");
    assert_eq!(of(digest, "zstd2", 19), None, "another zstd makes other bytes");
    assert_eq!(of(digest, "zstd1", 19).as_deref(), Some(&b"frame"[..]));
    let path = |digest| dir.path().join(format!("compressed/{digest}.zstd1.zst19"));
    // Whole, but in the place of another.
    fs::copy(path(digest), path(Digest([8; 32]))).expect("copied");
    assert_eq!(of(Digest([8; 32]), "zstd1", 19), None);
    let whole = support::bytes(&path(digest));
    for damaged in [edited(&whole, 0, b"g"), whole[..20].to_vec(), Vec::new()] {
        fs::write(path(digest), damaged).expect("tampered");
        assert_eq!(of(digest, "zstd1", 19), None);
        assert!(!path(digest).exists());
    }
    store
        .put_compressed(digest, "zstd1", 19, &mut &b"frame"[..], debian::digest::of(b"other"))
        .expect("kept");
    assert_eq!(of(digest, "zstd1", 19), None, "it is another's digest");
    store.put_compressed(digest, "zstd1", 19, &mut &b"frame"[..], stored).expect("kept");
    assert_eq!(store.forget_compressed(digest, "zstd1", 19).ok(), Some(true));
    assert_eq!(store.forget_compressed(digest, "zstd1", 19).ok(), Some(false));
    assert_eq!(of(digest, "zstd1", 19), None);
}
