//! The inner loop: a tile of sums that stays in registers.

use crate::simd::{Body, LINE, Lane, prefetch_read, prefetch_write};

/// Consecutive steps (taps and input channels) whose weights lie one behind the other.
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
    /// Weights of the output block, and the floats of one step.
    pub(super) weights: *const f32,
    pub(super) width: usize,
    /// Memory to ask for meanwhile.
    pub(super) ahead: Hints,
    /// Output to ask for meanwhile.
    pub(super) out: Hints,
}

/// Addresses to prefetch, one per [`STEPS_PER_HINT`] steps: the first, and floats from one to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints {
    pub(super) start: *const f32,
    pub(super) step: usize,
}

impl Hints {
    /// Nothing to ask for.
    pub(super) const NONE: Self = Self { start: std::ptr::null(), step: 0 };

    /// `n_hints` hints over the `len` floats from `start` on; over a part of them if they are too few.
    #[inline(always)]
    pub(super) fn spread(start: *const f32, len: usize, n_hints: usize) -> Self {
        Self { start, step: len.div_ceil(n_hints.max(1)).min(LINE) }
    }
}

/// Steps between two hints.
pub(super) const STEPS_PER_HINT: usize = 4;

/// The largest number of scalars in a tile of `n_vectors` vectors: sums, one set of vectors and one scalar must fit in
/// the registers, and leave a few free, or else the compiler keeps a sum in memory and the loop runs at half speed.
pub(super) const fn most_scalars(registers: usize, n_vectors: usize) -> usize {
    match (registers, n_vectors) {
        // The scalar twins: larger tiles would only be minutes of compile time, since no bit depends on the tile.
        (..16, _) => 1,
        (32.., 3) => 9,
        (32.., 2) => 12,
        (32.., _) => 14,
        (_, 3) => 4,
        (_, 2) => 6,
        _ => 12,
    }
}

/// Adds products to the sums `acc[n_scalars][n_vectors * N]`.
///
/// # Safety
/// The machine has the instruction set of `L`; `acc` is valid for reading and writing its floats; runs lie in `offsets`;
/// for each step the scalar operand is valid for `n_scalars` floats and the vector operand for `n_vectors * N`;
/// `n_vectors <= 3` and `1 <= n_scalars <= most_scalars(L::REGISTERS, n_vectors)`.
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
    }
}

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
            let (mut ahead, mut out) = (p.ahead.start, p.out.start);
            for run in p.runs {
                let mut weights = p.weights.add(run.weights * p.width);
                let offsets = p.offsets.get_unchecked(run.start..run.start + run.len);
                let groups = offsets.chunks_exact(STEPS_PER_HINT);
                let rest = groups.remainder();
                if voxels {
                    for group in groups {
                        prefetch_read(ahead);
                        prefetch_write(out);
                        ahead = ahead.wrapping_add(p.ahead.step);
                        out = out.wrapping_add(p.out.step);
                        for offset in group {
                            step(&mut sums, p.input.add(*offset as usize), weights);
                            weights = weights.wrapping_add(p.width);
                        }
                    }
                    for offset in rest {
                        step(&mut sums, p.input.add(*offset as usize), weights);
                        weights = weights.wrapping_add(p.width);
                    }
                } else {
                    for group in groups {
                        prefetch_read(ahead);
                        prefetch_write(out);
                        ahead = ahead.wrapping_add(p.ahead.step);
                        out = out.wrapping_add(p.out.step);
                        for offset in group {
                            step(&mut sums, weights, p.input.add(*offset as usize));
                            weights = weights.wrapping_add(V * L::N);
                        }
                    }
                    for offset in rest {
                        step(&mut sums, weights, p.input.add(*offset as usize));
                        weights = weights.wrapping_add(V * L::N);
                    }
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
