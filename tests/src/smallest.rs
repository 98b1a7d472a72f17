//! The smallest program for each CPU that QEMU knows or knew: it writes `ran` and ends with code 42. Debian
//! has no packages for most of these CPUs. The source of each stands above its bytes, with the message at
//! 0x400200; the numbers of the system calls are those of the kernel's `unistd.h` or `syscall.tbl` for that
//! CPU, where sparc64's trap is 0x6d and hppa calls through its gateway page.

use bundle::Arch;

use super::tiny_elf::TinyElf;

/// `EF_ARM_EABI_VER5`, `EF_PPC64_ABI` 2 (the entry is code, not a descriptor), `EF_MIPS_ABI2` and version 68
/// of Hexagon, of `<elf.h>` and LLVM's `ELF.h`.
pub(crate) const EF_ARM_EABI_VER5: u32 = 0x0500_0000;
const EF_PPC64_ABI_V2: u32 = 2;
const EF_MIPS_ABI2: u32 = 0x20;
const EF_HEXAGON_V68: u32 = 0x68;

/// What [`SMALLEST`] and [`OUTSIDE`] programs write.
pub const SAYS: &str = "ran\n";
/// What they end with.
pub const CODE_OF_ENDING: i32 = 42;

/// One CPU's program.
#[derive(Clone, Copy, Debug)]
pub struct Smallest {
    /// The CPU.
    pub target: Arch,
    /// `e_flags`.
    flags: u32,
    /// The instructions, as hexadecimal digits.
    code: &'static str,
}

