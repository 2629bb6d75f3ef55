//! Floats that begin on a cache line.

use std::cell::RefCell;
use std::ops::Deref;

const LINE: usize = 16;

#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A vector of floats whose first lies at a multiple of 64 bytes.
#[derive(Debug, Default)]
pub(super) struct Aligned {
    lines: Vec<Line>,
}

impl Aligned {
    /// `len` zeros, rounded up to whole lines.
    pub(super) fn zeros(len: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); len.div_ceil(LINE)] }
    }

    /// The floats, to write.
    pub(super) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: a line is 16 floats without padding, and the borrow of the lines is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * LINE) }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a line is 16 floats without padding, borrowed as long as the result.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * LINE) }
    }
}

/// Runs `work` with `len` floats of scratch that the thread keeps for later calls; their content is arbitrary.
pub(super) fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Aligned> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            *scratch = Aligned::zeros(len);
        }
        work(&mut scratch.as_mut_slice()[..len])
    })
}
