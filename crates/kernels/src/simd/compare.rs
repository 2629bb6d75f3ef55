//! Comparisons of lanes, and selections by them.

use super::Lanes;

/// Masks of a vector type. A comparison with NaN is false.
pub(crate) trait Compare: Copy {
    /// One truth value a lane.
    type Mask: Copy;

    /// `self > other`.
    fn gt(self, other: Self) -> Self::Mask;
    /// `self >= other`.
    fn ge(self, other: Self) -> Self::Mask;
    /// Lanes of `a` that are lanes of `b` too.
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Lanes of `a` that are not lanes of `b`.
    fn without(a: Self::Mask, b: Self::Mask) -> Self::Mask;
    /// Whether any lane is set.
    fn any(mask: Self::Mask) -> bool;
    /// Bit `i` is lane `i`.
    fn bits(mask: Self::Mask) -> u32;
    /// `yes` in the lanes of the mask, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
}

impl<const N: usize> Compare for Lanes<N> {
    type Mask = [bool; N];

    #[inline(always)]
    fn gt(self, other: Self) -> [bool; N] {
        std::array::from_fn(|i| self.0[i] > other.0[i])
    }

    #[inline(always)]
    fn ge(self, other: Self) -> [bool; N] {
        std::array::from_fn(|i| self.0[i] >= other.0[i])
    }

    #[inline(always)]
    fn both(a: [bool; N], b: [bool; N]) -> [bool; N] {
        std::array::from_fn(|i| a[i] & b[i])
    }

    #[inline(always)]
    fn without(a: [bool; N], b: [bool; N]) -> [bool; N] {
        std::array::from_fn(|i| a[i] & !b[i])
    }

    #[inline(always)]
    fn any(mask: [bool; N]) -> bool {
        mask.contains(&true)
    }

    #[inline(always)]
    fn bits(mask: [bool; N]) -> u32 {
        mask.iter().enumerate().fold(0, |bits, (i, set)| bits | u32::from(*set) << i)
    }

    #[inline(always)]
    fn select(mask: [bool; N], yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
    }
}

// SAFETY of every block below: the intrinsics need AVX-512 F, and a vector exists only where a constructor's caller
// vouched for it.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)]
impl Compare for super::avx512::F32x16 {
    type Mask = std::arch::x86_64::__mmask16;

    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        use std::arch::x86_64::{_CMP_GT_OQ, _mm512_cmp_ps_mask};
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        use std::arch::x86_64::{_CMP_GE_OQ, _mm512_cmp_ps_mask};
        unsafe { _mm512_cmp_ps_mask::<_CMP_GE_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        a & b
    }

    #[inline(always)]
    fn without(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        a & !b
    }

    #[inline(always)]
    fn any(mask: Self::Mask) -> bool {
        mask != 0
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        u32::from(mask)
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(unsafe { std::arch::x86_64::_mm512_mask_blend_ps(mask, no.0, yes.0) })
    }
}

// SAFETY of every block below: the intrinsics need AVX, and a vector exists only where a constructor's caller vouched
// for AVX2.
#[cfg(target_arch = "x86_64")]
#[allow(clippy::undocumented_unsafe_blocks)]
impl Compare for super::avx2::F32x8 {
    type Mask = std::arch::x86_64::__m256;

    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        use std::arch::x86_64::{_CMP_GT_OQ, _mm256_cmp_ps};
        unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        use std::arch::x86_64::{_CMP_GE_OQ, _mm256_cmp_ps};
        unsafe { _mm256_cmp_ps::<_CMP_GE_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        unsafe { std::arch::x86_64::_mm256_and_ps(a, b) }
    }

    #[inline(always)]
    fn without(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        unsafe { std::arch::x86_64::_mm256_andnot_ps(b, a) }
    }

    #[inline(always)]
    fn any(mask: Self::Mask) -> bool {
        unsafe { std::arch::x86_64::_mm256_movemask_ps(mask) != 0 }
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        unsafe { std::arch::x86_64::_mm256_movemask_ps(mask) as u32 }
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(unsafe { std::arch::x86_64::_mm256_blendv_ps(no.0, yes.0, mask) })
    }
}

// SAFETY of every block below: the intrinsics need Advanced SIMD, and a vector exists only where a constructor's
// caller vouched for it.
#[cfg(target_arch = "aarch64")]
#[allow(clippy::undocumented_unsafe_blocks)]
impl Compare for super::neon::F32x4 {
    type Mask = std::arch::aarch64::uint32x4_t;

    #[inline(always)]
    fn gt(self, other: Self) -> Self::Mask {
        unsafe { std::arch::aarch64::vcgtq_f32(self.0, other.0) }
    }

    #[inline(always)]
    fn ge(self, other: Self) -> Self::Mask {
        unsafe { std::arch::aarch64::vcgeq_f32(self.0, other.0) }
    }

    #[inline(always)]
    fn both(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        unsafe { std::arch::aarch64::vandq_u32(a, b) }
    }

    #[inline(always)]
    fn without(a: Self::Mask, b: Self::Mask) -> Self::Mask {
        unsafe { std::arch::aarch64::vbicq_u32(a, b) }
    }

    #[inline(always)]
    fn any(mask: Self::Mask) -> bool {
        unsafe { std::arch::aarch64::vmaxvq_u32(mask) != 0 }
    }

    #[inline(always)]
    fn bits(mask: Self::Mask) -> u32 {
        use std::arch::aarch64::{vaddvq_u32, vandq_u32, vld1q_u32};
        unsafe { vaddvq_u32(vandq_u32(mask, vld1q_u32([1, 2, 4, 8].as_ptr()))) }
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        Self(unsafe { std::arch::aarch64::vbslq_f32(mask, yes.0, no.0) })
    }
}
