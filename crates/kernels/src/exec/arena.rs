//! One block of memory for all activations of a network.

use std::ops::{Deref, DerefMut, Range};

use crate::{Buffer, KernelError};

/// Floats, cut into tensors.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    memory: Buffer<f32>,
}

impl Arena {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Result<Self, KernelError> {
        Ok(Self { memory: Buffer::zeroed(len, "the activations of a network")? })
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
        &self.memory
    }
}

impl DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_zero_and_splits_on_both_sides() {
        let mut arena = Arena::zeroed(100).unwrap();
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
