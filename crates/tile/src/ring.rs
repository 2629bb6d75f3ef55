//! The unfinished planes of an output.

use volkit_kernels::{Isa, Vectorized, vectorize};

use crate::accumulate::Sum;
use crate::output::{Output, Part};

/// What a tile adds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Addend<'a> {
    /// The model's output for the tile, `[K, T0, T1, ..]` with context.
    Values(&'a [f32]),
    /// This value everywhere, at the usual weights.
    Fill(f32),
    /// Nothing, not even to the sum of weights.
    Nothing,
}

/// One row of samples of a tile: where it goes, where it comes from, what it weighs.
struct Row<A> {
    dst: usize,
    src: usize,
    map: usize,
    weight: A,
    /// Samples at its front to which earlier tiles added; the others begin here.
    begun: usize,
}

/// Sums of the planes that tiles still add to: `[K, planes, plane]`, and the sum of weights where it is needed. Memory is
/// that of one row of tiles, whatever the length of axis 0; planes are never moved, nor cleared: the first tile of a sample
/// in plan order sets it, and that is the one whose number is the least along every axis.
pub(crate) struct Ring<A> {
    planes: usize,
    plane: usize,
    values: Vec<A>,
    norm: Option<Vec<A>>,
    /// Planes before this one are final and gone.
    flushed: usize,
    rows: Vec<Row<A>>,
}

impl<A: Sum> Ring<A> {
    pub(crate) fn new(output: &Output<A>, with_norm: bool) -> Self {
        let (planes, plane) = (output.ring_planes(), output.plane());
        let values = vec![A::ZERO; output.channels * planes * plane];
        let norm = with_norm.then(|| vec![A::ZERO; planes * plane]);
        Self { planes, plane, values, norm, flushed: 0, rows: Vec::new() }
    }

    /// Begins an image of which all planes before `flushed` are final.
    pub(crate) fn begin(&mut self, flushed: usize) {
        self.flushed = flushed;
    }

    pub(crate) fn flushed(&self) -> usize {
        self.flushed
    }

    /// Adds a tile; gives whether all values that it added are finite. Tiles must come in plan order: the order of additions
    /// is what makes results equal to the bit.
    pub(crate) fn add(&mut self, output: &Output<A>, grid: &[usize], addend: Addend<'_>) -> bool {
        let parts: Vec<&Part<A>> =
            output.parts.iter().enumerate().map(|(axis, parts)| &parts[grid.get(axis).copied().unwrap_or(0)]).collect();
        let [outer @ .., last] = parts.as_slice() else { return true };
        let len = last.dst.len();
        let mut rows = std::mem::take(&mut self.rows);
        self.find_rows(output, outer, last, &mut rows);
        let weights = match (&output.map, &last.weights) {
            (Some(map), _) => Weights::Map(map),
            (None, Some(weights)) => Weights::OfAll(weights),
            (None, None) => Weights::One,
        };
        let tile_len = output.tile_len() / output.channels.max(1);
        let (ring_len, isa) = (self.planes * self.plane, Isa::detect());
        let mut is_finite = true;
        for channel in 0..output.channels {
            let sums = &mut self.values[channel * ring_len..(channel + 1) * ring_len];
            match addend {
                Addend::Values(values) => {
                    let values = &values[channel * tile_len..];
                    is_finite &= vectorize(isa, AddRows { sums, values, rows: &rows, len, weights });
                }
                Addend::Fill(fill) => add_constant(sums, A::from_f32(fill), (&rows, len), weights),
                Addend::Nothing => begin_empty(sums, &rows, len),
            }
        }
        match (&mut self.norm, addend) {
            (None, _) => {}
            (Some(norm), Addend::Nothing) => begin_empty(norm, &rows, len),
            (Some(norm), _) => add_constant(norm, A::ONE, (&rows, len), weights),
        }
        self.rows = rows;
        is_finite
    }

    /// The rows of a tile that fall on planes which are not final.
    fn find_rows(&self, output: &Output<A>, outer: &[&Part<A>], last: &Part<A>, rows: &mut Vec<Row<A>>) {
        rows.clear();
        let first = outer[0].dst.start.max(self.flushed);
        let skipped = first - outer[0].dst.start;
        for k in skipped..outer[0].dst.len() {
            let x = outer[0].dst.start + k;
            let weight = outer[0].weights.as_ref().map_or(A::ONE, |weights| weights[k]);
            let begun = if k < outer[0].begun { last.dst.len() } else { last.begun };
            let row = Row { dst: x % self.planes, src: outer[0].src + k, map: outer[0].in_tile + k, weight, begun };
            inner_rows(output, &outer[1..], 1, &row, last, rows);
        }
    }

    /// The next `n_planes` planes as they lie here, where that is what leaves: one channel of f32 without a norm, in one piece.
    pub(crate) fn in_place(&self, output: &Output<A>, n_planes: usize) -> Option<&[f32]> {
        let first = self.flushed % self.planes;
        if output.channels != 1 || self.norm.is_some() || first + n_planes > self.planes {
            return None;
        }
        A::as_f32(&self.values[first * self.plane..(first + n_planes) * self.plane])
    }

    /// Forgets planes before `end`.
    pub(crate) fn forget(&mut self, end: usize) {
        self.flushed = end;
    }

