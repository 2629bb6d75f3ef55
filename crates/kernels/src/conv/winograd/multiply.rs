//! Second stage: the products over channels at each point, between the two transforms along width.

use std::marker::PhantomData;
use std::ops::Range;

use super::Task;
use super::ahead::Ahead;
use super::grid::{Axis, Grid};
use super::points::{MOST, Points};
use super::room::Parts;
use crate::Planes;
use crate::conv::panel::Block;
use crate::conv::rows::store;
use crate::conv::tile::most_scalars;
use crate::simd::{Body, LINE, Lane, prefetch_read};

/// Most input channels whose products are summed up in one go. Most of the rounding error of these algorithms is that of
/// the sums over channels; in parts, sums stay small, and the error of wide layers falls by half.
const MOST_SUMMED: usize = 32;

impl Task<'_> {
    /// Computes the results from the transformed rows.
    ///
    /// # Safety
    /// As for the whole task.
    #[inline(always)]
    pub(super) unsafe fn multiply<L: Lane, D: Points, P: Points>(
        &self,
        next: Option<&Task<'_>>,
        parts: &mut Parts<'_>,
    ) {
        let tiles = self.list_tiles();
        let offsets: Vec<Vec<[u32; MOST]>> = self.sources.iter().map(|s| self.list_inputs::<P>(s)).collect();
        let [c_in, c_out] = self.conv.channels;
        // Without points of depth the products with its three planes are summed up.
        let (n_outer, terms) = if D::M == 1 { (P::A, D::A) } else { (D::A * P::A, 1) };
        let n_products: usize =
            self.conv.factors.blocks().iter().map(|block| self.parts::<L>(block, tiles.len()).len()).sum();
        let mut ahead = next.map_or_else(Ahead::default, |next| Ahead::new::<D, P>(next, n_outer * P::A * n_products));
        let vanishing = self.vanishing::<D, P>();
        let sums = [self.sums(terms, |_| true), self.sums(terms, |source| !source.is_upsampled())];
        for outer in 0..n_outer {
            // Of depth (where it has points) and height.
            let vanishes = (D::M > 1 && vanishing[0] == Some(outer / P::A)) || vanishing[1] == Some(outer % P::A);
            for term in 0..terms {
                let (mut start, mut first) = (0, 0);
                for ((source, point), offsets) in self.sources.iter().zip(&self.room.rows).zip(&offsets) {
                    let n_channels = source.layout().channels;
                    if vanishes && source.is_upsampled() {
                        start += D::A * P::A * point;
                        first += n_channels;
                        continue;
                    }
                    let body = AlongWidth::<P> {
                        row: parts.rows[start + (term * P::A + outer) * point..].as_ptr(),
                        offsets,
                        len: n_channels,
                        out: parts.inputs[term * P::A * self.room.input_point + first..].as_mut_ptr(),
                        tile: c_in,
                        point: self.room.input_point,
                        points: PhantomData,
                    };
                    // SAFETY: offsets lie in the row, which has a line behind its last voxel; tiles and channels lie in
                    // the inputs.
                    unsafe { L::vectorize(body) };
                    start += D::A * P::A * point;
                    first += n_channels;
                }
            }
            // SAFETY: inputs, products and results have room for the block's tiles.
            unsafe {
                for k in 0..P::A {
                    let inputs = parts.inputs[k * self.room.input_point..].as_ptr();
                    let out = parts.products[k * self.room.product_point..].as_mut_ptr();
                    let step = P::A * self.room.input_point;
                    let sums = &sums[usize::from(vanishes || vanishing[2] == Some(k))];
                    self.products::<L>(outer * P::A + k, tiles.len(), (inputs, step, terms), sums, out, &mut ahead);
                }
                L::vectorize(BackAlongWidth::<P> {
                    products: parts.products.as_ptr(),
                    point: self.room.product_point,
                    tile: self.conv.factors.padded(),
                    tiles: &tiles,
                    step: self.grid.columns.dilation * c_out,
                    len: c_out,
                    out: parts.results[outer * self.room.result_point..].as_mut_ptr(),
                    points: PhantomData,
                });
            }
        }
    }

    /// The points of depth, height and width at which inputs from up-sampled sources are zero: tiles begin at even voxels,
    /// so that the two inputs in the middle are one voxel, but where a dilation lies between them.
    #[inline(always)]
    fn vanishing<D: Points, P: Points>(&self) -> [Option<usize>; 3] {
        let Grid { depth, rows, columns, .. } = self.grid;
        let of = |axis: &Axis, point: Option<usize>| point.filter(|_| axis.dilation == 1);
        [of(depth, D::VANISHING), of(rows, P::VANISHING), of(columns, P::VANISHING)]
    }

    /// The input channels of the sources that count, in parts that are summed up in one go: at least one, which may be
    /// empty. Other sources must be zeros; leaving them out changes no bit.
    fn sums(&self, terms: usize, counts: impl Fn(&Planes<'_>) -> bool) -> Vec<Range<usize>> {
        let c_in = self.conv.channels[0];
        // In parts of at most [`MOST_SUMMED`]; all at once where there are several terms, each with all its channels.
        let n = if terms == 1 { c_in.div_ceil(MOST_SUMMED) } else { 1 };
        let (mut runs, mut first) = (Vec::<Range<usize>>::new(), 0);
        for source in self.sources {
            let channels = first..first + source.layout().channels;
            first = channels.end;
            match runs.last_mut() {
                _ if !counts(source) => {}
                Some(last) if last.end == channels.start => last.end = channels.end,
                _ => runs.push(channels),
            }
        }
        let mut sums = Vec::new();
        for part in (0..n).map(|i| c_in * i / n..c_in * (i + 1) / n) {
            let common = runs.iter().map(|run| run.start.max(part.start)..run.end.min(part.end));
            sums.extend(common.filter(|range| !range.is_empty()));
        }
        if sums.is_empty() { vec![Range::default()] } else { sums }
    }

    /// Where in a row of results the first output of each tile lies.
    fn list_tiles(&self) -> Vec<usize> {
        let mut tiles = Vec::new();
        let mut first = 0;
        for segment in self.grid.segments(&self.groups) {
            let start = self.grid.outputs(&segment).start;
            let place = |x: usize| (first + x - start) * self.conv.channels[1];
            tiles.extend(self.grid.columns.origins(segment.groups.clone()).map(place));
            first += segment.groups.len() * self.grid.columns.group();
        }
        tiles
    }

    /// Where in a row of points the inputs of each tile lie.
    fn list_inputs<P: Points>(&self, source: &Planes<'_>) -> Vec<[u32; MOST]> {
        let (up, channels) = (usize::from(source.is_upsampled()), source.layout().channels);
        let columns = &self.grid.columns;
        let mut tiles = Vec::new();
        // Voxel 0 is zero.
        let mut first = 1;
        for segment in self.grid.segments(&self.groups) {
            let inputs = self.grid.inputs(&segment, up);
            for x in columns.origins(segment.groups.clone()) {
                let offset = |k| columns.input(x, k).map_or(0, |x| (first + (x >> up) - inputs.start) * channels);
                tiles.push(std::array::from_fn(|k| if k < P::A { offset(k) as u32 } else { 0 }));
            }
            first += inputs.len();
        }
        tiles
    }

    /// Tiles that are multiplied together.
    #[inline(always)]
    fn parts<L: Lane>(&self, block: &Block, n_tiles: usize) -> impl ExactSizeIterator<Item = usize> + use<L> {
        let most = self.conv.most_scalars(block.width / L::N);
        let n = n_tiles.div_ceil(most).max(1);
        (0..n).map(move |i| n_tiles / n + usize::from(i < n_tiles % n))
    }

    /// Multiplies `[tile][channel]` with the weights of point number `point`; with several terms, `step` floats apart,
    /// their products are summed up.
    ///
    /// # Safety
    /// Inputs and `out` have room for `n_tiles` tiles.
    #[inline(always)]
    unsafe fn products<L: Lane>(
        &self,
        point: usize,
        n_tiles: usize,
        (inputs, step, terms): (*const f32, usize, usize),
        sums: &[Range<usize>],
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        let factors = &self.conv.factors;
        let [c_in, padded] = [self.conv.channels[0], factors.padded()];
        let steps = terms * sums.iter().map(Range::len).sum::<usize>();
        for block in factors.blocks() {
            let n_vectors = block.width / L::N;
            let parts = self.parts::<L>(block, n_tiles);
            let weights = factors.weights(point, block);
            let panel = terms * c_in * block.width;
            // The panel behind this one is asked for, a share of it with each register tile.
            let share = panel.div_ceil(parts.len());
            let mut next_weights = weights.wrapping_add(panel);
            let mut tile = 0;
            for n in parts {
                let (row, row_len) = ahead.share();
                let product = Product {
                    inputs: inputs.wrapping_add(tile * c_in),
                    step,
                    terms,
                    c_in,
                    sums,
                    weights,
                    next_weights: Requests::spread(next_weights, share, steps),
                    next_rows: Requests::spread(row, row_len, steps),
                    out: out.wrapping_add(tile * padded + block.start),
                    padded,
                };
                // SAFETY: the tiles `tile..tile + n` and the block's channels lie in the point.
                unsafe { product.run::<L>(n, n_vectors) };
                next_weights = next_weights.wrapping_add(share);
                tile += n;
            }
        }
    }
}

