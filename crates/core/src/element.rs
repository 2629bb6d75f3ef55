//! The Rust types that stand for element types.

use bytemuck::Pod;
use half::{bf16, f16};
use num_complex::Complex;

use crate::voxels::{Voxels, VoxelsMut, VoxelsRef};
use crate::{DType, F128};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element of some [`DType`]. Sealed.
pub trait Element: Pod + Send + Sync + PartialEq + std::fmt::Debug + sealed::Sealed {
    /// The element type.
    const DTYPE: DType;

    /// Wraps a vector.
    fn into_voxels(values: Vec<Self>) -> Voxels;

    /// The slice inside, when the element type is this one.
    fn from_ref(voxels: VoxelsRef<'_>) -> Option<&[Self]>;

    /// The vector inside, when the element type is this one.
    ///
    /// # Errors
    /// Gives the voxels back when the element type is another.
    fn from_voxels(voxels: Voxels) -> Result<Vec<Self>, Voxels>;

    /// Wraps a slice.
    fn as_ref(values: &[Self]) -> VoxelsRef<'_>;

    /// Wraps a slice to write.
    fn as_mut(values: &mut [Self]) -> VoxelsMut<'_>;
}

/// An element that is one real number.
pub trait RealElement: Element {
    /// The value as f64: exact but for 64-bit integers (nearest, ties to even) and [`F128`].
    fn to_f64(self) -> f64;

    /// The nearest value of this type: integers round half to even and clamp to their range, NaN gives 0.
    fn from_f64(value: f64) -> Self;
}

macro_rules! elements {
    ($($variant:ident: $ty:ty),* $(,)?) => {$(
        impl sealed::Sealed for $ty {}
        impl Element for $ty {
            const DTYPE: DType = DType::$variant;

            fn into_voxels(values: Vec<Self>) -> Voxels {
                Voxels::$variant(values)
            }

            fn from_ref(voxels: VoxelsRef<'_>) -> Option<&[Self]> {
                if let VoxelsRef::$variant(slice) = voxels { Some(slice) } else { None }
            }

            fn from_voxels(voxels: Voxels) -> Result<Vec<Self>, Voxels> {
                if let Voxels::$variant(values) = voxels { Ok(values) } else { Err(voxels) }
            }

            fn as_ref(values: &[Self]) -> VoxelsRef<'_> {
                VoxelsRef::$variant(values)
            }

            fn as_mut(values: &mut [Self]) -> VoxelsMut<'_> {
                VoxelsMut::$variant(values)
            }
        }
    )*};
}

elements! {
    U8: u8, I8: i8, U16: u16, I16: i16, U32: u32, I32: i32, U64: u64, I64: i64,
    F16: f16, BF16: bf16, F32: f32, F64: f64, F128: F128,
    Complex64: Complex<f32>, Complex128: Complex<f64>, Complex256: [F128; 2],
    Rgb24: [u8; 3], Rgba32: [u8; 4],
}

macro_rules! integers {
    ($($ty:ty),*) => {$(
        impl RealElement for $ty {
            fn to_f64(self) -> f64 {
                self as f64
            }

            fn from_f64(value: f64) -> Self {
                // `as` clamps to the range and turns NaN into 0.
                value.round_ties_even() as Self
            }
        }
    )*};
}

integers!(u8, i8, u16, i16, u32, i32, u64, i64);

impl RealElement for f16 {
    fn to_f64(self) -> f64 {
        self.to_f64()
    }

    fn from_f64(value: f64) -> Self {
        Self::from_f64(value)
    }
}

impl RealElement for bf16 {
    fn to_f64(self) -> f64 {
        self.to_f64()
    }

    fn from_f64(value: f64) -> Self {
        Self::from_f64(value)
    }
}

impl RealElement for f32 {
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl RealElement for f64 {
    fn to_f64(self) -> f64 {
        self
    }

    fn from_f64(value: f64) -> Self {
        value
    }
}

impl RealElement for F128 {
    fn to_f64(self) -> f64 {
        Self::to_f64(self)
    }

    fn from_f64(value: f64) -> Self {
        Self::from_f64(value)
    }
}
