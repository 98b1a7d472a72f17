//! `/.unibin/exec`, by which any program of an image is started from outside (`kubectl exec`), natively or
//! emulated: it becomes its first argument, an emulator in front of it where one is needed. For each host it
//! is a file of a few hundred bytes made here, since an image need not have a shell, and a shell of the app
//! would need the emulator itself. It never looks for a program: its first argument is a path.

use bundle::{Arch, Class, Endian};

/// Its name in the directory of an image that is not the app's.
pub(super) const NAME: &str = "exec";

/// Where the file lies in memory: a multiple of every CPU's page, above `vm.mmap_min_addr`.
const BASE: u64 = 0x40_0000;
const CODE: usize = 0x100;
/// A number, as many addresses of words, and the words.
const DATA: usize = 0x200;
/// The largest memory pages that a host may have.
const ALIGNED: u64 = 0x1_0000;

/// One host's program.
struct Starter {
    host: Arch,
    /// `e_flags`.
    flags: u32,
    /// The instructions, as hexadecimal digits.
    code: &'static str,
}

/// The source of each stands above its bytes. At the start the stack has argc, argv, null, envp. The words at
/// 0x400208 are copied below argv[1], over argv[0] and argc, so that argv[1] and the rest follow them. Then
/// execve, and exit with 127 if that returns. Numbers of calls are those of `unistd.h` or `syscall.tbl`.
#[rustfmt::skip] // a row is a line
const STARTERS: [Starter; 8] = [
    // mov (%rsp), %rax; lea 16(%rsp,%rax,8), %rdx; mov $0x400200, %esi; lodsq; mov %eax, %ecx; lea 16(%rsp),
    // %rdi; shl $3, %eax; sub %rax, %rdi; mov %rdi, %rbx; rep movsq; mov %rbx, %rsi; mov (%rbx), %rdi; mov
    // $59, %eax; syscall; mov $60, %eax; mov $127, %edi; syscall
    Starter { host: Arch::X86_64, flags: 0, code: "488b0424488d54c410be0002400048ad89c1488d7c2410c1e0034829c74889fbf348a54889de488b3bb83b0000000f05b83c000000bf7f0000000f05" },
    // ldr x9, [sp]; add x10, sp, #16; add x2, x10, x9, lsl #3; movz x11, #0x40, lsl #16; movk x11, #0x200;
    // ldr x12, [x11], #8; sub x1, x10, x12, lsl #3; mov x13, x1; 1: cbz x12, 2f; ldr x14, [x11], #8; str
    // x14, [x13], #8; sub x12, x12, #1; b 1b; 2: ldr x0, [x1]; mov x8, #221; svc #0; mov x8, #93; mov x0,
    // #127; svc #0
    Starter { host: Arch::Aarch64, flags: 0, code: "e90340f9ea430091420d098b0b08a0d20b4080f26c8540f8410d0ccbed0301aaac0000b46e8540f8ae8500f88c0500d1fcffff17200040f9a81b80d2010000d4a80b80d2e00f80d2010000d4" },
    // ld t0, 0(sp); addi t1, sp, 16; slli t0, t0, 3; add a2, t1, t0; lui t2, 0x400; addi t2, t2, 0x200; ld
    // t3, 0(t2); slli t4, t3, 3; sub a1, t1, t4; mv t5, a1; 1: beqz t3, 2f; addi t2, t2, 8; ld t6, 0(t2); sd
    // t6, 0(t5); addi t5, t5, 8; addi t3, t3, -1; j 1b; 2: ld a0, 0(a1); li a7, 221; ecall; li a7, 93; li
    // a0, 127; ecall
    Starter { host: Arch::Riscv64, flags: 0, code: "83320100130301019392320033065300b70340009383032003be0300931e3e00b305d341138f0500630e0e009383830083bf03002330ff01130f8f00130efeff6ff09ffe03b505009308d00d730000009308d0051305f00773000000" },
    // ld 7, 0(1); addi 8, 1, 16; sldi 7, 7, 3; add 5, 8, 7; lis 9, 0x40; ori 9, 9, 0x200; ld 10, 0(9); sldi
    // 11, 10, 3; subf 4, 11, 8; mr 12, 4; 1: cmpdi 10, 0; beq 2f; ldu 6, 8(9); std 6, 0(12); addi 12, 12, 8;
    // addi 10, 10, -1; b 1b; 2: ld 3, 0(4); li 0, 11; sc; li 0, 1; li 3, 127; sc
    Starter { host: Arch::Ppc64le, flags: 2, code: "0000e1e810000139241fe778143aa87c4000203d00022961000049e9241f4b7950408b7c78238c7c00002a2c180082410900c9e80000ccf808008c39ffff4a39e8ffff4b000064e80b00003802000044010000387f00603802000044" },
    // lg %r5, 0(%r15); la %r6, 16(%r15); sllg %r5, %r5, 3; la %r4, 0(%r5,%r6); llilh %r7, 0x40; aghi %r7,
    // 0x200; lg %r8, 0(%r7); sllg %r9, %r8, 3; lgr %r3, %r6; sgr %r3, %r9; lgr %r10, %r3; 1: ltgr %r8, %r8;
    // jz 2f; la %r7, 8(%r7); lg %r11, 0(%r7); stg %r11, 0(%r10); la %r10, 8(%r10); aghi %r8, -1; j 1b; 2: lg
    // %r2, 0(%r3); svc 11; lghi %r2, 127; svc 1
    Starter { host: Arch::S390x, flags: 0, code: "e350f00000044160f010eb550003000d41456000a57e0040a77b0200e38070000004eb980003000db9040036b9090039b90400a3b9020088a784001041707008e3b070000004e3b0a000002441a0a008a78bffffa7f4fff0e320300000040a0ba729007f0a01" },
    // ld.d $t0, $sp, 0; addi.d $t1, $sp, 16; slli.d $t0, $t0, 3; add.d $a2, $t1, $t0; lu12i.w $t2, 0x400;
    // ori $t2, $t2, 0x200; ld.d $t3, $t2, 0; slli.d $t4, $t3, 3; sub.d $a1, $t1, $t4; move $t5, $a1; 1: beqz
    // $t3, 2f; addi.d $t2, $t2, 8; ld.d $t6, $t2, 0; st.d $t6, $t5, 0; addi.d $t5, $t5, 8; addi.d $t3, $t3,
    // -1; b 1b; 2: ld.d $a0, $a1, 0; ori $a7, $zero, 221; syscall 0; ori $a7, $zero, 93; ori $a0, $zero,
    // 127; syscall 0
    Starter { host: Arch::Loongarch64, flags: 0x43, code: "6c00c0286d40c0028c0d4100a6b110000e800014ce018803cf01c028f00d4100a5c11100b1001500e01d0040ce21c002d201c0283202c0293122c002effdff02ffebff53a400c0280b74830300002b000b74810304fc810300002b00" },
    // mov (%esp), %eax; lea 8(%esp,%eax,4), %edx; mov $0x400200, %esi; lodsl; mov %eax, %ecx; lea 8(%esp),
    // %edi; shl $2, %eax; sub %eax, %edi; mov %edi, %ebp; rep movsl; mov %ebp, %ecx; mov (%ebp), %ebx; mov
    // $11, %eax; int $0x80; mov $1, %eax; mov $127, %ebx; int $0x80
    Starter { host: Arch::I686, flags: 0, code: "8b04248d548408be00024000ad89c18d7c2408c1e00229c789fdf3a589e98b5d00b80b000000cd80b801000000bb7f000000cd80" },
    // ldr r4, [sp]; add r5, sp, #8; add r2, r5, r4, lsl #2; mov r6, #0x400000; add r6, r6, #0x200; ldr r7,
    // [r6], #4; sub r1, r5, r7, lsl #2; mov r8, r1; 1: cmp r7, #0; beq 2f; ldr r9, [r6], #4; str r9, [r8],
    // #4; sub r7, r7, #1; b 1b; 2: ldr r0, [r1]; mov r7, #11; svc #0; mov r7, #1; mov r0, #127; svc #0
    Starter { host: Arch::Armv7, flags: 0x0500_0000, code: "00409de508508de2042185e00165a0e3026c86e2047096e4071145e00180a0e1000057e30300000a049096e4049088e4017047e2f9ffffea000091e50b70a0e3000000ef0170a0e37f00a0e3000000ef" },
];

