//! Memory that copies of this process share, and what they count in it.

use core::sync::atomic::AtomicU64;

use super::{Errno, Pages};

/// A few numbers, and a text of one process.
#[derive(Debug)]
pub struct Shared(Pages);

/// As many numbers as are wanted, all zero.
#[derive(Debug)]
pub struct Numbers(Pages);

impl Numbers {
    /// `ENOMEM` if they would be more than the address space.
    pub fn new(count: usize) -> Result<Self, Errno> {
        let length = count.max(1).checked_mul(size_of::<AtomicU64>()).ok_or(Errno::ENOMEM)?;
        Pages::shared(length).map(Self)
    }

    /// All of them.
    pub fn all(&self) -> &[AtomicU64] {
        let count = self.0.len() / size_of::<AtomicU64>();
        // SAFETY: pages are aligned for them and as long; they are written by no other way, any bits are a
        // number, and the memory stays as long as `self`.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast(), count) }
    }
}

/// How many numbers there are.
const NUMBERS: usize = 16;

/// All of it.
const LENGTH: usize = 16 * 1024;

/// Where the text begins.
const TEXT: usize = NUMBERS * size_of::<AtomicU64>();

impl Shared {
    /// All zeros.
    pub fn new() -> Result<Self, Errno> {
        Pages::shared(LENGTH).map(Self)
    }

    /// The numbers.
    pub fn numbers(&self) -> &[AtomicU64; NUMBERS] {
        // SAFETY: pages are aligned for them and longer; they are written by no other way, any bits are a
        // number, and the memory stays as long as `self`.
        unsafe { &*self.0.as_ptr().cast() }
    }

    /// Puts down a text, or as much of it as there is room for. One process does so, as the numbers tell.
    pub fn put_text(&mut self, text: &[u8]) {
        let room = self.0.get_mut(TEXT..).unwrap_or_default();
        room.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    }

    /// The first `length` bytes of the text, of a process that has ended.
    pub fn text(&self, length: usize) -> &[u8] {
        let text = self.0.get(TEXT..).unwrap_or_default();
        text.get(..length).unwrap_or(text)
    }
}
