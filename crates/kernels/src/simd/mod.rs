//! Vectors of `f32` lanes and the choice among their implementations.
//!
//! A kernel is written once, as the `run` of a [`Body`], generic over [`Lane`]; [`dispatch`] runs it in a function that
//! is compiled for the instruction set. All arithmetic goes through [`Lane`], whose operations round alike in every
//! implementation (`mul_add` is fused everywhere), so a body whose order of operations does not depend on [`Lane::N`]
//! gives the same bits on every machine.
//!
//! Rules for a body: `run` and every generic function it calls are `#[inline(always)]` (a function that is not inlined
//! loses the instruction set, and with it two orders of magnitude of speed), and the body is not split into closures
//! that run elsewhere: closures for [`Threads::for_each`](crate::Threads::for_each) stay outside and call `dispatch`.
//! A part that is large or has many instances becomes a body of its own and is called through [`Lane::vectorize`].

mod compare;
mod math;
mod prefetch;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(test)]
mod tests;

pub(crate) use compare::Compare;
pub(crate) use math::Math;
pub(crate) use prefetch::{LINE, prefetch_read, prefetch_write};
pub(crate) use scalar::Lanes;

use crate::Isa;

/// A vector of [`Lane::N`] `f32`.
///
/// Values are made only by the unsafe constructors, whose caller knows that the machine has the instruction set; hence
/// arithmetic on existing values is safe. Comparisons and selections treat NaN as x86 does: `a.max(b)` is
/// `if a > b { a } else { b }`, so a NaN in either operand gives `b`.
pub(crate) trait Lane: Compare {
    /// Lanes of a vector.
    const N: usize;
    /// Vector registers of the instruction set, which bounds the tiles that kernels keep in registers.
    const REGISTERS: usize;

    /// Runs `body` with these lanes, in a function of its own that is compiled for their instruction set.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn vectorize<B: Body>(body: B) -> B::Output;

    /// All lanes `x`.
    ///
    /// # Safety
    /// The machine has the instruction set.
    unsafe fn splat(x: f32) -> Self;

    /// Lane `i` is `p[i]`; no alignment needed.
    ///
    /// # Safety
    /// The machine has the instruction set and `p` is valid for reading `N` floats.
    unsafe fn load(p: *const f32) -> Self;

    /// Lane `i` is `p[i]` for `i < m`, zero above; memory behind `p[m - 1]` is not touched.
    ///
    /// # Safety
    /// The machine has the instruction set, `m <= N` and `p` is valid for reading `m` floats.
    unsafe fn load_first(p: *const f32, m: usize) -> Self;

    /// Four columns of a row-major matrix: lane `r` of vector `i` is `p[r * stride + i]` for `i < cols`, zero in the
    /// vectors above. Lanes from `rows` on repeat row `rows - 1`.
    ///
    /// # Safety
    /// The machine has the instruction set, `1 <= rows <= N`, `1 <= cols <= 4`, and `p[r * stride..][..cols]` is valid
    /// for reading for each `r < rows`.
    unsafe fn columns(p: *const f32, stride: usize, rows: usize, cols: usize) -> [Self; 4];

    /// Writes lane `i` to `p[i]`.
    ///
    /// # Safety
    /// `p` is valid for writing `N` floats.
    unsafe fn store(self, p: *mut f32);

    /// Writes lane `i` to `p[i]` for `i < m`.
    ///
    /// # Safety
    /// `m <= N` and `p` is valid for writing `m` floats.
    unsafe fn store_first(self, p: *mut f32, m: usize);

    /// Four floats over and over: lane `i` is `p[i % 4]`.
    ///
    /// # Safety
    /// The machine has the instruction set and `p` is valid for reading 4 floats.
    unsafe fn load_quad(p: *const f32) -> Self;

    /// Writes lane `i` of the four vectors, one after the other, to `p[4 * quad_place(i)..]`.
    ///
    /// # Safety
    /// `p` is valid for writing `4 * N` floats.
    unsafe fn store_quads(vectors: [Self; 4], p: *mut f32);

    /// Where [`Lane::store_quads`] puts a lane below `N`.
    fn quad_place(lane: usize) -> usize;

    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self - other`.
    fn sub(self, other: Self) -> Self;
    /// `self * other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`.
    fn div(self, other: Self) -> Self;
    /// `self * factor + addend`, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `addend - self * factor`, rounded once.
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self;
    /// `if self < other { self } else { other }`: `other` where either is NaN.
    fn min(self, other: Self) -> Self;
    /// `if self > other { self } else { other }`: `other` where either is NaN.
    fn max(self, other: Self) -> Self;
    /// The nearest integer, ties to even.
    fn round(self) -> Self;
    /// 2 to the power of `self`, which holds integers from -126 to 127 (any result outside).
    fn exp2_integer(self) -> Self;
    /// `self` times 2 to the power of `n`, for `biased = n + EXP2_BIAS` and a result in the range of normal floats (any
    /// result otherwise).
    fn times_exp2(self, biased: Self) -> Self;
    /// The magnitude.
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// `if self > bound { yes } else { no }` in each lane.
    fn select_gt(self, bound: Self, yes: Self, no: Self) -> Self;
    /// Each lane twice, in order: the first vector has lanes `0 0 1 1 ..`, the second the upper half.
    fn duplicate(self) -> [Self; 2];
}

/// What brings an integer's bits to the end of a float: see [`Lane::times_exp2`].
pub(crate) const EXP2_BIAS: f32 = 12_582_912.0;

/// Work written once for all lanes.
pub(crate) trait Body {
    /// What it returns.
    type Output;

    /// Does the work with lanes `L`; implementations are `#[inline(always)]`.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`; an implementation may ask for more.
    unsafe fn run<L: Lane>(self) -> Self::Output;
}

/// Runs `body` with the lanes of `isa`, or with scalar lanes where this machine or build lacks it (the results are the
/// same).
///
/// # Safety
/// What `body` asks of its caller beyond the instruction set.
pub(crate) unsafe fn dispatch<B: Body>(isa: Isa, body: B) -> B::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `is_available` found the features that `Avx512` needs.
        Isa::Avx512 if isa.is_available() => unsafe { avx512::F32x16::vectorize(body) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `is_available` found the features that `F32x8` needs.
        Isa::Avx2 if isa.is_available() => unsafe { avx2::F32x8::vectorize(body) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: `is_available` found the feature that `F32x4` needs.
        Isa::Neon if isa.is_available() => unsafe { neon::F32x4::vectorize(body) },
        // SAFETY: arrays need no instruction set.
        _ => unsafe { Lanes::<8>::vectorize(body) },
    }
}
