//! Gradients of a tile: its splats walked back to front, cell by cell.
//!
//! With `u` the inner product of a splat's features and the upstream gradient, and `b` that of what lies behind it, as it
//! would look with nothing in front: `dL/dalpha = T (u - b)`, and `b + alpha (u - b)` lies behind the splat before.
//!
//! With `q = exp(-sigma) dL/dalpha`, the sums over pixels of the weight times the upstream gradient and of `q`, `q dx`,
//! `q dy` times 1, x and y give the gradients of all the numbers of a splat. They are one product of matrices: a row for
//! each splat, a column for each pixel of the cell.

use super::bins::Bins;
use super::cells::{CHUNK, Chunk, MIDDLE, TILE_CELLS, centres, sample};
use super::packed::Packed;
use super::{CELL, CELL_PIXELS, CELLS, RasterOptions, Record, TILE_PIXELS};
use crate::simd::{Body, Lane, Math};

/// Splats whose sums are computed at once.
const BATCH: usize = 8;
/// Numbers that one pixel gives: weight, `q`, `q dx`, `q dy`.
const QUAD: usize = 4;
/// Sums of a splat. Sum `4 k + j` is of number `j` of [`QUAD`] times entry `4 k + j` of the basis.
const SUMS: usize = 16;
const Q: usize = 1;
const QX: usize = 2;
const QY: usize = 3;
const QX_X: usize = 6;
const QY_X: usize = 7;
const QY_Y: usize = 11;
/// Not of the product: sums of magnitudes.
const ABS: [usize; 2] = [14, 15];

/// The upstream gradient of a tile's pixels and the state of the walk, `[cell][lane]`.
pub(super) struct Upstream {
    /// By red, green, blue and depth.
    pub(super) features: [[f32; TILE_PIXELS]; 4],
    /// Inner product of the upstream gradient and what lies behind.
    pub(super) behind: [f32; TILE_PIXELS],
    pub(super) transmittance: [f32; TILE_PIXELS],
    pub(super) stop: [f32; TILE_PIXELS],
}

impl Upstream {
    pub(super) fn new() -> Self {
        let zeros = [0.0; TILE_PIXELS];
        Self { features: [zeros; 4], behind: zeros, transmittance: zeros, stop: zeros }
    }

    /// Zeros for what rows outside the image leave unset.
    pub(super) fn clear(&mut self) {
        self.features.as_flattened_mut().fill(0.0);
        self.behind.fill(0.0);
    }
}

/// Memory of the backward pass over a tile.
pub(super) struct Scratch {
    pub(super) upstream: Upstream,
    chunk: Chunk,
    /// What each pixel's numbers are multiplied with.
    basis: [[f32; SUMS]; TILE_PIXELS],
    sums: [[f32; SUMS]; CHUNK],
    quads: [[f32; QUAD * CELL_PIXELS]; BATCH],
    magnitudes: [[[f32; CELL_PIXELS]; 2]; BATCH],
}

impl Scratch {
    pub(super) fn new() -> Self {
        let basis = std::array::from_fn(|pixel| {
            let (cell, lane) = (pixel / CELL_PIXELS, pixel % CELL_PIXELS);
            let at = |cell: usize, lane: usize| (cell * CELL + lane) as f32 + 0.5 - MIDDLE;
            let (x, y) = (at(cell % CELLS, lane % CELL), at(cell / CELLS, lane / CELL));
            let mut entries = [0.0; SUMS];
            [entries[Q], entries[QX], entries[QY]] = [1.0; 3];
            [entries[QX_X], entries[QY_X], entries[QY_Y]] = [x, x, y];
            entries
        });
        Self {
            upstream: Upstream::new(),
            chunk: Chunk::new(),
            basis,
            sums: [[0.0; SUMS]; CHUNK],
            quads: [[0.0; QUAD * CELL_PIXELS]; BATCH],
            magnitudes: [[[0.0; CELL_PIXELS]; 2]; BATCH],
        }
    }
}

