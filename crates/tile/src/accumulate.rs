//! The numbers in which sums over tiles are kept.

use std::ops::{AddAssign, Div, Mul};

/// Element of an accumulator.
pub(crate) trait Sum:
    Copy + Send + Sync + PartialEq + AddAssign + Mul<Output = Self> + Div<Output = Self> + 'static
{
    /// The neutral element of addition. It is -0 and not 0, so that a sample of one tile keeps its bits: `0 + -0 = 0`.
    const NOTHING: Self;
    const ONE: Self;

    fn from_f64(value: f64) -> Self;
    fn from_f32(value: f32) -> Self;
    fn to_f32(self) -> f32;
}

impl Sum for f32 {
    const NOTHING: Self = -0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }

    fn to_f32(self) -> f32 {
        self
    }
}

impl Sum for f64 {
    const NOTHING: Self = -0.0;
    const ONE: Self = 1.0;

    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from(value)
    }

    fn to_f32(self) -> f32 {
        self as f32
    }
}
