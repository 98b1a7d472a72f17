//! Registers of stopped threads: an array of words whose meaning is a [`Layout`], one for each kind of
//! programs that a CPU's kernels run; what a call is in them, and how it becomes another one.

use super::{Errno, cpu};
use alloc::vec::Vec;
use linux_raw_sys::general as raw;

/// Where the parts of an execve or execveat stand in the registers of a stopped thread, in words.
#[derive(Debug)]
pub struct Layout {
    /// `AUDIT_ARCH_*` of the kind of program (include/uapi/linux/audit.h).
    pub(super) audit: u32,
    /// The numbers of the two calls.
    pub(super) execve: u32,
    pub(super) execveat: u32,
    /// The numbers of calls that a tracer lets a thread make.
    pub(super) mmap: u32,
    pub(super) munmap: u32,
    /// Bytes of a word.
    pub(super) word: u8,
    /// How many words `NT_PRSTATUS` has. By that and by the number, the kinds of programs of one CPU are told
    /// apart.
    pub(super) length: u8,
    /// Bytes of a pointer in memory.
    pub(super) pointer: u8,
    /// The bits that count in an address.
    pub(super) address: u64,
    pub(super) number: u8,
    pub(super) arguments: [u8; 6],
    /// Where a program puts the first argument before the instruction; `arguments` says where it is during
    /// the call.
    pub(super) first: u8,
    /// Where a call's result is. Where that is also the number's place during a call, the instruction itself
    /// may say the number.
    pub(super) result: u8,
    /// Where the program goes on.
    pub(super) counter: u8,
}

impl Layout {
    fn calls(&self) -> [u32; 2] {
        [self.execve, self.execveat]
    }
}

/// 32-bit programs on x86 (`user_regs_struct` of `arch/x86/include/asm/user_32.h`).
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(super) const I386: Layout = Layout {
    audit: 0x4000_0003,
    execve: 11,
    execveat: 358,
    mmap: 192,
    munmap: 91,
    word: 4,
    length: 17,
    pointer: 4,
    address: 0xffff_ffff,
    number: 11,
    arguments: [0, 1, 2, 3, 4, 5],
    first: 0,
    result: 6,
    counter: 12,
};

/// 32-bit programs on ARM (arch/arm/include/uapi/asm/ptrace.h, `pt_regs`).
#[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
pub(super) const ARM: Layout = Layout {
    audit: 0x4000_0028,
    execve: 11,
    execveat: 387,
    mmap: 192,
    munmap: 91,
    word: 4,
    length: 18,
    pointer: 4,
    address: 0xffff_ffff,
    number: 7,
    arguments: [0, 1, 2, 3, 4, 5],
    first: 0,
    result: 0,
    counter: 15,
};

/// The registers of a stopped thread, as `PTRACE_GETREGSET` of `NT_PRSTATUS` gives them.
#[derive(Clone, PartialEq, Eq)]
pub struct Registers {
    /// More than any CPU's: ppc64le has 48.
    pub(super) words: [u64; 64],
    /// In bytes, as the kernel said.
    pub(super) length: usize,
}

/// An execve or execveat that a thread is about to make. Addresses are the thread's.
#[derive(Clone, Copy, Debug)]
pub struct ExecCall {
    /// The directory that a relative path of an execveat begins in.
    pub dir: i32,
    /// The path's address.
    pub path: u64,
    /// The address of the arguments' list.
    pub argv: u64,
    /// The address of the environment's list.
    pub envp: u64,
    /// The flags of an execveat.
    pub flags: u32,
    /// Bytes of a pointer.
    pub word: usize,
    first: u64,
    address: u64,
    at: bool,
}

impl ExecCall {
    /// The address that these bytes of a list are, as the kernel takes it.
    pub fn pointer(&self, bytes: &[u8]) -> Option<u64> {
        let whole = match self.word {
            8 => u64::from_ne_bytes(bytes.try_into().ok()?),
            _ => u32::from_ne_bytes(bytes.try_into().ok()?).into(),
        };
        Some(whole & self.address)
    }
}

/// What a changed execve has: where it has another one, a program's absolute path, and its lists.
pub type To = (Option<u64>, u64, u64);

