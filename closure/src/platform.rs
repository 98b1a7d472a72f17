//! The values of `AT_PLATFORM` (getauxval(3)), which replace `$PLATFORM` in a search path: the kernel's
//! `ELF_PLATFORM` for each CPU and, if that differs, the one of QEMU's linux-user.

use bundle::Arch;

/// The names that a CPU may have, the usual ones first.
pub(crate) fn platforms(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &["x86_64", "haswell", "xeon_phi"],
        Arch::I686 => &["i686", "i586", "i486", "i386"],
        Arch::Aarch64 => &["aarch64"],
        Arch::Armv7 => &["v7l", "v8l"],
        Arch::Ppc64le | Arch::Ppc64 | Arch::Ppc => {
            &["power11", "power10", "power9", "power8", "power7", "power6"]
        }
        Arch::S390x => &["z900", "z990", "z9-109", "z10", "z196", "zEC12", "z13", "z14", "z15", "z16"],
        Arch::Loongarch64 => &["loongarch"],
        Arch::Mips | Arch::Mipsel | Arch::Mips64 | Arch::Mips64el => &["mips"],
        _ => &[],
    }
}
