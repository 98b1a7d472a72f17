//! How a translator is called: argument and environment rules as data, for the launcher to follow.

use bundle::{NewRule, RuleKind};

const fn rule(kind: RuleKind, name: &'static [u8], value: &'static [u8]) -> NewRule<'static> {
    NewRule { kind, name, value }
}

/// QEMU reads every `QEMU_*` variable at its start and hands it on to the programs that it starts; some count as
/// set whatever their value (linux-user/main.c, `arg_table`). So none is let through.
const SCRUB: NewRule<'static> = rule(RuleKind::UnsetPrefix, b"QEMU_", b"");
const ARGV0_FLAG: NewRule<'static> = rule(RuleKind::Argument, b"", b"-0");
const ARGV0: NewRule<'static> = rule(RuleKind::Argv0, b"", b"");
const PROGRAM: NewRule<'static> = rule(RuleKind::Program, b"", b"");
const REST: NewRule<'static> = rule(RuleKind::Rest, b"", b"");

/// `qemu -0 ARGV0 PROGRAM ARGS…`: a static program needs no tree.
const QEMU: &[NewRule<'static>] = &[ARGV0_FLAG, ARGV0, PROGRAM, REST, SCRUB];
/// `qemu -L TREE -0 ARGV0 PROGRAM ARGS…`: absolute paths that exist in the tree are looked up there first.
const QEMU_WITH_TREE: &[NewRule<'static>] = &[
    rule(RuleKind::Argument, b"", b"-L"),
    rule(RuleKind::Tree, b"", b""),
    ARGV0_FLAG,
    ARGV0,
    PROGRAM,
    REST,
    SCRUB,
];

/// The rules for QEMU's user-mode emulators, from 7.2 to 11.1 at least. `tree` says whether the app brings a loader
/// and libraries.
pub fn qemu(tree: bool) -> &'static [NewRule<'static>] {
    if tree { QEMU_WITH_TREE } else { QEMU }
}