/// A call that a thread is let make for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// New private memory of this length, readable and writable, at a place of the kernel's choice. On s390x
    /// the arguments are in memory, at the second number ([`words_of_map`]).
    Map(u64, u64),
    /// Gives memory back: address and length.
    Unmap(u64, u64),
}

impl Call {
    /// Number and arguments.
    pub(super) fn parts(self, layout: &Layout) -> (u32, [u64; 6]) {
        match self {
            Self::Map(_, words) if cfg!(target_arch = "s390x") => (layout.mmap, [words, 0, 0, 0, 0, 0]),
            Self::Map(length, _) => (layout.mmap, map_arguments(length)),
            Self::Unmap(address, length) => (layout.munmap, [address, length, 0, 0, 0, 0]),
        }
    }
}

/// What mmap(2) is called with. -1: no file.
fn map_arguments(length: u64) -> [u64; 6] {
    let protection = raw::PROT_READ | raw::PROT_WRITE;
    let flags = raw::MAP_PRIVATE | raw::MAP_ANONYMOUS;
    [0, length, protection.into(), flags.into(), u64::MAX, 0]
}

/// The arguments of [`Call::Map`] in a 64-bit program's memory.
#[cfg(target_arch = "s390x")]
pub fn words_of_map(length: u64) -> [u8; 48] {
    let mut words = [0; 48];
    for (to, from) in words.chunks_exact_mut(8).zip(map_arguments(length)) {
        to.copy_from_slice(&from.to_ne_bytes());
    }
    words
}

