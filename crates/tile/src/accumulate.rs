//! The numbers in which sums over tiles are kept.

use std::ops::{AddAssign, Div, Mul};

/// Element of an accumulator.
pub(crate) trait Sum:
    Copy + Send + Sync + PartialEq + AddAssign + Mul<Output = Self> + Div<Output = Self> + 'static
{
    const ZERO: Self;
    const ONE: Self;

    fn from_f64(value: f64) -> Self;
    fn from_f32(value: f32) -> Self;
    fn to_f32(self) -> f32;

    /// The values as f32, where they are.
    fn as_f32(values: &[Self]) -> Option<&[f32]>;
}

impl Sum for f32 {
    const ZERO: Self = 0.0;
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

    fn as_f32(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }
}

impl Sum for f64 {
    const ZERO: Self = 0.0;
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

    fn as_f32(_values: &[Self]) -> Option<&[f32]> {
        None
    }
}
