//! How an emulator is called: argument and environment rules as data, for the launcher to follow.

use bundle::{Class, EmulatorKey, OwnedRule, QEMU_RULES, Rule};

/// How an app wants to be called by QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calling {
    /// It is a lone static program: there is no tree to look in.
    Static,
    /// With its tree, where its loader, libraries and data are.
    Tree,
    /// It is a system: whoever starts it makes the tree the root.
    System,
}

/// QEMU reads every `QEMU_*` variable at startup and passes it on to the programs that it starts; some take
/// effect whatever their value (linux-user/main.c, `arg_table`). So all are removed.
const SCRUB: Rule<&[u8]> = Rule::UnsetPrefix(b"QEMU_");

/// `-L TREE`: absolute paths that exist in the tree are looked up there first.
const LOOK_IN_TREE: [Rule<&[u8]>; 2] = [Rule::Argument(b"-L"), Rule::Tree { before: b"", after: b"" }];
/// `-B ADDRESS`: where a 32-bit emulator maps address 0 of a 32-bit program.
///
/// QEMU 7.2 chooses the address itself (`pgb_find_hole` in linux-user/elfload.c) and may choose the random
/// gap that the kernel leaves between QEMU's image and its heap, into which both then grow: on armv7, one
/// start in seven of a program at 0x400000, the usual address for MIPS, crashed. At 256 MiB there is nothing
/// of QEMU's on either host: its images end below 0x0b000000, and the heap begins at most 32 MiB after them
/// (`arch_randomize_brk`). With 64-bit targets it was never seen, and QEMU 7.2 does not support the option
/// for them.
const APART: [Rule<&[u8]>; 2] = [Rule::Argument(b"-B"), Rule::Argument(APART_AT)];
const APART_AT: &[u8] = b"0x10000000";

/// The same for an emulator that is called by hand, which `-B` overrides (linux-user/main.c, `parse_args`).
pub fn apart_by_variable(key: EmulatorKey) -> Option<OwnedRule> {
    let rule = Rule::DefaultVariable { name: &b"QEMU_GUEST_BASE"[..], value: APART_AT };
    is_narrow(key).then(|| rule.owned())
}

/// The largest memory pages that an emulator supports, in bytes, if there is a known limit.
///
/// QEMU 7.2 cannot run 32-bit programs on 64 KiB pages: an assertion fails (seen with arm on Linux 6.12 for
/// ppc64le; 10.0 can). It supports 16 KiB pages.
pub fn pages(key: EmulatorKey, translator: &str, version: &str) -> Option<OwnedRule> {
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    let limited = translator.starts_with("qemu")
        && major.is_some_and(|major| major < 8)
        && (key.host.class(), key.target.class()) == (Class::Elf64, Class::Elf32);
    limited.then(|| Rule::Pages(b"16384".to_vec()))
}

/// Whether host and target both have 32 bits.
fn is_narrow(EmulatorKey { host, target }: EmulatorKey) -> bool {
    [host, target].iter().all(|cpu| cpu.class() == Class::Elf32)
}

/// How unibin's own emulators are told to run the programs that their program starts
/// (foundry/recipe/files/linux-user/unibin-exec.c).
const CHILDREN: [Rule<&[u8]>; 2] = [Rule::Children(b"-children"), Rule::Children(b"on")];

/// How unibin's own emulators lay the tree over the host's root
/// (foundry/recipe/files/linux-user/unibin-view.c).
const VIEW: [Rule<&[u8]>; 1] = [Rule::View(b"-view")];

/// How unibin's own emulators are told as whom a system's program runs
/// (foundry/recipe/files/linux-user/unibin-ids.c).
const IDS: [Rule<&[u8]>; 1] = [Rule::Ids(b"-ids")];

/// How they make a directory the root of a system's programs, and the first of our revisions that can
/// (foundry/recipe/files/linux-user/unibin-root.c).
const CHROOT: [Rule<&[u8]>; 1] = [Rule::Chroot(b"-root")];
const CHROOT_SINCE: u32 = 5;

/// Our revision of QEMU, in the version of one of unibin's own emulators: 1 of `10.0.13+unibin1`.
fn revision(version: &str) -> u32 {
    version.rsplit_once("+unibin").and_then(|(_, revision)| revision.parse().ok()).unwrap_or(0)
}

/// The rules for QEMU's user-mode emulators, from 7.2 to 11.1 at least:
/// `qemu -L TREE -B ADDRESS -0 ARGV0 PROGRAM ARGS…`, and `-view TREE` for `-L TREE` where that is known.
///
/// `cpu` is the CPU model. It is not given as `-cpu`, since the options that a user gives at run time come
/// before all of these, and QEMU takes the last `-cpu`; any `-cpu` goes before the variable. Children of the
/// app inherit it. `own`: the version, if the emulator is one of unibin's own builds.
pub fn qemu(key: EmulatorKey, calling: Calling, cpu: Option<&[u8]>, own: Option<&str>) -> Vec<OwnedRule> {
    let cpu = cpu.map(|model| Rule::SetVariable { name: &b"QEMU_CPU"[..], value: model });
    let chroots = calling == Calling::System && own.is_some_and(|own| revision(own) >= CHROOT_SINCE);
    let own = own.is_some();
    let tree: &[Rule<&[u8]>] = match calling {
        Calling::System if own => &IDS,
        Calling::Static | Calling::System => &[],
        Calling::Tree if own => &VIEW,
        Calling::Tree => &LOOK_IN_TREE,
    };
    let apart = APART.into_iter().filter(|_| is_narrow(key));
    let children = CHILDREN.into_iter().filter(|_| own);
    let chroot = CHROOT.into_iter().filter(|_| chroots);
    let options = tree.iter().copied().chain(chroot).chain(apart).chain(children);
    let rules = options.chain(QEMU_RULES).chain([SCRUB]).chain(cpu);
    rules.map(|rule| rule.owned()).collect()
}

