//! Gradients of a tile: its splats walked back to front.
//!
//! With `u` the inner product of a splat's features and the upstream gradient, `s` the sum of `w u` over what lies
//! behind, started with what the background and alpha give: `dL/dalpha = u T - s / (1 - alpha)`.

use super::bins::Bins;
use super::forward::{TileList, X, Y};
use super::{CELL, CELL_PIXELS, CELLS, Frame, RasterOptions, SplatGradient, TILE_PIXELS};
use crate::simd::{Body, Lane, Math};

/// The upstream gradient of a tile's pixels, and the state of the walk, `[cell][lane]`.
pub(super) struct Upstream {
    /// By red, green, blue and depth.
    pub(super) features: [[f32; TILE_PIXELS]; 4],
    /// `s`: the sum of `w u` over the splats behind.
    pub(super) behind: [f32; TILE_PIXELS],
    transmittance: [f32; TILE_PIXELS],
}

impl Upstream {
    pub(super) fn new(transmittance: &[f32]) -> Self {
        let mut state =
            Self { features: [[0.0; TILE_PIXELS]; 4], behind: [0.0; TILE_PIXELS], transmittance: [0.0; TILE_PIXELS] };
        state.transmittance.copy_from_slice(transmittance);
        state
    }
}

/// Backward pass over one tile: writes a record for each splat of its list.
pub(super) struct BackwardTile<'a> {
    list: TileList<'a>,
    options: RasterOptions,
    state: Upstream,
    last: &'a [f32],
    records: &'a mut [SplatGradient],
}

impl<'a> BackwardTile<'a> {
    pub(super) fn new(
        bins: &'a Bins,
        number: usize,
        frame: &Frame,
        state: Upstream,
        last: &'a [f32],
        records: &'a mut [SplatGradient],
    ) -> Self {
        Self { list: TileList::new(bins, number), options: frame.options, state, last, records }
    }
}

/// What a splat gathers from the pixels of a tile, one number a lane of the cells: sums over the cells of `q` and its
/// moments, where `q = exp(-sigma) dL/dalpha`.
const SUMS: usize = 12;
const FEATURE: usize = 0;
const Q: usize = 4;
const QX: usize = 5;
const QY: usize = 6;
const QXX: usize = 7;
const QXY: usize = 8;
const QYY: usize = 9;
const ABS_X: usize = 10;
const ABS_Y: usize = 11;

impl Body for BackwardTile<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(mut self) {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            match (self.options.depth, self.options.absolute_means) {
                (true, false) => walk::<L, 4, false>(&mut self),
                (true, true) => walk::<L, 4, true>(&mut self),
                (false, false) => walk::<L, 3, false>(&mut self),
                (false, true) => walk::<L, 3, true>(&mut self),
            }
        }
    }
}

/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
unsafe fn walk<L: Lane, const F: usize, const ABS: bool>(tile: &mut BackwardTile<'_>) {
    let mut cell_last = [0usize; CELLS * CELLS];
    for (last, pixels) in cell_last.iter_mut().zip(tile.last.chunks_exact(CELL_PIXELS)) {
        *last = pixels.iter().fold(0.0f32, |most, x| most.max(*x)) as usize;
    }
    let end = cell_last.iter().copied().max().unwrap_or(0);
    tile.records[end..].fill(SplatGradient::default());
    for place in (0..end).rev() {
        let mut sums = [[0.0f32; CELL_PIXELS]; SUMS];
        let mut any = false;
        for start in (0..CELL_PIXELS).step_by(L::N) {
            // SAFETY: the caller vouches for the instruction set, and `start` is a multiple of `N` below 16.
            any |= unsafe { accumulate::<L, F, ABS>(tile, place, &cell_last, start, &mut sums) };
        }
        tile.records[place] = if any { record(tile.list.splat(place), &sums) } else { SplatGradient::default() };
    }
}

