//! Tracing other threads with ptrace(2): seizing, waiting, registers, and the one kind of call that a filter
//! stops at.
//!
//! A thread is seized, never stopped by it. Registers are an array of words whose meaning is a [`Layout`]:
//! one for each kind of programs that a CPU's kernels run.

use super::call::{call, uninterrupted};
use super::{At, Errno, Fd, OFlags, cpu, openat};
use alloc::vec::Vec;
use core::ffi::CStr;
use linux_raw_sys::{elf_uapi, general as raw, ptrace};

/// Where the parts of an execve or execveat stand in the registers of a stopped thread, in words.
#[derive(Debug)]
pub struct Layout {
    /// `AUDIT_ARCH_*` of the kind of program (include/uapi/linux/audit.h).
    pub(super) audit: u32,
    /// The numbers of the two calls.
    pub(super) execve: u32,
    pub(super) execveat: u32,
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
    pub(super) arguments: [u8; 5],
    /// All that has to be set for another first argument; nothing where none can be set.
    pub(super) first: &'static [u8],
    pub(super) stack: u8,
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
    word: 4,
    length: 17,
    pointer: 4,
    address: 0xffff_ffff,
    number: 11,
    arguments: [0, 1, 2, 3, 4],
    first: &[0],
    stack: 15,
};

/// 32-bit programs on ARM (arch/arm/include/uapi/asm/ptrace.h, `pt_regs`).
#[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
pub(super) const ARM: Layout = Layout {
    audit: 0x4000_0028,
    execve: 11,
    execveat: 387,
    word: 4,
    length: 18,
    pointer: 4,
    address: 0xffff_ffff,
    number: 7,
    arguments: [0, 1, 2, 3, 4],
    first: &[0],
    stack: 13,
};

/// What a traced thread has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is gone.
    Ended,
    /// The filter has stopped it at a call.
    Call,
    /// The call that it was stopped at has returned; only after [`Resume::ToEndOfCall`].
    CallEnded,
    /// It runs another program now; what its number was before is [`Thread::message`].
    Executed,
    /// A stop signal has stopped its whole process.
    GroupStop,
    /// A signal is about to be delivered.
    Signal(u32),
    /// Something that only has to be resumed: a new thread, a fork.
    Other,
}

/// How a stopped thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It runs; this signal is delivered, 0 for none.
    Run(u32),
    /// It runs until its call returns.
    ToEndOfCall,
    /// It stays stopped, as its process is, until that is continued.
    StayStopped,
}

/// A thread that we trace, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread(u32);

/// The registers of a stopped thread, as `PTRACE_GETREGSET` of `NT_PRSTATUS` gives them.
#[derive(Clone)]
pub struct Registers {
    /// More than any CPU's: ppc64le has 48.
    words: [u64; 64],
    /// In bytes, as the kernel said.
    length: usize,
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
    /// Where the thread's stack ends.
    pub stack: u64,
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

fn ptrace(request: u32, thread: u32, address: usize, data: usize) -> Result<usize, Errno> {
    // SAFETY: `data` is null, a number, or what our callers below say of it.
    unsafe { call(raw::__NR_ptrace, [request as usize, thread as usize, address, data]) }
}

/// `struct iovec`.
#[repr(C)]
struct Buffer(*mut u64, usize);

/// The next event of any traced thread. `ECHILD` when there is none left.
pub fn wait() -> Result<(Thread, Event), Errno> {
    let mut status = 0u32;
    let any = -1isize as usize;
    let arguments = [any, (&raw mut status) as usize, raw::__WALL as usize, 0];
    // SAFETY: `status` is an `int` of ours; no resource usage is asked for.
    let thread = uninterrupted(|| unsafe { call(raw::__NR_wait4, arguments) })?;
    // wait(2): the low byte is 0x7f for a stop; then the signal, and above it ptrace's event.
    let (signal, event) = (status >> 8 & 0xff, status >> 16);
    let event = match event {
        _ if status & 0xff != 0x7f => Event::Ended,
        ptrace::PTRACE_EVENT_SECCOMP => Event::Call,
        ptrace::PTRACE_EVENT_EXEC => Event::Executed,
        ptrace::PTRACE_EVENT_STOP
            if matches!(signal, raw::SIGSTOP | raw::SIGTSTP | raw::SIGTTIN | raw::SIGTTOU) =>
        {
            Event::GroupStop
        }
        // PTRACE_O_TRACESYSGOOD
        0 if signal == raw::SIGTRAP | 0x80 => Event::CallEnded,
        0 => Event::Signal(signal),
        _ => Event::Other,
    };
    Ok((Thread(thread as u32), event))
}

impl Thread {
    /// Begins to trace a process of one thread, without stopping it; what it starts will be traced too.
    pub fn seize(pid: u32) -> Result<Self, Errno> {
        let options = ptrace::PTRACE_O_TRACESYSGOOD
            | ptrace::PTRACE_O_TRACEFORK
            | ptrace::PTRACE_O_TRACEVFORK
            | ptrace::PTRACE_O_TRACECLONE
            | ptrace::PTRACE_O_TRACEEXEC
            | ptrace::PTRACE_O_TRACESECCOMP;
        ptrace(ptrace::PTRACE_SEIZE, pid, 0, options as usize)?;
        Ok(Self(pid))
    }

