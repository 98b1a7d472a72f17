//! How an emulator is called: argument and environment rules as data, for the launcher to follow.

use bundle::{Class, EmulatorKey, NewRule, RuleKind};

/// A rule that the launcher follows: kind, name, value.
pub type OwnRule = (RuleKind, Vec<u8>, Vec<u8>);

const fn rule(kind: RuleKind, name: &'static [u8], value: &'static [u8]) -> NewRule<'static> {
    NewRule { kind, name, value }
}

/// QEMU reads every `QEMU_*` variable at startup and passes it on to the programs that it starts; some take
/// effect whatever their value (linux-user/main.c, `arg_table`). So all are removed.
const SCRUB: NewRule<'static> = rule(RuleKind::UnsetPrefix, b"QEMU_", b"");
const ARGV0_FLAG: NewRule<'static> = rule(RuleKind::Argument, b"", b"-0");
const ARGV0: NewRule<'static> = rule(RuleKind::Argv0, b"", b"");
const PROGRAM: NewRule<'static> = rule(RuleKind::Program, b"", b"");
const REST: NewRule<'static> = rule(RuleKind::Rest, b"", b"");

/// `-L TREE`: absolute paths that exist in the tree are looked up there first.
const LOOK_IN_TREE: [NewRule<'static>; 2] =
    [rule(RuleKind::Argument, b"", b"-L"), rule(RuleKind::Tree, b"", b"")];
/// `-B ADDRESS`: where a 32-bit emulator maps address 0 of a 32-bit program.
///
/// QEMU 7.2 chooses the address itself (`pgb_find_hole` in linux-user/elfload.c) and may choose the random
/// gap that the kernel leaves between QEMU's image and its heap, into which both then grow: on armv7, one
/// start in seven of a program at 0x400000, the usual address for MIPS, crashed. At 256 MiB there is nothing
/// of QEMU's on either host: its images end below 0x0b000000, and the heap begins at most 32 MiB after them
/// (`arch_randomize_brk`). With 64-bit targets it was never seen, and QEMU 7.2 does not support the option
/// for them.
const APART: [NewRule<'static>; 2] =
    [rule(RuleKind::Argument, b"", b"-B"), rule(RuleKind::Argument, b"", b"0x10000000")];

/// The same for an emulator that is called by hand, which `-B` overrides (linux-user/main.c, `parse_args`).
pub fn apart_by_variable(key: EmulatorKey) -> Option<OwnRule> {
    let [_, address] = APART;
    is_narrow(key).then(|| (RuleKind::DefaultVariable, b"QEMU_GUEST_BASE".to_vec(), address.value.to_vec()))
}

/// The largest memory pages that an emulator supports, in bytes, if there is a known limit.
///
/// QEMU 7.2 cannot run 32-bit programs on 64 KiB pages: an assertion fails (seen with arm on Linux 6.12 for
/// ppc64le; 10.0 can). It supports 16 KiB pages.
pub fn pages(key: EmulatorKey, translator: &str, version: &str) -> Option<OwnRule> {
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    let limited = translator.starts_with("qemu")
        && major.is_some_and(|major| major < 8)
        && (key.host.class(), key.target.class()) == (Class::Elf64, Class::Elf32);
    limited.then(|| (RuleKind::Pages, Vec::new(), b"16384".to_vec()))
}

/// Whether host and target both have 32 bits.
fn is_narrow(EmulatorKey { host, target }: EmulatorKey) -> bool {
    [host, target].iter().all(|cpu| cpu.class() == Class::Elf32)
}

/// The rules for QEMU's user-mode emulators, from 7.2 to 11.1 at least:
/// `qemu -L TREE -B ADDRESS -0 ARGV0 PROGRAM ARGS…`. `tree` says whether the app contains a loader and
/// libraries: a static program needs no tree.
pub fn qemu(key: EmulatorKey, tree: bool) -> Vec<OwnRule> {
    let look_in_tree = LOOK_IN_TREE.into_iter().filter(|_| tree);
    let apart = APART.into_iter().filter(|_| is_narrow(key));
    let rules = look_in_tree.chain(apart).chain([ARGV0_FLAG, ARGV0, PROGRAM, REST, SCRUB]);
    rules.map(|rule| (rule.kind, rule.name.to_vec(), rule.value.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use bundle::Arch;

    use super::*;

    fn words(host: Arch, target: Arch, tree: bool) -> Vec<String> {
        let rules = qemu(EmulatorKey { host, target }, tree).into_iter();
        let words = rules.filter(|(kind, ..)| kind.is_argument());
        words.map(|(kind, _, value)| format!("{kind:?} {}", String::from_utf8_lossy(&value))).collect()
    }

    #[test]
    fn what_is_known_of_an_emulator_and_large_pages_is_said() {
        let pages =
            |target, version| pages(EmulatorKey { host: Arch::Ppc64le, target }, "qemu-user", version);
        assert_eq!(pages(Arch::Armv7, "7.2.22"), Some((RuleKind::Pages, Vec::new(), b"16384".to_vec())));
        assert_eq!(pages(Arch::Armv7, "10.0.2"), None);
        assert_eq!(pages(Arch::Armv7, "unknown"), None);
        assert_eq!(pages(Arch::Riscv64, "7.2.22"), None);
    }

    #[test]
    fn a_program_of_32_bits_is_kept_apart_from_an_emulator_of_32_bits() {
        let rest = ["Argument -0", "Argv0 ", "Program ", "Rest "];
        let apart = [&["Argument -B", "Argument 0x10000000"], &rest[..]].concat();
        assert_eq!(words(Arch::Armv7, Arch::Mips, false), apart);
        assert_eq!(words(Arch::I686, Arch::Armv7, true), [&["Argument -L", "Tree "], &apart[..]].concat());
        assert_eq!(words(Arch::Armv7, Arch::Riscv64, false), rest);
        assert_eq!(words(Arch::X86_64, Arch::Mips, false), rest);
        let by_hand = |host, target| {
            apart_by_variable(EmulatorKey { host, target }).map(|(_, name, value)| (name, value))
        };
        assert_eq!(
            by_hand(Arch::Armv7, Arch::Mips),
            Some((b"QEMU_GUEST_BASE".to_vec(), b"0x10000000".to_vec()))
        );
        assert_eq!(by_hand(Arch::Armv7, Arch::Riscv64), None);
    }
}
