//! The embedded catalogue: what must hold of every row.

use std::collections::BTreeSet;

use bundle::{Arch, EmulatorKey};
use emulator::Catalogue;

#[test]
fn every_host_has_qemus_33_targets_once_and_in_order_and_no_other() {
    let catalogue = Catalogue::embedded().expect("readable");
    let keys: Vec<EmulatorKey> = catalogue
        .all()
        .iter()
        .flat_map(|row| row.members.keys().map(|&target| EmulatorKey { host: row.host, target }))
        .collect();
    let set: BTreeSet<EmulatorKey> = keys.iter().copied().collect();
    assert_eq!(keys, set.into_iter().collect::<Vec<_>>(), "sorted, each once");
    for &host in &Arch::HOSTS {
        for &target in Arch::ALL {
            let found = catalogue.find(EmulatorKey { host, target }).is_ok();
            assert_eq!(found, target.is_catalogued(), "{target} on {host}");
        }
    }
}

#[test]
fn each_program_is_named_as_qemu_names_it_and_no_two_share_bytes() {
    let catalogue = Catalogue::embedded().expect("readable");
    let mut digests = BTreeSet::new();
    for row in catalogue.all() {
        assert_eq!(Some(row.package.architecture.as_str()), row.host.debian_name());
        assert!(
            row.package.file.contains(&row.version),
            "{} is of version {}",
            row.package.file,
            row.version
        );
        for (target, member) in &row.members {
            let suffix = if row.package.name.ends_with("-static") { "-static" } else { "" };
            assert_eq!(member.path, format!("usr/bin/qemu-{}{suffix}", target.qemu_name()));
            assert!(member.size > 1 << 20, "{} has {} bytes", member.path, member.size);
            assert!(digests.insert(member.sha256), "{target} on {} has the bytes of another", row.host);
        }
    }
}

#[test]
fn thirty_two_bit_hosts_have_the_last_release_with_64_bit_targets_and_say_its_limits() {
    let catalogue = Catalogue::embedded().expect("readable");
    for host in [Arch::I686, Arch::Armv7] {
        let (row, _) = catalogue.packaged(EmulatorKey { host, target: Arch::Riscv64 }).expect("a row");
        assert_eq!((row.version.as_str(), row.package.suite.as_str()), ("7.2", "bookworm"));
        let (newest, _) =
            catalogue.packaged(EmulatorKey { host: Arch::X86_64, target: Arch::Riscv64 }).expect("a row");
        assert!(
            row.limits.len() > newest.limits.len() && row.limits.iter().any(|limit| limit.contains("atomic"))
        );
    }
}
