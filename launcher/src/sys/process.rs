//! What the kernel hands a program at its start: arguments, environment, auxiliary vector (getauxval(3)).
//!
//! All of it is bytes. Nothing is parsed or dropped here; a test builds the same thing from its own strings.

use alloc::vec::Vec;
use core::ffi::CStr;
use linux_raw_sys::auxvec as raw;

use crate::bytes::c_str;

/// Arguments, environment and auxiliary vector of this process.
#[derive(Debug, Clone, Default)]
pub struct Process {
    args: Vec<&'static CStr>,
    env: Vec<&'static CStr>,
    execfn: Option<&'static CStr>,
    aux: Vec<(usize, usize)>,
}

impl Process {
    /// For tests: a process with these arguments and this environment and an empty auxiliary vector.
    pub fn new(args: &[&'static CStr], env: &[&'static CStr]) -> Self {
        Self { args: args.to_vec(), env: env.to_vec(), execfn: None, aux: Vec::new() }
    }

    /// For tests: the same with one more row in the auxiliary vector.
    #[must_use]
    pub fn with_aux(mut self, key: u32, value: usize) -> Self {
        self.aux.push((key as usize, value));
        self
    }

    /// Reads the block that the kernel leaves on the first stack: argc, the arguments, a null, the
    /// environment, a null, then pairs up to one of key `AT_NULL` (fs/binfmt_elf.c, `create_elf_tables`).
    ///
    /// # Safety
    /// `stack` must be the stack pointer with which the kernel entered the program, and nothing may ever
    /// write to that block.
    #[cfg(feature = "bare")]
    pub(super) unsafe fn from_stack(stack: *const usize) -> Self {
        let mut words = Words(stack);
        let mut process = Self::default();
        // SAFETY: the first word is argc; the strings follow up to a null.
        let argc = unsafe { words.next() };
        process.args.reserve_exact(argc);
        // SAFETY: after argc come the arguments, up to a null.
        unsafe { words.strings(&mut process.args) };
        // SAFETY: after the arguments comes the environment, up to a null.
        unsafe { words.strings(&mut process.env) };
        loop {
            // SAFETY: pairs of words up to and including AT_NULL.
            let key = unsafe { words.next() };
            // SAFETY: the second word of the pair.
            let value = unsafe { words.next() };
            if key == raw::AT_NULL as usize {
                return process;
            }
            if key == raw::AT_EXECFN as usize {
                // SAFETY: the kernel's value is the address of a string that lives as long as the process.
                process.execfn = Some(unsafe { CStr::from_ptr(value as *const _) });
            }
            process.aux.push((key, value));
        }
    }

    /// The arguments; the first is argv\[0\], which is missing if the caller passed none.
    pub fn args(&self) -> &[&'static CStr] {
        &self.args
    }

    /// The environment: `NAME=value` as a rule, but any bytes are possible.
    pub fn env(&self) -> &[&'static CStr] {
        &self.env
    }

    /// The value of the first variable with this name.
    pub fn var(&self, name: &[u8]) -> Option<&'static CStr> {
        self.env.iter().find_map(|entry| {
            let value = entry.to_bytes_with_nul().strip_prefix(name)?.strip_prefix(b"=")?;
            Some(c_str(value))
        })
    }

    /// A row of the auxiliary vector, by its `AT_*` number.
    pub fn aux(&self, key: u32) -> Option<usize> {
        self.aux.iter().find(|(row, _)| *row == key as usize).map(|(_, value)| *value)
    }

    /// Whether the program has more rights than its caller (setuid, file capabilities): the environment is
    /// then an attacker's.
    pub fn secure(&self) -> bool {
        self.aux(raw::AT_SECURE).is_some_and(|value| value != 0)
    }

    /// The path that execve(2) got, relative to the working directory of then.
    pub fn execfn(&self) -> Option<&'static CStr> {
        self.execfn
    }

    /// Bytes per page of memory; 4096 if the kernel did not say.
    pub fn page_size(&self) -> usize {
        self.aux(raw::AT_PAGESZ).unwrap_or(4096)
    }

    /// The CPU's abilities, two sets of bits whose meaning is the CPU's own; 0 if the kernel did not say.
    pub fn hwcap(&self) -> (usize, usize) {
        (self.aux(raw::AT_HWCAP).unwrap_or(0), self.aux(raw::AT_HWCAP2).unwrap_or(0))
    }
}

/// A walk along the words of the first stack.
#[cfg(feature = "bare")]
struct Words(*const usize);

#[cfg(feature = "bare")]
impl Words {
    /// # Safety
    /// There must be another word.
    unsafe fn next(&mut self) -> usize {
        // SAFETY: our caller says that the word is there; the stack is aligned for words.
        let word = unsafe { self.0.read() };
        // SAFETY: at most one behind the block's last word.
        self.0 = unsafe { self.0.add(1) };
        word
    }

    /// # Safety
    /// Addresses of strings that live for ever must follow, up to a null.
    unsafe fn strings(&mut self, into: &mut Vec<&'static CStr>) {
        loop {
            // SAFETY: the null has not been met yet.
            let address = unsafe { self.next() };
            if address == 0 {
                return;
            }
            // SAFETY: a string of the kernel's, as our caller says.
            into.push(unsafe { CStr::from_ptr(address as *const _) });
        }
    }
}
