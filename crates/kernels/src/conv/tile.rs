//! The inner loop: a tile of sums that stays in registers.

use crate::simd::{Body, LINE, Lane, prefetch_read, prefetch_write};

/// Consecutive steps (taps and input channels) whose weights lie one behind the other.
///
/// In a tile of several rows, all taps along height are one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Number of the first step in the list of input offsets.
    pub(super) start: usize,
    /// Steps.
    pub(super) len: usize,
    /// Number of the first step in the weights of the block.
    pub(super) weights: usize,
}

/// Which operand of a product is a vector; the other is a scalar in all lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneAxis {
    /// Lanes are output channels: weights are vectors, voxels are scalars.
    Channels,
    /// Lanes are voxels of a row: voxels are vectors, weights are scalars.
    Voxels,
}

/// The products that a tile sums, in the order of `runs`.
///
/// All taps and channels of a run are steps of one loop, so that it is long however few channels there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products<'a> {
    pub(super) axis: LaneAxis,
    pub(super) runs: &'a [Run],
    /// Floats from `input` to the operand of each step.
    pub(super) offsets: &'a [u32],
    /// Input at the tile's first voxel.
    pub(super) input: *const f32,
    /// Weights of the output block, and the floats of one tap and channel.
    pub(super) weights: *const f32,
    pub(super) stride: usize,
    /// Memory to ask for meanwhile.
    pub(super) ahead: Hints,
    /// Output to ask for meanwhile.
    pub(super) out: Hints,
}

/// Cache lines to prefetch, one per [`STEPS_PER_HINT`] steps until all are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints {
    next: *const f32,
    n_lines: usize,
}

impl Hints {
    /// Nothing to ask for.
    pub(super) const NONE: Self = Self { next: std::ptr::null(), n_lines: 0 };

    /// The lines of the `len` floats from `start` on; any address is allowed.
    #[inline(always)]
    pub(super) fn lines(start: *const f32, len: usize) -> Self {
        Self { next: start, n_lines: len.div_ceil(LINE) }
    }

    /// The next line, while there is one.
    #[inline(always)]
    fn next(&mut self) -> Option<*const f32> {
        self.n_lines = self.n_lines.checked_sub(1)?;
        let line = self.next;
        self.next = line.wrapping_add(LINE);
        Some(line)
    }

    /// Asks for the next line.
    #[inline(always)]
    fn read(&mut self) {
        if let Some(line) = self.next() {
            prefetch_read(line);
        }
    }

    /// Asks for the next line, to write.
    #[inline(always)]
    fn write(&mut self) {
        if let Some(line) = self.next() {
            prefetch_write(line);
        }
    }
}

/// Steps between two hints.
pub(super) const STEPS_PER_HINT: usize = 4;

/// The largest number of scalars in a tile of `n_vectors` vectors: sums, one set of vectors and one scalar must fit in
/// the registers, and leave a few free, or else the compiler keeps a sum in memory and the loop runs at half speed.
pub(crate) const fn most_scalars(registers: usize, n_vectors: usize) -> usize {
    match (registers, n_vectors) {
        // The scalar twins: larger tiles would only be minutes of compile time, since no bit depends on the tile.
        (..16, _) => 1,
        (32.., 3) => 9,
        (32.., 2) => 12,
        (32.., 4..) => 6,
        (32.., _) => 14,
        (_, 4..) => 2,
        (_, 3) => 4,
        (_, 2) => 6,
        _ => 12,
    }
}

/// A tile of several rows: taps along height that it serves, which is all of a kernel.
pub(super) const ROW_TAPS: usize = 3;

/// Tiles with voxels as lanes.
#[derive(Clone, Copy, Debug)]
pub(super) struct VoxelTiles {
    /// Rows of a tile of several rows, one vector each; 1 where there is none.
    pub(super) rows: usize,
    /// Output channels of a block.
    pub(super) width: usize,
    /// Vectors of a tile of one row.
    pub(super) vectors: usize,
}

