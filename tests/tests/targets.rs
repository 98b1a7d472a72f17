//! Every target of the catalogue really runs: QEMU's own pages promise 33, and here each runs a program.

use bundle::Arch;
use end_to_end::{CODE_OF_ENDING, Outcome, SAYS, SMALLEST, Sandbox, needs, pack_by_hand, smallest, unibin};

#[test]
fn each_of_the_33_targets_runs_a_program_with_the_emulator_of_the_store() {
    needs!("network");
    let sandbox = Sandbox::new();
    let targets: Vec<Arch> = SMALLEST.iter().map(|smallest| smallest.target).collect();
    assert_eq!(targets, Arch::CATALOGUED, "no target is left out");
    for smallest in SMALLEST {
        let program = sandbox.write(smallest.target.name(), &smallest.elf());
        let ran: Outcome = unibin().arg("run").arg(&program).output().expect("unibin starts").into();
        assert_eq!(
            (ran.code(), ran.text().as_str()),
            (Some(CODE_OF_ENDING), SAYS),
            "{}: {ran}",
            smallest.target
        );
        assert_eq!(ran.errors(), "", "{}", smallest.target);
    }
}

#[test]
fn an_alpha_bundle_is_as_easy_as_any() {
    needs!("network");
    let sandbox = Sandbox::new();
    let smallest = smallest(Arch::Alpha);
    let program = sandbox.write("program", &smallest.elf());
    let packed = sandbox.at("packed");
    pack_by_hand(&[program.as_os_str(), "--hosts".as_ref(), "x86_64".as_ref()], &packed).must_succeed();
    let bundle = sandbox.copy(&packed, "bundle");
    let ran = sandbox.run(&bundle, &[] as &[&str]);
    assert_eq!((ran.code(), ran.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{ran}");
    let native = Sandbox::finish(sandbox.command(&bundle).env("UNIBIN_ROUTE", "native"));
    native.must_fail(126);
}
