//! Memory from the kernel: files read in place, and zeroed pages.
//!
//! Nothing here is ever mapped writable and executable.

use super::call::call;
use super::{Errno, Fd, word};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;
use linux_raw_sys::general as raw;

/// A part of a file as memory, read-only, unmapped when dropped.
///
/// The file must not shrink meanwhile: reading behind its new end kills the process with SIGBUS. A bundle
/// is replaced by rename, never rewritten, so this holds for bundles.
#[derive(Debug)]
pub struct Mapping(Area);

/// Zeroed memory of our own, unmapped when dropped.
#[derive(Debug)]
pub struct Pages(Area);

#[derive(Debug)]
struct Area {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps `length` bytes of `file` from byte `offset`, a multiple of the page size (else `EINVAL`).
    /// `EINVAL` too if `length` is 0.
    pub fn of_file(file: &Fd, offset: u64, length: usize) -> Result<Self, Errno> {
        Area::map(length, raw::PROT_READ, raw::MAP_PRIVATE, file.argument(), offset).map(Self)
    }
}

impl Pages {
    /// `length` bytes of zeros. `EINVAL` if `length` is 0.
    pub fn zeroed(length: usize) -> Result<Self, Errno> {
        Area::zeroed(length).map(Self)
    }

    /// The same, which a process that is made of this one shares. Memory is not set aside for it.
    pub fn shared(length: usize) -> Result<Self, Errno> {
        let flags = raw::MAP_SHARED | raw::MAP_ANONYMOUS | raw::MAP_NORESERVE;
        Area::map(length, raw::PROT_READ | raw::PROT_WRITE, flags, usize::MAX, 0).map(Self)
    }

    /// Whether a process that is made of this one from now on has them.
    #[cfg(feature = "children")]
    pub fn give_to_copies(&self, give: bool) {
        let advice = if give { raw::MADV_DOFORK } else { raw::MADV_DONTFORK };
        let arguments = [self.0.start.as_ptr() as usize, self.0.length, advice as usize];
        // SAFETY: mapped by us with this length; a copy that lacks them has no use for them.
        let _ = unsafe { call(raw::__NR_madvise, arguments) };
    }
}

/// `length` bytes of zeros that are never given back: the allocator's raw material.
#[cfg(any(feature = "bare", feature = "rewind", test))]
pub(crate) fn leak_pages(length: usize) -> Result<NonNull<u8>, Errno> {
    Area::zeroed(length).map(|area| core::mem::ManuallyDrop::new(area).start)
}

impl Area {
    fn zeroed(length: usize) -> Result<Self, Errno> {
        // -1: no file (mmap(2)).
        Self::map(
            length,
            raw::PROT_READ | raw::PROT_WRITE,
            raw::MAP_PRIVATE | raw::MAP_ANONYMOUS,
            usize::MAX,
            0,
        )
    }

    fn map(length: usize, protection: u32, flags: u32, fd: usize, offset: u64) -> Result<Self, Errno> {
        let address = word::mmap(length, protection as usize, flags as usize, fd, offset)?;
        let start = NonNull::new(address as *mut u8).ok_or(Errno::ENOMEM)?;
        Ok(Self { start, length })
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: mapped by us with this length, and all borrows of it ended with `self`.
        let _ = unsafe { call(raw::__NR_munmap, [self.start.as_ptr() as usize, self.length]) };
    }
}

impl Deref for Mapping {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `length` readable bytes as long as `self` lives; the kernel never moves a mapping.
        unsafe { slice::from_raw_parts(self.0.start.as_ptr(), self.0.length) }
    }
}

impl Deref for Pages {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `length` readable bytes of our own as long as `self` lives.
        unsafe { slice::from_raw_parts(self.0.start.as_ptr(), self.0.length) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: `length` writable bytes of our own, borrowed mutably with `self`.
        unsafe { slice::from_raw_parts_mut(self.0.start.as_ptr(), self.0.length) }
    }
}
