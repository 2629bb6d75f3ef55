//! Resampling where the axes of the two grids cross at other than right angles.

use std::ops::Range;

use rayon::prelude::*;
use volkit_core::Affine;

use crate::Sample;
use crate::row_walk::{HALF, MAX_AXIS, MAX_RUN, Row};
use crate::sample::Accumulator;
use crate::taps::{AxisRule, Edge, SNAP, Taps, spline_reach, spline_weights};

/// Voxels below which a row is not worth a task of its own.
const MIN_TASK: usize = 4096;

/// Samples and where they lie.
pub(crate) struct Source<'a, S> {
    pub(crate) samples: &'a [S],
    /// Number of samples and rule of each axis.
    pub(crate) rules: [AxisRule; 3],
}

impl<S> Clone for Source<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Source<'_, S> {}

impl<S> Source<'_, S> {
    fn strides(&self) -> [usize; 3] {
        [1, self.rules[0].n, self.rules[0].n * self.rules[1].n]
    }

    /// Row `j, k` of the output, as positions among the samples (padding counted).
    fn row(&self, in_from_out: &Affine, j: usize, k: usize) -> Row {
        let start = in_from_out.apply([0.0, j as f64, k as f64]);
        Row {
            start: std::array::from_fn(|axis| start[axis] + self.rules[axis].pad as f64),
            step: in_from_out.column(0),
        }
    }

    /// The voxels of a row that may have a value; the others are constant for certain.
    fn may_have_value(&self, row: &Row, count: usize) -> Range<usize> {
        if self.rules[0].edge != Edge::Void {
            return 0..count;
        }
        row.between([-2.0 * SNAP; 3], self.rules.map(|rule| rule.n as f64 - 1.0 + 2.0 * SNAP), count)
    }

    /// The voxels of a row whose taps, `reach` samples to the left and `reach + right` to the right, all lie inside.
    fn surely_inside(&self, row: &Row, reach: usize, right: usize, count: usize) -> Range<usize> {
        if self.rules.iter().any(|rule| rule.n > MAX_AXIS) {
            return 0..0;
        }
        let flat = |rule: &AxisRule| rule.n == 1 && reach == 0;
        let high = |rule: AxisRule| match right {
            _ if flat(&rule) => 0.5 * SNAP,
            // The nearest voxel: the last one is reached, not only approached.
            0 if reach == 0 => rule.n as f64 - 1.0 + 0.5 * SNAP,
            _ => rule.n as f64 - 1.0 - reach as f64 - 2.0 * SNAP,
        };
        row.between([reach as f64 - 0.5 * SNAP; 3], self.rules.map(high), count)
    }
}

