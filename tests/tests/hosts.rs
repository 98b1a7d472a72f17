//! Every launcher really runs. On this machine directly; the seven others through the whole chain, stub
//! included, on a kernel that is told to be of their CPU: a private `binfmt_misc` runs their programs, and
//! the name of the CPU is theirs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bundle::{Arch, BlobKind, Class};
use end_to_end::{Parts, Sandbox, User, bundle_of, needs, on_a, own_emulator, settled};

/// A bundle that emulates `target` runs on `host` with the emulator that it carries for it, all of it
/// emulated here.
fn emulates(host: Arch, target: Arch) {
    let sandbox = Sandbox::of(User::Tester);
    let bundle = sandbox.copy(&bundle_of(target, host.name(), &[]), "busybox");
    let run = "UNIBIN_LOG=1 \"$1\" uname -m; exec \"$1\" sh -c 'echo $0 $1 $UNIBIN_HOST; exit 7' 'a b' c";
    let Some(ran) = on_a(host, &sandbox, &bundle, run) else { return };
    let expected = format!("{}\na b c {}\n", target.uname_names()[0], host.name());
    assert_eq!((ran.code(), ran.text()), (Some(7), expected), "{host}: {ran}");
    let route = format!("route: emulated (host {}, target {})", host.name(), target.name());
    assert!(ran.errors().contains(&route), "{host}: {ran}");
    let slots = Sandbox::tree(&sandbox.cache().join(host.name()));
    assert!(slots.iter().any(|path| path.ends_with("emulator")), "its own emulator was unpacked: {slots:?}");
    assert!(!sandbox.cache().join("x86_64").exists(), "this machine's own launcher had no part in it");
}

/// A bundle of `host`'s own programs runs there without an emulator of its own.
fn runs_natively(host: Arch) {
    let sandbox = Sandbox::of(User::Tester);
    let bundle = sandbox.copy(&bundle_of(host, host.name(), &[]), "busybox");
    let run = "UNIBIN_LOG=1 \"$1\" sh -c 'echo $0 $1 $UNIBIN_HOST; exit 7' 'a b' c";
    let Some(ran) = on_a(host, &sandbox, &bundle, run) else { return };
    assert_eq!((ran.code(), ran.text()), (Some(7), format!("a b c {}\n", host.name())), "{host}: {ran}");
    assert!(ran.errors().contains("route: native"), "{host}: {ran}");
}

#[test]
fn on_aarch64_it_emulates() {
    needs!("network");
    emulates(Arch::Aarch64, Arch::Riscv64);
}

#[test]
fn on_riscv64_it_emulates() {
    needs!("network");
    // Not aarch64: with the vector extension that this machine's emulator offers, QEMU 10.0's own code for
    // riscv64 runs aarch64 programs wrongly.
    emulates(Arch::Riscv64, Arch::S390x);
}

#[test]
fn on_ppc64le_it_emulates() {
    needs!("network");
    emulates(Arch::Ppc64le, Arch::Riscv64);
}

#[test]
fn on_s390x_it_emulates() {
    needs!("network");
    emulates(Arch::S390x, Arch::Riscv64);
}

#[test]
fn on_loongarch64_it_emulates() {
    needs!("network");
    emulates(Arch::Loongarch64, Arch::Riscv64);
}

#[test]
fn on_i686_it_emulates_a_64_bit_target() {
    needs!("network");
    emulates(Arch::I686, Arch::Riscv64);
}

#[test]
fn on_armv7_it_emulates_a_64_bit_target() {
    needs!("network");
    emulates(Arch::Armv7, Arch::Riscv64);
}

#[test]
fn on_i686_it_runs_natively() {
    needs!("network");
    runs_natively(Arch::I686);
}

#[test]
fn on_armv7_it_runs_natively() {
    needs!("network");
    runs_natively(Arch::Armv7);
}

