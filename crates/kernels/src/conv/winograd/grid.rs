//! Where tiles lie.

use std::ops::Range;

/// The tiles along one axis: of `m` outputs each, `dilation` voxels apart.
///
/// A dilation of `d` is `d` interleaved convolutions, and each has its own tiles. `m d` voxels that begin at a multiple
/// of `m d` are a group of `d` tiles, one per remainder; the last group may be cut off. The grid depends on the layer
/// alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) m: usize,
    pub(super) dilation: usize,
    pub(super) len: usize,
}

impl Axis {
    /// A dilation that is larger than the axis reaches nothing, as one that equals it.
    pub(super) fn new(m: usize, dilation: usize, len: usize) -> Self {
        Self { m, dilation: dilation.min(len).max(1), len }
    }

    /// Voxels of a whole group.
    pub(super) fn group(&self) -> usize {
        self.m * self.dilation
    }

    /// Groups.
    pub(super) fn n_groups(&self) -> usize {
        self.len.div_ceil(self.group())
    }

    /// First output voxels of the tiles of some groups, ascending.
    pub(super) fn origins(&self, groups: Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let Self { dilation, len, .. } = *self;
        let group = self.group();
        groups.flat_map(move |g| g * group..(g * group + dilation).min(len))
    }

    /// Voxel under input `k` of the tile that begins at `origin`, if it lies on the axis.
    #[inline(always)]
    pub(super) fn input(&self, origin: usize, k: usize) -> Option<usize> {
        (origin + k * self.dilation).checked_sub(self.dilation).filter(|at| *at < self.len)
    }

    /// Origins of the tiles with an output in `outputs`, ascending.
    pub(super) fn touched(&self, outputs: &Range<usize>) -> Vec<usize> {
        let groups = outputs.start / self.group()..outputs.end.div_ceil(self.group());
        let touches = |origin: &usize| (0..self.m).any(|k| outputs.contains(&(origin + k * self.dilation)));
        self.origins(groups).filter(touches).collect()
    }
}

/// The tiles of a call, in groups side by side: those of all rows of tiles, row by row and depth by depth.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    pub(super) depth: Axis,
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    runs: Vec<Run>,
}

/// Groups of a row of tiles that are computed.
#[derive(Clone, Debug)]
struct Run {
    /// How many groups the runs before it have.
    first: usize,
    segment: Segment,
}

/// Groups that lie side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// First output plane of the tiles.
    pub(super) plane: usize,
    /// First output row of the tiles.
    pub(super) row: usize,
    /// Groups of columns.
    pub(super) groups: Range<usize>,
}

impl Grid {
    /// The tiles with an output in `planes`, but those that `skipped` says of a plane and a row of tiles: runs of groups,
    /// ascending.
    pub(super) fn new(
        [depth, rows, columns]: [Axis; 3],
        planes: &Range<usize>,
        mut skipped: impl FnMut(usize, usize) -> Vec<Range<usize>>,
    ) -> Self {
        let (mut runs, mut first) = (Vec::new(), 0);
        for plane in depth.touched(planes) {
            for row in rows.origins(0..rows.n_groups()) {
                let mut start = 0;
                let end = columns.n_groups();
                for skip in skipped(plane, row).into_iter().chain(std::iter::once(end..end)) {
                    if start < skip.start {
                        runs.push(Run { first, segment: Segment { plane, row, groups: start..skip.start } });
                        first += skip.start - start;
                    }
                    start = skip.end;
                }
            }
        }
        Self { depth, rows, columns, runs }
    }

    /// Groups of all rows of tiles together.
    pub(super) fn n_groups(&self) -> usize {
        self.runs.last().map_or(0, |run| run.first + run.segment.groups.len())
    }

