//! What a file is to an execve: a program of some CPU, a script with its interpreter, or something that is
//! the kernel's business.

use core::ops::Range;

use bundle::Arch;

use super::scratch::Scratch;
use crate::sys::{self, Access, At, Errno, OFlags, Stat};

/// How much of a script's first line counts (include/uapi/linux/binfmts.h, `BINPRM_BUF_SIZE`).
const LINE: usize = 256;
/// Kinds of ELF files that can be executed (`e_type`, System V ABI).
const ET_EXEC: u64 = 2;
const ET_DYN: u64 = 3;
/// How long a table of program headers may be (`load_elf_phdrs` of `fs/binfmt_elf.c`).
const HEADERS_MAX: u64 = 65536;

/// The beginning of a file.
pub struct Head {
    bytes: [u8; LINE],
    length: usize,
}

/// What to do about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// It is left to the kernel.
    Kernels,
    /// It is not there.
    Missing,
    /// Built for this CPU.
    Elf(Arch),
    /// Its interpreter and the one argument, both in the head.
    Script(Range<usize>, Option<Range<usize>>),
}

impl Head {
    /// An empty one.
    pub fn new() -> Self {
        Self { bytes: [0; LINE], length: 0 }
    }

    /// Reads a file that may be executed; one that may not, or is being written, is left to the kernel, which
    /// will say so.
    pub fn read(&mut self, path: &Scratch) -> Program {
        self.length = 0;
        match sys::faccessat(At::CWD, path.c_str(), Access::Execute) {
            Ok(()) => {}
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Program::Missing,
            Err(_) => return Program::Kernels,
        }
        let flags = OFlags::READ | OFlags::NON_BLOCK;
        let Ok(file) = sys::openat(At::CWD, path.c_str(), flags, 0) else { return Program::Kernels };
        let Some(stat) = file.stat().ok().filter(Stat::is_file) else { return Program::Kernels };
        if file.is_being_written() {
            return Program::Kernels;
        }
        self.bytes.fill(0);
        self.length = file.pread(&mut self.bytes, 0).unwrap_or(0);
        match self.program() {
            // An emulator would find out when the old program is lost.
            Program::Elf(_) if !self.is_loadable(stat.size) => Program::Kernels,
            program => program,
        }
    }