impl VoxelTiles {
    /// The tiles for so many registers: sums, the vectors of `rows` input rows and one scalar fit.
    pub(super) const fn new(registers: usize) -> Self {
        match registers {
            ..16 => Self { rows: 1, width: 1, vectors: 2 },
            32.. => Self { rows: 4, width: 6, vectors: 4 },
            _ => Self { rows: 2, width: 6, vectors: 2 },
        }
    }
}

/// Adds products to the sums `acc[n_scalars][n_vectors * N]`.
///
/// # Safety
/// The machine has the instruction set of `L`; `acc` is valid for reading and writing its floats; runs lie in `offsets`; for
/// each step the scalar operand is valid for `n_scalars` floats and the vector operand for `n_vectors * N`; `n_vectors <= 4` and `1 <= n_scalars <= most_scalars(L::REGISTERS, n_vectors)`.
#[inline(always)]
pub(super) unsafe fn add_products<L: Lane>(n_scalars: usize, n_vectors: usize, products: &Products<'_>, acc: *mut f32) {
    macro_rules! tiles {
        ($($v:literal: $($b:literal)*;)*) => {
            match (n_vectors, n_scalars) {
                $($(
                    ($v, $b) if $b <= const { most_scalars(L::REGISTERS, $v) } => {
                        // SAFETY: the tile is the one that the caller vouches for.
                        unsafe { L::vectorize(Tile::<$b, $v> { products, acc }) }
                    }
                )*)*
                _ => unreachable!("invariant: tiles are cut to at most `most_scalars`"),
            }
        };
    }
    tiles! {
        1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14;
        2: 1 2 3 4 5 6 7 8 9 10 11 12;
        3: 1 2 3 4 5 6 7 8 9;
        4: 1 2 3 4 5 6;
    }
}

/// Adds products to the sums `acc[n_scalars][rows][N]` of a tile of [`VoxelTiles::rows`] rows, whose lanes are voxels.
///
/// Each step has the weights of the [`ROW_TAPS`] taps along height, in this order; `bases[r]` is floats from the input of
/// a step to that of input row `r` of `rows + 2`. An input vector is loaded once and serves the rows above and below: the
/// clock of a core falls with the loads that it does beside multiply-adds.
///
/// # Safety
/// The machine has the instruction set of `L`, whose tiles have more than one row; `acc` is valid for reading and writing
/// its floats; runs lie in `offsets`; for each step and input row the input is valid for `N` floats, and the weights for [`ROW_TAPS`] times
/// `stride`; `1 <= n_scalars <= stride`, and `n_scalars <= VoxelTiles::width`.
#[inline(always)]
pub(super) unsafe fn add_products_of_rows<L: Lane>(
    n_scalars: usize,
    bases: &[u32; MOST_ROWS],
    products: &Products<'_>,
    acc: *mut f32,
) {
    macro_rules! tiles {
        ($($b:literal)*) => {
            match (n_scalars, const { VoxelTiles::new(L::REGISTERS).rows }) {
                $(
                    ($b, 4) if $b <= const { VoxelTiles::new(L::REGISTERS).width } => {
                        // SAFETY: the tile is the one that the caller vouches for.
                        unsafe { L::vectorize(RowsTile::<$b, 4> { bases, products, acc }) }
                    }
                    ($b, 2) if $b <= const { VoxelTiles::new(L::REGISTERS).width } => {
                        // SAFETY: as above.
                        unsafe { L::vectorize(RowsTile::<$b, 2> { bases, products, acc }) }
                    }
                )*
                _ => unreachable!("invariant: blocks are cut to at most `VoxelTiles::width`"),
            }
        };
    }
    tiles!(1 2 3 4 5 6);
}

/// Input rows of the largest tile of several rows.
pub(super) const MOST_ROWS: usize = 4 + ROW_TAPS - 1;

/// A tile of `B` scalars by `V` vectors.
struct Tile<'a, const B: usize, const V: usize> {
    products: &'a Products<'a>,
    acc: *mut f32,
}