/// `out[tile][channel] = sum over terms and input channels of inputs[tile][input channel] * weights[input channel][..]`.
#[derive(Clone, Copy)]
struct Product<'a> {
    inputs: *const f32,
    step: usize,
    terms: usize,
    c_in: usize,
    /// Input channels that are summed up in one go.
    sums: &'a [Range<usize>],
    weights: *const f32,
    /// Memory to ask for meanwhile, with each input channel.
    next_weights: Requests,
    next_rows: Requests,
    out: *mut f32,
    padded: usize,
}

impl Product<'_> {
    /// # Safety
    /// The machine has the instruction set of `L`; inputs, weights and output are valid for `n_tiles` tiles and
    /// `n_vectors` vectors of channels; `n_tiles <= most_scalars(L::REGISTERS, n_vectors)`.
    #[inline(always)]
    unsafe fn run<L: Lane>(self, n_tiles: usize, n_vectors: usize) {
        macro_rules! tiles {
            ($($v:literal: $($b:literal)*;)*) => {
                match (n_vectors, n_tiles) {
                    $($(
                        ($v, $b) if $b <= const { most_scalars(L::REGISTERS, $v) } => {
                            // SAFETY: the tile is the one that the caller vouches for.
                            unsafe { L::vectorize(RegisterTile::<'_, $b, $v>(self)) }
                        }
                    )*)*
                    _ => unreachable!("invariant: blocks are cut to at most `most_scalars` tiles"),
                }
            };
        }
        tiles! {
            1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
            2: 1 2 3 4 5 6 7 8 9 10 11 12;
            3: 1 2 3 4 5 6 7 8 9;
        }
    }
}

/// Addresses to prefetch, one a step: the first, and floats from one to the next.
#[derive(Clone, Copy, Debug)]
struct Requests {
    start: *const f32,
    step: usize,
}

impl Requests {
    /// `n_steps` requests over the `len` floats from `start` on; over a part of them if they are too few.
    #[inline(always)]
    fn spread(start: *const f32, len: usize, n_steps: usize) -> Self {
        Self { start, step: len.div_ceil(n_steps.max(1)).min(LINE) }
    }
}

/// A product of `B` tiles with `V` vectors of output channels, whose sums stay in registers.
struct RegisterTile<'a, const B: usize, const V: usize>(Product<'a>);

