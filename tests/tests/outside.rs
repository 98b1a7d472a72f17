//! CPUs that the catalogue has no emulator for: their programs are refused in plain words, and a row of the
//! user's own file is all that it takes to pack and run them. Shown with the two that QEMU 7.2 of Debian 12
//! still knows.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{
    CODE_OF_ENDING, CODE_OF_STARTING, Namespace, OUTSIDE, Outcome, SAYS, Sandbox, Smallest, User,
    alpha_that_starts, attends, broken_emulator, needs, older_qemu, pack_by_hand, settled, translator_row,
    unibin,
};

fn row(target: Arch, name: &str, program: &Path, probe: &str) -> String {
    translator_row(target, name, "7.2", program, probe)
}

fn qemu(sandbox: &Sandbox, target: Arch, probe: &str) -> String {
    row(target, "qemu-user", &sandbox.copy(&older_qemu(target), "qemu"), probe)
}

/// `unibin pack` of a program for `x86_64` hosts.
fn pack(sandbox: &Sandbox, program: &Path, more: &[&str]) -> Outcome {
    let program = program.display().to_string();
    let arguments = [&[&program[..], "--hosts", "x86_64", "--level", "3"], more].concat();
    pack_by_hand(&arguments, &sandbox.at("packed"))
}

/// The bundle that `translators` make of a program.
fn bundle(
    sandbox: &Sandbox,
    Smallest { target, .. }: &Smallest,
    program: &Path,
    translators: &str,
) -> PathBuf {
    let file = sandbox.write("emulators.toml", translators.as_bytes()).display().to_string();
    let packed = pack(sandbox, program, &["--translators", &file]);
    assert_eq!(packed.code(), Some(0), "{target}: {packed}");
    sandbox.copy(&sandbox.at("packed"), "bundle")
}

