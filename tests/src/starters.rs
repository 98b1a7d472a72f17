//! Programs of the other kind that a CPU's kernel may run, of 32 bits where the CPU has 64: each does nothing
//! but start one program. The source of each stands above its bytes: execve with the path at 0x400260 and the
//! lists at 0x400200 and 0x400240, and exit with code 111 when that returns. Numbers of calls are those of
//! the kernel's `unistd.h` or `syscall.tbl`.

use bundle::{Arch, Class, Endian};

use super::smallest::EF_ARM_EABI_VER5;
use super::tiny_elf::{DATA_AT, TinyElf};

/// `e_machine`, of `<elf.h>`.
const EM_386: u16 = 3;
const EM_PPC: u16 = 20;
const EM_S390: u16 = 22;
const EM_ARM: u16 = 40;
const EM_X86_64: u16 = 62;
const EM_RISCV: u16 = 243;

/// How many words there are for arguments and variables; the path comes next.
const ROOM: [usize; 2] = [16, 8];

/// What they end with when they could start nothing.
pub const CODE_OF_NOT_STARTING: i32 = 111;

/// One kind of program.
#[derive(Clone, Copy, Debug)]
pub struct Starter {
    /// What the kind is called.
    pub name: &'static str,
    /// The CPU whose kernel may run it.
    pub host: Arch,
    machine: u16,
    flags: u32,
    /// Set in each address of a list.
    bit: u32,
    /// The instructions, as hexadecimal digits.
    code: &'static str,
}

/// All of them.
#[rustfmt::skip] // a row is a line
pub const STARTERS: &[Starter] = &[
    // mov $11, %eax; mov $0x400260, %ebx; mov $0x400200, %ecx; mov $0x400240, %edx; int $0x80; mov $1, %eax;
    // mov $111, %ebx; int $0x80
    Starter { name: "i386", host: Arch::X86_64, machine: EM_386, flags: 0, bit: 0, code: "b80b000000bb60024000b900024000ba40024000cd80b801000000bb6f000000cd80" },
    // mov $0x40000208, %eax; mov $0x400260, %edi; mov $0x400200, %esi; mov $0x400240, %edx; syscall; mov
    // $0x4000003c, %eax; mov $111, %edi; syscall
    Starter { name: "x32", host: Arch::X86_64, machine: EM_X86_64, flags: 0, bit: 0, code: "b808020040bf60024000be00024000ba400240000f05b83c000040bf6f0000000f05" },
    // mov r0, #0x400000; add r0, r0, #0x260; mov r1, #0x400000; add r1, r1, #0x200; mov r2, #0x400000; add
    // r2, r2, #0x240; mov r7, #11; svc #0; mov r7, #1; mov r0, #111; svc #0
    Starter { name: "arm", host: Arch::Aarch64, machine: EM_ARM, flags: EF_ARM_EABI_VER5, bit: 0, code: "0105a0e3260e80e20115a0e3021c81e20125a0e3242e82e20b70a0e3000000ef0170a0e36f00a0e3000000ef" },
    // li a7, 221; lui a0, 0x400; addi a0, a0, 0x260; lui a1, 0x400; addi a1, a1, 0x200; lui a2, 0x400; addi
    // a2, a2, 0x240; ecall; li a7, 93; li a0, 111; ecall
    Starter { name: "riscv32", host: Arch::Riscv64, machine: EM_RISCV, flags: 0, bit: 0, code: "9308d00d3705400013050526b7054000938505203706400013060624730000009308d0051305f00673000000" },
    // llilh %r2, 0x8040; ahi %r2, 0x260; llilh %r3, 0x40; ahi %r3, 0x200; llilh %r4, 0x40; ahi %r4, 0x240;
    // svc 11; lhi %r2, 111; svc 1: an address of 31 bits may have the mode's bit above it, as those of return
    // addresses do
    Starter { name: "s390", host: Arch::S390x, machine: EM_S390, flags: 0, bit: 1 << 31, code: "a52e8040a72a0260a53e0040a73a0200a54e0040a74a02400a0ba728006f0a01" },
    // li 0, 11; lis 3, 0x40; ori 3, 3, 0x260; lis 4, 0x40; ori 4, 4, 0x200; lis 5, 0x40; ori 5, 5, 0x240; sc;
    // li 0, 1; li 3, 111; sc
    Starter { name: "ppcle", host: Arch::Ppc64le, machine: EM_PPC, flags: 0, bit: 0, code: "0b0000384000603c600263604000803c000284604000a03c4002a56002000044010000386f00603802000044" },
];

impl Starter {
    /// The program that becomes the one at `path`, with these arguments and variables.
    pub fn elf(&self, path: &str, arguments: &[&str], variables: &[&str]) -> Vec<u8> {
        let endian = self.host.endian();
        let strings_at = DATA_AT + 4 * (ROOM[0] + ROOM[1]) as u64;
        let mut strings = format!("{path}\0").into_bytes();
        let mut data = Vec::new();
        for (list, room) in [arguments, variables].into_iter().zip(ROOM) {
            assert!(list.len() < room, "a list ends in null");
            for at in 0..room {
                let address = list.get(at).map_or(0, |string| {
                    let address = u32::try_from(strings_at + strings.len() as u64).expect("below 4 GiB");
                    strings.extend(format!("{string}\0").bytes());
                    address | self.bit
                });
                data.extend(match endian {
                    Endian::Little => address.to_le_bytes(),
                    Endian::Big => address.to_be_bytes(),
                });
            }
        }
        data.extend(strings);
        let Self { machine, flags, code, .. } = *self;
        TinyElf { class: Class::Elf32, endian, machine, flags, code }.file(&data)
    }
}