/// One program for each of [`Arch::CATALOGUED`], in its order.
#[rustfmt::skip] // a row is a line
pub const SMALLEST: &[Smallest] = &[
    // mov $1, %eax; mov $1, %edi; mov $0x400200, %esi; mov $4, %edx; syscall; mov $60, %eax; mov $42, %edi;
    // syscall
    Smallest { target: Arch::X86_64, flags: 0, code: "b801000000bf01000000be00024000ba040000000f05b83c000000bf2a0000000f05" },
    // mov x8, #64; mov x0, #1; movz x1, #0x40, lsl #16; movk x1, #0x200; mov x2, #4; svc #0; mov x8, #93; mov
    // x0,
    // #42; svc #0
    Smallest { target: Arch::Aarch64, flags: 0, code: "080880d2200080d20108a0d2014080f2820080d2010000d4a80b80d2400580d2010000d4" },
    // li a7, 64; li a0, 1; lui a1, 0x400; addi a1, a1, 0x200; li a2, 4; ecall; li a7, 93; li a0, 42; ecall
    Smallest { target: Arch::Riscv64, flags: 0, code: "9308000413051000b70540009385052013064000730000009308d0051305a00273000000" },
    // li 0, 4; li 3, 1; lis 4, 0x40; ori 4, 4, 0x200; li 5, 4; sc; li 0, 1; li 3, 42; sc
    Smallest { target: Arch::Ppc64le, flags: EF_PPC64_ABI_V2, code: "04000038010060384000803c000284600400a03802000044010000382a00603802000044" },
    // lghi %r2, 1; llilh %r3, 0x40; aghi %r3, 0x200; lghi %r4, 4; svc 4; lghi %r2, 42; svc 1
    Smallest { target: Arch::S390x, flags: 0, code: "a7290001a53e0040a73b0200a74900040a04a729002a0a01" },
    // addi.w $a7, $zero, 64; addi.w $a0, $zero, 1; lu12i.w $a1, 0x400; ori $a1, $a1, 0x200; addi.w $a2,
    // $zero, 4; syscall 0; addi.w $a7, $zero, 93; addi.w $a0, $zero, 42; syscall 0
    Smallest { target: Arch::Loongarch64, flags: 0, code: "0b0081020404800205800014a50088030610800200002b000b74810204a8800200002b00" },
    // mov $4, %eax; mov $1, %ebx; mov $0x400200, %ecx; mov $4, %edx; int $0x80; mov $1, %eax; mov $42, %ebx;
    // int $0x80
    Smallest { target: Arch::I686, flags: 0, code: "b804000000bb01000000b900024000ba04000000cd80b801000000bb2a000000cd80" },
    // mov r7, #4; mov r0, #1; mov r1, #0x400000; add r1, r1, #0x200; mov r2, #4; svc #0; mov r7, #1; mov r0,
    // #42; svc #0
    Smallest { target: Arch::Armv7, flags: EF_ARM_EABI_VER5, code: "0470a0e30100a0e30115a0e3021c81e20420a0e3000000ef0170a0e32a00a0e3000000ef" },
    // mov x8, #64; mov x0, #1; movz x1, #0x40, lsl #16; movk x1, #0x200; mov x2, #4; svc #0; mov x8, #93; mov
    // x0,
    // #42; svc #0
    Smallest { target: Arch::Aarch64Be, flags: 0, code: "080880d2200080d20108a0d2014080f2820080d2010000d4a80b80d2400580d2010000d4" },
    // lda $0, 4($31); lda $16, 1($31); ldah $17, 0x40($31); lda $17, 0x200($17); lda $18, 4($31); callsys;
    // lda $0, 1($31); lda $16, 42($31); callsys
    Smallest { target: Arch::Alpha, flags: 0, code: "04001f2001001f2240003f260002312204005f228300000001001f202a001f2283000000" },
    // mov r7, #4; mov r0, #1; mov r1, #0x400000; add r1, r1, #0x200; mov r2, #4; svc #0; mov r7, #1; mov r0,
    // #42; svc #0
    Smallest { target: Arch::Armeb, flags: EF_ARM_EABI_VER5, code: "e3a07004e3a00001e3a01501e2811c02e3a02004ef000000e3a07001e3a0002aef000000" },
    // { r6=#64; r0=#1 }; { r1=##0x400200; r2=#4 }; trap0(#1); { r6=#93; r0=#42 }; trap0(#1)
    Smallest { target: Arch::Hexagon, flags: EF_HEXAGON_V68, code: "0648007820c00078084004004228012804c00054a64b007840c5007804c00054" },
    // ldi 1, %r26; ldil L%0x400000, %r25; ldo 0x200(%r25), %r25; ldi 4, %r24; ble 0x100(%sr2, %r0); ldi 4,
    // %r20; ldi 42, %r26; ble 0x100(%sr2, %r0); ldi 1, %r20
    Smallest { target: Arch::Hppa, flags: 0, code: "341a0002232000083739040034180008e400820034140008341a0054e400820034140002" },
    // moveq #4, %d0; moveq #1, %d1; move.l #0x400200, %d2; moveq #4, %d3; trap #0; moveq #1, %d0; moveq #42,
    // %d1; trap #0
    Smallest { target: Arch::M68k, flags: 0, code: "70047201243c0040020076044e407001722a4e40" },
    // addik r12, r0, 4; addik r5, r0, 1; imm 0x40; addik r6, r0, 0x200; addik r7, r0, 4; brki r14, 8; addik
    // r12, r0, 1; addik r5, r0, 42; brki r14, 8
    Smallest { target: Arch::Microblaze, flags: 0, code: "3180000430a00001b000004030c0020030e00004b9cc00083180000130a0002ab9cc0008" },
    // addik r12, r0, 4; addik r5, r0, 1; imm 0x40; addik r6, r0, 0x200; addik r7, r0, 4; brki r14, 8; addik
    // r12, r0, 1; addik r5, r0, 42; brki r14, 8
    Smallest { target: Arch::Microblazeel, flags: 0, code: "040080310100a030400000b00002c0300400e0300800ccb9010080312a00a0300800ccb9" },
    // addiu $2, $0, 4004; addiu $4, $0, 1; lui $5, 0x40; ori $5, $5, 0x200; addiu $6, $0, 4; syscall; addiu
    // $2, $0, 4001; addiu $4, $0, 42; syscall
    Smallest { target: Arch::Mips, flags: 0, code: "24020fa4240400013c05004034a50200240600040000000c24020fa12404002a0000000c" },
    // addiu $2, $0, 5001; addiu $4, $0, 1; lui $5, 0x40; ori $5, $5, 0x200; addiu $6, $0, 4; syscall; addiu
    // $2, $0, 5058; addiu $4, $0, 42; syscall
    Smallest { target: Arch::Mips64, flags: 0, code: "24021389240400013c05004034a50200240600040000000c240213c22404002a0000000c" },
    // addiu $2, $0, 5001; addiu $4, $0, 1; lui $5, 0x40; ori $5, $5, 0x200; addiu $6, $0, 4; syscall; addiu
    // $2, $0, 5058; addiu $4, $0, 42; syscall
    Smallest { target: Arch::Mips64el, flags: 0, code: "89130224010004244000053c0002a534040006240c000000c21302242a0004240c000000" },
    // addiu $2, $0, 4004; addiu $4, $0, 1; lui $5, 0x40; ori $5, $5, 0x200; addiu $6, $0, 4; syscall; addiu
    // $2, $0, 4001; addiu $4, $0, 42; syscall
    Smallest { target: Arch::Mipsel, flags: 0, code: "a40f0224010004244000053c0002a534040006240c000000a10f02242a0004240c000000" },
    // addiu $2, $0, 6001; addiu $4, $0, 1; lui $5, 0x40; ori $5, $5, 0x200; addiu $6, $0, 4; syscall; addiu
    // $2, $0, 6058; addiu $4, $0, 42; syscall
    Smallest { target: Arch::Mipsn32, flags: EF_MIPS_ABI2, code: "24021771240400013c05004034a50200240600040000000c240217aa2404002a0000000c" },
    // addiu $2, $0, 6001; addiu $4, $0, 1; lui $5, 0x40; ori $5, $5, 0x200; addiu $6, $0, 4; syscall; addiu
    // $2, $0, 6058; addiu $4, $0, 42; syscall
    Smallest { target: Arch::Mipsn32el, flags: EF_MIPS_ABI2, code: "71170224010004244000053c0002a534040006240c000000aa1702242a0004240c000000" },
    // l.addi r11, r0, 64; l.addi r3, r0, 1; l.movhi r4, 0x40; l.ori r4, r4, 0x200; l.addi r5, r0, 4; l.sys 1;
    // l.addi r11, r0, 93; l.addi r3, r0, 42; l.sys 1
    Smallest { target: Arch::Or1k, flags: 0, code: "9d6000409c60000118800040a88402009ca00004200000019d60005d9c60002a20000001" },
    // li 0, 4; li 3, 1; lis 4, 0x40; ori 4, 4, 0x200; li 5, 4; sc; li 0, 1; li 3, 42; sc
    Smallest { target: Arch::Ppc, flags: 0, code: "38000004386000013c8000406084020038a0000444000002380000013860002a44000002" },
    // li 0, 4; li 3, 1; lis 4, 0x40; ori 4, 4, 0x200; li 5, 4; sc; li 0, 1; li 3, 42; sc
    Smallest { target: Arch::Ppc64, flags: EF_PPC64_ABI_V2, code: "38000004386000013c8000406084020038a0000444000002380000013860002a44000002" },
    // li a7, 64; li a0, 1; lui a1, 0x400; addi a1, a1, 0x200; li a2, 4; ecall; li a7, 93; li a0, 42; ecall
    Smallest { target: Arch::Riscv32, flags: 0, code: "9308000413051000b70540009385052013064000730000009308d0051305a00273000000" },
    // mov #4, r3; mov #1, r4; mov #0x40, r5; shll8 r5; add #2, r5; shll8 r5; mov #4, r6; trapa #0x13; mov #1,
    // r3; mov #42, r4; trapa #0x11
    Smallest { target: Arch::Sh4, flags: 0, code: "04e301e440e518450275184504e613c301e32ae411c3" },
    // mov #4, r3; mov #1, r4; mov #0x40, r5; shll8 r5; add #2, r5; shll8 r5; mov #4, r6; trapa #0x13; mov #1,
    // r3; mov #42, r4; trapa #0x11
    Smallest { target: Arch::Sh4eb, flags: 0, code: "e304e401e540451875024518e604c313e301e42ac311" },
    // mov 4, %g1; mov 1, %o0; sethi %hi(0x400000), %o1; or %o1, 0x200, %o1; mov 4, %o2; ta 0x10; mov 1, %g1;
    // mov 42, %o0; ta 0x10
    Smallest { target: Arch::Sparc, flags: 0, code: "821020049010200113001000921262009410200491d02010821020019010202a91d02010" },
    // mov 4, %g1; mov 1, %o0; sethi %hi(0x400000), %o1; or %o1, 0x200, %o1; mov 4, %o2; ta 0x10; mov 1, %g1;
    // mov 42, %o0; ta 0x10
    Smallest { target: Arch::Sparc32plus, flags: 0, code: "821020049010200113001000921262009410200491d02010821020019010202a91d02010" },
    // mov 4, %g1; mov 1, %o0; sethi %hi(0x400000), %o1; or %o1, 0x200, %o1; mov 4, %o2; ta 0x6d; mov 1, %g1;
    // mov 42, %o0; ta 0x6d
    Smallest { target: Arch::Sparc64, flags: 0, code: "821020049010200113001000921262009410200491d0206d821020019010202a91d0206d" },
    // movi a2, 13; movi a6, 1; movi a3, 0x400; slli a3, a3, 12; addmi a3, a3, 0x200; movi a4, 4; syscall;
    // movi a2, 118; movi a6, 42; syscall
    Smallest { target: Arch::Xtensa, flags: 0, code: "22a00d62a00132a40040331132d30242a00400500022a07662a02a005000" },
    // movi a2, 13; movi a6, 1; movi a3, 0x400; slli a3, a3, 12; addmi a3, a3, 0x200; movi a4, 4; syscall;
    // movi a2, 118; movi a6, 42; syscall
    Smallest { target: Arch::Xtensaeb, flags: 0, code: "220a0d260a01234a00043311233d02240a04000500220a76260a2a000500" },
];