/// The same as far as they are arguments of a static program: for a translator whose row says nothing of
/// them.
pub fn qemu_arguments(key: EmulatorKey) -> Vec<OwnedRule> {
    let apart = APART.into_iter().filter(|_| is_narrow(key));
    apart.chain(QEMU_RULES).map(|rule| rule.owned()).collect()
}

#[cfg(test)]
mod tests {
    use bundle::Arch;

    use super::*;

    fn words(host: Arch, target: Arch, calling: Calling) -> Vec<String> {
        words_of(host, target, calling, None)
    }

    fn words_of(host: Arch, target: Arch, calling: Calling, own: Option<&str>) -> Vec<String> {
        let mut words = Words(Vec::new());
        let rules = qemu(EmulatorKey { host, target }, calling, None, own);
        for rule in &rules {
            rule.call_translator(b"TREE", &mut words);
        }
        words.0
    }

    struct Words(Vec<String>);

    impl bundle::TranslatorArguments for Words {
        fn argument(&mut self, parts: [&[u8]; 3]) {
            self.0.push(String::from_utf8_lossy(&parts.concat()).into_owned());
        }
        fn argv0(&mut self) {
            self.0.push("ARGV0".to_owned());
        }
        fn program(&mut self) {
            self.0.push("PROGRAM".to_owned());
        }
        fn rest(&mut self) {
            self.0.push("REST".to_owned());
        }
    }

    #[test]
    fn an_emulator_of_ours_lays_the_tree_over_the_root() {
        let own = |calling| words_of(Arch::X86_64, Arch::Riscv64, calling, Some("10.0.13+unibin4"));
        assert_eq!(own(Calling::Tree), ["-view", "TREE", "-0", "ARGV0", "PROGRAM", "REST"]);
        assert_eq!(own(Calling::Static), ["-0", "ARGV0", "PROGRAM", "REST"]);
    }

    #[test]
    fn only_an_emulator_of_ours_that_can_is_asked_to_make_a_directory_the_root() {
        let key = EmulatorKey { host: Arch::X86_64, target: Arch::Riscv64 };
        let asks = |calling, own| qemu(key, calling, None, own).contains(&Rule::Chroot(b"-root".to_vec()));
        for can in ["10.0.13+unibin5", "11.0.2+unibin12"] {
            assert!(asks(Calling::System, Some(can)) && !asks(Calling::Tree, Some(can)), "{can}");
        }
        for cannot in ["10.0.13+unibin4", "10.0.13", "10.0.13+unibin", "unibin5", "1+unibin5~x"] {
            assert!(!asks(Calling::System, Some(cannot)), "{cannot}");
        }
        assert!(!asks(Calling::System, None));
    }

    #[test]
    fn what_is_known_of_an_emulator_and_large_pages_is_said() {
        let pages =
            |target, version| pages(EmulatorKey { host: Arch::Ppc64le, target }, "qemu-user", version);
        assert_eq!(pages(Arch::Armv7, "7.2.22"), Some(Rule::Pages(b"16384".to_vec())));
        assert_eq!(pages(Arch::Armv7, "10.0.2"), None);
        assert_eq!(pages(Arch::Armv7, "unknown"), None);
        assert_eq!(pages(Arch::Riscv64, "7.2.22"), None);
    }

    #[test]
    fn a_cpu_model_is_set_after_the_callers_variables_are_gone_and_is_no_argument() {
        let key = EmulatorKey { host: Arch::X86_64, target: Arch::Aarch64 };
        let plain = qemu(key, Calling::Tree, None, None);
        let with = qemu(key, Calling::Tree, Some(b"max,pauth=off"), None);
        let set = Rule::SetVariable { name: b"QEMU_CPU".to_vec(), value: b"max,pauth=off".to_vec() };
        assert_eq!(with, [&plain[..], &[set]].concat());
        assert_eq!(plain.last(), Some(&SCRUB.owned()));
    }

    #[test]
    fn a_program_of_32_bits_is_kept_apart_from_an_emulator_of_32_bits() {
        let rest = ["-0", "ARGV0", "PROGRAM", "REST"];
        let apart = [&["-B", "0x10000000"], &rest[..]].concat();
        assert_eq!(words(Arch::Armv7, Arch::Mips, Calling::Static), apart);
        assert_eq!(words(Arch::I686, Arch::Armv7, Calling::Tree), [&["-L", "TREE"], &apart[..]].concat());
        assert_eq!(words(Arch::Armv7, Arch::Riscv64, Calling::Static), rest);
        assert_eq!(words(Arch::X86_64, Arch::Mips, Calling::Static), rest);
        let by_hand = |host, target| apart_by_variable(EmulatorKey { host, target });
        let variable =
            Rule::DefaultVariable { name: b"QEMU_GUEST_BASE".to_vec(), value: b"0x10000000".to_vec() };
        assert_eq!(by_hand(Arch::Armv7, Arch::Mips), Some(variable));
        assert_eq!(by_hand(Arch::Armv7, Arch::Riscv64), None);
    }
}
