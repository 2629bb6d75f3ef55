//! The splats of a tile, and which of them each cell sees.

use std::ops::Range;

use super::bins::Bins;
use super::packed::{Packed, SLACK_TERMS};
use super::{CELL, CELL_PIXELS, CELLS, TILE};
use crate::simd::{Lane, Math, prefetch_read};

/// Splats of a list that are walked at once: their copies stay in the first cache.
pub(super) const CHUNK: usize = 256;
/// Splats between the one that is copied and the one that is fetched.
const FETCH_AHEAD: usize = 12;
/// Cells of a tile.
pub(super) const TILE_CELLS: usize = CELLS * CELLS;

/// Pixel centres of a cell, relative to its corner.
const X: [f32; CELL_PIXELS] = [0.5, 1.5, 2.5, 3.5, 0.5, 1.5, 2.5, 3.5, 0.5, 1.5, 2.5, 3.5, 0.5, 1.5, 2.5, 3.5];
const Y: [f32; CELL_PIXELS] = [0.5, 0.5, 0.5, 0.5, 1.5, 1.5, 1.5, 1.5, 2.5, 2.5, 2.5, 2.5, 3.5, 3.5, 3.5, 3.5];
/// Columns and rows of 4 x 4 boxes.
const COLUMN: [f32; TILE_CELLS] = [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0];
const ROW: [f32; TILE_CELLS] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0];

/// Pixel centres of lanes `start..start + N` of a cell, relative to the corner of its tile.
///
/// # Safety
/// The machine has the instruction set of `L`, and `start + N <= 16`.
#[inline(always)]
pub(super) unsafe fn centres<L: Lane>(cell: usize, start: usize) -> [L; 2] {
    // SAFETY: the caller vouches for the instruction set and `start`.
    unsafe {
        let corner = [cell % CELLS * CELL, cell / CELLS * CELL].map(|at| L::splat(at as f32));
        [L::load(X.as_ptr().add(start)).add(corner[0]), L::load(Y.as_ptr().add(start)).add(corner[1])]
    }
}

/// Up to [`CHUNK`] splats of the list of a tile.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Their copies, relative to the tile.
    pub(super) splats: Vec<Packed>,
    /// One bit for each cell of the tile that a splat may be blended into.
    pub(super) cells: [u16; CHUNK],
    /// Places in `splats`, ascending, of those that each cell sees.
    lists: [[u8; CHUNK]; TILE_CELLS],
    counts: [usize; TILE_CELLS],
}

impl Chunk {
    pub(super) fn new() -> Self {
        Self {
            splats: Vec::with_capacity(CHUNK),
            cells: [0; CHUNK],
            lists: [[0; CHUNK]; TILE_CELLS],
            counts: [0; TILE_CELLS],
        }
    }

    /// Copies the splats at `places` of the list of the tile of that number.
    #[inline(always)]
    pub(super) fn fill(&mut self, bins: &Bins, number: usize, places: Range<usize>) {
        let tile = bins.position(number);
        self.splats.clear();
        let list = bins.list_of(number);
        for place in places {
            // Splats lie anywhere: a later one is asked for now.
            let later = list[(place + FETCH_AHEAD).min(list.len() - 1)];
            prefetch_read(&raw const bins.packed[later as usize].mean[0]);
            self.splats.push(bins.packed[list[place] as usize].in_tile(tile, place));
        }
    }

    /// Makes the lists of cells from `cells`.
    #[inline(always)]
    pub(super) fn sort_into_cells(&mut self) {
        self.counts = [0; TILE_CELLS];
        for (i, cells) in self.cells[..self.splats.len()].iter().enumerate() {
            let mut cells = *cells;
            while cells != 0 {
                let cell = cells.trailing_zeros() as usize;
                // Fewer than CHUNK splats are in the list yet.
                self.lists[cell][self.counts[cell] % CHUNK] = i as u8;
                self.counts[cell] += 1;
                cells &= cells - 1;
            }
        }
    }

    /// Places in `splats`, ascending, of those that a cell sees.
    #[inline(always)]
    pub(super) fn list(&self, cell: usize) -> &[u8] {
        &self.lists[cell][..self.counts[cell]]
    }

