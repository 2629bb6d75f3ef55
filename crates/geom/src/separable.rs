//! Resampling along the axes: every position of an output axis lies in one position of an input axis.

use std::ops::Range;

use rayon::prelude::*;

use crate::sample::Accumulator;
use crate::taps::{AxisRule, Taps, snapped};
use crate::{Order, Outside, Sample};

/// Tasks that a volume of few planes is cut into.
const MIN_TASKS: usize = 16;

/// The input samples of each output index of one axis.
pub(crate) struct AxisTable<A, const N: usize> {
    taps: AxisTaps<A, N>,
    /// Output indices that have a value; the others are constant.
    inside: Range<usize>,
}

enum AxisTaps<A, const N: usize> {
    /// Each output index is one sample.
    Whole(Vec<usize>),
    Weighted(Vec<Taps<A, N>>),
}

/// Whether the samples themselves, and nothing between them, lie at these positions (in voxels of an axis of `n`).
pub(crate) fn is_whole(positions: &[f64], order: Order, n: usize, outside: Outside) -> bool {
    let rule = AxisRule::new(n, 0, outside);
    // Positions without a value do not count; all others do, as splines see past the ends.
    let located = |p: f64| if let Outside::Constant(_) = outside { rule.locate(p) } else { Some(snapped(p)) };
    order == Order::Nearest || positions.iter().all(|&p| located(p).is_none_or(|p| p.fract() == 0.0))
}

impl<A: Accumulator, const N: usize> AxisTable<A, N> {
    /// The table of `positions`, which must ascend or descend. `pad` is 0 for a whole axis.
    pub(crate) fn new(positions: &[f64], n: usize, pad: usize, outside: Outside, whole: bool) -> Self {
        let rule = AxisRule::new(n, pad, outside);
        let has_value = |p: &f64| rule.locate(*p).is_some();
        let start = positions.iter().position(has_value).unwrap_or(0);
        let end = positions.iter().rposition(has_value).map_or(start, |last| last + 1);
        let taps = if whole {
            AxisTaps::Whole(positions.iter().map(|&p| rule.nearest(p).unwrap_or(0)).collect())
        } else {
            let nothing = Taps { index: [0; N], weight: [A::default(); N] };
            AxisTaps::Weighted(positions.iter().map(|&p| rule.taps(p).unwrap_or(nothing)).collect())
        };
        Self { taps, inside: start..end }
    }

    /// First and one past the last sample of the output indices `range`.
    fn samples(&self, range: Range<usize>) -> Range<usize> {
        fn hull(all: impl Iterator<Item = usize>) -> Range<usize> {
            let (low, high) = all.fold((usize::MAX, 0), |(low, high), i| (low.min(i), high.max(i + 1)));
            low.min(high)..high
        }
        match &self.taps {
            AxisTaps::Whole(index) => hull(index[range].iter().copied()),
            AxisTaps::Weighted(taps) => hull(taps[range].iter().flat_map(|taps| taps.index)),
        }
    }
}

/// Positions `start + step * o`, snapped.
pub(crate) fn positions(start: f64, step: f64, count: usize) -> Vec<f64> {
    (0..count).map(|o| snapped(start + step * o as f64)).collect()
}

/// Writes the voxels at the crossings of three axes: one sample each. Positions without a value get `constant`.
pub(crate) fn gather<T: Copy + Send + Sync, A: Accumulator>(
    samples: &[T],
    size: [usize; 3],
    tables: &[AxisTable<A, 1>; 3],
    constant: T,
    out: &mut [T],
    out_size: [usize; 3],
) {
    let whole = |axis: usize| match &tables[axis].taps {
        AxisTaps::Whole(index) => index.as_slice(),
        AxisTaps::Weighted(_) => &[],
    };
    let (xs, ys, zs) = (whole(0), whole(1), whole(2));
    let inside = &tables[0].inside;
    let run = &xs[inside.clone()];
    let is_run = run.windows(2).all(|pair| pair[1] == pair[0] + 1);
    let [mx, my, _] = out_size;
    if out.is_empty() {
        return;
    }
    let rows = rows_per_task(out_size);
    out.par_chunks_mut(mx * rows).enumerate().for_each(|(task, part)| {
        for (r, row) in part.chunks_exact_mut(mx).enumerate() {
            let (j, k) = ((task * rows + r) % my, (task * rows + r) / my);
            if inside.is_empty() || !tables[1].inside.contains(&j) || !tables[2].inside.contains(&k) {
                row.fill(constant);
                continue;
            }
            let from = &samples[(zs[k] * size[1] + ys[j]) * size[0]..][..size[0]];
            row[..inside.start].fill(constant);
            row[inside.end..].fill(constant);
            let row = &mut row[inside.clone()];
            if is_run {
                row.copy_from_slice(&from[run[0]..run[0] + run.len()]);
            } else {
                for (voxel, &x) in row.iter_mut().zip(run) {
                    *voxel = from[x];
                }
            }
        }
    });
}