/// Walks the pixels of lanes `start..start + N` past one splat; whether any of them had blended it.
///
/// # Safety
/// The machine has the instruction set of `L`, and `start + N <= 16`.
#[inline(always)]
unsafe fn accumulate<L: Lane, const F: usize, const ABS: bool>(
    tile: &mut BackwardTile<'_>,
    place: usize,
    cell_last: &[usize; CELLS * CELLS],
    start: usize,
    sums: &mut [[f32; CELL_PIXELS]; SUMS],
) -> bool {
    // SAFETY: (this block and those below) the caller vouches for the instruction set; offsets are `16 * cell + start` with
    // `cell < 16` and `start + N <= 16`, so that `N` floats lie within each array of 256 (16 for the pixel centres and
    // sums); `last` has 256 floats, for it was cut into 16 cells of 16.
    let (xs, ys, zero, one) =
        unsafe { (L::load(X.as_ptr().add(start)), L::load(Y.as_ptr().add(start)), L::splat(0.0), L::splat(1.0)) };
    let [alpha_min, alpha_max, floor] =
        [tile.options.alpha_min, tile.options.alpha_max, tile.options.one_minus_alpha_min].map(|x| zero.all(x));
    assert!(tile.last.len() == TILE_PIXELS, "invariant: a tile has 256 pixels");
    let splat = tile.list.splat(place);
    let [columns, rows] = splat.cells(tile.list.tile);
    let [x, y] = tile.list.centre(splat);
    let [half_a, b, half_c] = splat.half_conic.map(|x| zero.all(x));
    let (cut, opacity) = (zero.all(splat.cut), zero.all(splat.opacity));
    let features: [L; F] = std::array::from_fn(|f| zero.all(splat.features[f]));
    let index = zero.all(place as f32);
    let state = &mut tile.state;
    let mut total = [zero; SUMS];
    let mut any = false;
    for column in columns[0]..columns[1] {
        let dx = zero.all(x - (column * CELL) as f32).sub(xs);
        let (xx, bx) = (half_a.mul(dx).mul(dx), b.mul(dx));
        let (mut q_sum, mut qy_sum) = (zero, zero);
        for row in rows[0]..rows[1] {
            let cell = row * CELLS + column;
            if cell_last[cell] <= place {
                continue;
            }
            let dy = zero.all(y - (row * CELL) as f32).sub(ys);
            let sigma = half_c.mul_add(dy, bx).mul_add(dy, xx);
            let at = cell * CELL_PIXELS + start;
            // SAFETY: see above.
            let last = unsafe { L::load(tile.last.as_ptr().add(at)) };
            let near = L::both(L::both(cut.gt(sigma), sigma.ge(zero)), last.gt(index));
            if !L::any(near) {
                continue;
            }
            let falloff = zero.sub(sigma).exp_of_negative();
            let raw = opacity.mul(falloff);
            let alpha = raw.min(alpha_max);
            let hit = L::both(near, alpha.ge(alpha_min));
            any = true;
            let inverse = one.div(floor.max(one.sub(alpha)));
            // SAFETY: see above.
            unsafe {
                let t_place = state.transmittance.as_mut_ptr().add(at);
                let t = L::load(t_place);
                let t = L::select(hit, t.mul(inverse), t);
                t.store(t_place);
                let weight = L::select(hit, alpha.mul(t), zero);
                let mut u = zero;
                for (f, feature) in features.iter().enumerate() {
                    let v = L::load(state.features[f].as_ptr().add(at));
                    u = feature.mul_add(v, u);
                    total[FEATURE + f] = weight.mul_add(v, total[FEATURE + f]);
                }
                let behind_place = state.behind.as_mut_ptr().add(at);
                let behind = L::load(behind_place);
                let v_alpha = behind.neg_mul_add(inverse, u.mul(t));
                weight.mul_add(u, behind).store(behind_place);
                let moved = L::both(hit, alpha_max.ge(raw));
                let q = L::select(moved, falloff.mul(v_alpha), zero);
                let qy = q.mul(dy);
                q_sum = q_sum.add(q);
                qy_sum = qy_sum.add(qy);
                total[QYY] = qy.mul_add(dy, total[QYY]);
                if ABS {
                    let ax = half_a.add(half_a).mul_add(dx, b.mul(dy));
                    let ay = half_c.add(half_c).mul_add(dy, bx);
                    total[ABS_X] = total[ABS_X].add(q.mul(ax).abs());
                    total[ABS_Y] = total[ABS_Y].add(q.mul(ay).abs());
                }
            }
        }
        // dx is the same in every row of the column: its moments are finished once.
        let qx = q_sum.mul(dx);
        total[Q] = total[Q].add(q_sum);
        total[QX] = total[QX].add(qx);
        total[QY] = total[QY].add(qy_sum);
        total[QXX] = qx.mul_add(dx, total[QXX]);
        total[QXY] = qy_sum.mul_add(dx, total[QXY]);
    }
    for (sum, total) in sums.iter_mut().zip(total) {
        // SAFETY: see above.
        unsafe { total.store(sum.as_mut_ptr().add(start)) };
    }
    any
}

/// The record of a splat from its sums.
#[inline(always)]
fn record(splat: &super::packed::Packed, sums: &[[f32; CELL_PIXELS]; SUMS]) -> SplatGradient {
    let sums = sums.map(sum_of_lanes);
    let [half_a, b, half_c] = splat.half_conic;
    let (a, c, o) = (2.0 * half_a, 2.0 * half_c, splat.opacity);
    SplatGradient {
        features: std::array::from_fn(|f| sums[FEATURE + f]),
        opacity: sums[Q],
        mean: [-o * (a * sums[QX] + b * sums[QY]), -o * (b * sums[QX] + c * sums[QY])],
        conic: [-0.5 * o * sums[QXX], -o * sums[QXY], -0.5 * o * sums[QYY]],
        mean_absolute: [o * sums[ABS_X], o * sums[ABS_Y]],
    }
}

/// Sum of 16 numbers, halves onto halves: one order for every instruction set.
#[inline(always)]
fn sum_of_lanes(x: [f32; CELL_PIXELS]) -> f32 {
    let x: [f32; 8] = std::array::from_fn(|i| x[i] + x[i + 8]);
    let x: [f32; 4] = std::array::from_fn(|i| x[i] + x[i + 4]);
    let x: [f32; 2] = std::array::from_fn(|i| x[i] + x[i + 2]);
    x[0] + x[1]
}