    /// A piece of it.
    pub fn get(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    fn program(&self) -> Program {
        let bytes = self.get(0..self.length);
        match bytes {
            [0x7f, b'E', b'L', b'F', class, data, ..] if bytes.len() >= 52 => {
                // e_machine at 18, e_flags at 36 or 48, as the class says (System V ABI, ELF header).
                let machine = number(self.get(18..20), *data);
                let flags = number(if *class == 2 { self.get(48..52) } else { self.get(36..40) }, *data);
                let machine = u16::try_from(machine).unwrap_or(0);
                Arch::from_elf(*class, *data, machine, flags).map_or(Program::Kernels, Program::Elf)
            }
            [b'#', b'!', ..] => self.script(),
            _ => Program::Kernels,
        }
    }

    /// Whether an ELF file of this many bytes has what the kernel wants of its headers before it gives up the
    /// old program (`load_elf_binary` of `fs/binfmt_elf.c`).
    fn is_loadable(&self, size: u64) -> bool {
        let [class, data] = [4, 5].map(|at| self.bytes.get(at).copied().unwrap_or(0));
        let half = |at: usize| u64::from(number(self.get(at..at.saturating_add(2)), data));
        let word = |at: usize| u64::from(number(self.get(at..at.saturating_add(4)), data));
        let (table, sizes, header) = if class == 2 {
            let (low, high) = if data == 1 { (32, 36) } else { (36, 32) };
            (word(high) << 32 | word(low), 54, 56)
        } else {
            (word(28), 42, 32)
        };
        let (each, count) = (half(sizes), half(sizes.saturating_add(2)));
        let length = each.saturating_mul(count);
        matches!(half(16), ET_EXEC | ET_DYN)
            && each == header
            && (header..=HEADERS_MAX).contains(&length)
            && table.checked_add(length).is_some_and(|end| end <= size)
    }

    /// The kernel's rules (`load_script` of `fs/binfmt_script.c`): blanks around the interpreter are skipped,
    /// what follows is one argument, and a line that does not end must not be cut within the interpreter's
    /// name. The last byte of such a line becomes its NUL.
    fn script(&self) -> Program {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let bytes = self.get(0..self.length);
        let line_end = bytes.iter().position(|byte| *byte == b'\n');
        let end = line_end.unwrap_or(bytes.len().min(LINE - 1));
        let line = self.get(2..end);
        let Some(begin) = line.iter().position(|byte| !blank(byte)) else { return Program::Kernels };
        let begin = begin.saturating_add(2);
        let stop = |byte: &u8| blank(byte) || *byte == 0;
        let name_end = self.get(begin..end).iter().position(stop).map(|at| begin.saturating_add(at));
        if name_end.is_none() && line_end.is_none() && bytes.get(end).is_some_and(|last| !stop(last)) {
            return Program::Kernels;
        }
        let name_end = name_end.unwrap_or(end);
        if name_end == begin {
            return Program::Kernels;
        }
        let rest = self.get(name_end..end);
        let rest = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        let first = rest.iter().position(|byte| !blank(byte));
        let last = rest.iter().rposition(|byte| !blank(byte));
        let argument = match (first, last) {
            (Some(first), Some(last)) => {
                Some(name_end.saturating_add(first)..name_end.saturating_add(last).saturating_add(1))
            }
            _ => None,
        };
        Program::Script(begin..name_end, argument)
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

/// A number of at most four bytes, in the order that `EI_DATA` says.
fn number(bytes: &[u8], data: u8) -> u32 {
    let add = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
    if data == 1 { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &[u8]) -> Head {
        let mut head = Head::new();
        head.bytes[..text.len()].copy_from_slice(text);
        head.length = text.len();
        head
    }

    /// Interpreter and argument of a script.
    fn parsed(text: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
        let head = head(text);
        match head.program() {
            Program::Script(name, argument) => {
                Some((head.get(name).to_vec(), argument.map(|range| head.get(range).to_vec())))
            }
            _ => None,
        }
    }

    #[test]
    fn a_scripts_first_line_is_taken_apart_as_the_kernel_does() {
        let pair = |name: &[u8], argument: Option<&[u8]>| Some((name.to_vec(), argument.map(<[u8]>::to_vec)));
        assert_eq!(parsed(b"#!"), None);
        assert_eq!(parsed(b"#! \t \n/bin/sh"), None);
        assert_eq!(parsed(b"#!/bin/sh\necho"), pair(b"/bin/sh", None));
        assert_eq!(parsed(b"#!/bin/sh"), pair(b"/bin/sh", None));
        assert_eq!(parsed(b"#! /usr/bin/env  -S a b \t\nx"), pair(b"/usr/bin/env", Some(b"-S a b")));
        let long = [b"#!/", [b'a'; 253].as_slice()].concat();
        assert_eq!(parsed(&long), None, "a name that may go on is not a name");
        let long = [b"#!/a ", [b'b'; 251].as_slice()].concat();
        assert_eq!(parsed(&long), pair(b"/a", Some(&[b'b'; 250])), "an argument is cut");
        let long = [b"#!/a ", [b'b'; 250].as_slice()].concat();
        assert_eq!(parsed(&long), pair(b"/a", Some(&[b'b'; 250])), "a file may end there");
        let long = [b"#!/", [b'a'; 252].as_slice(), b" "].concat();
        assert_eq!(parsed(&long), pair(&long[2..255], None), "a name that ends is a name");
    }

    #[test]
    fn headers_that_the_kernel_would_not_load_are_no_program() {
        // Of 64 bits and of 32, in both orders: where table, size and number of the headers stand.
        for (class, data, table, sizes, header) in
            [(2, 1, 32, 54, 56), (2, 2, 32, 54, 56), (1, 1, 28, 42, 32), (1, 2, 28, 42, 32)]
        {
            let put = |bytes: &mut [u8], at: usize, length: usize, value: u64| {
                let value = if data == 1 { value.to_le_bytes() } else { value.to_be_bytes() };
                let value = if data == 1 { &value[..length] } else { &value[8 - length..] };
                bytes[at..at + length].copy_from_slice(value);
            };
            let mut good = [0; LINE];
            good[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, data]);
            let width = if class == 2 { 8 } else { 4 };
            for (at, length, value) in [(16, 2, 3), (table, width, 64), (sizes, 2, header), (sizes + 2, 2, 3)]
            {
                put(&mut good, at, length, value);
            }
            let loadable = |at: usize, length: usize, value: u64, size: u64| {
                let mut bytes = good;
                put(&mut bytes, at, length, value);
                head(&bytes).is_loadable(size)
            };
            let whole = 64 + 3 * header;
            assert!(loadable(16, 2, 2, whole) && loadable(16, 2, 3, whole), "{class} {data}");
            for (at, length, value, size, what) in [
                (16, 2, 1, whole, "an object"),
                (16, 2, 4, whole, "a core"),
                (sizes, 2, header + 1, whole + 99, "headers of another size"),
                (sizes + 2, 2, 0, whole, "no headers"),
                (sizes + 2, 2, 65536 / header + 1, 1 << 20, "too many"),
                (table, width, u64::from(u32::MAX), whole, "behind the end"),
                (16, 2, 3, whole - 1, "cut off"),
            ] {
                assert!(!loadable(at, length, value, size), "{class} {data}: {what}");
            }
        }
    }

    #[test]
    fn a_program_of_another_byte_order_is_known_by_its_header() {
        let mut elf = [0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x02");
        elf[19] = 22;
        assert_eq!(head(&elf).program(), Program::Elf(Arch::S390x));
        elf[5] = 1;
        assert_eq!(head(&elf).program(), Program::Kernels);
    }
}
