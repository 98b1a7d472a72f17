//! The one table of CPUs. Every list of CPUs anywhere in the project is made from it or checked against it.
//!
//! Facts: ELF values from the gABI and `<elf.h>`, the CPUs of the catalogue from QEMU 11's linux-user
//! configurations and Debian's `binfmt.d` files for them, uname names from the kernel's `UTS_MACHINE` per
//! architecture.
//!
//! The rows behind those are Linux CPUs that no emulator of the catalogue runs, but others do or did: they
//! are here so that a file of the user's can name one. Their `qemu` is what QEMU or a fork of it calls them.

use core::fmt;

/// `EI_CLASS` of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `ELFCLASS32`
    Elf32 = 1,
    /// `ELFCLASS64`
    Elf64 = 2,
}

/// `EI_DATA` of an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endian {
    /// `ELFDATA2LSB`
    Little = 1,
    /// `ELFDATA2MSB`
    Big = 2,
}

/// What the table knows of one CPU.
struct Row {
    arch: Arch,
    name: &'static str,
    class: Class,
    endian: Endian,
    /// `e_machine`; the first is what today's tools write.
    machines: &'static [u16],
    /// `e_flags & mask == value` tells CPUs apart that share class, data and machine.
    flags: (u32, u32),
    qemu: &'static str,
    debian: Option<&'static str>,
    rust: Option<&'static str>,
    uname: &'static [&'static str],
    aliases: &'static [&'static str],
}

macro_rules! arches {
    ($($variant:ident = $id:literal { $name:literal, $class:ident $endian:ident $machines:expr, flags $flags:expr,
        qemu $qemu:literal, debian $debian:expr, rust $rust:expr, uname $uname:expr, also $aliases:expr }: $doc:literal)*) => {
        /// A CPU, as target or as host. The number is what the format stores; it never changes meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Arch { $(#[doc = $doc] $variant = $id),* }

        impl Arch {
            /// Every CPU, hosts first.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// All names, one behind the other, and how long each is. Not through the table: the launcher
            /// needs the names alone, and a reference to a row would keep all of it. Nor as references, which
            /// are four times as long as most names.
            const NAMES: &'static str = concat!($($name),*);
            #[expect(clippy::cast_possible_truncation, reason = "names are short")]
            const NAME_LENGTHS: &'static [u8] = &[$($name.len() as u8),*];

            const fn row(self) -> &'static Row {
                match self { $(Self::$variant => const { &Row {
                    arch: Self::$variant, name: $name, class: Class::$class, endian: Endian::$endian,
                    machines: &$machines, flags: $flags, qemu: $qemu, debian: $debian, rust: $rust,
                    uname: &$uname, aliases: &$aliases,
                } }),* }
            }
        }
    };
}

/// `EF_MIPS_ABI2` of `<elf.h>`: set in n32 files, clear in o32 files.
const EF_MIPS_ABI2: u32 = 0x20;

