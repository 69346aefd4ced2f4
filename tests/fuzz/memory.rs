//! How much memory is in use at most, counted for each thread by itself, since tests run side by
//! side.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

thread_local! {
    /// What is in use and was taken on this thread. What another one gives back makes it too small.
    static USED: Cell<isize> = const { Cell::new(0) };
    /// The most there was.
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: whatever is asked of it, the system's allocator does.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's word is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's word is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count(size: isize) {
    // A thread that ends takes its counters with it before its last memory.
    let _ = USED.try_with(|used| {
        used.set(used.get() + size);
        let _ = MOST.try_with(|most| most.set(most.get().max(used.get())));
    });
}

/// Does something. With it comes the most memory that was in use on the way, over what was before.
pub fn most<T>(act: impl FnOnce() -> T) -> (T, usize) {
    let before = USED.get();
    MOST.set(before);
    let done = act();
    let most = MOST.get().saturating_sub(before);
    (done, usize::try_from(most).unwrap_or_default())
}
