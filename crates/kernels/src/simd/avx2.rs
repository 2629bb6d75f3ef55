//! 8 lanes in an AVX register.

use std::arch::x86_64::*;

use super::{Body, Lane};

/// 8 lanes. Exists only where AVX2 and FMA were found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct F32x8(pub(super) __m256);

/// Eight lanes on, eight lanes off: the mask of the first `m` lanes begins at `8 - m`.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The mask of the first `m <= 8` lanes.
///
/// # Safety
/// The machine has AVX2 and `m <= 8`.
#[inline(always)]
unsafe fn first(m: usize) -> __m256i {
    // SAFETY: eight integers from index `8 - m >= 0` end at `16 - m <= 16`.
    unsafe { _mm256_loadu_si256(MASKS.as_ptr().add(8 - m).cast()) }
}

// SAFETY of every block below without its own words: the intrinsics need AVX2 or FMA; a constructor's caller vouches
// for them, and a value of the type exists only where a constructor ran. Memory is vouched for by the caller.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Lane for F32x8 {
    const N: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn vectorize<B: Body>(body: B) -> B::Output {
        /// # Safety
        /// The machine has the features, and what `body` asks for.
        #[target_feature(enable = "avx2,fma")]
        unsafe fn enabled<B: Body>(body: B) -> B::Output {
            unsafe { body.run::<F32x8>() }
        }
        unsafe { enabled(body) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        Self(unsafe { _mm256_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, m: usize) -> Self {
        Self(unsafe { _mm256_maskload_ps(p, first(m)) })
    }

    #[inline(always)]
    unsafe fn columns(p: *const f32, stride: usize, rows: usize, cols: usize) -> [Self; 4] {
        // SAFETY: each pointer is row `min(r, rows - 1)`, whose first `cols` floats the caller vouches for.
        unsafe {
            // Half q of vector j is row 4 q + j; then a 4 x 4 transpose within each half.
            let mut gathered = [_mm256_setzero_ps(); 4];
            if rows == 8 && cols == 4 {
                let high = p.add(4 * stride);
                for (j, vector) in gathered.iter_mut().enumerate() {
                    let low = _mm256_castps128_ps256(_mm_loadu_ps(p.add(j * stride)));
                    *vector = _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(high.add(j * stride)));
                }
            } else {
                let mask = _mm256_castsi256_si128(first(cols));
                let row = |r: usize| p.add(r.min(rows - 1) * stride);
                for (j, vector) in gathered.iter_mut().enumerate() {
                    let low = _mm256_castps128_ps256(_mm_maskload_ps(row(j), mask));
                    *vector = _mm256_insertf128_ps::<1>(low, _mm_maskload_ps(row(4 + j), mask));
                }
            }
            let [a, b, c, d] = gathered;
            let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            [
                Self(_mm256_shuffle_ps::<0x44>(ab0, cd0)),
                Self(_mm256_shuffle_ps::<0xee>(ab0, cd0)),
                Self(_mm256_shuffle_ps::<0x44>(ab1, cd1)),
                Self(_mm256_shuffle_ps::<0xee>(ab1, cd1)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        unsafe { _mm256_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, m: usize) {
        unsafe { _mm256_maskstore_ps(p, first(m), self.0) }
    }

    #[inline(always)]
    unsafe fn load_quad(p: *const f32) -> Self {
        Self(unsafe {
            let quad = _mm_loadu_ps(p);
            _mm256_set_m128(quad, quad)
        })
    }

    #[inline(always)]
    unsafe fn store_quads(vectors: [Self; 4], p: *mut f32) {
        unsafe {
            let [a, b, c, d] = vectors.map(|v| v.0);
            let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
            _mm256_storeu_ps(p, _mm256_shuffle_ps::<0x44>(ab0, cd0));
            _mm256_storeu_ps(p.add(8), _mm256_shuffle_ps::<0xee>(ab0, cd0));
            _mm256_storeu_ps(p.add(16), _mm256_shuffle_ps::<0x44>(ab1, cd1));
            _mm256_storeu_ps(p.add(24), _mm256_shuffle_ps::<0xee>(ab1, cd1));
        }
    }

    #[inline(always)]
    fn quad_place(lane: usize) -> usize {
        2 * (lane % 4) + lane / 4
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(unsafe { _mm256_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        Self(unsafe { _mm256_fnmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
    }

    #[inline(always)]
    fn exp2_integer(self) -> Self {
        Self(unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        })
    }

    #[inline(always)]
    fn times_exp2(self, biased: Self) -> Self {
        Self(unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(biased.0));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(self.0), exponent))
        })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self(unsafe {
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_andnot_ps(bit, self.0), _mm256_and_ps(bit, sign.0))
        })
    }

    #[inline(always)]
    fn select_gt(self, bound: Self, yes: Self, no: Self) -> Self {
        Self(unsafe { _mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, bound.0)) })
    }

    #[inline(always)]
    fn duplicate(self) -> [Self; 2] {
        unsafe {
            let low = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
            let high = _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7);
            [Self(_mm256_permutevar8x32_ps(self.0, low)), Self(_mm256_permutevar8x32_ps(self.0, high))]
        }
    }
}
