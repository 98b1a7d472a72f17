//! `unibin pack --emulator-only`: one file that is the emulator, QEMU's own options and variables included.

use std::path::{Path, PathBuf};

use bundle::Arch;
use end_to_end::{CODE_OF_ENDING, SAYS, Sandbox, needs, pack_by_hand, smallest};

fn emulator(sandbox: &Sandbox, target: Arch) -> PathBuf {
    let packed = sandbox.at("packed");
    let only = ["--emulator-only", "--target", target.name(), "--hosts", "x86_64", "--level", "3"];
    pack_by_hand(&only, &packed).must_succeed();
    sandbox.copy(&packed, format!("qemu-{}", target.qemu_name()))
}

fn program(sandbox: &Sandbox, target: Arch) -> PathBuf {
    let smallest = smallest(target);
    sandbox.write(target.name(), &smallest.elf())
}

#[test]
fn it_runs_programs_and_takes_qemus_own_options_and_variables() {
    needs!("network");
    let sandbox = Sandbox::new();
    let qemu = emulator(&sandbox, Arch::Riscv64);
    let program = program(&sandbox, Arch::Riscv64);
    let ran = sandbox.run(&qemu, &[&program]);
    assert_eq!((ran.code(), ran.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{ran}");
    let version = sandbox.run(&qemu, &["-version"]).must_succeed();
    assert!(version.starts_with("qemu-riscv64 version 10.0"), "{version}");
    let traced = sandbox.run(&qemu, &[Path::new("-strace"), &program]);
    assert!(traced.errors().contains("exit(42)"), "{traced}");
    let by_variable = Sandbox::finish(sandbox.command(&qemu).arg(&program).env("QEMU_STRACE", "1"));
    assert!(by_variable.errors().contains("exit(42)"), "{by_variable}");
    let missing = sandbox.run(&qemu, &["no-such-program"]);
    assert!(missing.text().contains("no-such-program") && !missing.status.success(), "{missing}");
}

#[test]
fn a_cpu_that_is_the_hosts_own_is_emulated_too() {
    needs!("network");
    let sandbox = Sandbox::new();
    let qemu = emulator(&sandbox, Arch::X86_64);
    let program = program(&sandbox, Arch::X86_64);
    let ran = sandbox.run(&qemu, &[Path::new("-strace"), &program]);
    assert_eq!((ran.code(), ran.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{ran}");
    assert!(ran.errors().contains("exit(42)"), "it was the emulator that ran it: {ran}");
}

#[test]
fn the_report_says_how_large_each_hosts_emulator_is() {
    needs!("network");
    let sandbox = Sandbox::new();
    for target in ["riscv64", "x86_64"] {
        let only = ["--emulator-only", "--target", target, "--hosts", "x86_64,aarch64", "--level", "3"];
        let report = pack_by_hand(&only, &sandbox.at(target)).must_succeed();
        for host in ["x86_64", "aarch64"] {
            let mut rows = report.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let row = rows.find(|words| words.get(..2) == Some(&["host", host])).expect("a row");
            assert!(row[2].parse::<f32>().is_ok_and(|size| size > 1.0) && row[3] == "MiB", "{report}");
        }
    }
}
