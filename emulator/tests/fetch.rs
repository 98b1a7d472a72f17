//! The Debian archive as provider, against the mirror that this machine's apt sources name. Where it cannot
//! be reached, the tests say that they did not run. Prints how many bytes each emulator took.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::Ordering;

use bundle::{Arch, EmulatorKey};
use emulator::notices::{licences, statement};
use emulator::{Catalogue, EmulatorError, Provenance, Remark, Store, Trust, obtain, obtain_all};
use end_to_end::{has, needs, there};
use support::{Mirror, RISCV64_ON_X86_64, Remarks, directory, first_mirror, offline, only, options};

fn catalogue() -> Catalogue {
    Catalogue::of_debian().expect("readable")
}

#[test]
fn six_hosts_are_fetched_in_part_verified_and_then_served_without_any_connection() {
    needs!("apt-mirror");
    let dir = tempfile::tempdir().expect("a directory");
    let (catalogue, watch) = (catalogue(), Remarks::default());
    let store = Store::open(dir.path()).expect("a store");
    let keys = Arch::DEFAULT_HOSTS.map(|host| EmulatorKey { host, target: Arch::Riscv64 });
    let nothing =
        obtain_all(&keys, &offline(&catalogue, &store, &watch)).expect_err("an empty store, no network");
    assert!(matches!(nothing, EmulatorError::Offline { .. }), "{nothing}");
    assert!(nothing.hint().is_some_and(|hint| hint.contains("unibin emulator fetch")));

    let fetched = there(obtain_all(&keys, &options(&catalogue, &store, &watch)));
    let Some(fetched) = fetched else { return };
    for (emulator, key) in fetched.iter().zip(keys) {
        let (row, member) = catalogue.packaged(key).expect("pinned");
        assert_eq!((emulator.key, emulator.record.digest), (key, member.sha256));
        let transferred = watch.0.lock().expect("no panic").iter().find_map(|remark| match remark {
            Remark::Fetched { key: of, bytes } if *of == key => Some(*bytes),
            _ => None,
        });
        let transferred = transferred.expect("it was fetched");
        assert!(transferred < row.package.size / 2, "{key}: {transferred} of {} bytes", row.package.size);
    }
    watch.take();
    let again = obtain_all(&keys, &offline(&catalogue, &store, &watch)).expect("all in the store");
    assert_eq!(again, fetched);
    assert_eq!(watch.take(), []);

    for emulator in &again {
        let text = statement(emulator);
        for needle in [&emulator.key.to_string()[..], "Debian source package qemu 1:", "glib2.0 (="] {
            assert!(text.contains(needle), "{needle}");
        }
        let text = licences(emulator).expect("Debian's");
        assert!(text.contains("NO WARRANTY") && text.contains("Lesser"));
        assert!(!text.contains(&emulator.key.to_string()), "the same for all hosts");
    }

    if has("x86_64") {
        let output = Command::new(&again[0].file).arg("-version").output().expect("it runs");
        let words = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && words.starts_with("qemu-riscv64 version 10.0.13"), "{words}");
    }
}

#[test]
fn a_tampered_store_is_refused_without_network_and_fetched_anew_with_it() {
    needs!("apt-mirror");
    let dir = tempfile::tempdir().expect("a directory");
    let (catalogue, watch) = (catalogue(), Remarks::default());
    let store = Store::open(dir.path()).expect("a store");
    let key = RISCV64_ON_X86_64;
    let tamper = || {
        let path = store.path(key).expect("readable").expect("there");
        let mut bytes = support::bytes(&path);
        bytes[100_000] ^= 1;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("changed");
        fs::write(&path, bytes).expect("tampered");
    };
    let Some(first) = there(obtain(key, &options(&catalogue, &store, &watch))) else { return };
    tamper();
    watch.take();
    let refused = obtain(key, &offline(&catalogue, &store, &watch)).expect_err("damaged");
    assert!(matches!(refused, EmulatorError::Offline { .. }), "{refused}");
    assert!(matches!(*watch.take(), [Remark::BadEntry { .. }]));
    obtain(key, &options(&catalogue, &store, &watch)).expect("fetched");
    tamper();
    watch.take();
    assert_eq!(obtain(key, &options(&catalogue, &store, &watch)).expect("fetched anew"), first);
    assert!(matches!(*watch.take(), [Remark::BadEntry { .. }, Remark::Fetched { .. }]));
}

