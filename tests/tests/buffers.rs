//! Buffers that a program gives to calls which unibin's own emulators answer themselves: whatever is wrong
//! with one, the call says what the kernel says of it, and nothing crashes.

use std::path::Path;
use std::process::Command;

use bundle::Arch;
use end_to_end::{Sandbox, needs, own_emulator, own_program};

/// With 64 and 32 bits, and of the other byte order.
const TARGETS: [Arch; 3] = [Arch::Riscv64, Arch::Armv7, Arch::S390x];

/// A map of a tree with nothing in it: one directory, no name, no string.
fn empty_map() -> Vec<u8> {
    let numbers = [1_u32, 0, 0, 0, 0, 0, 0, 0];
    [b"unibin-view 1\n\0\0".as_slice(), &numbers.map(u32::to_le_bytes).concat()].concat()
}

/// What the program says of a new directory below `sandbox`.
fn run(sandbox: &Sandbox, mut command: Command, name: &str, more: &[&str]) -> String {
    let directory = sandbox.make_directory(name);
    Sandbox::finish(command.arg(&directory).args(more)).must_succeed()
}

/// The lines that say something else. Where two things are wrong, the buffer may be told first.
fn differences<'a>(expected: &'a str, seen: &'a str) -> Vec<(&'a str, &'a str)> {
    assert_eq!(expected.lines().count(), seen.lines().count(), "{seen}");
    let is_error = |line: &str| line.rsplit_once(": E").is_some();
    let is_first = |one: &str, other: &str| is_error(one) && other.ends_with(": EFAULT");
    let lines = expected.lines().zip(seen.lines());
    lines.filter(|(one, other)| one != other && !is_first(one, other)).collect()
}

#[test]
fn a_buffer_that_is_wrong_in_any_way_is_the_error_that_the_kernel_gives() {
    needs!("x86_64", "zig");
    let sandbox = Sandbox::new();
    let native = own_program(&sandbox, "bad-buffers", Arch::X86_64);
    let expected = run(&sandbox, sandbox.command(&native), "natively", &[]);
    assert!(expected.lines().count() > 800, "{expected}");
    let tree = sandbox.make_directory("tree");
    sandbox.write("tree/.unibin-view", &empty_map());
    let ways: [(&str, &[&Path]); 3] = [
        ("plain", &[]),
        ("ids", &["-ids".as_ref(), "0:0".as_ref()]),
        ("view", &["-view".as_ref(), tree.as_path()]),
    ];
    for target in TARGETS {
        let emulator = own_emulator(&sandbox, target);
        let program = own_program(&sandbox, "bad-buffers", target);
        for (way, options) in ways {
            let mut command = sandbox.command(&emulator);
            command.args(options).arg(&program);
            let seen = run(&sandbox, command, &format!("{way} {target}"), &[]);
            assert_eq!(differences(&expected, &seen), [], "{way} {target}");
        }
    }
}

#[test]
fn the_status_of_a_process_is_read_by_any_way_to_its_file() {
    needs!("x86_64", "zig");
    let sandbox = Sandbox::new();
    for target in TARGETS {
        let emulator = own_emulator(&sandbox, target);
        let mut command = sandbox.command(&emulator);
        command.args(["-ids", "5:6"]).arg(own_program(&sandbox, "bad-buffers", target));
        let user = |how: &str| format!("user {how}: Uid:\t5\t5\t5\t5\n");
        let users = ["again", "in dev", "by number", "by its directory", "of a thread"].map(user).concat();
        assert_eq!(
            run(&sandbox, command, &format!("status {target}"), &["status"]),
            format!("status O_PATH: EBADF O_PATH\nstatus file\nstatus again:  Name:\n{users}"),
            "{target}"
        );
    }
}
