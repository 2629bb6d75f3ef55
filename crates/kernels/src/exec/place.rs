//! Where in the arena each tensor lies.

use std::cmp::Reverse;
use std::ops::Range;

/// Offsets start at multiples of this many floats: a cache line.
pub(crate) const ALIGN: usize = 16;

/// Where tensors lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    /// First float of each tensor.
    pub(crate) offsets: Vec<usize>,
    /// Whether another tensor uses part of the same memory at another time.
    pub(crate) shared: Vec<bool>,
    /// Floats of the arena.
    pub(crate) total: usize,
}

/// Places tensors of `sizes` floats so that those whose lives overlap do not.
///
/// First fit, in the order of size, and in the order of birth; the smaller arena wins. Finding the smallest of all is
/// NP-hard; networks are chains with a few skips, where one of the two is optimal or nearly so.
pub(crate) fn place(sizes: &[usize], lives: &[Range<usize>]) -> Placement {
    let mut by_size: Vec<usize> = (0..sizes.len()).collect();
    let mut by_birth = by_size.clone();
    by_size.sort_by_key(|&i| (Reverse(sizes[i]), lives[i].start));
    by_birth.sort_by_key(|&i| (lives[i].start, Reverse(sizes[i])));
    let (a, b) = (first_fit(sizes, lives, &by_size), first_fit(sizes, lives, &by_birth));
    let (offsets, total) = if b.1 < a.1 { b } else { a };
    let overlap = |i: usize, j: usize| {
        offsets[i] < offsets[j] + sizes[j] && offsets[j] < offsets[i] + sizes[i] && sizes[i].min(sizes[j]) > 0
    };
    let shared = (0..sizes.len()).map(|i| (0..sizes.len()).any(|j| j != i && overlap(i, j))).collect();
    Placement { offsets, shared, total }
}

fn first_fit(sizes: &[usize], lives: &[Range<usize>], order: &[usize]) -> (Vec<usize>, usize) {
    let mut offsets = vec![0; sizes.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for &i in order {
        if sizes[i] == 0 {
            continue;
        }
        let mut taken: Vec<Range<usize>> = placed
            .iter()
            .filter(|&&j| lives[i].start < lives[j].end && lives[j].start < lives[i].end)
            .map(|&j| offsets[j]..offsets[j] + sizes[j])
            .collect();
        taken.sort_by_key(|range| range.start);
        let mut at = 0usize;
        for range in taken {
            if range.start >= at + sizes[i] {
                break;
            }
            at = at.max(range.end.next_multiple_of(ALIGN));
        }
        offsets[i] = at;
        total = total.max(at + sizes[i]);
        placed.push(i);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_needs_its_two_largest_neighbours() {
        let sizes = [160, 320, 320, 320];
        let lives = [0..2, 1..3, 2..4, 3..5];
        let placement = place(&sizes, &lives);
        assert_eq!(placement.total, 640);
        assert_eq!(placement.shared, [true; 4]);
    }

    #[test]
    fn tensors_that_live_together_never_overlap() {
        let mut state = 7u64;
        let mut next = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        for _ in 0..200 {
            let n = 1 + next(12);
            let sizes: Vec<usize> = (0..n).map(|_| next(100)).collect();
            let lives: Vec<_> = (0..n).map(|_| next(20)).map(|start| start..start + 1 + start % 7).collect();
            let placement = place(&sizes, &lives);
            for i in 0..n {
                assert!(placement.offsets[i] + sizes[i] <= placement.total);
                assert_eq!(placement.offsets[i] % ALIGN, 0);
                for j in 0..i {
                    let together = lives[i].start < lives[j].end && lives[j].start < lives[i].end;
                    let (a, b) = (placement.offsets[i], placement.offsets[j]);
                    let overlap = a < b + sizes[j] && b < a + sizes[i] && sizes[i] > 0 && sizes[j] > 0;
                    assert!(!(together && overlap), "{i} and {j}");
                    assert!(!overlap || (placement.shared[i] && placement.shared[j]));
                }
            }
        }
    }
}