#[test]
fn a_program_that_is_not_the_pinned_one_is_refused_although_the_index_would_vouch_for_it() {
    needs!("apt-mirror");
    let dir = tempfile::tempdir().expect("a directory");
    let text = include_str!("../catalogue.toml");
    let pinned = catalogue().packaged(RISCV64_ON_X86_64).expect("pinned").1.sha256.to_string();
    let wrong = text.replace(&pinned, &"0".repeat(64));
    let (catalogue, watch) = (Catalogue::parse(&wrong).expect("readable"), Remarks::default());
    let store = Store::open(dir.path()).expect("a store");
    let error = obtain(RISCV64_ON_X86_64, &options(&catalogue, &store, &watch)).expect_err("another digest");
    assert!(error.to_string().contains(&pinned), "both digests are told: {error}");
    assert!(store.list().expect("listed").is_empty());
}

#[test]
fn two_at_once_agree() {
    needs!("apt-mirror");
    let dir = tempfile::tempdir().expect("a directory");
    let (catalogue, watch) = (catalogue(), Remarks::default());
    let (one, two) = (Store::open(dir.path()).expect("a store"), Store::open(dir.path()).expect("a store"));
    let key = EmulatorKey { host: Arch::Aarch64, target: Arch::Armv7 };
    let get = |store: &Store| there(obtain(key, &options(&catalogue, store, &watch)));
    let (first, second) = std::thread::scope(|scope| {
        let (first, second) = (scope.spawn(|| get(&one)), scope.spawn(|| get(&two)));
        (first.join().expect("no panic"), second.join().expect("no panic"))
    });
    let (Some(first), Some(second)) = (first, second) else { return };
    assert_eq!(first, second);
    assert_eq!(watch.take().len(), 1, "only one of them fetched");
}

#[test]
fn where_the_pinned_package_is_gone_the_signed_index_decides_and_that_is_reported() {
    needs!("apt-mirror");
    // The catalogue pins a version that no mirror has; the index leads to the version that it has.
    let real = catalogue().packaged(RISCV64_ON_X86_64).expect("pinned").0.package.sha256.to_string();
    let program = catalogue().packaged(RISCV64_ON_X86_64).expect("pinned").1.sha256.to_string();
    let text = include_str!("../catalogue.toml").replace("10.0.13", "9.9.9").replace(&real, &"0".repeat(64));
    // Another version is another program: the same bytes would be told of as the pinned ones.
    let text = text.replace(&program, &"1".repeat(64));
    let catalogue = Catalogue::parse(&text).expect("readable");
    let root = directory("gone");
    let store = Store::open(&root).expect("a store");
    let watch = Remarks::default();
    let mirror = Mirror::without("qemu-user_9.9.9", first_mirror());
    let _ = store.remove(RISCV64_ON_X86_64).expect("removed");
    let mut options = options(&catalogue, &store, &watch);
    options.mirrors = only(&mirror.base);
    let found = obtain(RISCV64_ON_X86_64, &options).expect("the index leads to another package");
    assert!(mirror.asked.load(Ordering::SeqCst) >= 2, "the pin was asked for, then the index");
    let Provenance::Debian { trust: Trust::Index { suite, signed_by, .. }, deb, .. } =
        &found.record.provenance
    else {
        panic!("it came by the index: {found:?}");
    };
    assert_eq!(suite, "trixie");
    assert!(!signed_by.is_empty() && !deb.contains("9.9.9"), "{deb}");
    assert!(watch.take().iter().any(|remark| matches!(remark, Remark::NotThePinned { .. })));
    assert_eq!(obtain(RISCV64_ON_X86_64, &options).expect("from the store"), found);
    assert_eq!(watch.take(), [], "the same pin does not fetch it again");
}

#[test]
fn a_copy_of_a_store_serves_as_directory_and_a_damaged_copy_does_not() {
    needs!("apt-mirror");
    let dir = tempfile::tempdir().expect("a directory");
    let (catalogue, watch) = (catalogue(), Remarks::default());
    let copy = Store::open(dir.path().join("copy")).expect("a store");
    let key = EmulatorKey { host: Arch::Riscv64, target: Arch::X86_64 };
    let Some(first) = there(obtain(key, &options(&catalogue, &copy, &watch))) else { return };
    let store = Store::open(dir.path().join("store")).expect("a store");
    let mut options = offline(&catalogue, &store, &watch);
    options.served = Some(copy.root().display().to_string());
    let whole = support::bytes(&first.file);
    fs::set_permissions(&first.file, Permissions::from_mode(0o755)).expect("changed");
    fs::write(&first.file, &whole[1..]).expect("damaged");
    let refused = obtain(key, &options).expect_err("damaged");
    assert!(matches!(refused, EmulatorError::Fetch { .. }), "{refused}");
    fs::write(&first.file, &whole).expect("restored");
    let here = obtain(key, &options).expect("from the directory");
    assert!(here.file.starts_with(store.root()));
    assert_eq!(here.record, first.record);
}
