//! The filter on system calls that stops a traced thread at execve and execveat, and at nothing else
//! (seccomp(2)).

use super::call::call;
use super::{Errno, registers};
use alloc::vec::Vec;
use linux_raw_sys::{general as raw, prctl, ptrace};

/// One instruction of the kernel's filter machine: `struct sock_filter`.
#[repr(C)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    operand: u32,
}

/// `struct sock_fprog`.
#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// Offsets in `struct seccomp_data`, whose words are of 32 bits and in the CPU's order. An execveat has its
/// flags in the lower half of the fifth of six arguments.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FLAGS: u32 = if cfg!(target_endian = "little") { 48 } else { 52 };

/// `AT_EXECVE_CHECK` of `<linux/fcntl.h>` (Linux 6.14): the call asks whether it could execute the file, and
/// executes nothing. What an emulator could make of the file is not the question.
const EXECVE_CHECK: u32 = 0x10000;

fn load(offset: u32) -> Instruction {
    let code = (ptrace::BPF_LD | ptrace::BPF_W | ptrace::BPF_ABS) as u16;
    Instruction { code, if_true: 0, if_false: 0, operand: offset }
}

fn jump(condition: u32, operand: u32, if_true: u8, if_false: u8) -> Instruction {
    let code = (ptrace::BPF_JMP | condition | ptrace::BPF_K) as u16;
    Instruction { code, if_true, if_false, operand }
}

fn give(operand: u32) -> Instruction {
    Instruction { code: (ptrace::BPF_RET | ptrace::BPF_K) as u16, if_true: 0, if_false: 0, operand }
}

/// What the filter does.
fn instructions() -> Vec<Instruction> {
    let mut instructions = Vec::with_capacity(32);
    instructions.push(load(ARCH));
    for (audit, calls) in registers::traced_calls() {
        let count = calls.len() as u8;
        instructions.push(jump(ptrace::BPF_JEQ, audit, 0, count + 6));
        instructions.push(load(NUMBER));
        for (call, after) in calls.into_iter().zip((0..count).rev()) {
            // An execve, an execveat, and so on.
            let no_flags = (after & 1) << 1;
            instructions.push(jump(ptrace::BPF_JEQ, call, after + 1 + no_flags, 0));
        }
        instructions.push(give(ptrace::SECCOMP_RET_ALLOW));
        instructions.push(load(FLAGS));
        instructions.push(jump(ptrace::BPF_JSET, EXECVE_CHECK, 1, 0));
        instructions.push(give(ptrace::SECCOMP_RET_TRACE));
        instructions.push(give(ptrace::SECCOMP_RET_ALLOW));
    }
    instructions.push(give(ptrace::SECCOMP_RET_ALLOW));
    instructions
}

/// From here on this thread, and all that comes of it, stops for its tracer when it executes a program;
/// without a tracer the call fails with `ENOSYS`. There is no way back.
pub fn stop_at_exec() -> Result<(), Errno> {
    let instructions = instructions();
    let program = Program { length: instructions.len() as u16, instructions: instructions.as_ptr() };
    let install = |flags: u32| {
        let arguments =
            [ptrace::SECCOMP_SET_MODE_FILTER as usize, flags as usize, (&raw const program) as usize];
        // SAFETY: `program` says where how many instructions are; the kernel copies them.
        unsafe { call(raw::__NR_seccomp, arguments) }.map(drop)
    };
    // Before Linux 5.16 a filter would slow the whole program down with a guard against speculation; the flag
    // is of 4.17.
    let allow_speculation = 4;
    match install(allow_speculation) {
        Err(Errno::EINVAL) => install(0),
        done => done,
    }
}

/// Gives up rights that set-user-ID programs would bring: the price of a filter for whoever is not root.
pub fn no_new_privileges() -> Result<(), Errno> {
    // SAFETY: no pointers.
    unsafe { call(raw::__NR_prctl, [prctl::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]) }.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel's machine comes to with this call.
    fn answer(audit: u32, number: u32, flags: u32) -> u32 {
        let (all, mut accumulator, mut at) = (instructions(), 0, 0);
        loop {
            let &Instruction { code, if_true, if_false, operand } = &all[at];
            at += 1;
            let mut jump = |holds: bool| at += usize::from(if holds { if_true } else { if_false });
            match code {
                0x20 if operand == NUMBER => accumulator = number,
                0x20 if operand == ARCH => accumulator = audit,
                0x20 if operand == FLAGS => accumulator = flags,
                0x15 => jump(accumulator == operand),
                0x45 => jump(accumulator & operand != 0),
                0x06 => return operand,
                _ => panic!("{code:x} {operand}"),
            }
        }
    }

    #[test]
    fn a_thread_stops_when_it_executes_and_not_when_it_asks_whether_it_could() {
        let (stop, go_on) = (ptrace::SECCOMP_RET_TRACE, ptrace::SECCOMP_RET_ALLOW);
        for (audit, calls) in registers::traced_calls() {
            for (at, call) in calls.iter().enumerate() {
                // What execve has there is no argument.
                let asks = if at % 2 == 0 { stop } else { go_on };
                assert_eq!(
                    [0, 0x1000, 0x10000, 0x11100].map(|flags| answer(audit, *call, flags)),
                    [stop, stop, asks, asks]
                );
            }
            for other in [0, 1, calls[0] + 1, u32::MAX] {
                assert_eq!(answer(audit, other, 0), go_on);
            }
            assert_eq!(answer(audit ^ 1, calls[0], 0), go_on);
        }
    }
}