    /// Its number, as below `/proc`.
    pub fn number(self) -> u32 {
        self.0
    }

    /// Lets it go on. A thread that was killed in the meantime is gone; its end is reported by [`wait`].
    pub fn resume(self, how: Resume) {
        let (request, signal) = match how {
            Resume::Run(signal) => (ptrace::PTRACE_CONT, signal),
            Resume::ToEndOfCall => (ptrace::PTRACE_SYSCALL, 0),
            Resume::StayStopped => (ptrace::PTRACE_LISTEN, 0),
        };
        let _ = ptrace(request, self.0, 0, signal as usize);
    }

    /// What goes with the event that it is stopped at.
    pub fn message(self) -> Result<Self, Errno> {
        let mut message = 0usize;
        ptrace(ptrace::PTRACE_GETEVENTMSG, self.0, 0, (&raw mut message) as usize)?;
        Ok(Self(message as u32))
    }

    /// Its registers.
    pub fn registers(self) -> Result<Registers, Errno> {
        let mut registers = Registers { words: [0; 64], length: 0 };
        let mut buffer = Buffer(registers.words.as_mut_ptr(), size_of_val(&registers.words));
        // The kernel writes at most that many bytes, and into the second field how many it were.
        let kind = elf_uapi::NT_PRSTATUS as usize;
        ptrace(ptrace::PTRACE_GETREGSET, self.0, kind, (&raw mut buffer) as usize)?;
        registers.length = buffer.1;
        Ok(registers)
    }

    /// Sets its registers.
    pub fn set_registers(self, registers: &Registers) -> Result<(), Errno> {
        let buffer = Buffer(registers.words.as_ptr().cast_mut(), registers.length);
        let kind = elf_uapi::NT_PRSTATUS as usize;
        ptrace(ptrace::PTRACE_SETREGSET, self.0, kind, (&raw const buffer) as usize).map(drop)
    }

    /// The first argument of the call that it is stopped at, which not every CPU keeps in the registers that
    /// a tracer sees. Linux 5.3.
    fn first_argument(self) -> Option<u64> {
        // `struct ptrace_syscall_info`: op and padding, arch, ip, sp, number, arguments.
        let mut info = [0u64; 12];
        let length = size_of_val(&info);
        ptrace(ptrace::PTRACE_GET_SYSCALL_INFO, self.0, length, (&raw mut info) as usize).ok()?;
        // PTRACE_SYSCALL_INFO_SECCOMP
        (info[0].to_ne_bytes()[0] == 3).then_some(info[4])
    }

    /// The call that it is stopped at, if it is one that executes a program.
    pub fn exec_call(self, registers: &Registers) -> Option<ExecCall> {
        registers.exec_call(self.first_argument())
    }
}

impl Registers {
    /// What is where, if they are those of an execve or execveat.
    fn layout(&self) -> Option<&'static Layout> {
        cpu::LAYOUTS.iter().find(|layout| {
            self.length == usize::from(layout.word) * usize::from(layout.length)
                && layout.calls().contains(&(self.get(layout, layout.number) as u32))
        })
    }

    /// The call, whose first argument may be known already.
    fn exec_call(&self, known: Option<u64>) -> Option<ExecCall> {
        let layout = self.layout()?;
        let get = |at: u8| self.get(layout, at);
        let at = get(layout.number) as u32 == layout.execveat;
        let [first, second, third, fourth, fifth] = layout.arguments.map(get);
        let first = known.unwrap_or(first);
        let (path, argv, envp) = if at { (second, third, fourth) } else { (first, second, third) };
        let (dir, flags) = if at { (first as u32 as i32, fifth as u32) } else { (raw::AT_FDCWD, 0) };
        let [path, argv, envp, stack] = [path, argv, envp, get(layout.stack)].map(|one| one & layout.address);
        let (word, address) = (layout.pointer.into(), layout.address);
        Some(ExecCall { dir, path, argv, envp, flags, word, stack, address, at })
    }

