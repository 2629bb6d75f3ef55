//! 4 lanes in an Advanced SIMD register.

use std::arch::aarch64::*;

use super::{Body, Lane};

/// 4 lanes. Exists only where Advanced SIMD was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct F32x4(pub(super) float32x4_t);

// SAFETY of every block below without its own words: the intrinsics need Advanced SIMD; a constructor's caller vouches
// for it, and a value of the type exists only where a constructor ran. Memory is vouched for by the caller.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lane for F32x4 {
    const N: usize = 4;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn vectorize<B: Body>(body: B) -> B::Output {
        /// # Safety
        /// The machine has Advanced SIMD, and what `body` asks for.
        #[target_feature(enable = "neon")]
        unsafe fn enabled<B: Body>(body: B) -> B::Output {
            unsafe { body.run::<F32x4>() }
        }
        unsafe { enabled(body) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { vdupq_n_f32(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Self(unsafe { vld1q_f32(p) })
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, m: usize) -> Self {
        if m == 4 {
            return Self(unsafe { vld1q_f32(p) });
        }
        let mut lanes = [0.0_f32; 4];
        for (i, x) in lanes.iter_mut().enumerate().take(m) {
            *x = unsafe { *p.add(i) };
        }
        Self(unsafe { vld1q_f32(lanes.as_ptr()) })
    }

    #[inline(always)]
    unsafe fn columns(p: *const f32, stride: usize, rows: usize, cols: usize) -> [Self; 4] {
        // SAFETY: each pointer is row `min(r, rows - 1)`, whose first `cols` floats the caller vouches for.
        unsafe {
            let row = |r: usize| Self::load_first(p.add(r.min(rows - 1) * stride), cols).0;
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let (ab0, ab1) = (vzip1q_f32(a, b), vzip2q_f32(a, b));
            let (cd0, cd1) = (vzip1q_f32(c, d), vzip2q_f32(c, d));
            [
                Self(vcombine_f32(vget_low_f32(ab0), vget_low_f32(cd0))),
                Self(vcombine_f32(vget_high_f32(ab0), vget_high_f32(cd0))),
                Self(vcombine_f32(vget_low_f32(ab1), vget_low_f32(cd1))),
                Self(vcombine_f32(vget_high_f32(ab1), vget_high_f32(cd1))),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { vst1q_f32(p, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, m: usize) {
        if m == 4 {
            return unsafe { vst1q_f32(p, self.0) };
        }
        let mut lanes = [0.0_f32; 4];
        unsafe { vst1q_f32(lanes.as_mut_ptr(), self.0) };
        for (i, x) in lanes.into_iter().enumerate().take(m) {
            unsafe { *p.add(i) = x };
        }
    }

    #[inline(always)]
    unsafe fn load_quad(p: *const f32) -> Self {
        Self(unsafe { vld1q_f32(p) })
    }

    #[inline(always)]
    unsafe fn store_quads(vectors: [Self; 4], p: *mut f32) {
        let [a, b, c, d] = vectors.map(|v| v.0);
        unsafe { vst4q_f32(p, float32x4x4_t(a, b, c, d)) }
    }

    #[inline(always)]
    fn quad_place(lane: usize) -> usize {
        lane
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { vsubq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(unsafe { vdivq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { vfmsq_f32(addend.0, self.0, factor.0) })
    }

    // `vminq` and `vmaxq` return NaN where either operand is; the comparison keeps the rule of the trait.
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { vbslq_f32(vcltq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(unsafe { vrndnq_f32(self.0) })
    }

    #[inline(always)]
    fn exp2_integer(self) -> Self {
        Self(unsafe {
            let biased = vaddq_s32(vcvtnq_s32_f32(self.0), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased))
        })
    }

    #[inline(always)]
    fn times_exp2(self, biased: Self) -> Self {
        Self(unsafe {
            let exponent = vshlq_n_s32::<23>(vreinterpretq_s32_f32(biased.0));
            vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(self.0), exponent))
        })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { vabsq_f32(self.0) })
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self(unsafe { vbslq_f32(vdupq_n_u32(0x8000_0000), sign.0, self.0) })
    }

    #[inline(always)]
    fn select_gt(self, bound: Self, yes: Self, no: Self) -> Self {
        Self(unsafe { vbslq_f32(vcgtq_f32(self.0, bound.0), yes.0, no.0) })
    }

    #[inline(always)]
    fn duplicate(self) -> [Self; 2] {
        unsafe { [Self(vzip1q_f32(self.0, self.0)), Self(vzip2q_f32(self.0, self.0))] }
    }
}
