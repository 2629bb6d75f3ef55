//! The inner loop of the general convolutions: outer products added to a tile of sums in registers.

use crate::conv::most_scalars;
use crate::simd::{Body, Lane};

/// Where the operands of consecutive steps begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) vectors: usize,
    pub(super) scalars: usize,
}

/// Steps, each the outer product of some scalars and some vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products<'a> {
    /// Operands of each run, in floats from `vectors` and `scalars`.
    pub(super) runs: &'a [Run],
    /// Steps of each run.
    pub(super) n_steps: usize,
    pub(super) vectors: *const f32,
    /// Floats from the vectors of one step to those of the next.
    pub(super) vector_step: usize,
    pub(super) scalars: *const f32,
    /// Floats from the first scalar of one step to that of the next.
    pub(super) scalar_step: usize,
    /// Floats from one scalar of a step to the next.
    pub(super) scalar_stride: usize,
}

/// A tile of sums: a row of `width` floats for each scalar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    pub(super) data: *mut f32,
    pub(super) stride: usize,
    pub(super) width: usize,
}

/// Most vectors of a row of a tile.
pub(super) const fn most_vectors(registers: usize) -> usize {
    if registers < 32 { 2 } else { 3 }
}

/// Adds `scalar[b] * vector[m]` of all steps, in their order, to `sums[b][m]`, for `b < n_scalars`.
///
/// Each sum begins at zero and is added to memory once, at the end.
///
/// # Safety
/// The machine has the instruction set of `L`; `sums` is valid for reading and writing `n_scalars` rows; for each step
/// `n_scalars` scalars and the vectors of `width` floats, rounded up to whole vectors, are valid for reading;
/// `1 <= n_scalars <= most_scalars(L::REGISTERS, v)` with `v = width.div_ceil(N) <= most_vectors(L::REGISTERS)`.
#[inline(always)]
pub(super) unsafe fn add_products<L: Lane>(n_scalars: usize, products: &Products<'_>, sums: Sums) {
    macro_rules! tiles {
        ($($v:literal: $($b:literal)*;)*) => {
            match (sums.width.div_ceil(L::N), n_scalars) {
                $($(
                    ($v, $b) if const { $v <= most_vectors(L::REGISTERS) && $b <= most_scalars(L::REGISTERS, $v) } => {
                        // SAFETY: the tile is the one that the caller vouches for.
                        unsafe { L::vectorize(Tile::<$b, $v> { products, sums }) }
                    }
                )*)*
                _ => unreachable!("invariant: tiles are cut to at most `most_scalars` by `most_vectors`"),
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
    sums: Sums,
}

impl<const B: usize, const V: usize> Body for Tile<'_, B, V> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let p = self.products;
        // SAFETY: operands and sums are those that the caller of `add_products` vouches for.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; B];
            for run in p.runs {
                let (mut vectors, mut scalars) = (p.vectors.add(run.vectors), p.scalars.add(run.scalars));
                // Neighbouring scalars have addresses that need no register each.
                if p.scalar_stride == 1 {
                    for _ in 0..p.n_steps {
                        step::<L, B, V>(&mut sums, vectors, scalars, 1);
                        (vectors, scalars) = (vectors.wrapping_add(p.vector_step), scalars.wrapping_add(p.scalar_step));
                    }
                } else {
                    for _ in 0..p.n_steps {
                        step::<L, B, V>(&mut sums, vectors, scalars, p.scalar_stride);
                        (vectors, scalars) = (vectors.wrapping_add(p.vector_step), scalars.wrapping_add(p.scalar_step));
                    }
                }
            }
            for (b, row) in sums.into_iter().enumerate() {
                for (v, sum) in row.into_iter().enumerate() {
                    let at = self.sums.data.add(b * self.sums.stride + v * L::N);
                    let n = self.sums.width - v * L::N;
                    if n >= L::N {
                        sum.add(L::load(at)).store(at);
                    } else {
                        sum.add(L::load_first(at, n)).store_first(at, n);
                    }
                }
            }
        }
    }
}

/// Adds the product of each scalar with each vector.
///
/// # Safety
/// The machine has the instruction set of `L`; `V * N` floats at `vectors` and the scalars are valid for reading.
#[inline(always)]
unsafe fn step<L: Lane, const B: usize, const V: usize>(
    sums: &mut [[L; V]; B],
    vectors: *const f32,
    scalars: *const f32,
    stride: usize,
) {
    // SAFETY: the operands are those that the caller vouches for.
    unsafe {
        let mut factors = [L::splat(0.0); V];
        for (v, factor) in factors.iter_mut().enumerate() {
            *factor = L::load(vectors.add(v * L::N));
        }
        for (b, sums) in sums.iter_mut().enumerate() {
            let x = L::splat(*scalars.add(b * stride));
            for (sum, factor) in sums.iter_mut().zip(factors) {
                *sum = x.mul_add(factor, *sum);
            }
        }
    }
}