/// Writes the weighted sums at the crossings of three axes: first whole planes, then rows, then voxels.
pub(crate) fn interpolate<S, T, const N: usize>(
    samples: &[S],
    size: [usize; 3],
    tables: &[AxisTable<S::Acc, N>; 3],
    constant: T,
    out: &mut [T],
    out_size: [usize; 3],
) where
    S: Sample,
    T: Sample<Acc = S::Acc>,
{
    let [mx, my, _] = out_size;
    if out.is_empty() {
        return;
    }
    let rows = rows_per_task(out_size);
    let inside_y = &tables[1].inside;
    let scratch = || (Vec::new(), vec![S::Acc::default(); size[0]]);
    out.par_chunks_mut(mx * rows).enumerate().for_each_init(scratch, |(plane, line), (task, part)| {
        let mut at = 0;
        while at < part.len() {
            // The rows of this task that lie in one plane of the output.
            let (first, k) = ((task * rows + at / mx) % my, (task * rows + at / mx) / my);
            let last = (first + (part.len() - at) / mx).min(my);
            let (block, end) = (first..last, at + (last - first) * mx);
            let target = &mut part[at..end];
            at = end;
            let block_inside = block.start.max(inside_y.start)..block.end.min(inside_y.end);
            if !tables[2].inside.contains(&k) || tables[0].inside.is_empty() || block_inside.is_empty() {
                target.fill(constant);
                continue;
            }
            let needed = tables[1].samples(block_inside);
            let whole_plane = |z: usize| &samples[z * size[0] * size[1]..][..size[0] * size[1]];
            match &tables[2].taps {
                AxisTaps::Whole(zs) => {
                    fill_plane(whole_plane(zs[k]), 0, size[0], tables, block, constant, target, line, S::to_acc);
                }
                AxisTaps::Weighted(taps) => {
                    let Taps { index, weight } = &taps[k];
                    let part_of = |z: usize| &whole_plane(z)[needed.start * size[0]..needed.end * size[0]];
                    plane.resize(needed.len() * size[0], S::Acc::default());
                    combine(index.map(part_of), *weight, S::to_acc, plane);
                    fill_plane(plane, needed.start, size[0], tables, block, constant, target, line, |x| x);
                }
            }
        }
    });
}

/// Fills the rows `block` of one output plane from an input plane whose first row is `first_row`.
#[allow(clippy::too_many_arguments)] // One inner step of `interpolate`, cut out for its two kinds of plane.
fn fill_plane<S: Copy, T: Sample, const N: usize>(
    plane: &[S],
    first_row: usize,
    nx: usize,
    tables: &[AxisTable<T::Acc, N>; 3],
    block: Range<usize>,
    constant: T,
    target: &mut [T],
    line: &mut [T::Acc],
    load: impl Fn(S) -> T::Acc + Copy,
) {
    let row_at = |y: usize| &plane[(y - first_row) * nx..][..nx];
    let inside_x = tables[0].inside.clone();
    let mx = target.len() / block.len();
    for (j, row) in block.zip(target.chunks_exact_mut(mx)) {
        if !tables[1].inside.contains(&j) {
            row.fill(constant);
            continue;
        }
        match &tables[1].taps {
            AxisTaps::Whole(ys) => combine([row_at(ys[j])], [], load, line),
            AxisTaps::Weighted(taps) => combine(taps[j].index.map(row_at), taps[j].weight, load, line),
        }
        row[..inside_x.start].fill(constant);
        row[inside_x.end..].fill(constant);
        let row = &mut row[inside_x.clone()];
        match &tables[0].taps {
            AxisTaps::Whole(xs) => {
                for (voxel, &x) in row.iter_mut().zip(&xs[inside_x.clone()]) {
                    *voxel = T::from_acc(line[x]);
                }
            }
            AxisTaps::Weighted(taps) => {
                for (voxel, Taps { index, weight }) in row.iter_mut().zip(&taps[inside_x.clone()]) {
                    *voxel = T::from_acc(weighted(index.map(|x| line[x]), *weight));
                }
            }
        }
    }
}

/// Element-wise sum of `M` rows by weight; a single row is only loaded.
#[inline(always)]
fn combine<S: Copy, A: Accumulator, const M: usize, const W: usize>(
    rows: [&[S]; M],
    weights: [A; W],
    load: impl Fn(S) -> A,
    out: &mut [A],
) {
    let rows = rows.map(|row| &row[..out.len()]);
    if W == 0 {
        for (value, &sample) in out.iter_mut().zip(rows[0]) {
            *value = load(sample);
        }
        return;
    }
    let weights: [A; M] = std::array::from_fn(|k| weights[k]);
    for (i, value) in out.iter_mut().enumerate() {
        *value = weighted(std::array::from_fn(|k| load(rows[k][i])), weights);
    }
}

/// The weighted sum; for two samples in the form that gives equal samples back exactly.
#[inline(always)]
pub(crate) fn weighted<A: Accumulator, const N: usize>(samples: [A; N], weights: [A; N]) -> A {
    if N == 2 {
        return samples[0] + (samples[1] - samples[0]) * weights[1];
    }
    let mut sum = samples[0] * weights[0];
    for k in 1..N {
        sum += samples[k] * weights[k];
    }
    sum
}

fn rows_per_task([_, my, mz]: [usize; 3]) -> usize {
    if mz >= MIN_TASKS { my } else { (my * mz).div_ceil(MIN_TASKS) }
}