fn ran(outcome: &Outcome) {
    assert_eq!((outcome.code(), outcome.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{outcome}");
}

#[test]
fn a_cpu_outside_the_catalogue_is_refused_until_a_file_names_its_translator() {
    needs!("network", "older-qemu");
    for smallest in OUTSIDE {
        let (sandbox, target) = (Sandbox::new(), smallest.target);
        let program = sandbox.write("program", &smallest.elf());
        let refused = pack(&sandbox, &program, &[]);
        assert_eq!(refused.code(), Some(4), "{refused}");
        let none = format!("no emulator runs {target} programs on an x86_64 host");
        for words in [&none, "the catalogue has no emulator", "`emulators.toml`", "`--emulator x86_64=FILE`"]
        {
            assert!(refused.errors().contains(words), "the message lacks `{words}`: {refused}");
        }
        assert!(!sandbox.at("packed").exists());

        let bundle = bundle(&sandbox, smallest, &program, &qemu(&sandbox, target, ""));
        let outcome = sandbox.run(&bundle, &[""; 0]);
        ran(&outcome);
        assert_eq!(outcome.errors(), "");
        let own = Sandbox::finish(sandbox.command(&bundle).env("UNIBIN_ROUTE", "native"));
        own.must_fail_with(126, &["native"]);

        let directly = |more: &[&str]| -> Outcome {
            let run = unibin().arg("run").args(more).arg(&program).output();
            run.expect("unibin starts").into()
        };
        assert_eq!(directly(&[]).code(), Some(125), "{}", directly(&[]));
        ran(&directly(&["--translators", &sandbox.at("emulators.toml").display().to_string()]));
    }
}

#[test]
fn a_file_of_the_programs_alone_is_enough_and_other_hosts_are_told_of_the_one_that_can() {
    needs!("network", "older-qemu");
    let smallest = &OUTSIDE[0];
    let (sandbox, target) = (Sandbox::new(), smallest.target);
    let program = sandbox.write("program", &smallest.elf());
    let given = format!("x86_64={}", older_qemu(target).display());
    pack(&sandbox, &program, &["--emulator", &given]).must_succeed();
    ran(&sandbox.run(&sandbox.copy(&sandbox.at("packed"), "bundle"), &[""; 0]));

    let file = sandbox.write("emulators.toml", qemu(&sandbox, target, "").as_bytes()).display().to_string();
    let arguments = [&program.display().to_string(), "--translators", &file];
    let with_hosts =
        |hosts: &[&str], name: &str| pack_by_hand(&[&arguments[..], hosts].concat(), &sandbox.at(name));
    let refused = with_hosts(&["--hosts", "x86_64,aarch64"], "two");
    assert_eq!(refused.code(), Some(4), "{refused}");
    assert!(refused.errors().contains("on an aarch64 host"), "{refused}");
    assert!(refused.errors().contains("hosts that can: x86_64"), "{refused}");
    let six = with_hosts(&[], "six");
    assert!(six.status.success() && six.errors().contains("on an aarch64 host: skipped"), "{six}");
    ran(&sandbox.run(&sandbox.copy(&sandbox.at("six"), "bundle of six"), &[""; 0]));
}

#[test]
fn of_two_translators_for_such_a_cpu_the_one_that_passes_its_probe_runs() {
    needs!("network", "older-qemu");
    let probe = "probe = [\"-version\"]";
    for smallest in OUTSIDE {
        let (sandbox, target) = (Sandbox::new(), smallest.target);
        let program = sandbox.write("program", &smallest.elf());
        let rows = row(target, "broken", &broken_emulator(&sandbox), probe) + &qemu(&sandbox, target, probe);
        let both = bundle(&sandbox, smallest, &program, &rows);
        let outcome = sandbox.run_with(&[("UNIBIN_LOG", "1")], &both, &[""; 0]);
        ran(&outcome);
        assert!(outcome.errors().contains("not using broken 7.2: it fails its probe"), "{outcome}");
        assert!(outcome.errors().contains("qemu-user-7.2"), "{outcome}");

        let none =
            bundle(&sandbox, smallest, &program, &row(target, "broken", &broken_emulator(&sandbox), probe));
        sandbox.run(&none, &[""; 0]).must_fail_with(126, &["the emulator `broken` does not work"]);
    }
}

/// A home can be on many machines: what one has found out about itself says nothing about another.
#[test]
fn that_a_probe_was_passed_is_believed_on_that_machine_alone() {
    needs!("network", "older-qemu");
    let Some(namespace) = Namespace::OwnUsers.available() else { return };
    let smallest = &OUTSIDE[0];
    // Its user is root of the namespace.
    let sandbox = Sandbox::inside(User::Tester, Path::new(env!("CARGO_TARGET_TMPDIR")));
    let program = sandbox.write("program", &smallest.elf());
    let rows = qemu(&sandbox, smallest.target, "probe = [\"-version\"]");
    let bundle = bundle(&sandbox, smallest, &program, &rows);
    ran(&sandbox.run(&bundle, &[""; 0]));
    settled(&sandbox.cache());

    // As it is where another kernel does not let it work.
    let slots = fs::read_dir(sandbox.cache().join("x86_64")).expect("the cache").flatten();
    let emulators = slots.map(|slot| slot.path()).filter(|slot| {
        let names = fs::read_dir(slot).into_iter().flatten().flatten();
        names.map(|name| name.file_name()).any(|name| name.as_encoded_bytes().starts_with(b"works-"))
    });
    let emulator = emulators.collect::<Vec<_>>().pop().expect("what passed is remembered").join("emulator");
    fs::remove_file(&emulator).expect("removed");
    fs::copy(broken_emulator(&sandbox), &emulator).expect("written");
    fs::set_permissions(&emulator, Permissions::from_mode(0o500)).expect("chmod");
    assert_eq!(sandbox.run(&bundle, &[""; 0]).text(), SAYS, "here it is not asked again");

    let script = "echo 01234567-89ab-cdef-0123-456789abcdef >boot; \
                  mount --bind boot /proc/sys/kernel/random/boot_id; UNIBIN_LOG=1 exec \"$1\"";
    let elsewhere = namespace.run(&sandbox, script, &[&bundle]);
    elsewhere.must_fail_with(126, &["the emulator `qemu-user` does not work on this machine"]);
}

#[test]
fn a_program_of_a_catalogued_cpu_starts_one_of_a_cpu_outside_it() {
    needs!("network", "older-qemu");
    for smallest in OUTSIDE {
        let (sandbox, target) = (Sandbox::new(), smallest.target);
        let started = sandbox.write("started", &smallest.elf());
        let program = sandbox.write("program", &alpha_that_starts(&started.display().to_string()));
        let file =
            sandbox.write("emulators.toml", qemu(&sandbox, target, "").as_bytes()).display().to_string();
        pack(&sandbox, &program, &[]).must_succeed();
        let alone = sandbox.copy(&sandbox.at("packed"), "alone");
        let also = ["--translators", &file, "--also-target", target.name()];
        pack(&sandbox, &program, &also).must_succeed();
        let both = sandbox.copy(&sandbox.at("packed"), "both");
        for way in ["broker", "binfmt"] {
            let run = |bundle: &Path| {
                let variables = [("UNIBIN_CHILDREN", way), ("UNIBIN_LOG", "1")];
                sandbox.run_with(&variables, bundle, &[""; 0])
            };
            if !attends(way) {
                continue;
            }
            let refused = run(&alone);
            assert!(refused.errors().contains("children: attended to by"), "{way}: {refused}");
            assert_eq!(refused.code(), Some(CODE_OF_STARTING), "{way}: {refused}");
            ran(&run(&both));
        }
    }
}