arches! {
    X86_64 = 1 { "x86_64", Elf64 Little [62], flags (0, 0), qemu "x86_64", debian Some("amd64"),
        rust Some("x86_64-unknown-linux-musl"), uname ["x86_64", "amd64"], also ["x86-64", "x64"] }: "64-bit x86."
    Aarch64 = 2 { "aarch64", Elf64 Little [183], flags (0, 0), qemu "aarch64", debian Some("arm64"),
        rust Some("aarch64-unknown-linux-musl"), uname ["aarch64", "arm64"], also [] }: "64-bit Arm, little-endian."
    Riscv64 = 3 { "riscv64", Elf64 Little [243], flags (0, 0), qemu "riscv64", debian Some("riscv64"),
        rust Some("riscv64gc-unknown-linux-musl"), uname ["riscv64"], also ["riscv64gc", "rv64"] }: "64-bit RISC-V."
    Ppc64le = 4 { "ppc64le", Elf64 Little [21], flags (0, 0), qemu "ppc64le", debian Some("ppc64el"),
        rust Some("powerpc64le-unknown-linux-musl"), uname ["ppc64le", "powerpc64le"], also [] }: "64-bit Power, little-endian."
    S390x = 5 { "s390x", Elf64 Big [22], flags (0, 0), qemu "s390x", debian Some("s390x"),
        rust Some("s390x-unknown-linux-musl"), uname ["s390x"], also [] }: "IBM Z, big-endian."
    Loongarch64 = 6 { "loongarch64", Elf64 Little [258], flags (0, 0), qemu "loongarch64", debian Some("loong64"),
        rust Some("loongarch64-unknown-linux-musl"), uname ["loongarch64"], also [] }: "64-bit LoongArch."
    I686 = 7 { "i686", Elf32 Little [3, 6], flags (0, 0), qemu "i386", debian Some("i386"),
        rust Some("i686-unknown-linux-musl"), uname ["i686", "i586", "i486", "i386"], also ["x86"] }: "32-bit x86."
    Armv7 = 8 { "armv7", Elf32 Little [40], flags (0, 0), qemu "arm", debian Some("armhf"),
        rust Some("armv7-unknown-linux-musleabi"), uname ["armv7l", "armv8l", "armv7", "armv7hl", "armv7ml"],
        also ["armel", "armv6l", "armv5tel", "armv7-unknown-linux-musleabihf"] }: "32-bit Arm, little-endian (any version as a target)."

    Aarch64Be = 32 { "aarch64_be", Elf64 Big [183], flags (0, 0), qemu "aarch64_be", debian None, rust None,
        uname ["aarch64_be"], also [] }: "64-bit Arm, big-endian."
    Alpha = 33 { "alpha", Elf64 Little [0x9026], flags (0, 0), qemu "alpha", debian Some("alpha"), rust None,
        uname ["alpha"], also [] }: "DEC Alpha."
    Armeb = 34 { "armeb", Elf32 Big [40], flags (0, 0), qemu "armeb", debian None, rust None,
        uname ["armv7b"], also [] }: "32-bit Arm, big-endian."
    Hexagon = 35 { "hexagon", Elf32 Little [164], flags (0, 0), qemu "hexagon", debian None, rust None,
        uname ["hexagon"], also [] }: "Qualcomm Hexagon."
    Hppa = 36 { "hppa", Elf32 Big [15], flags (0, 0), qemu "hppa", debian Some("hppa"), rust None,
        uname ["parisc", "parisc64"], also [] }: "HP PA-RISC."
    M68k = 37 { "m68k", Elf32 Big [4], flags (0, 0), qemu "m68k", debian Some("m68k"), rust None,
        uname ["m68k"], also [] }: "Motorola 68000."
    Microblaze = 38 { "microblaze", Elf32 Big [0xbaab], flags (0, 0), qemu "microblaze", debian None, rust None,
        uname ["microblaze"], also [] }: "Xilinx MicroBlaze, big-endian."
    Microblazeel = 39 { "microblazeel", Elf32 Little [0xbaab], flags (0, 0), qemu "microblazeel", debian None, rust None,
        uname [], also [] }: "Xilinx MicroBlaze, little-endian."
    Mips = 40 { "mips", Elf32 Big [8], flags (EF_MIPS_ABI2, 0), qemu "mips", debian Some("mips"), rust None,
        uname ["mips"], also [] }: "32-bit MIPS (o32), big-endian."
    Mips64 = 41 { "mips64", Elf64 Big [8], flags (0, 0), qemu "mips64", debian Some("mips64"), rust None,
        uname ["mips64"], also [] }: "64-bit MIPS (n64), big-endian."
    Mips64el = 42 { "mips64el", Elf64 Little [8], flags (0, 0), qemu "mips64el", debian Some("mips64el"), rust None,
        uname [], also [] }: "64-bit MIPS (n64), little-endian."
    Mipsel = 43 { "mipsel", Elf32 Little [8], flags (EF_MIPS_ABI2, 0), qemu "mipsel", debian Some("mipsel"), rust None,
        uname [], also [] }: "32-bit MIPS (o32), little-endian."
    Mipsn32 = 44 { "mipsn32", Elf32 Big [8], flags (EF_MIPS_ABI2, EF_MIPS_ABI2), qemu "mipsn32", debian Some("mipsn32"),
        rust None, uname [], also [] }: "MIPS with 32-bit pointers on 64-bit registers (n32), big-endian."
    Mipsn32el = 45 { "mipsn32el", Elf32 Little [8], flags (EF_MIPS_ABI2, EF_MIPS_ABI2), qemu "mipsn32el",
        debian Some("mipsn32el"), rust None, uname [], also [] }:
        "MIPS with 32-bit pointers on 64-bit registers (n32), little-endian."
    Or1k = 46 { "or1k", Elf32 Big [92], flags (0, 0), qemu "or1k", debian None, rust None,
        uname ["openrisc"], also [] }: "OpenRISC 1000."
    Ppc = 47 { "ppc", Elf32 Big [20], flags (0, 0), qemu "ppc", debian Some("powerpc"), rust None,
        uname ["ppc"], also [] }: "32-bit Power, big-endian."
    Ppc64 = 48 { "ppc64", Elf64 Big [21], flags (0, 0), qemu "ppc64", debian Some("ppc64"), rust None,
        uname ["ppc64"], also ["powerpc64"] }: "64-bit Power, big-endian."
    Riscv32 = 49 { "riscv32", Elf32 Little [243], flags (0, 0), qemu "riscv32", debian None, rust None,
        uname ["riscv32"], also ["rv32"] }: "32-bit RISC-V."
    Sh4 = 50 { "sh4", Elf32 Little [42], flags (0, 0), qemu "sh4", debian Some("sh4"), rust None,
        uname ["sh4", "sh4a"], also [] }: "SuperH SH-4, little-endian."
    Sh4eb = 51 { "sh4eb", Elf32 Big [42], flags (0, 0), qemu "sh4eb", debian None, rust None,
        uname ["sh4eb"], also [] }: "SuperH SH-4, big-endian."
    Sparc = 52 { "sparc", Elf32 Big [2], flags (0, 0), qemu "sparc", debian Some("sparc"), rust None,
        uname ["sparc"], also [] }: "32-bit SPARC (version 8)."
    Sparc32plus = 53 { "sparc32plus", Elf32 Big [18], flags (0, 0), qemu "sparc32plus", debian None, rust None,
        uname [], also [] }: "32-bit SPARC programs that use version 9 registers."
    Sparc64 = 54 { "sparc64", Elf64 Big [43], flags (0, 0), qemu "sparc64", debian Some("sparc64"), rust None,
        uname ["sparc64"], also [] }: "64-bit SPARC (version 9)."
    Xtensa = 55 { "xtensa", Elf32 Little [94], flags (0, 0), qemu "xtensa", debian None, rust None,
        uname ["xtensa"], also [] }: "Tensilica Xtensa, little-endian."
    Xtensaeb = 56 { "xtensaeb", Elf32 Big [94], flags (0, 0), qemu "xtensaeb", debian None, rust None,
        uname [], also [] }: "Tensilica Xtensa, big-endian."

    Nios2 = 57 { "nios2", Elf32 Little [113], flags (0, 0), qemu "nios2", debian None, rust None,
        uname ["nios2"], also [] }: "Altera Nios II; in QEMU until 9.0."
    Cris = 58 { "cris", Elf32 Little [76], flags (0, 0), qemu "cris", debian None, rust None,
        uname ["cris"], also [] }: "Axis CRIS; in QEMU until 9.1."
    Tilegx = 59 { "tilegx", Elf64 Little [191], flags (0, 0), qemu "tilegx", debian None, rust None,
        uname ["tilegx"], also [] }: "Tilera TILE-Gx; in QEMU until 5.2."
    Unicore32 = 60 { "unicore32", Elf32 Little [110], flags (0, 0), qemu "unicore32", debian None, rust None,
        uname ["unicore32"], also [] }: "UniCore-32; once in QEMU."
    Ia64 = 61 { "ia64", Elf64 Little [50], flags (0, 0), qemu "ia64", debian Some("ia64"), rust None,
        uname ["ia64"], also [] }: "Intel Itanium; `ski` runs it."
    // ARCv2, and ARCompact before it.
    Arc = 62 { "arc", Elf32 Little [195, 93], flags (0, 0), qemu "arc", debian None, rust None,
        uname ["arc"], also [] }: "Synopsys ARC, little-endian; in Synopsys' QEMU."
    Csky = 63 { "csky", Elf32 Little [252], flags (0, 0), qemu "csky", debian None, rust None,
        uname ["csky"], also [] }: "C-SKY, little-endian; in C-SKY's QEMU."
    E2k = 64 { "e2k", Elf64 Little [175], flags (0, 0), qemu "e2k", debian None, rust None,
        uname ["e2k"], also [] }: "MCST Elbrus; in a fork of QEMU."
}

