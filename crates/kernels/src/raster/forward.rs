//! The splats of a tile blended into its pixels, front to back.

use super::bins::Bins;
use super::packed::Packed;
use super::{CELL, CELL_PIXELS, CELLS, Frame, RasterOptions, TILE, TILE_PIXELS};
use crate::simd::{Body, Lane, Math};

/// Pixel centres of a cell, relative to its corner.
pub(super) const X: [f32; CELL_PIXELS] =
    [0.5, 1.5, 2.5, 3.5, 0.5, 1.5, 2.5, 3.5, 0.5, 1.5, 2.5, 3.5, 0.5, 1.5, 2.5, 3.5];
pub(super) const Y: [f32; CELL_PIXELS] =
    [0.5, 0.5, 0.5, 0.5, 1.5, 1.5, 1.5, 1.5, 2.5, 2.5, 2.5, 2.5, 3.5, 3.5, 3.5, 3.5];

/// The pixels of a tile, `[cell][lane]`.
pub(super) struct Blended {
    /// What is left of the light behind; negative once the pixel takes no more.
    pub(super) transmittance: [f32; TILE_PIXELS],
    /// One more than the place in the list of the last splat blended.
    pub(super) last: [f32; TILE_PIXELS],
    /// Red, green, blue and depth.
    pub(super) features: [[f32; TILE_PIXELS]; 4],
}

impl Blended {
    pub(super) fn new() -> Self {
        Self { transmittance: [1.0; TILE_PIXELS], last: [0.0; TILE_PIXELS], features: [[0.0; TILE_PIXELS]; 4] }
    }
}

/// The list of a tile, and where the tile lies.
#[derive(Clone, Copy)]
pub(super) struct TileList<'a> {
    pub(super) packed: &'a [Packed],
    pub(super) list: &'a [u32],
    /// Column and row of the tile.
    pub(super) tile: [usize; 2],
}

impl<'a> TileList<'a> {
    pub(super) fn new(bins: &'a Bins, number: usize) -> Self {
        let list = &bins.list[bins.starts[number] as usize..bins.starts[number + 1] as usize];
        Self { packed: &bins.packed, list, tile: [number % bins.tiles[1], number / bins.tiles[1]] }
    }

    #[inline(always)]
    pub(super) fn splat(&self, place: usize) -> &'a Packed {
        &self.packed[self.list[place] as usize]
    }

    /// The centre of a splat, relative to the corner of the tile.
    #[inline(always)]
    pub(super) fn centre(&self, splat: &Packed) -> [f32; 2] {
        [0, 1].map(|axis| splat.mean[axis] - (self.tile[axis] * TILE) as f32)
    }
}

/// Forward pass over one tile.
pub(super) struct ForwardTile<'a> {
    list: TileList<'a>,
    options: RasterOptions,
    state: Blended,
}

impl<'a> ForwardTile<'a> {
    pub(super) fn new(bins: &'a Bins, number: usize, frame: &Frame, state: Blended) -> Self {
        Self { list: TileList::new(bins, number), options: frame.options, state }
    }
}

impl Body for ForwardTile<'_> {
    type Output = Blended;

    #[inline(always)]
    unsafe fn run<L: Lane>(mut self) -> Blended {
        for start in (0..CELL_PIXELS).step_by(L::N) {
            // SAFETY: the caller vouches for the instruction set, and `start` is a multiple of `N` below 16.
            unsafe {
                if self.options.depth {
                    blend::<L, 4>(&self.list, &self.options, &mut self.state, start);
                } else {
                    blend::<L, 3>(&self.list, &self.options, &mut self.state, start);
                }
            }
        }
        self.state
    }
}

/// Blends the list into lanes `start..start + N` of every cell, `F` features.
///
/// # Safety
/// The machine has the instruction set of `L`, and `start + N <= 16`.
#[inline(always)]
unsafe fn blend<L: Lane, const F: usize>(
    tile: &TileList<'_>,
    options: &RasterOptions,
    state: &mut Blended,
    start: usize,
) {
    // SAFETY: (this block and those below) the caller vouches for the instruction set; offsets are `16 * cell + start` with
    // `cell < 16` and `start + N <= 16`, so that `N` floats lie within each array of 256 (16 for the pixel centres).
    let (xs, ys, zero, one) =
        unsafe { (L::load(X.as_ptr().add(start)), L::load(Y.as_ptr().add(start)), L::splat(0.0), L::splat(1.0)) };
    let [alpha_min, alpha_max, t_min] =
        [options.alpha_min, options.alpha_max, options.transmittance_min].map(|x| zero.all(x));
    let mut alive = 0u32;
    for cell in 0..CELLS * CELLS {
        // SAFETY: see above.
        let t = unsafe { L::load(state.transmittance.as_ptr().add(cell * CELL_PIXELS + start)) };
        alive |= u32::from(L::any(t.gt(zero))) << cell;
    }
    for place in 0..tile.list.len() {
        if alive == 0 {
            break;
        }
        let splat = tile.splat(place);
        let [columns, rows] = splat.cells(tile.tile);
        let [x, y] = tile.centre(splat);
        let [half_a, b, half_c] = splat.half_conic.map(|x| zero.all(x));
        let (cut, opacity) = (zero.all(splat.cut), zero.all(splat.opacity));
        let features: [L; F] = std::array::from_fn(|f| zero.all(splat.features[f]));
        let index = zero.all((place + 1) as f32);
        for column in columns[0]..columns[1] {
            let dx = zero.all(x - (column * CELL) as f32).sub(xs);
            let (xx, bx) = (half_a.mul(dx).mul(dx), b.mul(dx));
            for row in rows[0]..rows[1] {
                let cell = row * CELLS + column;
                if alive & (1 << cell) == 0 {
                    continue;
                }
                let dy = zero.all(y - (row * CELL) as f32).sub(ys);
                let sigma = half_c.mul_add(dy, bx).mul_add(dy, xx);
                let near = L::both(cut.gt(sigma), sigma.ge(zero));
                if !L::any(near) {
                    continue;
                }
                let at = cell * CELL_PIXELS + start;
                let alpha = opacity.mul(zero.sub(sigma).exp_of_negative()).min(alpha_max);
                let hit = L::both(near, alpha.ge(alpha_min));
                // SAFETY: see above.
                unsafe {
                    let t = L::load(state.transmittance.as_ptr().add(at));
                    let next = t.mul(one.sub(alpha));
                    let taken = L::both(hit, next.gt(t_min));
                    let stopped = L::without(hit, taken);
                    let weight = L::select(taken, alpha.mul(t), zero);
                    for (feature, sums) in features.iter().zip(&mut state.features) {
                        let sum = sums.as_mut_ptr().add(at);
                        weight.mul_add(*feature, L::load(sum)).store(sum);
                    }
                    let t = L::select(taken, next, t);
                    let last = state.last.as_mut_ptr().add(at);
                    L::select(taken, index, L::load(last)).store(last);
                    let t = if L::any(stopped) {
                        let t = L::select(stopped, zero.sub(t.abs()), t);
                        if !L::any(t.gt(zero)) {
                            alive &= !(1 << cell);
                        }
                        t
                    } else {
                        t
                    };
                    t.store(state.transmittance.as_mut_ptr().add(at));
                }
            }
        }
    }
}
