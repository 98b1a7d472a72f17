//! A 32-bit program of the host that starts a program of the app: the broker knows its registers and its
//! lists too. The same on other CPUs, and with kernels that are told to run x32 programs:
//! `cargo xtask lab --case both-abis`.

use bundle::Arch;
use end_to_end::{CODE_OF_NOT_STARTING, STARTERS, Sandbox, busybox, needs};

#[test]
fn a_32_bit_program_of_the_host_starts_a_program_of_the_app() {
    needs!("network", "i386", "ptrace");
    let sandbox = Sandbox::new();
    let bundle = sandbox.copy(&busybox(Arch::Riscv64), "busybox");
    let tree = sandbox.home().join("tree");
    let to = tree.to_str().expect("text");
    let nothing: [&str; 0] = [];
    sandbox.run_with(&[("UNIBIN_DO", "extract"), ("UNIBIN_TO", to)], &bundle, &nothing).must_succeed();

    let starter = STARTERS.iter().find(|starter| starter.name == "i386").expect("a row");
    let script = r#"echo "$0|$1|$A|$UNIBIN_TARGET"; exit 7"#;
    let started = format!("{to}/usr/bin/busybox");
    let elf = starter.elf(&started, &["busybox", "sh", "-c", script, "a b", "c"], &["A=d"]);
    let program = sandbox.write(starter.name, &elf);
    // Nothing attends to it, and the program that it starts is of another CPU.
    let by_itself = sandbox.command(&program).output().expect("the probe says that the kernel runs it");
    assert_eq!(by_itself.status.code(), Some(CODE_OF_NOT_STARTING), "{by_itself:?}");
    let program = program.to_str().expect("text");
    for (way, code, printed) in [("none", CODE_OF_NOT_STARTING, ""), ("broker", 7, "a b|c|d|riscv64\n")] {
        let ran = sandbox.run_with(&[("UNIBIN_CHILDREN", way)], &bundle, &["sh", "-c", program]);
        assert_eq!((ran.code(), ran.text().as_str()), (Some(code), printed), "{way}: {ran}");
    }
}