/// Calls `task` for each row of the output with its indices `j, k`.
pub(crate) fn for_each_row<T: Send>(
    out: &mut [T],
    [mx, my, _]: [usize; 3],
    task: impl Fn(usize, usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let min_rows = MIN_TASK.div_ceil(mx);
    let rows = out.par_chunks_mut(mx).enumerate().with_min_len(min_rows);
    rows.for_each(|(r, row)| task(r % my, r / my, row));
}

/// Writes the nearest voxels.
pub(crate) fn nearest<T: Copy + Send + Sync>(
    source: Source<'_, T>,
    in_from_out: &Affine,
    constant: T,
    out: &mut [T],
    out_size: [usize; 3],
) {
    let [_, dy, dz] = source.strides();
    for_each_row(out, out_size, |j, k, target| {
        let row = source.row(in_from_out, j, k);
        let slow = |voxels: Range<usize>, target: &mut [T]| {
            for i in voxels {
                let p = row.at(i);
                let index = |axis: usize| source.rules[axis].nearest(p[axis] - source.rules[axis].pad as f64);
                target[i] = match (index(0), index(1), index(2)) {
                    (Some(x), Some(y), Some(z)) => source.samples[x + y * dy + z * dz],
                    _ => constant,
                };
            }
        };
        let fast = |voxels: Range<usize>, target: &mut [T]| {
            let mut walk = row.walk_from(voxels.start);
            for voxel in &mut target[voxels] {
                let [x, y, z] = walk.next_nearest();
                *voxel = source.samples[x + y * dy + z * dz];
            }
        };
        fill_row(&source, &row, (0, 0), constant, target, slow, fast);
    });
}

/// Writes the splines of degree `N - 1`, `N >= 2`.
pub(crate) fn spline<S, T, const N: usize>(
    source: Source<'_, S>,
    in_from_out: &Affine,
    constant: T,
    out: &mut [T],
    out_size: [usize; 3],
) where
    S: Sample,
    T: Sample<Acc = S::Acc>,
{
    let strides = source.strides();
    let reach = spline_reach::<N>();
    // Even degrees sit on the nearest voxel and may lean to either side of the position's floor.
    let right = 1;
    let low_reach = if N.is_multiple_of(2) { reach } else { reach + 1 };
    for_each_row(out, out_size, |j, k, target| {
        let row = source.row(in_from_out, j, k);
        let slow = |voxels: Range<usize>, target: &mut [T]| {
            for i in voxels {
                let p = row.at(i);
                target[i] = slow_spline::<S, N>(&source, p).map_or(constant, T::from_acc);
            }
        };
        let fast = |voxels: Range<usize>, target: &mut [T]| {
            if N == 2 {
                walk_linear(&source, &row, strides, voxels, target);
            } else {
                walk_spline::<S, T, N>(&source, &row, strides, voxels, target);
            }
        };
        fill_row(&source, &row, (low_reach, right), constant, target, slow, fast);
    });
}

/// Fills a row: constant where there is nothing, `slow` near the ends of the input, `fast` well inside.
fn fill_row<S, T: Copy>(
    source: &Source<'_, S>,
    row: &Row,
    (reach, right): (usize, usize),
    constant: T,
    target: &mut [T],
    slow: impl Fn(Range<usize>, &mut [T]),
    fast: impl Fn(Range<usize>, &mut [T]),
) {
    let some = source.may_have_value(row, target.len());
    target[..some.start].fill(constant);
    target[some.end..].fill(constant);
    let inside = source.surely_inside(row, reach, right, target.len());
    if inside.is_empty() {
        slow(some, target);
        return;
    }
    slow(some.start..inside.start, target);
    for start in inside.clone().step_by(MAX_RUN) {
        fast(start..(start + MAX_RUN).min(inside.end), target);
    }
    slow(inside.end..some.end, target);
}

/// The taps of all axes at a position among the samples.
pub(crate) fn taps_at<S, A: Accumulator, const N: usize>(
    source: &Source<'_, S>,
    p: [f64; 3],
) -> Option<[Taps<A, N>; 3]> {
    let taps = |axis: usize| source.rules[axis].taps(p[axis] - source.rules[axis].pad as f64);
    Some([taps(0)?, taps(1)?, taps(2)?])
}

fn slow_spline<S: Sample, const N: usize>(source: &Source<'_, S>, p: [f64; 3]) -> Option<S::Acc> {
    let [x, y, z] = taps_at::<S, S::Acc, N>(source, p)?;
    let [_, dy, dz] = source.strides();
    Some(tensor_sum::<S::Acc, N>(
        |i, j, k| source.samples[x.index[i] + y.index[j] * dy + z.index[k] * dz].to_acc(),
        [x.weight, y.weight, z.weight],
    ))
}

/// The sum over `N^3` samples, along x first.
#[inline(always)]
fn tensor_sum<A: Accumulator, const N: usize>(sample: impl Fn(usize, usize, usize) -> A, [x, y, z]: [[A; N]; 3]) -> A {
    use crate::separable::weighted;
    let row = |j, k| weighted(std::array::from_fn(|i| sample(i, j, k)), x);
    weighted(std::array::from_fn(|k| weighted(std::array::from_fn(|j| row(j, k)), y)), z)
}

#[inline(always)]
fn walk_linear<S: Sample, T: Sample<Acc = S::Acc>>(
    source: &Source<'_, S>,
    row: &Row,
    strides: [usize; 3],
    voxels: Range<usize>,
    target: &mut [T],
) {
    // An axis of one voxel is its own neighbour.
    let [dx, dy, dz]: [usize; 3] = std::array::from_fn(|a| if source.rules[a].n == 1 { 0 } else { strides[a] });
    let samples = source.samples;
    let mut walk = row.walk_from(voxels.start);
    for voxel in &mut target[voxels] {
        let (whole, fraction) = walk.next();
        let [tx, ty, tz] = fraction.map(S::Acc::from_fraction);
        let base = whole[0] + whole[1] * strides[1] + whole[2] * strides[2];
        let along_x = |at: usize| {
            let (a, b) = (samples[at].to_acc(), samples[at + dx].to_acc());
            a + (b - a) * tx
        };
        let (a, b) = (along_x(base), along_x(base + dy));
        let (c, d) = (along_x(base + dz), along_x(base + dy + dz));
        let (low, high) = (a + (b - a) * ty, c + (d - c) * ty);
        *voxel = T::from_acc(low + (high - low) * tz);
    }
}

#[inline(always)]
fn walk_spline<S: Sample, T: Sample<Acc = S::Acc>, const N: usize>(
    source: &Source<'_, S>,
    row: &Row,
    [_, dy, dz]: [usize; 3],
    voxels: Range<usize>,
    target: &mut [T],
) {
    let mut walk = row.walk_from(voxels.start);
    let one = S::Acc::narrow(1.0);
    let reach = spline_reach::<N>();
    for voxel in &mut target[voxels] {
        let (mut whole, fraction) = walk.next();
        let mut t = fraction.map(S::Acc::from_fraction);
        if !N.is_multiple_of(2) {
            for axis in 0..3 {
                if fraction[axis] >= HALF {
                    whole[axis] += 1;
                    t[axis] = t[axis] - one;
                }
            }
        }
        let first = (whole[0] - reach) + (whole[1] - reach) * dy + (whole[2] - reach) * dz;
        let weights = t.map(spline_weights::<S::Acc, N>);
        let rows: [[&[S]; N]; N] =
            std::array::from_fn(|k| std::array::from_fn(|j| &source.samples[first + j * dy + k * dz..][..N]));
        *voxel = T::from_acc(tensor_sum(|i, j, k| rows[k][j][i].to_acc(), weights));
    }
}