impl Registers {
    /// What is where, if they are those of an execve or execveat.
    fn layout(&self) -> Option<&'static Layout> {
        cpu::LAYOUTS.iter().find(|layout| {
            self.has_length(layout) && layout.calls().contains(&(self.get(layout, layout.number) as u32))
        })
    }

    /// What is where, whatever the call: where two kinds of programs have the same registers, those of the
    /// first kind can make calls of either.
    pub(super) fn any_layout(&self) -> Option<&'static Layout> {
        self.layout().or_else(|| cpu::LAYOUTS.iter().find(|layout| self.has_length(layout)))
    }

    fn has_length(&self, layout: &Layout) -> bool {
        self.length == usize::from(layout.word) * usize::from(layout.length)
    }

    /// The call, whose first argument may be known already.
    pub(super) fn exec_call(&self, known: Option<u64>) -> Option<ExecCall> {
        let layout = self.layout()?;
        let get = |at: u8| self.get(layout, at);
        let at = get(layout.number) as u32 == layout.execveat;
        let [first, second, third, fourth, fifth, _] = layout.arguments.map(get);
        let first = known.unwrap_or(first);
        let (path, argv, envp) = if at { (second, third, fourth) } else { (first, second, third) };
        let (dir, flags) = if at { (first as u32 as i32, fifth as u32) } else { (raw::AT_FDCWD, 0) };
        let [path, argv, envp] = [path, argv, envp].map(|one| one & layout.address);
        let (word, address) = (layout.pointer.into(), layout.address);
        Some(ExecCall { dir, path, argv, envp, flags, word, first, address, at })
    }

    /// Makes them those at the beginning of a call with this number and these arguments.
    pub(super) fn begin(&mut self, layout: &Layout, number: u32, arguments: [u64; 6]) {
        for (at, value) in layout.arguments.iter().zip(arguments) {
            self.set(layout, *at, value);
        }
        // In this order: on s390x the number is where the first argument was before the instruction.
        self.set(layout, layout.first, arguments[0]);
        self.set(layout, layout.number, number.into());
    }

    /// The same before the instruction that makes a call: with this number and these arguments.
    pub(super) fn again(&self, layout: &Layout, number: u32, arguments: [u64; 6]) -> Self {
        let mut registers = self.clone();
        for (at, value) in layout.arguments.iter().zip(arguments) {
            registers.set(layout, *at, value);
        }
        // In this order: on x86 the number is where the result will be, elsewhere the first argument is.
        if X86 {
            registers.set(layout, layout.result, number.into());
        } else if layout.number != layout.result {
            registers.set(layout, layout.number, number.into());
        }
        registers.set(layout, layout.first, arguments[0]);
        let counter = self.get(layout, layout.counter).wrapping_sub(self.instruction(layout));
        registers.set(layout, layout.counter, counter);
        registers
    }

    /// Bytes of the instruction that makes a call: what kernels go back by to repeat one.
    fn instruction(&self, layout: &Layout) -> u64 {
        // x86: `syscall` and `int 0x80`; s390: `svc`. ARM's programs may run in Thumb mode, a bit of the
        // status register behind the counter.
        let thumb = layout.audit == ARM_AUDIT && self.get(layout, layout.counter + 1) & 1 << 5 != 0;
        if X86 || cfg!(target_arch = "s390x") || thumb { 2 } else { 4 }
    }

    pub(super) fn get(&self, layout: &Layout, at: u8) -> u64 {
        let at = usize::from(at);
        if layout.word == 8 {
            return self.words[at];
        }
        let bytes = self.words[at / 2].to_ne_bytes();
        bytes[at % 2 * 4..].first_chunk().map_or(0, |half| u32::from_ne_bytes(*half).into())
    }

    pub(super) fn set(&mut self, layout: &Layout, at: u8, value: u64) {
        let at = usize::from(at);
        if layout.word == 8 {
            self.words[at] = value;
            return;
        }
        let mut bytes = self.words[at / 2].to_ne_bytes();
        bytes[at % 2 * 4..][..4].copy_from_slice(&(value as u32).to_ne_bytes());
        self.words[at / 2] = u64::from_ne_bytes(bytes);
    }

    /// The same before the instruction that makes the call, with what it is to have.
    pub fn exec_again(&self, call: &ExecCall, to: To) -> Option<Self> {
        let layout = self.layout()?;
        let (number, arguments) = self.exec_parts(layout, call, to);
        Some(self.again(layout, number, arguments))
    }

    /// The same at the beginning of that call, where the registers are `now`.
    pub fn exec_begun(&self, call: &ExecCall, to: To, mut now: Self) -> Option<Self> {
        let layout = self.layout()?;
        let (number, arguments) = self.exec_parts(layout, call, to);
        now.begin(layout, number, arguments);
        Some(now)
    }

    fn exec_parts(&self, layout: &Layout, call: &ExecCall, (path, argv, envp): To) -> (u32, [u64; 6]) {
        let [_, second, _, fourth, fifth, sixth] = layout.arguments.map(|at| self.get(layout, at));
        let arguments = if call.at {
            // The directory that an execveat begins in means nothing to an absolute path.
            let flags = if path.is_some() { 0 } else { fifth };
            [call.first, path.unwrap_or(second), argv, envp, flags, sixth]
        } else {
            [path.unwrap_or(call.first), argv, envp, fourth, fifth, sixth]
        };
        (self.get(layout, layout.number) as u32, arguments)
    }

    /// What `self`, the registers at the beginning of a call, are behind it when it has ended as `after`
    /// says.
    #[must_use]
    pub fn ended_as(&self, after: &Self) -> Self {
        let mut registers = self.clone();
        let Some(layout) = self.any_layout().filter(|_| self.length == after.length) else {
            return registers;
        };
        registers.set(layout, layout.result, after.get(layout, layout.result));
        // Whether it is an error, the condition register says there.
        if cfg!(target_arch = "powerpc64") {
            registers.set(layout, POWERPC_CONDITION, after.get(layout, POWERPC_CONDITION));
        }
        registers
    }

    /// What `self`, the registers at the beginning of a call, are behind it when it has failed.
    #[must_use]
    pub fn failed(&self, errno: Errno) -> Self {
        let mut registers = self.clone();
        let Some(layout) = self.any_layout() else { return registers };
        let code = u64::from(errno.code());
        if self.has_positive_errors(layout) {
            let condition = self.get(layout, POWERPC_CONDITION) | POWERPC_ERROR;
            registers.set(layout, POWERPC_CONDITION, condition);
            registers.set(layout, layout.result, code);
        } else {
            registers.set(layout, layout.result, code.wrapping_neg());
        }
        registers
    }

    /// Whether they are those behind a call that has failed with `errno`.
    pub fn say_failed(&self, errno: Errno) -> bool {
        *self == self.failed(errno)
    }

    /// Whether a failed call's result is the error's number itself, and the condition register says that it
    /// is one: after `sc` on POWER, but not after `scv` (arch/powerpc/include/asm/ptrace.h, `trap_is_scv`).
    fn has_positive_errors(&self, layout: &Layout) -> bool {
        cfg!(target_arch = "powerpc64") && self.get(layout, POWERPC_TRAP) & !0xf != 0x3000
    }

    /// The memory that [`Call::Map`] has made; `None` if there is none. No error's number is the address of a
    /// page.
    pub fn mapped(&self) -> Option<u64> {
        let layout = self.any_layout()?;
        let address = self.get(layout, layout.result);
        (address != 0 && address.is_multiple_of(4096)).then_some(address)
    }
}

