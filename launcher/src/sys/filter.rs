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
/// Both halves of the sixth argument.
const LAST: [u32; 2] = [56, 60];

/// `AT_EXECVE_CHECK` of `<linux/fcntl.h>` (Linux 6.14): the call asks whether it could execute the file, and
/// executes nothing. What an emulator could make of the file is not the question.
const EXECVE_CHECK: u32 = 0x10000;

/// The sixth argument of a call by which unibin's own emulators start one of themselves
/// (`foundry/recipe/files/linux-user/unibin-exec.c`). They have looked at the file, and the call stays as it
/// is. It is a word of 64 bits, so that programs of 32 bits have no mark.
const MARK: u64 = 0x756e_6962_696e_6578;

/// `__AUDIT_ARCH_64BIT` of `<linux/audit.h>`.
const IS_64_BIT: u32 = 0x8000_0000;

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

/// The halves of an argument in the order in which they are in memory.
fn halves(argument: u64) -> [u32; 2] {
    let (upper, lower) = ((argument >> 32) as u32, argument as u32);
    if cfg!(target_endian = "little") { [lower, upper] } else { [upper, lower] }
}

/// What the filter does.
fn instructions() -> Vec<Instruction> {
    let mut instructions = Vec::with_capacity(32);
    instructions.push(load(ARCH));
    for (audit, calls) in registers::traced_calls() {
        let count = calls.len() as u8;
        let can_be_marked = audit & IS_64_BIT != 0;
        let marks = u8::from(can_be_marked) << 2;
        instructions.push(jump(ptrace::BPF_JEQ, audit, 0, count + 6 + marks));
        instructions.push(load(NUMBER));
        for (call, after) in calls.into_iter().zip((0..count).rev()) {
            // An execve, an execveat, and so on.
            let no_flags = (after & 1) << 1;
            instructions.push(jump(ptrace::BPF_JEQ, call, after + 1 + no_flags, 0));
        }
        instructions.push(give(ptrace::SECCOMP_RET_ALLOW));
        instructions.push(load(FLAGS));
        instructions.push(jump(ptrace::BPF_JSET, EXECVE_CHECK, marks + 1, 0));
        if can_be_marked {
            let [first, second] = halves(MARK);
            instructions.push(load(LAST[0]));
            instructions.push(jump(ptrace::BPF_JEQ, first, 0, 2));
            instructions.push(load(LAST[1]));
            instructions.push(jump(ptrace::BPF_JEQ, second, 1, 0));
        }
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

    /// What the kernel's machine comes to with this call, whose last argument is nothing.
    fn answer(audit: u32, number: u32, flags: u32) -> u32 {
        answer_to(audit, number, flags, 0)
    }

    fn answer_to(audit: u32, number: u32, flags: u32, last: u64) -> u32 {
        let (all, mut accumulator, mut at) = (instructions(), 0, 0);
        loop {
            let &Instruction { code, if_true, if_false, operand } = &all[at];
            at += 1;
            let mut jump = |holds: bool| at += usize::from(if holds { if_true } else { if_false });
            match code {
                0x20 if operand == NUMBER => accumulator = number,
                0x20 if operand == ARCH => accumulator = audit,
                0x20 if operand == FLAGS => accumulator = flags,
                0x20 if operand == LAST[0] => accumulator = halves(last)[0],
                0x20 if operand == LAST[1] => accumulator = halves(last)[1],
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

    #[test]
    fn an_emulator_that_starts_itself_does_not_stop() {
        let (stop, go_on) = (ptrace::SECCOMP_RET_TRACE, ptrace::SECCOMP_RET_ALLOW);
        let mut passed = 0;
        for (audit, calls) in registers::traced_calls() {
            let marked = if audit & IS_64_BIT == 0 { stop } else { go_on };
            for call in calls {
                assert_eq!(answer_to(audit, call, 0x1000, MARK), marked, "{audit:x} {call}");
                passed += u32::from(marked == go_on);
                // Half of a mark is none.
                for last in [MARK ^ 1, MARK ^ 1 << 32, MARK.rotate_left(32), MARK & 0xffff_ffff, MARK >> 32] {
                    assert_eq!(answer_to(audit, call, 0x1000, last), stop, "{audit:x} {call} {last:x}");
                }
            }
            assert_eq!(answer_to(audit, 0, 0, MARK), go_on);
        }
        assert_eq!(passed != 0, cfg!(target_pointer_width = "64"));
    }
}