impl<const B: usize, const V: usize> Body for RegisterTile<'_, B, V> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let p = self.0;
        // SAFETY: operands and sums are those that the caller of `Product::run` vouches for.
        unsafe {
            let (mut next_weights, mut next_rows) = (p.next_weights.start, p.next_rows.start);
            for (part, channels) in p.sums.iter().enumerate() {
                let mut sums = [[L::splat(0.0); V]; B];
                for term in 0..p.terms {
                    let inputs = p.inputs.add(term * p.step);
                    let mut weights = p.weights.add((term * p.c_in + channels.start) * V * L::N);
                    for c in channels.clone() {
                        prefetch_read(next_weights);
                        prefetch_read(next_rows);
                        next_weights = next_weights.wrapping_add(p.next_weights.step);
                        next_rows = next_rows.wrapping_add(p.next_rows.step);
                        let mut factors = [L::splat(0.0); V];
                        for (v, factor) in factors.iter_mut().enumerate() {
                            *factor = L::load(weights.add(v * L::N));
                        }
                        for (b, sums) in sums.iter_mut().enumerate() {
                            let x = L::splat(*inputs.add(b * p.c_in + c));
                            for (sum, factor) in sums.iter_mut().zip(factors) {
                                *sum = x.mul_add(factor, *sum);
                            }
                        }
                        weights = weights.add(V * L::N);
                    }
                }
                for (b, row) in sums.into_iter().enumerate() {
                    for (v, sum) in row.into_iter().enumerate() {
                        let total = p.out.add(b * p.padded + v * L::N);
                        let sum = if part == 0 { sum } else { L::load(total).add(sum) };
                        sum.store(total);
                    }
                }
            }
        }
    }
}