/// Backward pass over one tile: writes a record for each splat of its list.
pub(super) struct BackwardTile<'a> {
    pub(super) bins: &'a Bins,
    pub(super) number: usize,
    pub(super) options: RasterOptions,
    pub(super) scratch: &'a mut Scratch,
    /// For each splat of the list, the cells that it was blended into.
    pub(super) cells: &'a [u16],
    pub(super) records: &'a mut [Record],
}

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
unsafe fn walk<L: Lane, const F: usize, const MAGNITUDES: bool>(tile: &mut BackwardTile<'_>) {
    let scratch = &mut *tile.scratch;
    for (k, features) in scratch.upstream.features.iter().enumerate() {
        for (entries, v) in scratch.basis.iter_mut().zip(features) {
            entries[QUAD * k] = *v;
        }
    }
    let n = tile.cells.len();
    for start in (0..n).step_by(CHUNK).rev() {
        let end = n.min(start + CHUNK);
        scratch.chunk.fill(tile.bins, tile.number, start..end);
        scratch.chunk.cells[..end - start].copy_from_slice(&tile.cells[start..end]);
        scratch.chunk.sort_into_cells();
        scratch.sums[..end - start].fill([0.0; SUMS]);
        for cell in 0..TILE_CELLS {
            let mut left = scratch.chunk.list(cell).len();
            while left > 0 {
                let first = left.saturating_sub(BATCH);
                for lane in (0..CELL_PIXELS).step_by(L::N) {
                    // SAFETY: the caller vouches for the instruction set; `lane` is a multiple of `N` below 16, and the
                    // batch has at most BATCH splats.
                    unsafe { differentiate::<L, F, MAGNITUDES>(scratch, &tile.options, [first, left], [cell, lane]) };
                }
                // SAFETY: the caller vouches for the instruction set.
                unsafe { add_sums::<L, MAGNITUDES>(scratch, [first, left], cell) };
                left = first;
            }
        }
        for (i, record) in tile.records[start..end].iter_mut().enumerate() {
            let splat = &scratch.chunk.splats[i];
            *record = if tile.cells[start + i] == 0 { Record::default() } else { gradient(splat, &scratch.sums[i]) };
        }
    }
}

/// Walks lanes `start..start + N` of a cell past splats `end - 1, .. first` of its list, and writes what each pixel gives.
///
/// # Safety
/// The machine has the instruction set of `L`, `end - first <= BATCH`, `cell < 16`, and `start` is a multiple of `N` below
/// 16.
#[inline(always)]
unsafe fn differentiate<L: Lane, const F: usize, const MAGNITUDES: bool>(
    scratch: &mut Scratch,
    options: &RasterOptions,
    [first, end]: [usize; 2],
    [cell, start]: [usize; 2],
) {
    let at = cell * CELL_PIXELS + start;
    let up = &mut scratch.upstream;
    // SAFETY: (this block and those below) the caller vouches for the instruction set; offsets are `16 * cell + start`, so
    // that `N` floats lie within each array of 256.
    let (mut t, mut behind, stop, centres, upstream): (_, _, _, _, [L; F]) = unsafe {
        (
            L::load(up.transmittance.as_ptr().add(at)),
            L::load(up.behind.as_ptr().add(at)),
            L::load(up.stop.as_ptr().add(at)),
            centres::<L>(cell, start),
            std::array::from_fn(|f| L::load(up.features[f].as_ptr().add(at))),
        )
    };
    let [zero, one] = [0.0, 1.0].map(|x| t.all(x));
    let bounds = [options.alpha_min, options.alpha_max].map(|x| t.all(x));
    let list = &scratch.chunk.list(cell)[first..end];
    // Front to back: alpha, what moves with the exponent, and the light that the splats of the batch before let through.
    let mut walk = [[zero; 3]; BATCH];
    let mut through = one;
    for (&i, step) in list.iter().zip(&mut walk) {
        let splat = &scratch.chunk.splats[usize::from(i)];
        let s = sample(splat, centres, bounds);
        let hit = L::both(s.hit, stop.gt(t.all(splat.place)));
        let moved = L::both(hit, bounds[1].ge(s.raw));
        let alpha = L::select(hit, s.alpha, zero);
        *step = [alpha, L::select(moved, s.falloff, zero), through];
        through = through.mul(one.sub(alpha));
    }
    // The light that reached the batch. What was let through is not zero, or the pixel had ended.
    t = t.div(through);
    for (k, &i) in list.iter().enumerate().rev() {
        let splat = &scratch.chunk.splats[usize::from(i)];
        let [alpha, falloff, through] = walk[k];
        let t = t.mul(through);
        let mut u = upstream[0].mul(t.all(splat.features[0]));
        for (v, feature) in upstream.iter().zip(splat.features).skip(1) {
            u = v.mul_add(t.all(feature), u);
        }
        let ahead = u.sub(behind);
        behind = alpha.mul_add(ahead, behind);
        let q = falloff.mul(t.mul(ahead));
        let (dx, dy) = (t.all(splat.mean[0]).sub(centres[0]), t.all(splat.mean[1]).sub(centres[1]));
        let quad = [alpha.mul(t), q, q.mul(dx), q.mul(dy)];
        let [a, b, c] = splat.half_conic.map(|x| t.all(x));
        // SAFETY: `k < BATCH`; `4 * N` floats from `4 * start` lie within 64, `N` from `start` within 16.
        unsafe {
            L::store_quads(quad, scratch.quads[k].as_mut_ptr().add(QUAD * start));
            if MAGNITUDES {
                let x = q.mul(a.add(a).mul_add(dx, b.mul(dy))).abs();
                let y = q.mul(c.add(c).mul_add(dy, b.mul(dx))).abs();
                x.store(scratch.magnitudes[k][0].as_mut_ptr().add(start));
                y.store(scratch.magnitudes[k][1].as_mut_ptr().add(start));
            }
        }
    }
    // SAFETY: see above.
    unsafe {
        t.store(up.transmittance.as_mut_ptr().add(at));
        behind.store(up.behind.as_mut_ptr().add(at));
    }
}