    /// The segments of a range of groups.
    pub(super) fn segments(&self, groups: &Range<usize>) -> impl Iterator<Item = Segment> + '_ {
        let Range { start, end } = *groups;
        let begin = self.runs.partition_point(|run| run.first + run.segment.groups.len() <= start);
        self.runs[begin..].iter().take_while(move |run| run.first < end).map(move |Run { first, segment }| {
            let at = segment.groups.start;
            let groups = at + start.saturating_sub(*first)..(at + (end - first)).min(segment.groups.end);
            Segment { groups, ..segment.clone() }
        })
    }

    /// Tiles of a segment.
    pub(super) fn n_tiles(&self, segment: &Segment) -> usize {
        self.columns.origins(segment.groups.clone()).count()
    }

    /// Output voxels of a segment's rows.
    pub(super) fn outputs(&self, segment: &Segment) -> Range<usize> {
        let group = self.columns.group();
        segment.groups.start * group..(segment.groups.end * group).min(self.columns.len)
    }

    /// Input voxels of a segment's rows, in a source that is up-sampled `up` times.
    pub(super) fn inputs(&self, segment: &Segment, up: usize) -> Range<usize> {
        let Axis { dilation, len, .. } = self.columns;
        let outputs = self.outputs(segment);
        outputs.start.saturating_sub(dilation) >> up..(((outputs.end + dilation).min(len) - 1) >> up) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voxel_lies_in_one_tile() {
        for m in [1, 2, 4] {
            for dilation in [1, 2, 3, 16, usize::MAX / 4] {
                for len in 1..70 {
                    let axis = Axis::new(m, dilation, len);
                    let mut seen = vec![0; len];
                    for origin in axis.origins(0..axis.n_groups()) {
                        assert!(origin < len);
                        for k in 0..m {
                            if let Some(n) = seen.get_mut(origin + k * axis.dilation) {
                                *n += 1;
                            }
                        }
                    }
                    assert!(seen.iter().all(|n| *n == 1), "{axis:?}: {seen:?}");
                }
            }
        }
    }

    #[test]
    fn inputs_are_neighbours_or_nothing() {
        let axis = Axis::new(2, 3, 10);
        let inputs = |origin| (0..4).map(|k| axis.input(origin, k)).collect::<Vec<_>>();
        assert_eq!(inputs(1), [None, Some(1), Some(4), Some(7)]);
        assert_eq!(inputs(6), [Some(3), Some(6), Some(9), None]);
    }

    #[test]
    fn a_range_touches_the_tiles_that_hold_it() {
        let axis = Axis::new(4, 1, 11);
        assert_eq!(axis.touched(&(0..11)), [0, 4, 8]);
        assert_eq!(axis.touched(&(5..6)), [4]);
        assert_eq!(axis.touched(&(7..9)), [4, 8]);
        let axis = Axis::new(2, 3, 14);
        assert_eq!(axis.touched(&(0..6)), [0, 1, 2]);
        assert_eq!(axis.touched(&(3..4)), [0]);
        assert_eq!(axis.touched(&(12..14)), [12, 13]);
    }

    #[test]
    fn segments_cover_every_voxel_once() {
        for (dilations, size) in
            [([1, 1, 1], [5, 9, 21]), ([2, 3, 2], [3, 14, 17]), ([1, 16, 16], [8, 20, 70]), ([1, 1, 9], [1, 1, 1])]
        {
            let axis = |i: usize| Axis::new(4, dilations[i], size[i]);
            // All groups; and all but some here and there.
            for step in [usize::MAX, 3, 2, 1] {
                let left_out = |plane: usize, row: usize| {
                    let odd = |g: &usize| step < usize::MAX && (plane + row + g).is_multiple_of(step);
                    (0..axis(2).n_groups()).filter(odd).map(|g| g..g + 1).collect()
                };
                let grid = Grid::new([axis(0), axis(1), axis(2)], &(0..size[0]), left_out);
                covers_once(&grid, size, left_out);
            }
        }
    }

    /// Whether each voxel lies in one tile, or in a group that is left out.
    fn covers_once(grid: &Grid, size: [usize; 3], left_out: impl Fn(usize, usize) -> Vec<Range<usize>>) {
        let mut skipped = Vec::new();
        for plane in grid.depth.touched(&(0..size[0])) {
            for row in grid.rows.origins(0..grid.rows.n_groups()) {
                let groups = left_out(plane, row).into_iter();
                skipped.extend(groups.map(|groups| Segment { plane, row, groups }));
            }
        }
        for n in 1..8 {
            let mut seen = vec![0; size.iter().product()];
            let parts = (0..grid.n_groups()).step_by(n).map(|start| start..(start + n).min(grid.n_groups()));
            let computed = parts.flat_map(|part| grid.segments(&part).collect::<Vec<_>>());
            for segment in computed.chain(skipped.iter().cloned()) {
                assert!(!segment.groups.is_empty());
                let planes = (0..4).map(|j| segment.plane + j * grid.depth.dilation).filter(|z| *z < size[0]);
                for z in planes {
                    let rows = (0..4).map(|j| segment.row + j * grid.rows.dilation).filter(|y| *y < size[1]);
                    for (y, x) in rows.flat_map(|y| grid.outputs(&segment).map(move |x| (y, x))) {
                        seen[(z * size[1] + y) * size[2] + x] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|n| *n == 1), "{grid:?}, {n} groups: {seen:?}");
        }
    }
}
