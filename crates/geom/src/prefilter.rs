//! Coefficients of the B-spline that passes through the voxels.

use rayon::prelude::*;

use crate::error::{check_len, filled};
use crate::sample::Accumulator;
use crate::taps::spline_poles;
use crate::{GeomError, Order, Outside, Sample};

/// Terms of the starting sums below this weight no longer count.
const NEGLIGIBLE: f64 = 1e-20;
/// Edge values added on each side so that a spline beyond the grid sees them.
const SPLINE_PAD: usize = 12;
/// Elements of one block of rows that a thread filters along the last axis.
const BLOCK: usize = 2048;
/// Rows that are filtered side by side along the first axis.
const ROWS: usize = 16;

/// How the row goes on past its ends, for the recursion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boundary {
    Mirror,
    Reflect,
    Wrap,
}

/// Coefficients of the B-spline of `order` through `values`, with mirror boundaries (index `-i` is `i`, `n - 1 + i` is
/// `n - 1 - i`), along all three axes. Orders 0 and 1 give the values back.
///
/// The recursion of Unser, Aldroubi and Eden (1993): per axis a causal and an anticausal filter for each pole `z`, after
/// a gain of `(1 - z)(1 - 1/z)`, which is 6 for the cubic spline with `z = sqrt(3) - 2`.
///
/// # Errors
/// [`GeomError::Length`], [`GeomError::TooLarge`].
pub fn spline_coefficients<T: Sample>(values: &[T], size: [usize; 3], order: Order) -> Result<Vec<T::Acc>, GeomError> {
    check_len("spline coefficients", size, values.len())?;
    Ok(Coefficients::new(values, size, order, Outside::Mirror, [true; 3])?.values)
}

/// Samples to interpolate from: padded where the rule for the outside asks for it, and filtered for splines.
pub(crate) struct Coefficients<A> {
    pub(crate) values: Vec<A>,
    pub(crate) pad: [usize; 3],
}

impl<A: Accumulator> Coefficients<A> {
    /// Whether interpolation needs a copy of the samples at all.
    pub(crate) fn are_needed(order: Order, outside: Outside) -> bool {
        order.needs_prefilter() || (matches!(outside, Outside::GridConstant(_)) && order != Order::Nearest)
    }

    /// Pads and filters along the axes of `along`.
    pub(crate) fn new<T: Sample<Acc = A>>(
        values: &[T],
        size: [usize; 3],
        order: Order,
        outside: Outside,
        along: [bool; 3],
    ) -> Result<Self, GeomError> {
        let width = match outside {
            Outside::GridConstant(_) | Outside::Nearest if order.needs_prefilter() => SPLINE_PAD,
            Outside::GridConstant(_) => 1,
            _ => 0,
        };
        let pad = along.map(|needed| if needed { width } else { 0 });
        let padded_size: [usize; 3] = std::array::from_fn(|axis| size[axis] + 2 * pad[axis]);
        let (fill, clamps) = match outside {
            Outside::GridConstant(value) => (A::narrow(value), false),
            _ => (A::default(), true),
        };
        let mut padded = filled("spline coefficients", padded_size, fill)?;
        let source = |i: usize, axis: usize| {
            let inside = (pad[axis]..pad[axis] + size[axis]).contains(&i);
            (clamps || inside).then(|| i.saturating_sub(pad[axis]).min(size[axis] - 1))
        };
        let [nx, ny, _] = padded_size;
        padded.par_chunks_mut((nx * ny).max(1)).enumerate().for_each(|(k, plane)| {
            let Some(z) = source(k, 2) else { return };
            for (j, row) in plane.chunks_exact_mut(nx.max(1)).enumerate() {
                let Some(y) = source(j, 1) else { continue };
                let from = &values[(z * size[1] + y) * size[0]..][..size[0]];
                for (i, sample) in row.iter_mut().enumerate() {
                    if let Some(x) = source(i, 0) {
                        *sample = from[x].to_acc();
                    }
                }
            }
        });
        let boundary = match outside {
            Outside::Reflect => Boundary::Reflect,
            Outside::GridWrap => Boundary::Wrap,
            _ => Boundary::Mirror,
        };
        for pole in spline_poles(order) {
            for axis in (0..3).filter(|&axis| along[axis]) {
                filter_axis(&mut padded, padded_size, axis, pole, boundary);
            }
        }
        Ok(Self { values: padded, pad })
    }
}

fn filter_axis<A: Accumulator>(values: &mut [A], [nx, ny, nz]: [usize; 3], axis: usize, pole: f64, boundary: Boundary) {
    if [nx, ny, nz][axis] < 2 || values.is_empty() {
        return;
    }
    match axis {
        0 => values.par_chunks_mut(nx * ROWS).for_each_init(Vec::new, |scratch, rows| {
            filter_rows(rows, nx, scratch, pole, boundary);
        }),
        1 => values.par_chunks_mut(nx * ny).for_each(|plane| {
            let mut lines: Vec<&mut [A]> = plane.chunks_exact_mut(nx).collect();
            filter_lines(&mut lines, pole, boundary);
        }),
        _ => {
            let n_blocks = (nx * ny).div_ceil(BLOCK);
            let mut blocks: Vec<Vec<&mut [A]>> = (0..n_blocks).map(|_| Vec::with_capacity(nz)).collect();
            for plane in values.chunks_exact_mut(nx * ny) {
                for (block, part) in blocks.iter_mut().zip(plane.chunks_mut(BLOCK)) {
                    block.push(part);
                }
            }
            blocks.into_par_iter().for_each(|mut lines| filter_lines(&mut lines, pole, boundary));
        }
    }
}

