//! Output rows of a direct convolution that read background only: their voxels are one value, which is known.

use std::ops::Range;

use super::ConvShape;
use super::direct::neighbour;
use crate::Layout;
use crate::background::{BackgroundMask, RowRuns, ones};

/// Rows that need not be computed, none where nothing is known.
#[derive(Clone, Debug, Default)]
pub(super) struct IdleRows {
    first_plane: usize,
    height: usize,
    /// Of each row of each plane.
    idle: Vec<bool>,
}

impl IdleRows {
    /// Looks at the source of a convolution to `planes` of a tensor; gives the background of all rows too.
    ///
    /// A voxel is background if its row's neighbours are as far as the kernel reaches. What is computed all the same
    /// has the same bits, so only rows that are background as a whole are left out.
    pub(super) fn find(
        shape: &ConvShape,
        layout: &Layout,
        planes: &Range<usize>,
        source: &BackgroundMask,
    ) -> (Self, Vec<RowRuns>) {
        let neighbours = |axis: usize, at: usize, n: usize| -> Option<Vec<usize>> {
            let (kernel, dilation) = (shape.kernel[axis], shape.dilation[axis]);
            (0..kernel).map(|tap| neighbour(at, tap, kernel, dilation, n)).collect()
        };
        let reach = shape.reach()[2];
        let (mut idle, mut rows) = (Vec::with_capacity(planes.len() * layout.height), Vec::new());
        for z in planes.clone() {
            let depths = neighbours(0, z, layout.depth);
            for y in 0..layout.height {
                let mut runs = Vec::new();
                if let (Some(depths), Some(heights)) = (&depths, neighbours(1, y, layout.height)) {
                    let mut common = vec![u64::MAX; source.row(z, y).len()];
                    for (z, y) in depths.iter().flat_map(|z| heights.iter().map(move |y| (*z, *y))) {
                        common.iter_mut().zip(source.row(z, y)).for_each(|(a, b)| *a &= b);
                    }
                    let inner = |run: Range<usize>| run.start + reach..run.end.saturating_sub(reach);
                    runs.extend(ones(&common, layout.width).map(inner).filter(|run| !run.is_empty()));
                }
                idle.push(runs.len() == 1 && runs[0] == (0..layout.width));
                rows.push(((z, y), runs));
            }
        }
        (Self { first_plane: planes.start, height: layout.height, idle }, rows)
    }

    /// Whether row `y` of plane `z` need not be computed.
    #[inline(always)]
    pub(super) fn contains(&self, z: usize, y: usize) -> bool {
        !self.idle.is_empty() && self.idle[(z - self.first_plane) * self.height + y]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_idle_where_the_whole_neighbourhood_is_background() {
        let layout = Layout::dense([5, 7, 9], 1);
        let mut data = vec![0.0; layout.len()];
        data[layout.row_offset(2, 3) + 4] = 1.0;
        let mut mask = BackgroundMask::new(&layout, vec![0.0]);
        (0..5).for_each(|z| mask.find(&data, z));
        let (idle, rows) = IdleRows::find(&ConvShape::new(1, 1, [3, 3, 1]), &layout, &(1..4), &mask);
        for (z, y) in (1..4).flat_map(|z| (0..7).map(move |y| (z, y))) {
            assert_eq!(idle.contains(z, y), (1..2).contains(&y) || (5..6).contains(&y), "{z} {y}");
        }
        assert_eq!(rows.len(), 21);
        // Taps along the row reach beyond its ends, and to the voxel that is none of the background.
        let (idle, rows) = IdleRows::find(&ConvShape::new(1, 1, [1, 1, 5]), &layout, &(2..3), &mask);
        assert!((0..7).all(|y| !idle.contains(2, y)));
        assert_eq!((rows[2].0, rows[2].1.first(), rows[3].1.len()), ((2, 2), Some(&(2..7)), 0));
        assert!(!IdleRows::default().contains(3, 3));
    }
}