#[test]
fn two_cpus_share_a_home_and_each_has_its_own_part_of_the_cache() {
    needs!("network");
    let sandbox = Sandbox::of(User::Tester);
    let bundle = sandbox.copy(&bundle_of(Arch::S390x, "x86_64,riscv64", &[]), "busybox");
    let run = "echo $UNIBIN_HOST; exit 7";
    let mut seen = Vec::new();
    for round in ["first", "second"] {
        let here = sandbox.run(&bundle, &["sh", "-c", run]);
        assert_eq!((here.code(), here.text().as_str()), (Some(7), "x86_64\n"), "{round}: {here}");
        let script = format!("exec \"$1\" sh -c '{run}'");
        let Some(there) = on_a(Arch::Riscv64, &sandbox, &bundle, &script) else { return };
        assert_eq!((there.code(), there.text().as_str()), (Some(7), "riscv64\n"), "{round}: {there}");
        settled(&sandbox.cache());
        let all: Vec<(PathBuf, u64)> = Sandbox::tree(&sandbox.cache())
            .into_iter()
            .map(|path| {
                (path.clone(), fs::symlink_metadata(sandbox.cache().join(path)).expect("there").ino())
            })
            .collect();
        let slots = |cpu: &str| {
            all.iter().filter(|(path, _)| path.starts_with(cpu) && path.ends_with("complete")).count()
        };
        assert_eq!(
            (slots("x86_64"), slots("riscv64")),
            (3, 3),
            "an app, an emulator and a broker each: {all:?}"
        );
        seen.push(all);
    }
    assert_eq!(seen[0], seen[1], "nothing was made twice, and neither took anything from the other");
}

#[test]
fn a_cpu_that_the_bundle_has_no_launcher_for_is_refused_there() {
    needs!("network");
    let sandbox = Sandbox::of(User::Tester);
    let bundle = sandbox.copy(&bundle_of(Arch::Riscv64, "aarch64,riscv64", &[]), "busybox");
    let Some(ran) = on_a(Arch::S390x, &sandbox, &bundle, "exec \"$1\" uname -m") else { return };
    ran.must_fail_with(126, &["no launcher for 's390x'", "aarch64 riscv64", "hint: "]);
}

/// The host's own launcher, told what to do, and its broker, which does it.
fn reads_and_checks_a_bundle(host: Arch) {
    // A small bundle: natively where there is such a program, else this machine's.
    let target = if host == Arch::Loongarch64 { Arch::Riscv64 } else { host };
    let bundle = bundle_of(target, host.name(), &[]);
    let parts = Parts::of(&bundle);
    let launcher = parts.blob(BlobKind::Launcher);
    let (class, data) = (launcher[4], launcher[5]);
    assert_eq!((class == Class::Elf64 as u8, data), (host.class() == Class::Elf64, host.endian() as u8));

    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&bundle, "busybox");
    let program = sandbox.write("launcher", launcher);
    // It has to run the broker too, which a launcher leaves such tasks to.
    let emulator = (host != Arch::X86_64).then(|| own_emulator(&sandbox, host));
    let start = |task: &str, bundle: &Path| {
        let mut arguments: Vec<OsString> = vec![program.clone().into()];
        if let Some(emulator) = &emulator {
            arguments.splice(0..0, [emulator.into(), "-children".into(), "on".into()]);
        }
        arguments.extend([bundle.into(), "busybox".into()]);
        let mut command: Command = sandbox.command(&arguments[0]);
        Sandbox::finish(command.args(&arguments[1..]).env("UNIBIN_DO", task))
    };
    let told = start("info", &bundle).must_succeed();
    assert!(told.contains(&format!("this host: {}\n", host.name())), "{host}: {told}");
    assert!(told.contains(&format!("app: target {}", target.name())), "{host}: {told}");
    assert!(start("verify", &bundle).must_succeed().contains("every byte"), "{host}");
    let changed = parts.changed(parts.blob_range(BlobKind::App).end - 600);
    let changed = sandbox.write("changed", &changed);
    start("verify", &changed).must_fail_with(125, &["damaged", "app"]);
}

/// One test for each host: they run at the same time.
macro_rules! every_launcher_reads_and_checks_a_bundle {
    ($($name:ident: $host:ident),+ $(,)?) => {
        mod every_launcher_reads_and_checks_a_bundle {
            use super::*;

            $(#[test]
            fn $name() {
                needs!("network");
                reads_and_checks_a_bundle(Arch::$host);
            })+

            #[test]
            fn no_host_is_left_out() {
                assert_eq!([$(Arch::$host),+], Arch::HOSTS);
            }
        }
    };
}

every_launcher_reads_and_checks_a_bundle! {
    x86_64: X86_64,
    aarch64: Aarch64,
    riscv64: Riscv64,
    ppc64le: Ppc64le,
    s390x: S390x,
    loongarch64: Loongarch64,
    i686: I686,
    armv7: Armv7,
}
