//! How much memory a thread holds.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

/// An allocator that counts the bytes each thread holds: what it allocated and did not free, whoever frees it later.
///
/// For tests of how much memory work takes: unlike what the system reports, the numbers are the same in every run.
///
/// ```
/// use std::alloc::System;
/// use volkit_kernels::Metered;
///
/// #[global_allocator]
/// static ALLOCATOR: Metered<System> = Metered(System);
///
/// let (most, values) = Metered::<System>::most_bytes(|| vec![0_u8; 1000]);
/// assert_eq!((most, values.len()), (1000, 1000));
/// ```
#[derive(Debug)]
pub struct Metered<A>(pub A);

thread_local! {
    // Without a destructor, so that it can be reached as long as the thread runs.
    static HELD: Cell<[isize; 2]> = const { Cell::new([0; 2]) };
}

/// Changes the bytes that this thread holds now, and the most that it held.
fn add(bytes: isize) {
    HELD.with(|held| {
        let [now, most] = held.get();
        let now = now + bytes;
        held.set([now, most.max(now)]);
    });
}

impl<A> Metered<A> {
    /// The most bytes that this thread held during `work`, beyond what it held before; 0 where the allocator is not the
    /// global one.
    pub fn most_bytes<R>(work: impl FnOnce() -> R) -> (usize, R) {
        let before = HELD.with(|held| {
            let [now, _] = held.get();
            held.set([now, now]);
            now
        });
        let result = work();
        let [_, most] = HELD.get();
        (most.saturating_sub(before).unsigned_abs(), result)
    }
}

// SAFETY: every call is handed on to the inner allocator as it came; the counting allocates nothing and does not unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Metered<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: passed on from the caller.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: passed on from the caller.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: passed on from the caller.
        unsafe { self.0.dealloc(start, layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size as isize - layout.size() as isize);
        // SAFETY: passed on from the caller.
        unsafe { self.0.realloc(start, layout, size) }
    }
}