/// Whether a thread goes on from a stop behind a call with all registers that a tracer has set. On POWER,
/// Linux 7 takes the result, the counter and the condition register, and clears r0 and r4 to r12, which the
/// call may have changed anyway (`arch/powerpc/kernel/interrupt_64.S`, `.Lsyscall_exit`): a repeated
/// instruction would then be a call of number 0, `restart_syscall`, which ends with `EINTR`.
pub const KEEPS_ARGUMENTS: bool = cfg!(not(target_arch = "powerpc64"));
/// Where x86 keeps number and result apart.
const X86: bool = cfg!(any(target_arch = "x86", target_arch = "x86_64"));
/// `AUDIT_ARCH_ARM`.
const ARM_AUDIT: u32 = 0x4000_0028;
/// `PT_CCR` (arch/powerpc/include/uapi/asm/ptrace.h).
const POWERPC_CONDITION: u8 = 38;
/// The summary overflow bit of cr0 in it.
const POWERPC_ERROR: u64 = 1 << 28;
/// `PT_TRAP` of the same file.
const POWERPC_TRAP: u8 = 40;

/// The kinds of programs whose executions are looked at: `AUDIT_ARCH_*` and the numbers of the calls.
pub(super) fn traced_calls() -> Vec<(u32, Vec<u32>)> {
    let mut all: Vec<(u32, Vec<u32>)> = Vec::new();
    for layout in cpu::LAYOUTS {
        match all.iter_mut().find(|(audit, _)| *audit == layout.audit) {
            Some((_, calls)) => calls.extend(layout.calls()),
            None => all.push((layout.audit, layout.calls().to_vec())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel gives of a thread of a kind: each word another one, with the highest bit that a word
    /// of 4 bytes has.
    fn given(layout: &Layout, number: u32) -> Registers {
        let mut bytes = Vec::new();
        for at in 0..layout.length {
            let value = if at == layout.number { number } else { word(at) };
            match layout.word {
                8 => bytes.extend(u64::from(value).to_ne_bytes()),
                _ => bytes.extend(value.to_ne_bytes()),
            }
        }
        let mut registers = Registers { words: [0; 64], length: bytes.len() };
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        for (word, bytes) in registers.words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().expect("eight"));
        }
        registers
    }

    fn word(at: u8) -> u32 {
        0x9000_0000 | u32::from(at)
    }

    #[test]
    fn a_kind_of_programs_is_known_by_its_registers_and_its_numbers() {
        for layout in cpu::LAYOUTS {
            assert!(given(layout, 0).layout().is_none());
            for number in layout.calls() {
                let registers = given(layout, number);
                let found = registers.layout().expect("a call of this kind");
                assert_eq!((found.audit, found.calls()), (layout.audit, layout.calls()));
                for at in (0..layout.length).filter(|at| *at != layout.number) {
                    assert_eq!(registers.get(layout, at), word(at).into(), "{layout:?}");
                }
            }
        }
    }

    #[test]
    fn a_call_is_made_again_with_other_lists_and_its_failure_is_the_first_ones() {
        for layout in cpu::LAYOUTS {
            for number in layout.calls() {
                let before = given(layout, number);
                let call = before.exec_call(None).expect("a call of this kind");
                let first = usize::from(number == layout.execveat);
                let at = |index: usize| u64::from(word(layout.arguments[index])) & layout.address;
                assert_eq!(
                    [call.path, call.argv, call.envp],
                    [first, first + 1, first + 2].map(at),
                    "{layout:?}"
                );

                let to = (Some(0x1000), 0x2000, 0x3000);
                let again = before.exec_again(&call, to).expect("a call");
                let back = before.get(layout, layout.counter) - again.get(layout, layout.counter);
                assert!(matches!(back, 2 | 4), "{layout:?}");
                // The same at the beginning of whatever call it is.
                let now = given(layout, 0);
                let begun = before.exec_begun(&call, to, now).expect("a call");
                let made = begun.exec_call(None).expect("a call of this kind");
                assert_eq!((made.path, made.argv, made.envp), (0x1000, 0x2000, 0x3000), "{layout:?}");
                assert_eq!((made.at, made.word), (call.at, call.word), "{layout:?}");
                assert_eq!(begun.get(layout, layout.counter), word(layout.counter).into());

                // What the kernel makes of the registers at the instruction.
                let mut begun = again.clone();
                begun.set(layout, layout.arguments[0], again.get(layout, layout.first));
                let by = if X86 { layout.result } else { layout.number };
                let number =
                    if layout.number == layout.result { number.into() } else { again.get(layout, by) };
                begun.set(layout, layout.number, number);
                let changed = begun.exec_call(None).expect("still a call of this kind");
                assert_eq!(
                    (changed.path, changed.argv, changed.envp),
                    (0x1000, 0x2000, 0x3000),
                    "{layout:?}"
                );
                assert_eq!((changed.at, changed.word), (call.at, call.word), "{layout:?}");

                // A call that has failed leaves all but the result as it was.
                let mut failed = again;
                failed.set(layout, layout.result, 0xffff_fffe);
                let after = before.ended_as(&failed);
                for at in (0..layout.length).filter(|at| *at != layout.result) {
                    assert_eq!(after.get(layout, at), before.get(layout, at), "{layout:?}");
                }
                assert_eq!(after.get(layout, layout.result), 0xffff_fffe, "{layout:?}");
                assert_eq!(after.mapped(), None);
                failed.set(layout, layout.result, 0x7000_0000);
                assert_eq!(before.ended_as(&failed).mapped(), Some(0x7000_0000));
            }
        }
    }

    #[test]
    fn a_call_that_is_let_fail_says_so_in_its_result_alone() {
        for layout in cpu::LAYOUTS {
            let before = given(layout, layout.execve);
            let failed = before.failed(Errno::ENOMEM);
            let positive = cfg!(target_arch = "powerpc64");
            let result = if positive { 12 } else { u64::MAX - 11 };
            let bits = if layout.word == 8 { u64::MAX } else { 0xffff_ffff };
            assert_eq!(failed.get(layout, layout.result), result & bits, "{layout:?}");
            for at in (0..layout.length).filter(|at| *at != layout.result) {
                let condition = positive && at == POWERPC_CONDITION;
                let error = if condition { POWERPC_ERROR } else { 0 };
                assert_eq!(failed.get(layout, at), before.get(layout, at) | error, "{layout:?}");
            }
            assert_eq!(failed.mapped(), None);
            assert!(failed.say_failed(Errno::ENOMEM) && !failed.say_failed(Errno::ENOEXEC));
            assert!(!before.say_failed(Errno::ENOMEM));
        }
    }

    #[test]
    fn the_bytes_of_a_list_are_addresses() {
        let pointers = |layout: &Layout, bytes: &[u8]| {
            let call = given(layout, layout.execve).exec_call(None).expect("a call of this kind");
            bytes.chunks_exact(call.word).map(|bytes| call.pointer(bytes)).collect::<Vec<_>>()
        };
        for layout in cpu::LAYOUTS {
            let low = |value: u64| Some(value & layout.address);
            if layout.pointer == 8 {
                assert_eq!(pointers(layout, &u64::MAX.to_ne_bytes()), [low(u64::MAX)]);
            } else {
                let bytes = [0x1234_5678_u32.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat();
                assert_eq!(pointers(layout, &bytes), [low(0x1234_5678), low(u64::from(u32::MAX))]);
            }
        }
    }
}
