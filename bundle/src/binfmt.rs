//! By which of its first bytes the kernel's `binfmt_misc` knows a program of a CPU: computed from the table
//! of CPUs, the same bytes as those in the `binfmt.d` files that Debian's `qemu-user` ships. Registers
//! nothing; without memory of its own.

use crate::{Arch, Endian};

/// Bytes of a pattern that reaches as far as `e_machine`.
const SHORT: usize = 20;
/// Bytes of a pattern that reaches as far as `e_flags`, of 32-bit files.
const LONG: usize = 40;

// Offsets in an ELF header (gABI), with `EI_ABIVERSION` behind `EI_OSABI`; `e_flags` is at 36 in 32-bit files
// only, and only those need it.
const EI_OSABI: usize = 7;
const E_TYPE: usize = 16;
const E_MACHINE: usize = 18;
const E_VERSION: usize = 20;
const E_FLAGS: usize = 36;

/// What the first bytes of a program must be under a mask; see Documentation/admin-guide/binfmt-misc.rst of
/// Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binfmt {
    magic: [u8; LONG],
    mask: [u8; LONG],
    length: usize,
}

impl Binfmt {
    /// The bytes.
    pub fn magic(&self) -> &[u8] {
        self.magic.get(..self.length).unwrap_or_default()
    }

    /// Which bits of them count; as long as [`Self::magic`].
    pub fn mask(&self) -> &[u8] {
        self.mask.get(..self.length).unwrap_or_default()
    }

    /// Whether a file that begins with `head` is such a program.
    pub fn matches(&self, head: &[u8]) -> bool {
        let masked = |(byte, (magic, mask)): (&u8, (&u8, &u8))| (byte ^ magic) & mask == 0;
        head.len() >= self.length && head.iter().zip(self.magic().iter().zip(self.mask())).all(masked)
    }
}

/// Bytes that are filled in at offsets that are known to lie inside.
struct Field<'a>(&'a mut [u8; LONG]);

impl Field<'_> {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    }
}

impl Arch {
    /// How the kernel knows its programs: executables, position-independent ones too.
    pub fn binfmt(self) -> Binfmt {
        let big = self.endian() == Endian::Big;
        let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let [osabi, abi_version] = self.leniency();

        let mut pattern = Binfmt { magic: [0; LONG], mask: [0; LONG], length: SHORT };
        let mut magic = Field(&mut pattern.magic);
        magic.put(0, b"\x7fELF");
        magic.put(4, &[self.class() as u8, self.endian() as u8, 1]);
        // ET_EXEC; ET_DYN, 3, differs in the bit that the mask leaves out.
        magic.put(E_TYPE, &half(2));
        magic.put(E_MACHINE, &half(self.machines().first().copied().unwrap_or(0)));
        let mut mask = Field(&mut pattern.mask);
        mask.put(0, &[0xff; SHORT]);
        mask.put(EI_OSABI, &[osabi, abi_version]);
        mask.put(E_TYPE, &half(0xfffe));
        match self {
            // `EI_DATA` and `EI_VERSION` may be 0.
            Self::X86_64 | Self::I686 => mask.put(5, &[0xfe, 0xfe]),
            Self::Ppc64le => mask.put(E_MACHINE + 1, &[0]),
            _ => {}
        }
        let (flags, value) = self.elf_flags();
        if flags != 0 {
            mask.put(E_VERSION, &[0xff; 4]);
            mask.put(E_FLAGS, &word(flags));
            let mut magic = Field(&mut pattern.magic);
            magic.put(E_VERSION, &word(1));
            magic.put(E_FLAGS, &word(value));
            pattern.length = LONG;
        }
        pattern
    }

    /// Masks of `EI_OSABI` and `EI_ABIVERSION`: what toolchains of these CPUs have put there, and Linux does
    /// not look at.
    fn leniency(self) -> [u8; 2] {
        match self {
            Self::Loongarch64 => [0xfc, 0],
            Self::Mips | Self::Mipsel | Self::Mips64 | Self::Mips64el | Self::Mipsn32 | Self::Mipsn32el => {
                [0, 0]
            }
            Self::X86_64
            | Self::I686
            | Self::Ppc
            | Self::Ppc64
            | Self::Ppc64le
            | Self::S390x
            | Self::Sh4
            | Self::Sh4eb
            | Self::Sparc
            | Self::Sparc32plus
            | Self::Sparc64 => [0xfc, 0xff],
            _ => [0, 0xff],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of a file for `arch`, of type `kind`, with `EI_OSABI` 0.
    fn head(arch: Arch, kind: u16) -> [u8; 64] {
        let mut head = [0; 64];
        let machine = arch.machines()[0];
        let (machine, kind, flags) = match arch.endian() {
            Endian::Little => (machine.to_le_bytes(), kind.to_le_bytes(), arch.elf_flags().1.to_le_bytes()),
            Endian::Big => (machine.to_be_bytes(), kind.to_be_bytes(), arch.elf_flags().1.to_be_bytes()),
        };
        head[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', arch.class() as u8, arch.endian() as u8, 1]);
        head[16..18].copy_from_slice(&kind);
        head[18..20].copy_from_slice(&machine);
        head[if arch.endian() == Endian::Little { 20 } else { 23 }] = 1;
        if arch.class() as u8 == 1 {
            head[36..40].copy_from_slice(&flags);
        }
        head
    }

    #[test]
    fn a_program_of_each_cpu_is_known_by_its_own_pattern_and_by_no_other() {
        for arch in Arch::ALL {
            for kind in [2, 3] {
                let mut known = Arch::ALL.iter().filter(|other| other.binfmt().matches(&head(*arch, kind)));
                assert_eq!((known.next(), known.next()), (Some(arch), None), "type {kind}");
            }
            for kind in [1, 4, 0x102, 0x203] {
                assert!(!arch.binfmt().matches(&head(*arch, kind)), "{arch}, type {kind:#x}");
            }
            assert!(!arch.binfmt().matches(&head(*arch, 2)[..19]), "{arch}: too short to tell");
        }
    }

    #[test]
    fn a_pattern_fits_into_what_the_kernel_compares() {
        for arch in Arch::ALL {
            let pattern = arch.binfmt();
            // BINPRM_BUF_SIZE was 128 before Linux 5.1.
            assert!(pattern.magic().len() == pattern.mask().len() && pattern.magic().len() <= 128);
        }
    }
}
