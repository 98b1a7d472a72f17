//! The arguments of the mmap that a thread makes for us. On s390x they are words in memory, whose address is
//! the only argument (`arch/s390/kernel/syscall.c`, `s390_mmap_arg_struct`).

use crate::sys::trace::Memory;

/// How much a thread maps for so many bytes.
#[cfg(not(target_arch = "s390x"))]
pub fn length(bytes: usize) -> Option<u64> {
    u64::try_from(bytes).ok()
}

/// Elsewhere they are in registers.
#[cfg(not(target_arch = "s390x"))]
pub fn of_map(_thread: u32, _memory: &Memory, _word: usize) -> Option<u64> {
    Some(0)
}

/// Always the same, so that two threads of one memory write the same words.
#[cfg(target_arch = "s390x")]
const LENGTH: u64 = 16 * 1024 * 1024;

/// How much a thread maps for so many bytes.
#[cfg(target_arch = "s390x")]
pub fn length(bytes: usize) -> Option<u64> {
    u64::try_from(bytes).ok().filter(|bytes| *bytes <= LENGTH).map(|_| LENGTH)
}

/// Writes the words where no program keeps anything: behind the end of the kernel's shared object (vdso(7)),
/// in the rest of its last page, which is the process's own copy once it is written to. `None` where there is
/// no room.
#[cfg(target_arch = "s390x")]
pub fn of_map(thread: u32, memory: &Memory, word: usize) -> Option<u64> {
    use super::scratch::{Digits, Scratch};
    use crate::sys::{self, At, OFlags, registers};

    const AT_SYSINFO_EHDR: u64 = 33;
    const PAGE: u64 = 4096;
    if word != 8 {
        return None;
    }
    let mut path = Scratch::default();
    path.join(&[b"/proc/", Digits::of(thread).bytes(), b"/auxv"]);
    let mut vector = [0; 1024];
    let file = sys::openat(At::CWD, path.c_str(), OFlags::READ, 0).ok()?;
    let read = file.pread(&mut vector, 0).ok()?;
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).ok();
    let pairs = vector.get(..read)?.chunks_exact(16);
    let start = pairs
        .map(|pair| (pair.get(..8).and_then(number), pair.get(8..).and_then(number)))
        .find_map(|(key, value)| if key == Some(AT_SYSINFO_EHDR) { value } else { None })?;
    // The section headers are its end: `e_shoff`, `e_shentsize`, `e_shnum` (System V ABI, ELF header).
    let mut head = [0; 64];
    memory.read(&mut head, start).ok().filter(|read| *read == head.len())?;
    let short = |at: usize| Some(u64::from(u16::from_be_bytes(head.get(at..)?.first_chunk().copied()?)));
    let length = number(head.get(40..48)?)?.checked_add(short(58)?.checked_mul(short(60)?)?)?;
    let end = start.checked_add(length)?.checked_next_multiple_of(8)?;
    let words = registers::words_of_map(LENGTH);
    let room = PAGE.checked_sub(end % PAGE)?;
    if end % PAGE == 0 || room < u64::try_from(words.len()).ok()? {
        return None;
    }
    let mut there = [0; 48];
    memory.read(&mut there, end).ok()?;
    if there != words {
        if there != [0; 48] {
            return None;
        }
        memory.write(&words, end).ok()?;
    }
    Some(end)
}
