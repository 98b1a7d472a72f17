//! The launcher's allocator: a bump through chunks of pages, for a process that soon becomes another one.
//!
//! Memory is handed out once and never taken back: it is zero as the kernel made it, and the code that frees
//! is compiled away, which is a tenth of the launcher. A growing `Vec` at the end grows in place. One thread
//! only, which is all that a launcher has.
#![cfg(any(feature = "bare", feature = "rewind", test))]
#![cfg_attr(all(feature = "rewind", not(test)), allow(dead_code, reason = "fuzzers take a part of it"))]
#![allow(unsafe_code, reason = "an allocator hands out raw memory; each block states why it is sound")]

use crate::sys;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr;

/// Bytes asked from the kernel at a time: enough for a warm start in one call, a multiple of every page size.
const CHUNK: usize = 256 * 1024;

/// A bump allocator over anonymous pages.
pub(crate) struct Bump(UnsafeCell<Chunk>);

struct Chunk {
    next: *mut u8,
    /// Bytes from `next` to the chunk's end.
    left: usize,
}

// SAFETY: the launcher starts no thread and takes no signal, so no two calls ever overlap.
unsafe impl Sync for Bump {}

impl Bump {
    /// An allocator without memory yet.
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(Chunk { next: ptr::null_mut(), left: 0 }))
    }
}

/// A null pointer would end the program by a trap of the CPU, which says nothing.
#[cfg(all(feature = "bare", not(test)))]
fn no_memory() -> *mut u8 {
    // If standard error is closed, the exit code still says it.
    let _ = sys::stderr(crate::error::NO_MEMORY);
    sys::exit(crate::error::EXIT_OURS)
}

#[cfg(not(all(feature = "bare", not(test))))]
fn no_memory() -> *mut u8 {
    ptr::null_mut()
}

impl Default for Bump {
    fn default() -> Self {
        Self::new()
    }
}

impl Chunk {
    fn allocate(&mut self, size: usize, align: usize) -> *mut u8 {
        let mut padding = self.next.align_offset(align);
        if padding.checked_add(size).is_none_or(|wanted| wanted > self.left) {
            // Pages are aligned for anything up to 4 KiB; ask for the slack that more would need.
            let Some(wanted) = size.checked_add(align) else { return ptr::null_mut() };
            let length = wanted.max(CHUNK);
            let Ok(start) = sys::leak_pages(length) else { return no_memory() };
            // What was left of the old chunk is lost, at most CHUNK: a big request does not waste much.
            (self.next, self.left) = (start.as_ptr(), length);
            padding = self.next.align_offset(align);
        }
        // `wrapping_add` stays inside the chunk: the room was checked or just made.
        let start = self.next.wrapping_add(padding);
        self.next = start.wrapping_add(size);
        self.left -= padding + size;
        start
    }

    /// Makes the last allocation `more` bytes longer, where it is.
    fn grow(&mut self, end: *mut u8, more: usize) -> bool {
        if end != self.next || more > self.left {
            return false;
        }
        self.left -= more;
        self.next = end.wrapping_add(more);
        true
    }
}

// SAFETY: every block lies in pages of our own, is aligned and overlaps no other that is in use.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: one thread, and no reference outlives a call.
        let chunk = unsafe { &mut *self.0.get() };
        chunk.allocate(layout.size(), layout.align())
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: our caller's promise is the same. The pages are new, and no byte of them is handed out
        // twice.
        unsafe { self.alloc(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(more) = size.checked_sub(layout.size()) else { return start };
        // SAFETY: one thread, and no reference outlives a call.
        let chunk = unsafe { &mut *self.0.get() };
        if chunk.grow(start.wrapping_add(layout.size()), more) {
            return start;
        }
        let moved = chunk.allocate(size, layout.align());
        if !moved.is_null() {
            // SAFETY: both are at least as long as the old block, and a new block overlaps no old one.
            unsafe { ptr::copy_nonoverlapping(start, moved, layout.size()) };
        }
        moved
    }
}

#[cfg(all(feature = "bare", not(test)))]
#[global_allocator]
static ALLOCATOR: Bump = Bump::new();

/// For fuzzers, which run the launcher's code a million times in one process: what [`Rewinding::once`]
/// allocates comes out of a [`Bump`] chunk and is gone when it ends, everything else comes from another
/// allocator.
#[cfg(feature = "rewind")]
pub struct Rewinding<A> {
    other: A,
    chunk: UnsafeCell<Chunk>,
    on: core::sync::atomic::AtomicBool,
}

// SAFETY: the chunk is touched by the one thread that is in `once`, which a fuzzer's targets are run by.
#[cfg(feature = "rewind")]
unsafe impl<A: Sync> Sync for Rewinding<A> {}

#[cfg(feature = "rewind")]
impl<A> Rewinding<A> {
    /// Address space for one run; only what is touched is memory.
    const ROOM: usize = 1 << 32;