/// Rows to `P::A` points of width of the block's tiles.
struct AlongWidth<'a, P> {
    row: *const f32,
    offsets: &'a [[u32; MOST]],
    len: usize,
    out: *mut f32,
    tile: usize,
    point: usize,
    points: PhantomData<P>,
}

impl<P: Points> Body for AlongWidth<'_, P> {
    type Output = ();

    /// # Safety
    /// `len` floats rounded up to whole vectors may be read at each offset, and `len` written for each tile and point.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for (t, offsets) in self.offsets.iter().enumerate() {
            let out = self.out.wrapping_add(t * self.tile);
            for c in (0..self.len).step_by(L::N) {
                let n = L::N.min(self.len - c);
                // SAFETY: passed on from the caller.
                unsafe {
                    let mut d = [L::splat(0.0); MOST];
                    for (d, offset) in d.iter_mut().zip(offsets).take(P::A) {
                        *d = L::load(self.row.add(*offset as usize + c));
                    }
                    for (k, p) in P::forward(d).into_iter().enumerate().take(P::A) {
                        store(p, out.add(k * self.point + c), n);
                    }
                }
            }
        }
    }
}

/// Products at the points of width to voxels.
struct BackAlongWidth<'a, P> {
    products: *const f32,
    point: usize,
    tile: usize,
    tiles: &'a [usize],
    /// From one output voxel of a tile to the next.
    step: usize,
    len: usize,
    out: *mut f32,
    points: PhantomData<P>,
}

impl<P: Points> Body for BackAlongWidth<'_, P> {
    type Output = ();

    /// # Safety
    /// `len` floats rounded up to whole vectors may be read for each tile and point, and `len` floats written for each
    /// voxel of each tile.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        for (t, offset) in self.tiles.iter().enumerate() {
            let products = self.products.wrapping_add(t * self.tile);
            for c in (0..self.len).step_by(L::N) {
                let n = L::N.min(self.len - c);
                // SAFETY: passed on from the caller.
                unsafe {
                    let mut p = [L::splat(0.0); MOST];
                    for (k, p) in p.iter_mut().enumerate().take(P::A) {
                        *p = L::load(products.add(k * self.point + c));
                    }
                    for (k, y) in P::inverse(p).into_iter().enumerate().take(P::M) {
                        store(y, self.out.add(offset + k * self.step + c), n);
                    }
                }
            }
        }
    }
}
