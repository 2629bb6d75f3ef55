//! Groups of tiles that read background only: their outputs are one value, which is known.

use std::ops::Range;

use super::Winograd;
use super::grid::Axis;
use crate::background::{BackgroundMask, RowRuns, ones};
use crate::conv::finish::Finish;
use crate::conv::rows::store;
use crate::simd::{Body, Lane, dispatch};

impl Winograd {
    /// What comes of voxels `value` far from the ends of the volume, summed in f64 and rounded once.
    ///
    /// Outputs of a tile of such voxels have rounding errors, which depend on their place in the tile but not on the
    /// tile: one of them for all would be an error in the mean of a large background.
    pub(in crate::conv) fn on_background(&self, value: &[f32]) -> Vec<f32> {
        let sums = self.tap_sums.chunks(self.channels[0].max(1)).zip(self.finish.bias());
        let sum = |(weights, bias): (&[f64], &f32)| {
            let products = weights.iter().zip(value).map(|(weight, x)| weight * f64::from(*x));
            (f64::from(*bias) + products.sum::<f64>()) as f32
        };
        let mut values: Vec<f32> = sums.map(sum).collect();
        // SAFETY: the instruction set is there, and the epilogue repeats its channels up to a vector beyond the last.
        unsafe { dispatch(self.isa, Finished { values: &mut values, finish: &self.finish }) };
        values
    }

    /// The groups of a row of tiles whose inputs all lie in the volume and hold the background: runs, ascending.
    pub(super) fn idle_groups(
        &self,
        [depth, rows, columns]: &[Axis; 3],
        (plane, row): (usize, usize),
        source: &BackgroundMask,
    ) -> Vec<Range<usize>> {
        let taps = self.depth_taps;
        let planes: Option<Vec<usize>> =
            (0..depth.m + taps - 1).map(|k| depth.input(plane, k + 1 - taps / 2)).collect();
        let rows: Option<Vec<usize>> = (0..rows.m + 2).map(|j| rows.input(row, j)).collect();
        let (Some(planes), Some(rows)) = (planes, rows) else { return Vec::new() };
        let mut common: Option<Vec<u64>> = None;
        for z in planes {
            for y in &rows {
                let bits = source.row(z, *y);
                match &mut common {
                    None => common = Some(bits.to_vec()),
                    Some(common) => common.iter_mut().zip(bits).for_each(|(a, b)| *a &= b),
                }
            }
        }
        let (reach, group) = (columns.dilation, columns.group());
        let groups = |run: Range<usize>| {
            let end = run.end.saturating_sub(reach) / group;
            (run.start + reach).div_ceil(group).min(end)..end
        };
        let common = common.unwrap_or_default();
        ones(&common, columns.len).map(groups).filter(|groups| !groups.is_empty()).collect()
    }

    /// The rows of `planes` under a row of tiles, with the voxels of its groups `idle`.
    pub(super) fn rows_of(
        &self,
        [depth, rows, columns]: &[Axis; 3],
        planes: &Range<usize>,
        (plane, row): (usize, usize),
        idle: &[Range<usize>],
    ) -> Vec<RowRuns> {
        let group = columns.group();
        let voxels: Vec<Range<usize>> = idle.iter().map(|run| run.start * group..run.end * group).collect();
        let planes = (0..depth.m).map(|k| plane + k * depth.dilation).filter(|z| planes.contains(z));
        let rows = (0..rows.m).map(|j| row + j * rows.dilation).filter(|y| *y < rows.len);
        planes.flat_map(|z| rows.clone().map(move |y| (z, y))).map(|at| (at, voxels.clone())).collect()
    }
}

/// Sums of all channels to outputs.
struct Finished<'a> {
    values: &'a mut [f32],
    finish: &'a Finish,
}

impl Body for Finished<'_> {
    type Output = ();

    /// # Safety
    /// The epilogue has channels up to a vector beyond the last value.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for (i, values) in self.values.chunks_mut(L::N).enumerate() {
            // SAFETY: as many lanes as there are values are read and written; the caller vouches for the epilogue.
            unsafe {
                let sum = L::load_first(values.as_ptr(), values.len());
                store(self.finish.apply(sum, i * L::N), values.as_mut_ptr(), values.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::winograd::grid::Grid;
    use crate::conv::{Activation, Algorithm, ConvShape, Epilogue};
    use crate::{Isa, Layout, Threads};

    fn winograd(algorithm: Algorithm, dilation: [usize; 3]) -> Winograd {
        let shape = ConvShape::new(1, 1, [3; 3]).with_dilation(dilation);
        let epilogue = Epilogue::from(Activation::Identity);
        Winograd::new(&shape, (&[1.0; 27], None), epilogue, (algorithm, Isa::Scalar), &Threads::single()).unwrap()
    }

    #[test]
    fn only_groups_whose_inputs_are_all_background_are_idle() {
        let layout = Layout::dense([12, 12, 70], 1);
        let conv = winograd(Algorithm::Winograd444, [1; 3]);
        let axes: [Axis; 3] = std::array::from_fn(|i| conv.axis(i, layout.size()[i]));
        let mut data = vec![0.0; layout.len()];
        // The input under the middle tiles but for one voxel, which groups 9 and 10 read.
        data[layout.row_offset(8, 3) + 40] = 1.0;
        let mut mask = BackgroundMask::new(&layout, vec![0.0]);
        (0..12).for_each(|z| mask.find(&data, z));
        let idle = |plane, row| conv.idle_groups(&axes, (plane, row), &mask);
        // Groups 0 and 17 read beyond the ends, and so do all of the first and last planes and rows.
        assert_eq!(idle(4, 4), [1..9, 11..17]);
        for (plane, row) in [(0, 4), (8, 4), (4, 0), (4, 8)] {
            assert!(idle(plane, row).is_empty());
        }
        let rows = conv.rows_of(&axes, &(5..7), (4, 4), &idle(4, 4));
        assert_eq!(rows.len(), 8);
        assert_eq!(rows[0], ((5, 4), vec![4..36, 44..68]));
        assert_eq!(Grid::new(axes, &(5..7), idle).n_groups(), 3 * 18 - 14);
    }

    #[test]
    fn dilated_groups_reach_as_far_as_their_taps() {
        let layout = Layout::dense([9, 40, 100], 1);
        let conv = winograd(Algorithm::Winograd144, [4, 4, 4]);
        let axes: [Axis; 3] = std::array::from_fn(|i| conv.axis(i, layout.size()[i]));
        let mut data = vec![0.0; layout.len()];
        data[layout.row_offset(4, 20) + 52] = 1.0;
        let mut mask = BackgroundMask::new(&layout, vec![0.0]);
        (0..9).for_each(|z| mask.find(&data, z));
        // Groups of 16 voxels, 4 more on both sides; rows 16, 20, 24 and 28 with 12 and 32.
        assert_eq!(conv.idle_groups(&axes, (4, 16), &mask), [1..3, 4..6]);
        assert_eq!(conv.idle_groups(&axes, (4, 17), &mask).first(), Some(&(1..6)));
        assert!(conv.idle_groups(&axes, (3, 16), &mask).is_empty());
    }

    #[test]
    fn one_value_everywhere_gives_one_value() {
        for algorithm in [Algorithm::Winograd222, Algorithm::Winograd144, Algorithm::Winograd444] {
            let result = winograd(algorithm, [7, 2, 1]).on_background(&[0.5]);
            assert_eq!(result, [13.5], "{algorithm:?}");
        }
    }
}