    /// With `other` for all that is not thrown away.
    pub const fn new(other: A) -> Self {
        let chunk = UnsafeCell::new(Chunk { next: ptr::null_mut(), left: 0 });
        Self { other, chunk, on: core::sync::atomic::AtomicBool::new(false) }
    }

    /// Runs `work`, then throws away whatever it has allocated. No other thread may allocate meanwhile, and
    /// nothing of it may be kept: not in the result, not in a static.
    pub fn once<R: Copy + 'static>(&self, work: impl FnOnce() -> R) -> R {
        let Ok(mut pages) = sys::Pages::zeroed(Self::ROOM) else { return work() };
        // SAFETY: no allocation is under way, and `on` is still false.
        unsafe { *self.chunk.get() = Chunk { next: pages.as_mut_ptr(), left: Self::ROOM } };
        self.on.store(true, core::sync::atomic::Ordering::SeqCst);
        let result = work();
        self.on.store(false, core::sync::atomic::Ordering::SeqCst);
        // SAFETY: as above.
        unsafe { *self.chunk.get() = Chunk { next: ptr::null_mut(), left: 0 } };
        result
    }

    fn is_on(&self) -> bool {
        self.on.load(core::sync::atomic::Ordering::SeqCst)
    }

    fn is_ours(&self, start: *mut u8) -> bool {
        // SAFETY: read by the thread that alone writes it.
        let chunk = unsafe { &*self.chunk.get() };
        let end = (chunk.next as usize).saturating_add(chunk.left);
        (end.saturating_sub(Self::ROOM)..end).contains(&(start as usize))
    }
}

// SAFETY: a block is the chunk's or the other allocator's by its address, and goes back to whom it came from.
#[cfg(feature = "rewind")]
unsafe impl<A: GlobalAlloc> GlobalAlloc for Rewinding<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.is_on() {
            // SAFETY: one thread, and no reference outlives a call.
            let chunk = unsafe { &mut *self.chunk.get() };
            return chunk.allocate(layout.size(), layout.align());
        }
        // SAFETY: passed on from our caller.
        unsafe { self.other.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on from our caller; the chunk's pages are new.
        if self.is_on() { unsafe { self.alloc(layout) } } else { unsafe { self.other.alloc_zeroed(layout) } }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        if !self.is_ours(start) {
            // SAFETY: passed on from our caller.
            unsafe { self.other.dealloc(start, layout) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Bump;
    use core::alloc::{GlobalAlloc, Layout};

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).expect("a valid layout")
    }

    #[test]
    fn two_blocks_never_overlap_and_are_aligned_as_asked() {
        let bump = Bump::new();
        let mut blocks = Vec::new();
        for (size, align) in [(1, 1), (3, 8), (100, 64), (300_000, 16), (5, 4096), (1, 65536), (7, 2)] {
            // SAFETY: no size is zero.
            let start = unsafe { bump.alloc(layout(size, align)) };
            assert!(!start.is_null());
            assert_eq!(start as usize % align, 0);
            blocks.push((start as usize, size));
        }
        blocks.sort_unstable();
        for pair in blocks.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?}");
        }
    }

    #[test]
    fn the_last_block_grows_in_place_and_another_one_moves_with_its_bytes() {
        let bump = Bump::new();
        // SAFETY: no size is zero, every block is written within its length and freed by nobody.
        #[allow(clippy::multiple_unsafe_ops_per_block, reason = "one story of one block")]
        unsafe {
            let first = bump.alloc(layout(8, 8));
            first.cast::<[u8; 8]>().write(*b"contents");
            assert_eq!(bump.realloc(first, layout(8, 8), 64), first);
            let other = bump.alloc(layout(8, 8));
            let moved = bump.realloc(first, layout(64, 8), 128);
            assert_ne!(moved, first);
            assert_ne!(moved, other);
            assert_eq!(&moved.cast::<[u8; 8]>().read(), b"contents");
        }
    }

    #[test]
    fn memory_too_large_for_the_machine_is_refused_not_wrapped() {
        let bump = Bump::new();
        // SAFETY: the size is not zero.
        let start = unsafe { bump.alloc(layout(isize::MAX as usize - 64, 1)) };
        assert!(start.is_null());
    }

    #[test]
    fn zeroed_memory_is_zero_whatever_was_written_and_freed_before() {
        let bump = Bump::new();
        // SAFETY: one block, written within its length, shrunk and freed with its own layout.
        #[allow(clippy::multiple_unsafe_ops_per_block, reason = "one story of one block")]
        unsafe {
            let first = bump.alloc(layout(32, 1));
            first.write_bytes(0xff, 32);
            let shrunk = bump.realloc(first, layout(32, 1), 8);
            bump.dealloc(shrunk, layout(8, 1));
            let again = bump.alloc_zeroed(layout(32, 1));
            assert_eq!(core::slice::from_raw_parts(again, 32), [0; 32]);
        }
    }
}
