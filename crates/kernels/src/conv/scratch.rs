//! Memory that a thread keeps between calls.

use std::cell::RefCell;

use crate::Buffer;

/// Scratch grows in steps of this many floats, a huge page: the rows of a task lie on more small pages than the first
/// level of a translation cache holds.
const STEP: usize = 512 * 1024;
/// Scratch of fewer floats is as large as it must be.
const SMALL: usize = 64 * 1024;

thread_local! {
    static SCRATCH: RefCell<Buffer<f32>> = RefCell::default();
}

/// Floats that this thread keeps.
#[cfg(test)]
pub(crate) fn kept_by_this_thread() -> usize {
    SCRATCH.with_borrow(|scratch| scratch.len())
}

/// Floats that a thread keeps where `len` were asked for.
pub(super) fn kept_floats(len: usize) -> usize {
    if len < SMALL { len } else { len.next_multiple_of(STEP) }
}

/// Runs `work` with `len` floats of scratch that the thread keeps for later calls; their content is arbitrary.
pub(crate) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            // The old one first, so that two are never held.
            *scratch = Buffer::default();
            *scratch = Buffer::zeros(kept_floats(len));
        }
        work(&mut scratch[..len])
    })
}
