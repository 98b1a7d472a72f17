//! Downgrades, and what is written and read back.

use super::*;
use crate::record::Trust;

fn emulator(version: &str) -> Emulator {
    let digest = digest::of(version.as_bytes());
    Emulator {
        key: EmulatorKey { host: Arch::X86_64, target: Arch::Riscv64 },
        file: "/nowhere".into(),
        record: Record {
            digest,
            size: 7,
            translator: "qemu-user".into(),
            version: version.split('-').next().unwrap_or_default().into(),
            source: SourcePackage {
                name: "qemu".into(),
                version: version.into(),
                ..SourcePackage::default()
            },
            licence: "GPL-2.0-only".into(),
            provenance: Provenance::Debian {
                deb: "pool/q.deb".into(),
                deb_sha256: digest,
                deb_size: 9,
                member: "usr/bin/qemu-riscv64".into(),
                trust: Trust::Pin,
            },
            pin: None,
        },
    }
}

#[test]
fn an_older_version_than_the_locked_one_is_refused_and_a_newer_one_taken() {
    let catalogue = Catalogue::embedded().expect("readable");
    let mut lock = Lock::default();
    lock.put(&emulator("10.0.13-0+deb13u1"), &catalogue).expect("locked");
    for older in ["10.0.13-0~rc1", "10.0.9-1", "9.2-1"] {
        let refused = lock.put(&emulator(older), &catalogue);
        assert!(matches!(refused, Err(LockError::Downgrade { .. })), "{older}: {refused:?}");
    }
    lock.put(&emulator("10.0.13-0+deb13u1"), &catalogue).expect("the same");
    lock.put(&emulator("1:1.0-1"), &catalogue).expect("a higher epoch is newer");
}

#[test]
fn what_is_written_is_read_back_and_a_file_of_another_form_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("unibin.lock");
    let mut lock = Lock::default();
    lock.put(&emulator("10.0.13-1"), &Catalogue::embedded().expect("readable")).expect("locked");
    lock.write(&path).expect("written");
    assert_eq!(Lock::read(&path).expect("read"), lock);
    let text = fs::read_to_string(&path).expect("text");
    assert!(!text.contains("/nowhere"), "{text}");
    let twice = format!("{text}\n{}", text.split_once("version = 1").expect("a version").1);
    for bad in [text.replace("version = 1", "version = 2"), text.replace("size =", "bytes ="), twice] {
        fs::write(&path, bad).expect("written");
        assert!(matches!(Lock::read(&path), Err(LockError::Form { .. })));
    }
    assert!(Lock::read(&directory.path().join("none")).is_err_and(|error| error.hint().is_some()));
}
