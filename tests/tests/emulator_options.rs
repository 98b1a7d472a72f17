//! What QEMU's own options are good for reaches a bundle by `UNIBIN_EMULATOR_OPTIONS`: its trace, its CPU
//! models, its port for a debugger; and `UNIBIN_DO=notices` says what is owed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use bundle::Arch;
use end_to_end::{CODE_OF_ENDING, Outcome, SAYS, Sandbox, needs, pack_by_hand, smallest};

/// A bundle of the smallest program for riscv64, which starts at 0x400100.
fn packed(sandbox: &Sandbox) -> PathBuf {
    let smallest = smallest(Arch::Riscv64);
    let program = sandbox.write("program", &smallest.elf());
    let packed = sandbox.at("packed");
    let host = ["--hosts".as_ref(), "x86_64".as_ref(), "--level".as_ref(), "3".as_ref()];
    pack_by_hand(&[&[program.as_os_str()][..], &host].concat(), &packed).must_succeed();
    sandbox.copy(&packed, "bundle")
}

fn run(sandbox: &Sandbox, bundle: &PathBuf, options: &str) -> Outcome {
    Sandbox::finish(sandbox.command(bundle).env("UNIBIN_EMULATOR_OPTIONS", options))
}

#[test]
fn options_are_words_between_blanks_or_lines_and_change_nothing_else() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = packed(&sandbox);
    let by_name = Sandbox::finish(sandbox.command(&bundle).env("UNIBIN_STRACE", "1"));
    for traced in [run(&sandbox, &bundle, "-strace"), by_name] {
        assert_eq!((traced.code(), traced.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{traced}");
        assert!(traced.errors().contains("exit(42)") && traced.errors().contains("write(1,"), "{traced}");
    }
    let log = sandbox.make_directory("two words").join("log");
    let lines = run(&sandbox, &bundle, &format!("-strace\n-D\n{}\n", log.display()));
    assert_eq!((lines.code(), lines.errors().as_str()), (Some(CODE_OF_ENDING), ""), "{lines}");
    assert!(std::fs::read_to_string(log).expect("the trace").contains("exit(42)"));
    assert_eq!(run(&sandbox, &bundle, " -cpu  rv64 ").code(), Some(CODE_OF_ENDING));
    let unknown = run(&sandbox, &bundle, "-cpu no-such-cpu");
    assert!(unknown.errors().contains("no-such-cpu") && unknown.code() != Some(CODE_OF_ENDING), "{unknown}");
}

#[test]
fn a_debugger_drives_the_app_through_qemus_port() {
    needs!("network", "gdb-multiarch");
    let gdb = "gdb-multiarch";
    let sandbox = Sandbox::new();
    let bundle = packed(&sandbox);
    let port = sandbox.at("port");
    let mut command = sandbox.command(&bundle);
    command.env("UNIBIN_GDB", &port);
    let mut app = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    while !port.exists() {
        assert!(app.try_wait().expect("its state").is_none(), "it ended without waiting for a debugger");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let remote = format!("target remote {}", port.display());
    let commands = ["set architecture riscv:rv64", &remote, "p/x $pc", "stepi", "p/x $a7", "continue"];
    let session: Outcome = Command::new(gdb)
        .args(["-nx", "-batch"])
        .args(commands.iter().flat_map(|command| ["-ex", command]))
        .output()
        .expect("gdb starts")
        .into();
    let told = session.text();
    assert!(told.contains("$1 = 0x400100"), "it waits at the program's first instruction: {session}");
    assert!(told.contains("$2 = 0x40"), "one instruction later the number of write(2) is loaded: {session}");
    assert!(told.contains("exited with code 052"), "it runs to its end: {session}");
    let ended: Outcome = app.wait_with_output().expect("ended").into();
    assert_eq!((ended.code(), ended.text().as_str()), (Some(CODE_OF_ENDING), SAYS), "{ended}");
}

#[test]
fn a_bundle_says_what_its_distributor_owes() {
    needs!("network");
    let sandbox = Sandbox::new();
    let bundle = packed(&sandbox);
    let said = Sandbox::finish(sandbox.command(&bundle).env("UNIBIN_DO", "notices")).must_succeed();
    for words in [
        "GNU GENERAL PUBLIC LICENSE",
        "source:       Debian source package qemu 1:10.0",
        "glib2.0 (= ",
        "qemu_10.0.13+ds.orig.tar.xz",
    ] {
        assert!(said.contains(words), "`{words}` is missing");
    }
}