    /// Copies planes up to `end` into `out`, `[K, planes, plane]`, and forgets them; `fill` stands where no tile had a
    /// weight.
    pub(crate) fn drain(&mut self, output: &Output<A>, end: usize, fill: f32, out: &mut Vec<f32>) {
        out.clear();
        let ring_len = self.planes * self.plane;
        for channel in 0..output.channels {
            for x in self.flushed..end {
                let at = x % self.planes * self.plane;
                let sums = &self.values[channel * ring_len + at..][..self.plane];
                match &self.norm {
                    None => out.extend(sums.iter().map(|&sum| sum.to_f32())),
                    Some(norm) => out.extend(
                        sums.iter()
                            .zip(&norm[at..])
                            .map(|(&sum, &norm)| if norm == A::ZERO { fill } else { (sum / norm).to_f32() }),
                    ),
                }
            }
        }
        self.flushed = end;
    }
}

/// Goes through the axes between the first and the last.
fn inner_rows<A: Sum>(
    output: &Output<A>,
    inner: &[&Part<A>],
    axis: usize,
    above: &Row<A>,
    last: &Part<A>,
    rows: &mut Vec<Row<A>>,
) {
    let step = |part: &Part<A>, k: usize| Row {
        dst: above.dst * output.shape[axis] + part.dst.start + k,
        src: above.src * output.tile_shape[axis] + part.src + k,
        map: above.map * output.map_shape[axis] + part.in_tile + k,
        weight: above.weight,
        begun: above.begun,
    };
    let [part, rest @ ..] = inner else {
        rows.push(step(last, 0));
        return;
    };
    for k in 0..part.dst.len() {
        let mut row = step(part, k);
        if let Some(weights) = &part.weights {
            row.weight = row.weight * weights[k];
        }
        if k < part.begun {
            row.begun = last.dst.len();
        }
        inner_rows(output, rest, axis + 1, &row, last, rows);
    }
}

/// What the samples of a row weigh, beside the weight of the row itself.
#[derive(Clone, Copy)]
enum Weights<'a, A> {
    One,
    /// The same in each row.
    OfAll(&'a [A]),
    /// A map of the tile.
    Map(&'a [A]),
}

impl<'a, A> Weights<'a, A> {
    #[inline(always)]
    fn of_row(self, row: &Row<A>, len: usize) -> Option<&'a [A]> {
        match self {
            Self::One => None,
            Self::OfAll(weights) => Some(weights),
            Self::Map(map) => Some(&map[row.map..row.map + len]),
        }
    }
}

/// Adds the rows of one channel of a tile; gives whether all values are finite. That is found on the way: a pass of its own
/// over a tile costs half as much as adding it.
struct AddRows<'a, A> {
    sums: &'a mut [A],
    values: &'a [f32],
    rows: &'a [Row<A>],
    len: usize,
    weights: Weights<'a, A>,
}

/// The exponent of infinity and NaN is the only one with all bits set.
const EXPONENT: u32 = 0x7f80_0000;

impl<A: Sum> Vectorized for AddRows<'_, A> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        let (len, mut worst) = (self.len, 0);
        for row in self.rows {
            let (begun, new) = self.sums[row.dst..row.dst + len].split_at_mut(row.begun);
            let (onto, into) = self.values[row.src..row.src + len].split_at(row.begun);
            match self.weights.of_row(row, len) {
                Some(weights) => {
                    let (w_onto, w_into) = weights.split_at(row.begun);
                    for ((sum, &value), &weight) in begun.iter_mut().zip(onto).zip(w_onto) {
                        *sum += row.weight * weight * A::from_f32(value);
                        worst = worst.max(value.to_bits() & EXPONENT);
                    }
                    for ((sum, &value), &weight) in new.iter_mut().zip(into).zip(w_into) {
                        *sum = row.weight * weight * A::from_f32(value);
                        worst = worst.max(value.to_bits() & EXPONENT);
                    }
                }
                None => {
                    for (sum, &value) in begun.iter_mut().zip(onto) {
                        *sum += row.weight * A::from_f32(value);
                        worst = worst.max(value.to_bits() & EXPONENT);
                    }
                    for (sum, &value) in new.iter_mut().zip(into) {
                        *sum = row.weight * A::from_f32(value);
                        worst = worst.max(value.to_bits() & EXPONENT);
                    }
                }
            }
        }
        worst < EXPONENT
    }
}

/// Adds a value at the weights of a tile.
fn add_constant<A: Sum>(sums: &mut [A], value: A, (rows, len): (&[Row<A>], usize), weights: Weights<'_, A>) {
    for row in rows {
        let (begun, new) = sums[row.dst..row.dst + len].split_at_mut(row.begun);
        let of_row = weights.of_row(row, len);
        let product = |k: usize| of_row.map_or(row.weight, |weights| row.weight * weights[k]) * value;
        begun.iter_mut().enumerate().for_each(|(k, sum)| *sum += product(k));
        new.iter_mut().enumerate().for_each(|(k, sum)| *sum = product(row.begun + k));
    }
}

/// Adds nothing: samples that begin here are 0.
fn begin_empty<A: Sum>(sums: &mut [A], rows: &[Row<A>], len: usize) {
    rows.iter().for_each(|row| sums[row.dst + row.begun..row.dst + len].fill(A::ZERO));
}
