//! Counts what a thread has allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes allocated by this thread and not freed by it.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// Largest value of `LIVE` since the last measurement began.
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counted. To be made the global allocator of a test.
pub struct CountingAllocator;

/// Runs `f` and returns with its result by how many bytes, at most, the memory
/// allocated by this thread grew meanwhile. Zero unless [`CountingAllocator`] is
/// the global allocator.
pub fn peak_during<T>(f: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = f();
    (result, (PEAK.get() - before).unsigned_abs())
}

fn count(bytes: isize) {
    // Fails only while the thread ends, when nothing is measured any more.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// A layout's size fits an `isize`.
// SAFETY: every call is handed to the system's allocator as it came; counting
// allocates nothing, for both cells are made without initialisation or drop.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new memory may exist at the same time.
        count(size as isize);
        // SAFETY: the caller's promise.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        count(-(layout.size() as isize));
        moved
    }
}
