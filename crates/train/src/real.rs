//! The numbers that are trained.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// `f32` or `f64`. Implemented here alone.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Div<Output = Self>
    + Mul<Output = Self>
    + MulAssign
    + Neg<Output = Self>
    + Sub<Output = Self>
    + SubAssign
    + Send
    + Sync
    + sealed::Sealed
    + 'static
{
    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;
    /// The same number.
    fn to_f64(self) -> f64;
    /// The root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// An array of a checkpoint.
    fn into_array(values: Vec<Self>, shape: Vec<usize>) -> crate::CheckpointArray;
    /// The values of an array of a checkpoint, if they are of this type.
    fn from_array(array: &crate::CheckpointArray) -> Option<&[Self]>;

    /// Without its sign.
    #[must_use]
    fn abs(self) -> Self {
        Self::from_f64(self.to_f64().abs())
    }

    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool {
        self.to_f64().is_finite()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

macro_rules! real {
    ($t:ty, $variant:ident) => {
        impl Real for $t {
            fn from_f64(value: f64) -> Self {
                value as $t
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }

            fn into_array(values: Vec<Self>, shape: Vec<usize>) -> crate::CheckpointArray {
                crate::CheckpointArray::$variant { shape, values }
            }

            fn from_array(array: &crate::CheckpointArray) -> Option<&[Self]> {
                match array {
                    crate::CheckpointArray::$variant { values, .. } => Some(values),
                    _ => None,
                }
            }
        }
    };
}

real!(f32, F32);
real!(f64, F64);