    /// Sets `cells` to those of `among` that the ellipse of each splat may reach.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn find_cells<L: Lane>(&mut self, tile: [usize; 2], among: u32) {
        for (splat, cells) in self.splats.iter().zip(&mut self.cells) {
            // SAFETY: passed on from the caller.
            let reached = unsafe { reached::<L>(splat, [0, 0], CELL) };
            *cells = (reached & among & splat.box_cells(tile)) as u16;
        }
    }
}

/// One bit for each of 4 x 4 boxes of `side` x `side` pixels, the first with its corner at pixel `x, y`: whether the splat
/// may reach a pixel of it.
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
pub(super) unsafe fn reached<L: Lane>(splat: &Packed, corner: [usize; 2], side: usize) -> u32 {
    let mut bits = 0;
    for start in (0..TILE_CELLS).step_by(L::N) {
        // SAFETY: the caller vouches for the instruction set; `start` is a multiple of `N` below 16.
        let (column, row, zero) =
            unsafe { (L::load(COLUMN.as_ptr().add(start)), L::load(ROW.as_ptr().add(start)), L::splat(0.0)) };
        let (step, width) = (zero.all(side as f32), zero.all((side - 1) as f32));
        let [x, y] = [0, 1].map(|axis| zero.all(splat.mean[axis] - corner[axis] as f32 - 0.5));
        // To the first pixel centre of each box, and to the last.
        let (high_x, high_y) = (column.neg_mul_add(step, x), row.neg_mul_add(step, y));
        let (low_x, low_y) = (high_x.sub(width), high_y.sub(width));
        // The least exponent over a box lies on a side that faces the centre. (NaN stays NaN, and counts as reached.)
        let (dx, dy) = (high_x.min(low_x.max(zero)), high_y.min(low_y.max(zero)));
        let [slope_x, slope_y] = splat.slopes.map(|x| zero.all(-x));
        let along_y = high_y.min(low_y.max(slope_x.mul(dx)));
        let along_x = high_x.min(low_x.max(slope_y.mul(dy)));
        let [a, b, c] = splat.half_conic.map(|x| zero.all(x));
        let (cut, slack) = (zero.all(splat.cut), zero.all(SLACK_TERMS));
        let beyond = |dx: L, dy: L| {
            let terms = c.mul(dy).mul_add(dy, a.mul(dx).mul(dx));
            slack.neg_mul_add(terms, b.mul(dx).mul_add(dy, terms)).gt(cut)
        };
        let beyond = L::both(beyond(dx, along_y), beyond(along_x, dy));
        bits |= !L::bits(beyond) << start;
    }
    bits & ((1 << TILE_CELLS) - 1)
}

/// What a splat does to some pixels.
pub(super) struct Sample<L: Lane> {
    /// `exp(-sigma)`; anything where the pixel is not hit.
    pub(super) falloff: L,
    /// Opacity times falloff, before and after the cut.
    pub(super) raw: L,
    pub(super) alpha: L,
    pub(super) hit: L::Mask,
}

/// The splat at pixels with centres `xs, ys`; alpha's bounds.
#[inline(always)]
pub(super) fn sample<L: Lane>(splat: &Packed, [xs, ys]: [L; 2], [alpha_min, alpha_max]: [L; 2]) -> Sample<L> {
    let [a, b, c] = splat.half_conic.map(|x| xs.all(x));
    let (dx, dy) = (xs.all(splat.mean[0]).sub(xs), xs.all(splat.mean[1]).sub(ys));
    let exponent = c.mul_add(dy, b.mul(dx)).mul_add(dy, a.mul(dx).mul(dx));
    let near = L::both(xs.all(splat.cut).gt(exponent), exponent.ge(xs.all(0.0)));
    let falloff = exponent.exp2_of_minus();
    let raw = xs.all(splat.opacity).mul(falloff);
    let alpha = raw.min(alpha_max);
    Sample { falloff, raw, alpha, hit: L::both(near, alpha.ge(alpha_min)) }
}

/// Side of a tile, halved: moments are taken about the middle of the tile.
pub(super) const MIDDLE: f32 = (TILE / 2) as f32;
