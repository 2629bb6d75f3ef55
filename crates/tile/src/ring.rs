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
}

/// Sums of the planes that tiles still add to: `[K, planes, plane]`, and the sum of weights where it is needed. Memory is
/// that of one row of tiles, whatever the length of axis 0; planes are never moved.
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
        let values = vec![A::NOTHING; output.channels * planes * plane];
        let norm = with_norm.then(|| vec![A::NOTHING; planes * plane]);
        Self { planes, plane, values, norm, flushed: 0, rows: Vec::new() }
    }

    /// Begins an image of which all planes before `flushed` are final.
    pub(crate) fn begin(&mut self, flushed: usize) {
        self.flushed = flushed;
    }

    /// Forgets planes that were never drained.
    pub(crate) fn clear(&mut self) {
        self.values.fill(A::NOTHING);
        if let Some(norm) = &mut self.norm {
            norm.fill(A::NOTHING);
        }
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
                Addend::Nothing => {}
            }
        }
        if let (Some(norm), false) = (&mut self.norm, matches!(addend, Addend::Nothing)) {
            add_constant(norm, A::ONE, (&rows, len), weights);
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
            let row = Row { dst: x % self.planes, src: outer[0].src + k, map: outer[0].in_tile + k, weight };
            inner_rows(output, &outer[1..], 1, &row, last, rows);
        }
    }

    /// Moves planes up to `end` into `out`, `[K, planes, plane]`, and forgets them; `fill` stands where no tile had a
    /// weight.
    pub(crate) fn drain(&mut self, output: &Output<A>, end: usize, fill: f32, out: &mut Vec<f32>) {
        out.clear();
        let ring_len = self.planes * self.plane;
        for channel in 0..output.channels {
            for x in self.flushed..end {
                let at = x % self.planes * self.plane;
                let sums = &mut self.values[channel * ring_len + at..][..self.plane];
                match &self.norm {
                    None => out.extend(sums.iter().map(|&sum| sum.to_f32())),
                    Some(norm) => out.extend(
                        sums.iter()
                            .zip(&norm[at..])
                            .map(|(&sum, &norm)| if norm == A::NOTHING { fill } else { (sum / norm).to_f32() }),
                    ),
                }
                sums.fill(A::NOTHING);
            }
        }
        if let Some(norm) = &mut self.norm {
            for x in self.flushed..end {
                norm[x % self.planes * self.plane..][..self.plane].fill(A::NOTHING);
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
    let step = |row: &Row<A>, dst: usize, src: usize, map: usize, weight: A| Row {
        dst: row.dst * output.shape[axis] + dst,
        src: row.src * output.tile_shape[axis] + src,
        map: row.map * output.map_shape[axis] + map,
        weight,
    };
    let [part, rest @ ..] = inner else {
        rows.push(step(above, last.dst.start, last.src, last.in_tile, above.weight));
        return;
    };
    for k in 0..part.dst.len() {
        let weight = part.weights.as_ref().map_or(above.weight, |weights| above.weight * weights[k]);
        let row = step(above, part.dst.start + k, part.src + k, part.in_tile + k, weight);
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

impl<A: Sum> Vectorized for AddRows<'_, A> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        // The exponent of infinity and NaN is the only one with all bits set.
        const EXPONENT: u32 = 0x7f80_0000;
        let (len, mut worst) = (self.len, 0);
        for row in self.rows {
            let pairs = self.sums[row.dst..row.dst + len].iter_mut().zip(&self.values[row.src..row.src + len]);
            match self.weights.of_row(row, len) {
                Some(weights) => {
                    for ((sum, &value), &weight) in pairs.zip(weights) {
                        *sum += row.weight * weight * A::from_f32(value);
                        worst = worst.max(value.to_bits() & EXPONENT);
                    }
                }
                None => {
                    for (sum, &value) in pairs {
                        *sum += row.weight * A::from_f32(value);
                        worst = worst.max(value.to_bits() & EXPONENT);
                    }
                }
            }
        }
        worst < EXPONENT
    }
}

fn add_constant<A: Sum>(sums: &mut [A], value: A, (rows, len): (&[Row<A>], usize), weights: Weights<'_, A>) {
    for row in rows {
        let sums = &mut sums[row.dst..row.dst + len];
        match weights.of_row(row, len) {
            Some(weights) => sums.iter_mut().zip(weights).for_each(|(sum, &w)| *sum += row.weight * w * value),
            None => sums.iter_mut().for_each(|sum| *sum += row.weight * value),
        }
    }
}
