//! Values that can be interpolated and ranked.

use std::ops::{Add, AddAssign, Mul, MulAssign, Sub};

use half::{bf16, f16};
use volkit_core::{F128, RealElement};

/// The floating-point type in which samples are combined: f32 or f64.
pub trait Accumulator:
    Sample<Acc = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
    + MulAssign
    + Default
    + 'static
{
    /// Nearest value.
    fn narrow(value: f64) -> Self;

    /// `fraction / 2^44`, for `fraction` in `0..2^44`.
    fn from_fraction(fraction: i64) -> Self;
}

impl Accumulator for f32 {
    fn narrow(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn from_fraction(fraction: i64) -> Self {
        // 24 bits are all that an f32 keeps; the conversion from i32 is the cheap one.
        (fraction >> 20) as i32 as Self * (1.0 / 16_777_216.0)
    }
}

impl Accumulator for f64 {
    fn narrow(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn from_fraction(fraction: i64) -> Self {
        fraction as Self * (1.0 / 17_592_186_044_416.0)
    }
}

/// A voxel value that is one real number, as interpolation and percentiles see it. Implemented for every
/// [`RealElement`]; not meant to be implemented elsewhere.
pub trait Sample: RealElement {
    /// Type in which samples are combined: f32 for 16- and 32-bit floats, f64 for integers and wider floats.
    type Acc: Accumulator;

    /// Bits of [`Sample::rank_key`] that are used.
    const KEY_BITS: u32;

    /// The value to combine.
    fn to_acc(self) -> Self::Acc;

    /// The value to store: integers add 0.5 away from zero, truncate and clamp (NaN gives 0).
    fn from_acc(value: Self::Acc) -> Self;

    /// A number that sorts as the values do (NaN has none that means anything).
    fn rank_key(self) -> u64;

    /// The value with that [`Sample::rank_key`].
    fn from_rank_key(key: u64) -> Self;

    /// Whether this is NaN.
    fn is_nan_sample(self) -> bool;
}

macro_rules! unsigned_samples {
    ($($ty:ty),*) => {$(
        impl Sample for $ty {
            type Acc = f64;
            const KEY_BITS: u32 = <$ty>::BITS;

            #[inline(always)]
            fn to_acc(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn from_acc(value: f64) -> Self {
                (value + 0.5f64.copysign(value)) as Self
            }

            #[inline(always)]
            fn rank_key(self) -> u64 {
                u64::from(self)
            }

            fn from_rank_key(key: u64) -> Self {
                key as Self
            }

            #[inline(always)]
            fn is_nan_sample(self) -> bool {
                false
            }
        }
    )*};
}

macro_rules! signed_samples {
    ($($ty:ty: $unsigned:ty),*) => {$(
        impl Sample for $ty {
            type Acc = f64;
            const KEY_BITS: u32 = <$ty>::BITS;

            #[inline(always)]
            fn to_acc(self) -> f64 {
                self as f64
            }

            #[inline(always)]
            fn from_acc(value: f64) -> Self {
                (value + 0.5f64.copysign(value)) as Self
            }

            #[inline(always)]
            fn rank_key(self) -> u64 {
                u64::from(self.wrapping_sub(<$ty>::MIN) as $unsigned)
            }

            fn from_rank_key(key: u64) -> Self {
                (key as $ty).wrapping_add(<$ty>::MIN)
            }

            #[inline(always)]
            fn is_nan_sample(self) -> bool {
                false
            }
        }
    )*};
}

macro_rules! float_samples {
    ($($ty:ty as $acc:ty, $bits:ty: $to:expr, $from:expr;)*) => {$(
        impl Sample for $ty {
            type Acc = $acc;
            const KEY_BITS: u32 = <$bits>::BITS;

            #[inline(always)]
            fn to_acc(self) -> $acc {
                let to: fn($ty) -> $acc = $to;
                to(self)
            }

            #[inline(always)]
            fn from_acc(value: $acc) -> Self {
                let from: fn($acc) -> $ty = $from;
                from(value)
            }

            #[inline(always)]
            fn rank_key(self) -> u64 {
                let bits = self.to_bits();
                // Negative numbers sort backwards, and all before the positive ones.
                let sign = 1 << (<$bits>::BITS - 1);
                u64::from(if bits & sign == 0 { bits | sign } else { !bits })
            }

            fn from_rank_key(key: u64) -> Self {
                let sign = 1 << (<$bits>::BITS - 1);
                let key = key as $bits;
                <$ty>::from_bits(if key & sign == 0 { !key } else { key & !sign })
            }

            #[inline(always)]
            fn is_nan_sample(self) -> bool {
                self.is_nan()
            }
        }
    )*};
}

unsigned_samples!(u8, u16, u32, u64);
signed_samples!(i8: u8, i16: u16, i32: u32, i64: u64);
float_samples! {
    f16 as f32, u16: Self::to_f32, Self::from_f32;
    bf16 as f32, u16: Self::to_f32, Self::from_f32;
    f32 as f32, u32: |x| x, |x| x;
    f64 as f64, u64: |x| x, |x| x;
}

impl Sample for F128 {
    type Acc = f64;
    const KEY_BITS: u32 = 64;

    fn to_acc(self) -> f64 {
        self.to_f64()
    }

    fn from_acc(value: f64) -> Self {
        Self::from_f64(value)
    }

    fn rank_key(self) -> u64 {
        self.to_f64().rank_key()
    }

    fn from_rank_key(key: u64) -> Self {
        Self::from_f64(f64::from_rank_key(key))
    }

    fn is_nan_sample(self) -> bool {
        self.to_f64().is_nan()
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    fn check_order<T: Sample + PartialOrd>(ascending: &[T]) {
        assert!(ascending.windows(2).all(|pair| pair[0].rank_key() < pair[1].rank_key()));
        assert!(ascending.iter().all(|&value| T::from_rank_key(value.rank_key()) == value));
    }

    #[test]
    fn keys_sort_as_values_do() {
        check_order(&[i8::MIN, -1, 0, 1, i8::MAX]);
        check_order(&[i64::MIN, -1, 0, 1, i64::MAX]);
        check_order(&[0u16, 1, u16::MAX]);
        check_order(&[f32::NEG_INFINITY, -1.5, -1e-40, 0.0, 1e-40, 2.5, f32::INFINITY]);
        check_order(&[f64::MIN, -2.0, -0.5, 0.0, 3.0, f64::MAX]);
        check_order(&[half::f16::NEG_INFINITY, half::f16::ZERO, half::f16::ONE]);
    }

    #[test]
    fn integers_round_half_away_from_zero_and_clamp() {
        assert_eq!([2.5, -2.5, 2.49, -0.5, f64::NAN].map(i16::from_acc), [3, -3, 2, -1, 0]);
        assert_eq!([300.0, -3.0, 254.5].map(u8::from_acc), [255, 0, 255]);
    }
}
