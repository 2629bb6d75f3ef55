//! The splats of a tile blended into its pixels, front to back, cell by cell.

use super::bins::Bins;
use super::cells::{CHUNK, Chunk, TILE_CELLS, centres, sample};
use super::{CELL_PIXELS, RasterOptions, TILE_PIXELS};
use crate::simd::{Body, Lane, Math};

/// The pixels of a tile, `[cell][lane]`.
pub(super) struct Blended {
    /// What is left of the light behind.
    pub(super) transmittance: [f32; TILE_PIXELS],
    /// Place in the list of the splat that ended the pixel; infinite while it takes more.
    pub(super) stop: [f32; TILE_PIXELS],
    /// Red, green, blue and depth.
    pub(super) features: [[f32; TILE_PIXELS]; 4],
}

impl Blended {
    pub(super) fn new() -> Self {
        Self {
            transmittance: [1.0; TILE_PIXELS],
            stop: [f32::INFINITY; TILE_PIXELS],
            features: [[0.0; TILE_PIXELS]; 4],
        }
    }

    /// Pixels before the first splat.
    pub(super) fn clear(&mut self) {
        self.transmittance.fill(1.0);
        self.stop.fill(f32::INFINITY);
        self.features.as_flattened_mut().fill(0.0);
    }

    /// One bit for each cell with a pixel that takes more.
    fn alive(&self) -> u32 {
        let cells = self.stop.chunks_exact(CELL_PIXELS).enumerate();
        cells.fold(0, |bits, (cell, stop)| bits | u32::from(stop.contains(&f32::INFINITY)) << cell)
    }
}

/// Forward pass over one tile.
pub(super) struct ForwardTile<'a> {
    pub(super) bins: &'a Bins,
    pub(super) number: usize,
    pub(super) options: RasterOptions,
    pub(super) state: &'a mut Blended,
    pub(super) chunk: &'a mut Chunk,
    /// For each splat of the list, the cells that it is blended into.
    pub(super) cells: &'a mut [u16],
}

impl Body for ForwardTile<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let mut alive = self.state.alive();
        let n = self.cells.len();
        for start in (0..n).step_by(CHUNK) {
            let end = n.min(start + CHUNK);
            if alive == 0 {
                self.cells[start..].fill(0);
                break;
            }
            self.chunk.fill(self.bins, self.number, start..end);
            // SAFETY: the caller vouches for the instruction set.
            unsafe { self.chunk.find_cells::<L>(self.bins.position(self.number), alive) };
            self.chunk.sort_into_cells();
            let (chunk, cells) = (&*self.chunk, &mut self.cells[start..end]);
            cells.fill(0);
            for cell in 0..TILE_CELLS {
                if chunk.list(cell).is_empty() {
                    continue;
                }
                for lane in (0..CELL_PIXELS).step_by(L::N) {
                    // SAFETY: the caller vouches for the instruction set, and `lane` is a multiple of `N` below 16.
                    unsafe {
                        if self.options.depth {
                            blend::<L, 4>(&self.options, self.state, chunk, [cell, lane], cells);
                        } else {
                            blend::<L, 3>(&self.options, self.state, chunk, [cell, lane], cells);
                        }
                    }
                }
            }
            alive = self.state.alive();
        }
    }
}

/// Blends the list of a cell into its lanes `start..start + N`, `F` features; notes in `cells` which splats were blended.
///
/// # Safety
/// The machine has the instruction set of `L`, `cell < 16` and `start + N <= 16`.
#[inline(always)]
unsafe fn blend<L: Lane, const F: usize>(
    options: &RasterOptions,
    state: &mut Blended,
    chunk: &Chunk,
    [cell, start]: [usize; 2],
    cells: &mut [u16],
) {
    let at = cell * CELL_PIXELS + start;
    // SAFETY: the caller vouches for the instruction set; offsets are `16 * cell + start`, so that `N` floats lie within
    // each array of 256.
    let (mut t, mut stop, [xs, ys], mut sums): (_, _, _, [L; F]) = unsafe {
        (
            L::load(state.transmittance.as_ptr().add(at)),
            L::load(state.stop.as_ptr().add(at)),
            centres::<L>(cell, start),
            std::array::from_fn(|f| L::load(state.features[f].as_ptr().add(at))),
        )
    };
    let [zero, one, infinity] = [0.0, 1.0, f32::INFINITY].map(|x| t.all(x));
    let bounds = [options.alpha_min, options.alpha_max].map(|x| t.all(x));
    let t_min = t.all(options.transmittance_min);
    // A pixel that takes no more lies infinitely far away: nothing hits it.
    let mut xs = L::select(infinity.gt(stop), infinity, xs);
    for &i in chunk.list(cell) {
        let splat = &chunk.splats[usize::from(i)];
        let s = sample(splat, [xs, ys], bounds);
        let next = t.mul(one.sub(s.alpha));
        let taken = L::both(s.hit, next.gt(t_min));
        let stopped = L::without(s.hit, taken);
        let weight = L::select(taken, s.alpha.mul(t), zero);
        for (sum, feature) in sums.iter_mut().zip(splat.features) {
            *sum = weight.mul_add(t.all(feature), *sum);
        }
        t = L::select(taken, next, t);
        cells[usize::from(i)] |= u16::from(L::any(taken)) << cell;
        if L::any(stopped) {
            stop = L::select(stopped, t.all(splat.place), stop);
            xs = L::select(stopped, infinity, xs);
            if !L::any(infinity.gt(xs)) {
                break;
            }
        }
    }
    // SAFETY: see above.
    unsafe {
        t.store(state.transmittance.as_mut_ptr().add(at));
        stop.store(state.stop.as_mut_ptr().add(at));
        for (sum, features) in sums.into_iter().zip(&mut state.features) {
            sum.store(features.as_mut_ptr().add(at));
        }
    }
}
