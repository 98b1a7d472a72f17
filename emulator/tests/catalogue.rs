//! The embedded catalogue: what must hold of every row.

use std::collections::BTreeSet;

use bundle::{Arch, EmulatorKey};
use emulator::Catalogue;

#[test]
fn every_default_host_has_every_target_once_and_in_order() {
    let catalogue = Catalogue::embedded().expect("readable");
    let keys: Vec<EmulatorKey> = catalogue
        .all()
        .iter()
        .flat_map(|row| row.members.keys().map(|&target| EmulatorKey { host: row.host, target }))
        .collect();
    let set: BTreeSet<EmulatorKey> = keys.iter().copied().collect();
    assert_eq!(keys, set.into_iter().collect::<Vec<_>>(), "sorted, each once");
    for &host in &Arch::DEFAULT_HOSTS {
        for &target in Arch::ALL {
            assert!(catalogue.find(EmulatorKey { host, target }).is_ok(), "{target} on {host}");
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
            assert_eq!(member.path, format!("usr/bin/qemu-{}", target.qemu_name()));
            assert!(member.size > 1 << 20, "{} has {} bytes", member.path, member.size);
            assert!(digests.insert(member.sha256), "{target} on {} has the bytes of another", row.host);
        }
    }
}

#[test]
fn thirty_two_bit_hosts_have_no_emulator_and_the_answer_names_hosts_that_have_one() {
    let catalogue = Catalogue::embedded().expect("readable");
    for host in [Arch::I686, Arch::Armv7] {
        let nothing = catalogue.find(EmulatorKey { host, target: Arch::Riscv64 }).expect_err("no row");
        assert_eq!(nothing.to_string(), format!("no emulator runs riscv64 programs on an {host} host"));
        assert_eq!(nothing.nearest, Arch::DEFAULT_HOSTS);
        assert!(nothing.hint().is_some_and(|hint| hint.contains(&format!("`--emulator {host}=FILE`"))));
    }
}
