//! Positions along a row of an oblique grid, in fixed point.

use std::ops::Range;

use crate::taps::SNAP;

/// Fraction bits of a position: a step is off by at most 2^-45 voxel.
const FRACTION_BITS: u32 = 44;
const ONE: i64 = 1 << FRACTION_BITS;
/// Half a voxel.
pub(crate) const HALF: i64 = ONE / 2;
/// [`SNAP`] in fixed point.
const SNAP_FIXED: i64 = (SNAP * ONE as f64) as i64;
/// Voxels after which positions are taken from floating point again: 1024 steps are off by less than 3e-11 voxel.
pub(crate) const MAX_RUN: usize = 1024;
/// Axes with more voxels do not fit the integer bits.
pub(crate) const MAX_AXIS: usize = 1 << 18;

/// The positions `start + step * i` of a row, `i = 0, 1, ...`, one number per input axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) start: [f64; 3],
    pub(crate) step: [f64; 3],
}

impl Row {
    /// Position of voxel `i`.
    pub(crate) fn at(&self, i: usize) -> [f64; 3] {
        std::array::from_fn(|axis| self.start[axis] + self.step[axis] * i as f64)
    }

    /// The voxels among `0..count` whose positions lie in `[low, high]` on every axis.
    pub(crate) fn between(&self, low: [f64; 3], high: [f64; 3], count: usize) -> Range<usize> {
        let (mut first, mut end) = (0usize, count);
        for axis in 0..3 {
            let (start, step) = (self.start[axis], self.step[axis]);
            // An axis too short for the taps: its bounds cross.
            if low[axis] > high[axis] {
                return 0..0;
            }
            if step == 0.0 {
                if !(start >= low[axis] && start <= high[axis]) {
                    return 0..0;
                }
                continue;
            }
            let (a, b) = ((low[axis] - start) / step, (high[axis] - start) / step);
            // The casts clamp to the range of usize.
            first = first.max(a.min(b).ceil() as usize);
            let past = a.max(b).floor();
            end = end.min(if past < 0.0 { 0 } else { (past as usize).saturating_add(1) });
        }
        if first < end { first..end } else { 0..0 }
    }

    /// Walks from voxel `i` on, at most [`MAX_RUN`] voxels.
    #[inline(always)]
    pub(crate) fn walk_from(&self, i: usize) -> Walk {
        let fixed = |x: f64| (x * ONE as f64).round() as i64;
        Walk { at: self.at(i).map(|p| fixed(p).wrapping_add(SNAP_FIXED)), step: self.step.map(fixed) }
    }
}

/// A position that advances voxel by voxel; valid while it is not negative and below [`MAX_AXIS`].
pub(crate) struct Walk {
    /// Position + the snapping distance.
    at: [i64; 3],
    step: [i64; 3],
}

impl Walk {
    /// Floor and fraction (of 2^44) of each coordinate, snapped to whole numbers; then advances.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> ([usize; 3], [i64; 3]) {
        let mut whole = [0; 3];
        let mut fraction = [0; 3];
        for axis in 0..3 {
            let at = self.at[axis];
            let past = at & (ONE - 1);
            whole[axis] = (at >> FRACTION_BITS) as usize;
            fraction[axis] = if past < 2 * SNAP_FIXED { 0 } else { past - SNAP_FIXED };
            self.at[axis] = at.wrapping_add(self.step[axis]);
        }
        (whole, fraction)
    }

    /// Index of the nearest voxel on each axis (halves up); then advances.
    #[inline(always)]
    pub(crate) fn next_nearest(&mut self) -> [usize; 3] {
        let (whole, fraction) = self.next();
        std::array::from_fn(|axis| whole[axis] + usize::from(fraction[axis] >= HALF))
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_RUN, ONE, Row};

    #[test]
    fn a_walk_is_where_floating_point_is() {
        let row = Row { start: [3.25, 100.0, 7.0], step: [0.731, -0.09, 0.0] };
        let mut walk = row.walk_from(0);
        for i in 0..MAX_RUN {
            let (whole, fraction) = walk.next();
            for (axis, p) in row.at(i).into_iter().enumerate() {
                let walked = whole[axis] as f64 + fraction[axis] as f64 / ONE as f64;
                assert!((walked - p).abs() <= 1.1e-9, "voxel {i}, axis {axis}: {walked} for {p}");
            }
        }
    }

    #[test]
    fn ranges_hold_what_lies_between() {
        let row = Row { start: [-2.0, 9.5, 1.0], step: [0.5, -0.25, 0.0] };
        let range = row.between([0.0; 3], [8.0, 9.0, 1.0], 100);
        assert_eq!(range, 4..21);
        assert_eq!(row.between([0.0; 3], [8.0, 9.0, 0.5], 100), 0..0);
        assert_eq!(row.between([0.0; 3], [8.0, 9.0, 1.0], 3), 0..0);
        assert_eq!(row.between([4.0, 0.0, 0.0], [3.0, 9.0, 1.0], 100), 0..0);
    }
}
