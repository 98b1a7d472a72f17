//! Tracing other threads with ptrace(2): seizing, waiting, registers, and the one kind of call that a filter
//! stops at.
//!
//! A thread is seized, never stopped by it.

use super::call::{call, uninterrupted};
use super::registers::{Call, ExecCall, Registers};
use super::{At, Errno, Fd, OFlags, openat};
use core::ffi::CStr;
use linux_raw_sys::{elf_uapi, general as raw, ptrace};

/// What a traced thread has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is gone.
    Ended,
    /// The filter has stopped it at a call.
    Call,
    /// A call begins, or has returned; only after [`Resume::ToCall`].
    CallStop,
    /// It runs another program now; what its number was before is [`Thread::message`].
    Executed,
    /// It has made a child that borrows its memory, [`Thread::message`], and waits until that is given back.
    Lent,
    /// It has its memory back from the child that [`Thread::message`] says.
    HasBack,
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
    /// It runs until its call returns, or the next one begins; this signal is delivered, 0 for none.
    ToCall(u32),
    /// It stays stopped, as its process is, until that is continued.
    StayStopped,
    /// It waits for us, or is gone.
    Not,
}

/// A thread that we trace, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread(u32);

fn ptrace(request: u32, thread: u32, address: usize, data: usize) -> Result<usize, Errno> {
    // SAFETY: `data` is null, a number, or what our callers below say of it.
    unsafe { call(raw::__NR_ptrace, [request as usize, thread as usize, address, data]) }
}

/// `include/uapi/linux/ptrace.h`; Linux 3.11. A mask is 64 bits on every CPU here.
const PTRACE_GETSIGMASK: u32 = 0x420a;
const PTRACE_SETSIGMASK: u32 = 0x420b;

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
        ptrace::PTRACE_EVENT_VFORK => Event::Lent,
        ptrace::PTRACE_EVENT_VFORK_DONE => Event::HasBack,
        ptrace::PTRACE_EVENT_STOP
            if matches!(signal, raw::SIGSTOP | raw::SIGTSTP | raw::SIGTTIN | raw::SIGTTOU) =>
        {
            Event::GroupStop
        }
        // PTRACE_O_TRACESYSGOOD
        0 if signal == raw::SIGTRAP | 0x80 => Event::CallStop,
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
            | ptrace::PTRACE_O_TRACEVFORKDONE
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
            Resume::Not => return,
            Resume::Run(signal) => (ptrace::PTRACE_CONT, signal),
            Resume::ToCall(signal) => (ptrace::PTRACE_SYSCALL, signal),
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

    /// Lets the call that is about to begin be another one of `registers`' kind.
    fn set_number(self, number: u32) {
        #[cfg(target_arch = "aarch64")]
        {
            // NT_ARM_SYSTEM_CALL (include/uapi/linux/elf.h): x8 does not count any more.
            let buffer = Buffer((&raw const number).cast_mut().cast(), size_of_val(&number));
            let _ = ptrace(ptrace::PTRACE_SETREGSET, self.0, 0x404, (&raw const buffer) as usize);
        }
        #[cfg(target_arch = "arm")]
        {
            // PTRACE_SET_SYSCALL (arch/arm/include/uapi/asm/ptrace.h): nor does r7.
            let _ = ptrace(23, self.0, 0, number as usize);
        }
        let _ = (self.0, number);
    }

    /// Lets the call that it is about to make be `call`, of which the first argument may stay what it is.
    pub fn make(self, before: &Registers, call: Call) -> Result<(), Errno> {
        let layout = before.any_layout().ok_or(Errno::ENOSYS)?;
        let mut registers = before.clone();
        let (number, arguments) = call.parts(layout);
        registers.begin(layout, number, arguments);
        self.set_registers(&registers)?;
        self.set_number(number);
        Ok(())
    }

    /// Lets it make another call once it goes on from a stop behind one: `registers` are those to which it
    /// will be set back, with [`Self::set_registers`].
    pub fn make_next(self, registers: &Registers, call: Call) -> Result<(), Errno> {
        let layout = registers.any_layout().ok_or(Errno::ENOSYS)?;
        let (number, arguments) = call.parts(layout);
        self.set_registers(&registers.again(layout, number, arguments))
    }

    /// At the beginning of such a call: what it is counts from here on. The instruction may have said another
    /// number, and not every kernel keeps the rest behind the stop before ([`KEEPS_ARGUMENTS`]).
    ///
    /// [`KEEPS_ARGUMENTS`]: super::registers::KEEPS_ARGUMENTS
    pub fn make_now(self, call: Call) -> Result<(), Errno> {
        self.make(&self.registers()?, call)
    }

    /// Blocks all signals but those that nobody can block; the mask of before.
    pub fn block_signals(self) -> Result<u64, Errno> {
        let mut before = 0u64;
        let length = size_of_val(&before);
        ptrace(PTRACE_GETSIGMASK, self.0, length, (&raw mut before) as usize)?;
        self.set_signal_mask(u64::MAX)?;
        Ok(before)
    }

    /// Sets which signals are blocked.
    pub fn set_signal_mask(self, mask: u64) -> Result<(), Errno> {
        ptrace(PTRACE_SETSIGMASK, self.0, size_of_val(&mask), (&raw const mask) as usize).map(drop)
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

/// Allows any process of ours to trace this one, or nobody but those who may anyway: Yama, where the kernel
/// has it, allows ancestors only (Documentation/admin-guide/LSM/Yama.rst).
pub fn allow_tracers(any: bool) {
    let who = if any { usize::MAX } else { 0 };
    let arguments = [linux_raw_sys::prctl::PR_SET_PTRACER as usize, who, 0, 0, 0];
    // SAFETY: no pointers. Without Yama the call does not exist, and nothing has to be allowed.
    let _ = unsafe { call(raw::__NR_prctl, arguments) };
}