/// Filters rows of `nx` samples: swapped to lie side by side in `scratch`, so that all advance at once.
fn filter_rows<A: Accumulator>(rows: &mut [A], nx: usize, scratch: &mut Vec<A>, pole: f64, boundary: Boundary) {
    let n_rows = rows.len() / nx;
    scratch.clear();
    scratch.resize(rows.len(), A::default());
    for (j, row) in rows.chunks_exact(nx).enumerate() {
        for (i, &value) in row.iter().enumerate() {
            scratch[i * n_rows + j] = value;
        }
    }
    let mut lines: Vec<&mut [A]> = scratch.chunks_exact_mut(n_rows).collect();
    filter_lines(&mut lines, pole, boundary);
    for (j, row) in rows.chunks_exact_mut(nx).enumerate() {
        for (i, value) in row.iter_mut().enumerate() {
            *value = scratch[i * n_rows + j];
        }
    }
}

/// Filters along the list: `lines[i]` holds sample `i` of as many rows as it is long.
fn filter_lines<A: Accumulator>(lines: &mut [&mut [A]], pole: f64, boundary: Boundary) {
    let n = lines.len();
    let gain = A::narrow((1.0 - pole) * (1.0 - 1.0 / pole));
    for value in lines.iter_mut().flat_map(|line| line.iter_mut()) {
        *value *= gain;
    }
    let z = A::narrow(pole);
    set_first(lines, pole, boundary);
    for i in 1..n {
        let (before, after) = lines.split_at_mut(i);
        for (value, &previous) in after[0].iter_mut().zip(before[i - 1].iter()) {
            *value += z * previous;
        }
    }
    set_last(lines, pole, boundary);
    for i in (0..n - 1).rev() {
        let (before, after) = lines.split_at_mut(i + 1);
        for (value, &next) in before[i].iter_mut().zip(after[0].iter()) {
            *value = z * (next - *value);
        }
    }
}

/// Starts the causal filter: the sum of the row before its first sample, as the boundary continues it.
fn set_first<A: Accumulator>(lines: &mut [&mut [A]], pole: f64, boundary: Boundary) {
    let n = lines.len();
    // Weight of each sample in the first output, over one period of the continued row.
    let mut weights = vec![0.0; n];
    let mut power = 1.0;
    let period = match boundary {
        Boundary::Mirror => 2 * n - 2,
        Boundary::Reflect => 2 * n,
        Boundary::Wrap => n,
    };
    for back in 0..period {
        let sample = match boundary {
            Boundary::Mirror => {
                if back < n {
                    back
                } else {
                    period - back
                }
            }
            Boundary::Reflect => match back {
                0 => 0,
                back if back <= n => back - 1,
                back => period - back,
            },
            Boundary::Wrap => (n - back) % n,
        };
        weights[sample] += power;
        power *= pole;
        if power.abs() < NEGLIGIBLE {
            power = 0.0;
            break;
        }
    }
    let scale = 1.0 / (1.0 - power);
    let (first, rest) = lines.split_at_mut(1);
    let own = A::narrow(weights[0] * scale);
    for value in first[0].iter_mut() {
        *value *= own;
    }
    for (line, &weight) in rest.iter().zip(&weights[1..]).filter(|(_, weight)| **weight != 0.0) {
        let weight = A::narrow(weight * scale);
        for (value, &sample) in first[0].iter_mut().zip(line.iter()) {
            *value += weight * sample;
        }
    }
}

/// Starts the anticausal filter from the outputs of the causal one.
fn set_last<A: Accumulator>(lines: &mut [&mut [A]], pole: f64, boundary: Boundary) {
    let n = lines.len();
    let (rest, last) = lines.split_at_mut(n - 1);
    let last = &mut *last[0];
    match boundary {
        Boundary::Mirror => {
            let (z, scale) = (A::narrow(pole), A::narrow(pole / (pole * pole - 1.0)));
            for (value, &before) in last.iter_mut().zip(rest[n - 2].iter()) {
                *value = (z * before + *value) * scale;
            }
        }
        Boundary::Reflect => {
            let scale = A::narrow(pole / (pole - 1.0));
            for value in last.iter_mut() {
                *value *= scale;
            }
        }
        Boundary::Wrap => {
            let mut power = pole;
            for line in rest.iter() {
                if power.abs() < NEGLIGIBLE {
                    break;
                }
                let weight = A::narrow(power);
                for (value, &sample) in last.iter_mut().zip(line.iter()) {
                    *value += weight * sample;
                }
                power *= pole;
            }
            let scale = A::narrow(pole / (pole.powi(n as i32) - 1.0));
            for value in last.iter_mut() {
                *value *= scale;
            }
        }
    }
}
