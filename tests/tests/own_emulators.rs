//! unibin's own emulators: what our changes to QEMU are for, and what they must not break. Each program says
//! `ok`, or what is wrong; one says line by line what it sees, which must be what it sees natively.

use std::fs;
use std::path::Path;

use bundle::Arch;
use end_to_end::{Outcome, Sandbox, needs, own_emulator, own_program};

/// Targets whose generated code looks at the jump cache.
const JUMPING: [Arch; 6] =
    [Arch::Riscv64, Arch::Aarch64, Arch::X86_64, Arch::Armv7, Arch::Ppc64le, Arch::S390x];

/// Programs whose children use their memory until they execute another program.
const VFORKED: [&str; 6] =
    ["vfork-memory", "vfork-mappings", "vfork-signals", "vfork-large", "vfork-kill", "spawn-threads"];

/// `program` with these options of the emulator, and these arguments.
fn run(sandbox: &Sandbox, emulator: &Path, options: &[&str], program: &Path, arguments: &[&str]) -> Outcome {
    Sandbox::finish(sandbox.command(emulator).args(options).arg(program).args(arguments))
}

/// These programs say `ok`, whatever the jump cache is used for.
fn jumps_are_right(target: Arch, names: &[&str]) {
    let sandbox = Sandbox::new();
    let emulator = own_emulator(&sandbox, target);
    for name in names {
        let program = own_program(&sandbox, name, target);
        // The second compares with the state of the CPU before each such jump, and aborts if they differ.
        for options in [&[][..], &["-jump-cache", "check"], &["-jump-cache", "off"]] {
            let ran = run(&sandbox, &emulator, options, &program, &[]);
            assert_eq!(ran.text(), "ok\n", "{target}: {name} {options:?}: {ran}");
        }
    }
}

#[test]
fn jumps_through_the_cache_see_changed_code_signals_and_other_threads() {
    needs!("x86_64", "zig");
    for target in JUMPING {
        jumps_are_right(target, &["rewritten-code", "signals-in-jumps"]);
    }
}

#[test]
fn jumps_through_the_cache_heed_what_else_decides_about_the_next_block() {
    needs!("x86_64", "zig");
    jumps_are_right(Arch::Aarch64, &["guarded-pages"]);
    jumps_are_right(Arch::Riscv64, &["vector-length"]);
    jumps_are_right(Arch::Armv7, &["two-instruction-sets"]);
    jumps_are_right(Arch::X86_64, &["trap-flag"]);
    jumps_are_right(Arch::I686, &["trap-flag"]);
}

#[test]
fn the_translator_makes_the_same_code_whichever_globals_it_visits() {
    needs!("x86_64", "zig");
    let sandbox = Sandbox::new();
    for target in JUMPING {
        let emulator = own_emulator(&sandbox, target);
        let program = own_program(&sandbox, "sort", target);
        let dump = |name: &str, visits: &str| {
            let log = sandbox.at(format!("{name}-{target}"));
            let path = log.to_str().expect("text");
            // Operations with lifetimes and preferred registers. The same stack, and the same random numbers.
            let options = ["-touched-globals", visits, "-seed", "1", "-d", "op,op_opt", "-D", path];
            let mut command = sandbox.command("setarch");
            command.arg("-R").arg(&emulator).args(options).arg(&program).arg("1000").env_clear();
            Sandbox::finish(&mut command).must_succeed();
            let text = fs::read_to_string(log).expect("a log");
            // Where the emulator's own memory lies is another place each time.
            let is_place = |word: &str| word.starts_with("$0x") && word.len() > "$0x00000000".len();
            // Nobody has written the preferences of what is discarded.
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("discard "));
            let words = lines.flat_map(str::split_whitespace).filter(|word| !is_place(word));
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        let [on, off] = [dump("on", "on"), dump("off", "off")];
        assert!(on.len() > 10_000, "{target}: {} words of operations", on.len());
        assert!(on == off, "{target}: the operations differ");
    }
}

#[test]
fn execve_below_the_emulator_does_what_the_kernel_does() {
    needs!("x86_64", "zig");
    let sandbox = Sandbox::new();
    let native = own_program(&sandbox, "exec-errors", Arch::X86_64);
    let directory = |name: &str| {
        // Of one length, which some lines depend on; a line `#!` ends at a blank.
        assert_eq!(name.len(), 1);
        sandbox.make_directory(name);
        sandbox.at(name).to_str().expect("text").to_owned()
    };
    let seen = |outcome: &Outcome| {
        // What may be executed but not read is EACCES below an emulator, which has to read it.
        let text = outcome.text();
        let lines = text.lines().filter(|line| !line.starts_with("not readable:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = Sandbox::finish(sandbox.command(&native).args(["--dir", &directory("n")]));
    let expected = seen(&expected);
    assert!(expected.len() > 100, "{expected:?}");
    for (target, names) in [(Arch::Riscv64, ["a", "b"]), (Arch::Aarch64, ["c", "d"])] {
        let emulator = own_emulator(&sandbox, target);
        let program = own_program(&sandbox, "exec-errors", target);
        let files = directory(names[0]);
        let ran = run(&sandbox, &emulator, &["-children", "on"], &program, &["--dir", &files]);
        assert_eq!(seen(&ran), expected, "{target}: {ran}");
        // As upstream has it: no program of the target can be executed.
        let files = directory(names[1]);
        let off = run(&sandbox, &emulator, &["-children", "off"], &program, &["--dir", &files]);
        assert_ne!(seen(&off), expected, "{target}: {off}");
    }
}

#[test]
fn what_a_vforked_child_writes_reaches_its_parent() {
    needs!("x86_64", "zig");
    let sandbox = Sandbox::new();
    for target in [Arch::Riscv64, Arch::Aarch64] {
        let emulator = own_emulator(&sandbox, target);
        for name in VFORKED {
            let program = own_program(&sandbox, name, target);
            let ran = run(&sandbox, &emulator, &["-children", "on"], &program, &[]);
            assert_eq!(ran.text(), "ok\n", "{target}: {name}: {ran}");
        }
        let program = own_program(&sandbox, "vfork-memory", target);
        let off = run(&sandbox, &emulator, &["-children", "off"], &program, &[]);
        assert_ne!(off.text(), "ok\n", "{target}: upstream's child writes to a copy: {off}");
    }
}