/// Programs for CPUs that the catalogue has no emulator for: those that QEMU 7.2 still runs.
#[rustfmt::skip] // a row is a line
pub const OUTSIDE: &[Smallest] = &[
    // movi r2, 64; movi r4, 1; movhi r5, 0x40; ori r5, r5, 0x200; movi r6, 4; trap 0; movi r2, 93; movi r4,
    // 42; trap 0
    Smallest { target: Arch::Nios2, flags: 0, code: "04108000440000013410400114804029040180013a683b0044178000840a00013a683b00" },
    // moveq 4, $r9; moveq 1, $r10; move.d 0x400200, $r11; moveq 4, $r12; break 13; moveq 1, $r9; move.d 42,
    // $r10; break 13
    Smallest { target: Arch::Cris, flags: 0, code: "449241a26fbe0002400044c23de941926fae2a0000003de9" },
];

/// The code with which [`alpha_that_starts`] ends when it could start nothing.
pub const CODE_OF_STARTING: i32 = 9;

/// An Alpha program that becomes the program at `path`, with that as its only argument and no environment.
pub fn alpha_that_starts(path: &str) -> Vec<u8> {
    // ldah $16, 0x40($31); lda $16, 0x200($16); lda $30, -32($30); stq $16, 0($30); stq $31, 8($30); lda $17,
    // 0($30); lda $18, 8($30); lda $0, 59($31); callsys; lda $0, 1($31); lda $16, 9($31); callsys
    let code =
        "40001f2600021022e0ffde2300001eb60800feb700003e2208005e223b001f208300000001001f2009001f2283000000";
    Smallest { target: Arch::Alpha, flags: 0, code }.elf_saying(format!("{path}\0").as_bytes())
}

/// The program for a CPU.
pub fn smallest(target: Arch) -> &'static Smallest {
    let found = SMALLEST.iter().chain(OUTSIDE).find(|smallest| smallest.target == target);
    found.unwrap_or_else(|| panic!("there is no program for {target}"))
}

impl Smallest {
    /// The program as an ELF file.
    pub fn elf(&self) -> Vec<u8> {
        self.elf_saying(SAYS.as_bytes())
    }

    fn elf_saying(&self, message: &[u8]) -> Vec<u8> {
        let Self { target, flags, code } = *self;
        let (class, endian, machine) = (target.class(), target.endian(), target.machines()[0]);
        TinyElf { class, endian, machine, flags, code }.file(message)
    }
}