/// How many rows, from the first on, are QEMU 11's targets.
const CATALOGUED: usize = 33;

impl Arch {
    /// The CPUs that the catalogue has emulators for, hosts first: QEMU 11's 33 targets.
    pub const CATALOGUED: &'static [Self] = Self::ALL.split_at(CATALOGUED).0;

    /// The CPUs that the catalogue has no emulator for: their programs can be packed where the user has one.
    pub const NAMED: &'static [Self] = Self::ALL.split_at(CATALOGUED).1;

    /// The CPUs that a launcher is built for, the six 64-bit ones first.
    pub const HOSTS: [Self; 8] = [
        Self::X86_64,
        Self::Aarch64,
        Self::Riscv64,
        Self::Ppc64le,
        Self::S390x,
        Self::Loongarch64,
        Self::I686,
        Self::Armv7,
    ];

    /// What `--hosts` means when it is not given: the six 64-bit hosts.
    pub const DEFAULT_HOSTS: [Self; 6] =
        [Self::X86_64, Self::Aarch64, Self::Riscv64, Self::Ppc64le, Self::S390x, Self::Loongarch64];

    /// The CPU that this code was compiled for, if it is one of the hosts.
    pub const HOST: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Aarch64)
    } else if cfg!(target_arch = "riscv64") {
        Some(Self::Riscv64)
    } else if cfg!(all(target_arch = "powerpc64", target_endian = "little")) {
        Some(Self::Ppc64le)
    } else if cfg!(target_arch = "s390x") {
        Some(Self::S390x)
    } else if cfg!(target_arch = "loongarch64") {
        Some(Self::Loongarch64)
    } else if cfg!(target_arch = "x86") {
        Some(Self::I686)
    } else if cfg!(target_arch = "arm") {
        Some(Self::Armv7)
    } else {
        None
    };

    /// The project's own name for it, as in `--target` and in every message.
    #[inline(never)]
    pub fn name(self) -> &'static str {
        let mut rest = Self::NAMES;
        for (arch, length) in Self::ALL.iter().zip(Self::NAME_LENGTHS) {
            let Some((name, others)) = rest.split_at_checked(usize::from(*length)) else { break };
            if *arch == self {
                return name;
            }
            rest = others;
        }
        ""
    }

    /// The number that the format stores.
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The CPU with this number.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|arch| arch.id() == id)
    }

    /// Whether launchers are built for it.
    pub fn is_host(self) -> bool {
        Self::HOSTS.contains(&self)
    }

    /// Whether the catalogue has emulators for it.
    pub fn is_catalogued(self) -> bool {
        Self::CATALOGUED.contains(&self)
    }

    /// `EI_CLASS` of its programs.
    pub const fn class(self) -> Class {
        self.row().class
    }

    /// `EI_DATA` of its programs.
    pub const fn endian(self) -> Endian {
        self.row().endian
    }

    /// `e_machine` of its programs; the first is the one that today's tools write.
    pub const fn machines(self) -> &'static [u16] {
        self.row().machines
    }

    /// `(mask, value)`: its programs have `e_flags & mask == value`.
    pub const fn elf_flags(self) -> (u32, u32) {
        self.row().flags
    }

    /// The suffix of QEMU's program: `qemu-<this>`.
    pub const fn qemu_name(self) -> &'static str {
        self.row().qemu
    }

    /// Debian's name of the architecture, also for ports that have ended.
    pub const fn debian_name(self) -> Option<&'static str> {
        self.row().debian
    }

    /// The Rust target that its launcher is built with. No libc is linked, so `musl` says nothing but that
    /// the program is static; armv7 is soft-float, so that it starts on a CPU without VFP too.
    pub const fn rust_target(self) -> Option<&'static str> {
        self.row().rust
    }

    /// What `uname -m` and `/proc/sys/kernel/arch` print on such a machine.
    pub const fn uname_names(self) -> &'static [&'static str] {
        self.row().uname
    }

    /// One line for people.
    pub fn bits_and_endian(self) -> &'static str {
        match (self.class(), self.endian()) {
            (Class::Elf32, Endian::Little) => "32-bit little-endian",
            (Class::Elf32, Endian::Big) => "32-bit big-endian",
            (Class::Elf64, Endian::Little) => "64-bit little-endian",
            (Class::Elf64, Endian::Big) => "64-bit big-endian",
        }
    }

    /// The CPU that an ELF header says, from `EI_CLASS`, `EI_DATA`, `e_machine` and `e_flags`.
    pub fn from_elf(class: u8, data: u8, machine: u16, flags: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|arch| {
            let row = arch.row();
            let (mask, value) = row.flags;
            row.class as u8 == class
                && row.endian as u8 == data
                && row.machines.contains(&machine)
                && flags & mask == value
        })
    }

    /// The CPU that a person means: our name, QEMU's, Debian's, Rust's target, a uname name or a usual alias.
    pub fn from_name(name: &str) -> Option<Self> {
        let rows = || Self::ALL.iter().map(|arch| arch.row());
        let ours = rows().find(|row| row.name == name || row.qemu == name);
        let other = || {
            rows().find(|row| {
                row.debian == Some(name)
                    || row.rust == Some(name)
                    || row.uname.contains(&name)
                    || row.aliases.contains(&name)
            })
        };
        ours.or_else(other).map(|row| row.arch)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_qemus_33_targets_8_hosts_and_8_cpus_by_name_alone() {
        assert_eq!((Arch::CATALOGUED.len(), Arch::NAMED.len()), (33, 8));
        assert_eq!(Arch::CATALOGUED.last(), Some(&Arch::Xtensaeb));
        assert!(Arch::NAMED.iter().all(|arch| arch.id() > 56 && !arch.is_host() && !arch.is_catalogued()));
        assert!(Arch::HOSTS.iter().all(|host| host.is_catalogued()));
        assert_eq!(Arch::HOSTS.len(), 8);
        assert!(
            Arch::HOSTS.iter().all(|host| host.rust_target().is_some() && !host.uname_names().is_empty())
        );
        assert_eq!(Arch::ALL.iter().filter(|arch| arch.rust_target().is_some()).count(), 8);
    }

    #[test]
    fn every_name_finds_its_own_row_and_no_other() {
        for arch in Arch::ALL {
            assert_eq!(Arch::from_id(arch.id()), Some(*arch));
            for name in [arch.name(), arch.qemu_name()] {
                assert_eq!(Arch::from_name(name), Some(*arch), "{name}");
            }
            for name in arch.uname_names() {
                assert_eq!(Arch::from_name(name), Some(*arch), "{name}");
            }
            if let Some(debian) = arch.debian_name() {
                assert_eq!(Arch::from_name(debian), Some(*arch), "{debian}");
            }
        }
        assert_eq!(Arch::from_name("vax"), None);
    }

    #[test]
    fn every_elf_identity_finds_its_own_row_and_no_other() {
        for arch in Arch::ALL {
            let (_, flags) = arch.elf_flags();
            for machine in arch.machines() {
                let found = Arch::from_elf(arch.class() as u8, arch.endian() as u8, *machine, flags);
                assert_eq!(found, Some(*arch));
            }
        }
        // x32 (ELF32 with EM_X86_64) is a program that no emulator here runs.
        assert_eq!(Arch::from_elf(1, 1, 62, 0), None);
    }
}