impl<const B: usize, const V: usize> Body for Tile<'_, B, V> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let p = self.products;
        // SAFETY: operands and sums are those that the caller of `add_products` vouches for.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; B];
            for (b, row) in sums.iter_mut().enumerate() {
                for (v, sum) in row.iter_mut().enumerate() {
                    *sum = L::load(self.acc.add((b * V + v) * L::N));
                }
            }
            let voxels = p.axis == LaneAxis::Voxels;
            let (mut ahead, mut out) = (p.ahead, p.out);
            for run in p.runs {
                let mut weights = p.weights.add(run.weights * p.stride);
                let offsets = p.offsets.get_unchecked(run.start..run.start + run.len);
                let groups = offsets.chunks_exact(STEPS_PER_HINT);
                let rest = groups.remainder();
                macro_rules! step {
                    ($offset:expr) => {{
                        let input = p.input.add(*$offset as usize);
                        if voxels {
                            step(&mut sums, input, weights)
                        } else {
                            step(&mut sums, weights, input)
                        }
                        weights = weights.wrapping_add(p.stride);
                    }};
                }
                for group in groups {
                    ahead.read();
                    out.write();
                    for offset in group {
                        step!(offset);
                    }
                }
                for offset in rest {
                    step!(offset);
                }
            }
            for (b, row) in sums.into_iter().enumerate() {
                for (v, sum) in row.into_iter().enumerate() {
                    sum.store(self.acc.add((b * V + v) * L::N));
                }
            }
        }
    }
}

/// Adds the product of each scalar with each vector.
///
/// # Safety
/// The machine has the instruction set of `L`; `V * N` floats at `vectors` and `B` at `scalars` are valid for reading.
#[inline(always)]
unsafe fn step<L: Lane, const B: usize, const V: usize>(
    sums: &mut [[L; V]; B],
    vectors: *const f32,
    scalars: *const f32,
) {
    // SAFETY: the operands are those that the caller vouches for.
    unsafe {
        let mut factors = [L::splat(0.0); V];
        for (v, factor) in factors.iter_mut().enumerate() {
            *factor = L::load(vectors.add(v * L::N));
        }
        for (b, sums) in sums.iter_mut().enumerate() {
            let x = L::splat(*scalars.add(b));
            for (sum, factor) in sums.iter_mut().zip(factors) {
                *sum = x.mul_add(factor, *sum);
            }
        }
    }
}

/// A tile of `B` output channels by `R` rows of one vector.
struct RowsTile<'a, const B: usize, const R: usize> {
    bases: &'a [u32; MOST_ROWS],
    products: &'a Products<'a>,
    acc: *mut f32,
}

impl<const B: usize, const R: usize> Body for RowsTile<'_, B, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let p = self.products;
        // SAFETY: operands and sums are those that the caller of `add_products_of_rows` vouches for.
        unsafe {
            let mut sums = [[L::splat(0.0); R]; B];
            for (b, rows) in sums.iter_mut().enumerate() {
                for (r, sum) in rows.iter_mut().enumerate() {
                    *sum = L::load(self.acc.add((b * R + r) * L::N));
                }
            }
            let inputs = self.bases.map(|base| p.input.wrapping_add(base as usize));
            let (mut ahead, mut out) = (p.ahead, p.out);
            for run in p.runs {
                let mut weights = p.weights.add(run.weights * ROW_TAPS * p.stride);
                for offset in p.offsets.get_unchecked(run.start..run.start + run.len) {
                    ahead.read();
                    out.write();
                    let mut vectors = [L::splat(0.0); MOST_ROWS];
                    for (vector, input) in vectors[..R - 1].iter_mut().zip(inputs) {
                        *vector = L::load(input.add(*offset as usize));
                    }
                    for tap in 0..ROW_TAPS {
                        // Only now, so that no more than `R` are held.
                        vectors[tap + R - 1] = L::load(inputs[tap + R - 1].add(*offset as usize));
                        for (b, rows) in sums.iter_mut().enumerate() {
                            let weight = L::splat(*weights.add(b));
                            for (r, sum) in rows.iter_mut().enumerate() {
                                *sum = weight.mul_add(vectors[tap + r], *sum);
                            }
                        }
                        weights = weights.wrapping_add(p.stride);
                    }
                }
            }
            for (b, rows) in sums.into_iter().enumerate() {
                for (r, sum) in rows.into_iter().enumerate() {
                    sum.store(self.acc.add((b * R + r) * L::N));
                }
            }
        }
    }
}