/// The program for `host` that puts `words` before its arguments and becomes the first of all. `None` for an
/// architecture that is no host.
pub(super) fn program(host: Arch, words: &[Vec<u8>]) -> Option<Vec<u8>> {
    let Starter { flags, code, .. } = STARTERS.iter().find(|starter| starter.host == host)?;
    let wide = host.class() == Class::Elf64;
    let mut data = Numbers::of(host);
    let width = if wide { 8 } else { 4 };
    data.word(words.len() as u64);
    let mut at = BASE + DATA as u64 + width * (1 + words.len() as u64);
    for word in words {
        data.word(at);
        at += word.len() as u64 + 1;
    }
    for word in words {
        data.bytes.extend(word);
        data.bytes.push(0);
    }

    let (header, segment) = if wide { (64, 56) } else { (52, 32) };
    let mut file = Numbers::of(host);
    file.bytes.extend(b"\x7fELF");
    file.bytes.extend([host.class() as u8, host.endian() as u8, 1, 0]);
    file.bytes.extend([0; 8]);
    file.half(2).half(*host.machines().first()?).long(1); // ET_EXEC, machine, version
    file.word(BASE + CODE as u64).word(header.into()).word(0); // entry, segments, no sections
    file.long(*flags).half(header).half(segment).half(1).half(0).half(0).half(0);
    let length = DATA as u64 + data.bytes.len() as u64;
    let (load, read_execute) = (1, 5);
    file.long(load);
    if wide {
        file.long(read_execute);
    }
    file.word(0).word(BASE).word(BASE).word(length).word(length);
    if !wide {
        file.long(read_execute);
    }
    file.word(ALIGNED);
    file.bytes.resize(CODE, 0);
    let digits = code.as_bytes().chunks_exact(2).filter_map(|two| str::from_utf8(two).ok());
    file.bytes.extend(digits.filter_map(|two| u8::from_str_radix(two, 16).ok()));
    file.bytes.resize(DATA, 0);
    file.bytes.extend(data.bytes);
    Some(file.bytes)
}