/// Adds the product of what the pixels of a cell gave and the basis to the sums of splats `first..end` of its list.
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
unsafe fn add_sums<L: Lane, const MAGNITUDES: bool>(scratch: &mut Scratch, [first, end]: [usize; 2], cell: usize) {
    let basis = &scratch.basis[cell * CELL_PIXELS..][..CELL_PIXELS];
    let list = &scratch.chunk.list(cell)[first..end];
    for part in (0..SUMS).step_by(L::N) {
        // SAFETY: the caller vouches for the instruction set.
        let mut sums = [unsafe { L::splat(0.0) }; BATCH];
        for (pixel, entries) in basis.iter().enumerate() {
            let place = pixel / L::N * L::N + L::quad_place(pixel % L::N);
            // SAFETY: `part + N <= 16`; `place < 16`, so that a quad lies within 64 floats.
            unsafe {
                let entries = L::load(entries.as_ptr().add(part));
                for (sum, quads) in sums.iter_mut().zip(&scratch.quads) {
                    *sum = L::load_quad(quads.as_ptr().add(QUAD * place)).mul_add(entries, *sum);
                }
            }
        }
        for (&i, sum) in list.iter().zip(sums) {
            let total = scratch.sums[usize::from(i)].as_mut_ptr();
            // SAFETY: `part + N <= 16`.
            unsafe { L::load(total.add(part)).add(sum).store(total.add(part)) };
        }
    }
    if MAGNITUDES {
        for (&i, magnitudes) in list.iter().zip(&scratch.magnitudes) {
            for (at, lanes) in ABS.into_iter().zip(magnitudes) {
                scratch.sums[usize::from(i)][at] += sum_of_lanes(lanes);
            }
        }
    }
}

/// The gradient of a splat from its sums.
#[inline(always)]
fn gradient(splat: &Packed, sums: &[f32; SUMS]) -> Record {
    let [x, y] = splat.mean.map(|x| x - MIDDLE);
    let [half_a, b, half_c] = splat.half_conic.map(|x| std::f32::consts::LN_2 * x);
    let (a, c, o) = (2.0 * half_a, 2.0 * half_c, splat.opacity);
    let [qx, qy] = [sums[QX], sums[QY]];
    // dx = x - (the pixel's x), and so on.
    let [qxx, qxy, qyy] = [x * qx - sums[QX_X], x * qy - sums[QY_X], y * qy - sums[QY_Y]];
    let [red, green, blue, depth] = [0, 1, 2, 3].map(|k| sums[QUAD * k]);
    let [mean_x, mean_y] = [-o * (a * qx + b * qy), -o * (b * qx + c * qy)];
    let [abs_x, abs_y] = ABS.map(|at| std::f32::consts::LN_2 * o * sums[at]);
    let conic = [-0.5 * o * qxx, -o * qxy, -0.5 * o * qyy];
    Record([red, green, blue, depth, sums[Q], mean_x, mean_y, conic[0], conic[1], conic[2], abs_x, abs_y])
}

/// Sum of 16 numbers, halves onto halves: one order for every instruction set.
#[inline(always)]
fn sum_of_lanes(x: &[f32; CELL_PIXELS]) -> f32 {
    let x: [f32; 8] = std::array::from_fn(|i| x[i] + x[i + 8]);
    let x: [f32; 4] = std::array::from_fn(|i| x[i] + x[i + 4]);
    let x: [f32; 2] = std::array::from_fn(|i| x[i] + x[i + 2]);
    x[0] + x[1]
}
