//! 16 lanes in an AVX-512 register.

use std::arch::x86_64::*;

use super::{Body, Lane};

/// 16 lanes. Exists only where AVX-512 F, VL and DQ, AVX2 and FMA were found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct F32x16(pub(super) __m512);

/// The mask of the first `m` lanes.
#[inline(always)]
fn first(m: usize) -> __mmask16 {
    ((1_u32 << m) - 1) as __mmask16
}

/// The vector of quarters `a b c d`.
///
/// # Safety
/// The machine has AVX-512 F.
#[inline(always)]
unsafe fn join(a: __m128, b: __m128, c: __m128, d: __m128) -> __m512 {
    // SAFETY: passed on from the caller.
    unsafe {
        let low = _mm512_mask_broadcast_f32x4(_mm512_castps128_ps512(a), 0x00f0, b);
        _mm512_mask_broadcast_f32x4(_mm512_mask_broadcast_f32x4(low, 0x0f00, c), 0xf000, d)
    }
}

// SAFETY of every block below without its own words: the intrinsics need AVX-512 F or DQ; a constructor's caller
// vouches for them, and a value of the type exists only where a constructor ran. Memory is vouched for by the caller.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lane for F32x16 {
    const N: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn vectorize<B: Body>(body: B) -> B::Output {
        /// # Safety
        /// The machine has the features, and what `body` asks for.
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
        unsafe fn enabled<B: Body>(body: B) -> B::Output {
            unsafe { body.run::<F32x16>() }
        }
        unsafe { enabled(body) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, m: usize) -> Self {
        Self(unsafe { _mm512_maskz_loadu_ps(first(m), p) })
    }

    #[inline(always)]
    unsafe fn columns(p: *const f32, stride: usize, rows: usize, cols: usize) -> [Self; 4] {
        // SAFETY: each pointer is row `min(r, rows - 1)`, whose first `cols` floats the caller vouches for.
        unsafe {
            // Quarter q of vector j is row 4 q + j; then a 4 x 4 transpose within each quarter.
            let mut gathered = [_mm512_setzero_ps(); 4];
            if rows == 16 && cols == 4 {
                let quarters = [p, p.add(4 * stride), p.add(8 * stride), p.add(12 * stride)];
                for (j, vector) in gathered.iter_mut().enumerate() {
                    let [a, b, c, d] = quarters;
                    let at = j * stride;
                    *vector = join(
                        _mm_loadu_ps(a.add(at)),
                        _mm_loadu_ps(b.add(at)),
                        _mm_loadu_ps(c.add(at)),
                        _mm_loadu_ps(d.add(at)),
                    );
                }
            } else {
                let mask = first(cols) as __mmask8;
                let row = |r: usize| p.add(r.min(rows - 1) * stride);
                for (j, vector) in gathered.iter_mut().enumerate() {
                    *vector = join(
                        _mm_maskz_loadu_ps(mask, row(j)),
                        _mm_maskz_loadu_ps(mask, row(4 + j)),
                        _mm_maskz_loadu_ps(mask, row(8 + j)),
                        _mm_maskz_loadu_ps(mask, row(12 + j)),
                    );
                }
            }
            let [a, b, c, d] = gathered;
            let (ab0, ab1) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (cd0, cd1) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            [
                Self(_mm512_shuffle_ps::<0x44>(ab0, cd0)),
                Self(_mm512_shuffle_ps::<0xee>(ab0, cd0)),
                Self(_mm512_shuffle_ps::<0x44>(ab1, cd1)),
                Self(_mm512_shuffle_ps::<0xee>(ab1, cd1)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { _mm512_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, m: usize) {
        unsafe { _mm512_mask_storeu_ps(p, first(m), self.0) }
    }

    #[inline(always)]
    unsafe fn load_quad(p: *const f32) -> Self {
        Self(unsafe { _mm512_broadcast_f32x4(_mm_loadu_ps(p)) })
    }

    #[inline(always)]
    unsafe fn store_quads(vectors: [Self; 4], p: *mut f32) {
        unsafe {
            let [a, b, c, d] = vectors.map(|v| v.0);
            let (ab0, ab1) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            let (cd0, cd1) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
            _mm512_storeu_ps(p, _mm512_shuffle_ps::<0x44>(ab0, cd0));
            _mm512_storeu_ps(p.add(16), _mm512_shuffle_ps::<0xee>(ab0, cd0));
            _mm512_storeu_ps(p.add(32), _mm512_shuffle_ps::<0x44>(ab1, cd1));
            _mm512_storeu_ps(p.add(48), _mm512_shuffle_ps::<0xee>(ab1, cd1));
        }
    }

    #[inline(always)]
    fn quad_place(lane: usize) -> usize {
        4 * (lane % 4) + lane / 4
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm512_fnmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn exp2_integer(self) -> Self {
        Self(unsafe {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(self.0), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        })
    }

    #[inline(always)]
    fn times_exp2(self, biased: Self) -> Self {
        Self(unsafe {
            let exponent = _mm512_slli_epi32::<23>(_mm512_castps_si512(biased.0));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(self.0), exponent))
        })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm512_abs_ps(self.0) })
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self(unsafe {
            let bit = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(bit, self.0), _mm512_and_ps(bit, sign.0))
        })
    }

    #[inline(always)]
    fn select_gt(self, bound: Self, yes: Self, no: Self) -> Self {
        Self(unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, bound.0), no.0, yes.0) })
    }

    #[inline(always)]
    fn duplicate(self) -> [Self; 2] {
        unsafe {
            let low = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            [Self(_mm512_permutexvar_ps(low, self.0)), Self(_mm512_permutexvar_ps(high, self.0))]
        }
    }
}