/// Numbers in one CPU's byte order, and words of its width.
struct Numbers {
    bytes: Vec<u8>,
    little: bool,
    wide: bool,
}

impl Numbers {
    fn of(host: Arch) -> Self {
        let (little, wide) = (host.endian() == Endian::Little, host.class() == Class::Elf64);
        Self { bytes: Vec::new(), little, wide }
    }

    fn half(&mut self, number: u16) -> &mut Self {
        self.bytes.extend(if self.little { number.to_le_bytes() } else { number.to_be_bytes() });
        self
    }

    fn long(&mut self, number: u32) -> &mut Self {
        self.bytes.extend(if self.little { number.to_le_bytes() } else { number.to_be_bytes() });
        self
    }

    fn word(&mut self, number: u64) -> &mut Self {
        if !self.wide {
            // All addresses are close above the base.
            return self.long(u32::try_from(number).unwrap_or(u32::MAX));
        }
        self.bytes.extend(if self.little { number.to_le_bytes() } else { number.to_be_bytes() });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_one_whose_code_ends_before_its_data() {
        for (starter, host) in STARTERS.iter().zip(Arch::HOSTS) {
            assert_eq!(starter.host, host);
            assert!(starter.code.len() / 2 <= DATA - CODE && starter.code.len() % 2 == 0, "{host}");
        }
        assert_eq!(STARTERS.len(), Arch::HOSTS.len());
    }
}
