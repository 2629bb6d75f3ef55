//! One block of memory for all activations of a network.

use std::alloc::{Layout as AllocLayout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

use crate::KernelError;

/// Arenas start at multiples of this many bytes.
const ALIGN_BYTES: usize = 64;

/// Zeroed floats, aligned to a cache line.
///
/// Not a `Vec`: that can not be aligned, nor be zeroed by the system without an abort when there is too little memory.
#[derive(Debug)]
pub(crate) struct Arena {
    start: NonNull<f32>,
    len: usize,
}

// SAFETY: an arena owns its memory, and f32 is Send and Sync; access follows the borrow of the arena.
unsafe impl Send for Arena {}
// SAFETY: as above; a shared arena only gives out shared slices.
unsafe impl Sync for Arena {}

impl Arena {
    pub(crate) fn zeroed(len: usize) -> Result<Self, KernelError> {
        if len == 0 {
            return Ok(Self { start: NonNull::dangling(), len });
        }
        let refused = || KernelError::Memory {
            what: "the activations of a network",
            needed: len.saturating_mul(size_of::<f32>()),
        };
        let layout = layout(len).ok_or_else(refused)?;
        // SAFETY: the layout has a size above zero, because `len` is above zero.
        let start = unsafe { alloc_zeroed(layout) };
        Ok(Self { start: NonNull::new(start.cast::<f32>()).ok_or_else(refused)?, len })
    }

    /// Floats `out` to write and each of `sources` to read.
    ///
    /// `out` must not overlap any of `sources`; an overlap panics.
    pub(crate) fn split(&mut self, out: Range<usize>, sources: &[Range<usize>]) -> (&mut [f32], Vec<&[f32]>) {
        let (left, rest) = self.split_at_mut(out.start);
        let (target, right) = rest.split_at_mut(out.len());
        let (left, right) = (&*left, &*right);
        let of = |range: &Range<usize>| {
            assert!(range.end <= out.start || range.start >= out.end, "invariant: a node never reads what it writes");
            if range.end <= out.start {
                &left[range.clone()]
            } else {
                &right[range.start - out.end..range.end - out.end]
            }
        };
        (target, sources.iter().map(of).collect())
    }
}

impl Deref for Arena {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `start` points to `len` floats that this arena owns (or dangles, aligned, with `len` 0); they were
        // zeroed, so initialised, and the allocation is below isize::MAX bytes because a `Layout` of it exists.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the exclusive borrow of the arena makes the slice the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if let (1.., Some(layout)) = (self.len, layout(self.len)) {
            // SAFETY: `start` came from `alloc_zeroed` with this very layout, as `len` never changes.
            unsafe { dealloc(self.start.as_ptr().cast::<u8>(), layout) };
        }
    }
}

fn layout(len: usize) -> Option<AllocLayout> {
    AllocLayout::array::<f32>(len).ok()?.align_to(ALIGN_BYTES).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_aligned_and_splits_on_both_sides() {
        let mut arena = Arena::zeroed(100).unwrap();
        assert_eq!(arena.as_ptr() as usize % ALIGN_BYTES, 0);
        assert!(arena.iter().all(|v| *v == 0.0));
        arena[3] = 3.0;
        arena[90] = 90.0;
        let (out, sources) = arena.split(10..20, &[0..10, 20..100, 3..4]);
        out.fill(1.0);
        assert_eq!((sources[0][3], sources[1][70], sources[2]), (3.0, 90.0, &[3.0][..]));
        assert_eq!(arena.iter().sum::<f32>(), 103.0);
    }

    #[test]
    #[should_panic(expected = "never reads what it writes")]
    fn refuses_to_split_what_overlaps() {
        let mut arena = Arena::zeroed(10).unwrap();
        let _ = arena.split(2..6, &[0..1, 5..8]);
    }

    #[test]
    fn nothing_and_too_much() {
        assert!(Arena::zeroed(0).unwrap().is_empty());
        assert!(matches!(Arena::zeroed(usize::MAX / 2), Err(KernelError::Memory { .. })));
        assert!(matches!(Arena::zeroed(isize::MAX as usize / 8), Err(KernelError::Memory { .. })));
    }
}