    fn get(&self, layout: &Layout, at: u8) -> u64 {
        let at = usize::from(at);
        if layout.word == 8 {
            return self.words[at];
        }
        let bytes = self.words[at / 2].to_ne_bytes();
        bytes[at % 2 * 4..].first_chunk().map_or(0, |half| u32::from_ne_bytes(*half).into())
    }

    fn set(&mut self, layout: &Layout, at: u8, value: u64) {
        let at = usize::from(at);
        if layout.word == 8 {
            self.words[at] = value;
            return;
        }
        let mut bytes = self.words[at / 2].to_ne_bytes();
        bytes[at % 2 * 4..][..4].copy_from_slice(&(value as u32).to_ne_bytes());
        self.words[at / 2] = u64::from_ne_bytes(bytes);
    }

    /// Changes the call: other lists, and where `path` is given, another program, by an absolute path.
    pub fn set_exec(&mut self, call: &ExecCall, path: Option<u64>, argv: u64, envp: u64) {
        let Some(layout) = self.layout() else { return };
        let [_, second, third, fourth, fifth] = layout.arguments;
        let mut at = call.at;
        if let Some(path) = path {
            // The directory that an execveat begins in means nothing to an absolute path.
            if !at && layout.first.is_empty() {
                at = true;
                self.set(layout, layout.number, layout.execveat.into());
            }
            if at {
                self.set(layout, second, path);
                self.set(layout, fifth, 0);
            }
            if !at {
                layout.first.iter().for_each(|first| self.set(layout, *first, path));
            }
        }
        let (to_argv, to_envp) = if at { (third, fourth) } else { (second, third) };
        self.set(layout, to_argv, argv);
        self.set(layout, to_envp, envp);
    }

    /// Undoes [`Self::set_exec`] once the call has failed: the kernel keeps the registers of arguments, all
    /// but the one that the result is in.
    pub fn restore(&mut self, before: &Self) {
        // Where the number was, there may be the result now.
        let Some(layout) = before.layout().filter(|_| self.length == before.length) else { return };
        let apart = cfg!(any(target_arch = "x86", target_arch = "x86_64"));
        let arguments = layout.arguments.iter().skip(usize::from(!apart));
        let number = layout.first.is_empty().then_some(&layout.number);
        for at in arguments.chain(number) {
            self.set(layout, *at, before.get(layout, *at));
        }
    }
}

/// The memory of a traced process, by its addresses.
pub struct Memory(Fd);

impl Memory {
    /// `path` is `/proc/NUMBER/mem` of a thread that we trace. It makes a stack longer where that is written
    /// to.
    pub fn open(path: &CStr) -> Result<Self, Errno> {
        openat(At::CWD, path, OFlags::READ_WRITE, 0).map(Self)
    }

    /// Reads some bytes at an address, as many as `buffer` takes or lie together there.
    pub fn read(&self, buffer: &mut [u8], address: u64) -> Result<usize, Errno> {
        self.0.pread(buffer, address)
    }

    /// Writes all of `bytes` at an address.
    pub fn write(&self, bytes: &[u8], address: u64) -> Result<(), Errno> {
        let written = self.0.pwrite(bytes, address)?;
        if written == bytes.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }
}

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

/// Allows any process of ours to trace this one, or nobody but those who may anyway: Yama, where the kernel
/// has it, allows ancestors only (Documentation/admin-guide/LSM/Yama.rst).
pub fn allow_tracers(any: bool) {
    let who = if any { usize::MAX } else { 0 };
    let arguments = [linux_raw_sys::prctl::PR_SET_PTRACER as usize, who, 0, 0, 0];
    // SAFETY: no pointers. Without Yama the call does not exist, and nothing has to be allowed.
    let _ = unsafe { call(raw::__NR_prctl, arguments) };
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
    fn a_changed_call_is_another_one_until_it_has_failed() {
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
                assert_eq!(call.stack, u64::from(word(layout.stack)) & layout.address, "{layout:?}");

                let mut after = before.clone();
                after.set_exec(&call, Some(0x1000), 0x2000, 0x3000);
                let changed = after.exec_call(None).expect("still a call of this kind");
                assert_eq!(
                    (changed.path, changed.argv, changed.envp),
                    (0x1000, 0x2000, 0x3000),
                    "{layout:?}"
                );
                assert_eq!((changed.word, changed.stack), (call.word, call.stack), "{layout:?}");

                after.restore(&before);
                let result = layout.arguments[0];
                let kept = |at: &u8| *at == result || layout.first.contains(at);
                for at in (0..layout.length).filter(|at| !kept(at)) {
                    assert_eq!(after.get(layout, at), before.get(layout, at), "{layout:?}");
                }
            }
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
