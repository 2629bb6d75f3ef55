//! Element types.

use std::fmt;

/// Type of the elements of a volume or an array.
///
/// The union of what NIfTI, MGH, HDF5, Zarr, npy and safetensors store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DType {
    /// 8-bit unsigned integer (also booleans).
    U8,
    /// 8-bit signed integer.
    I8,
    /// 16-bit unsigned integer.
    U16,
    /// 16-bit signed integer.
    I16,
    /// 32-bit unsigned integer.
    U32,
    /// 32-bit signed integer.
    I32,
    /// 64-bit unsigned integer.
    U64,
    /// 64-bit signed integer.
    I64,
    /// IEEE binary16.
    F16,
    /// bfloat16.
    BF16,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
    /// IEEE binary128, stored only.
    F128,
    /// Two binary32: real, imaginary.
    Complex64,
    /// Two binary64: real, imaginary.
    Complex128,
    /// Two binary128: real, imaginary; stored only.
    Complex256,
    /// Red, green, blue bytes.
    Rgb24,
    /// Red, green, blue, alpha bytes.
    Rgba32,
}

impl DType {
    /// Every element type.
    pub const ALL: [Self; 18] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::F64,
        Self::F128,
        Self::Complex64,
        Self::Complex128,
        Self::Complex256,
        Self::Rgb24,
        Self::Rgba32,
    ];

    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::Rgb24 => 3,
            Self::U32 | Self::I32 | Self::F32 | Self::Rgba32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::Complex64 => 8,
            Self::F128 | Self::Complex128 => 16,
            Self::Complex256 => 32,
        }
    }

    /// Bytes of the parts that byte order applies to (both parts of a complex number are swapped on their own).
    #[must_use]
    pub const fn swap_size(self) -> usize {
        match self {
            Self::Rgb24 | Self::Rgba32 => 1,
            Self::Complex64 => 4,
            Self::Complex128 => 8,
            Self::Complex256 => 16,
            other => other.size(),
        }
    }

    /// Whether every value is an integer.
    #[must_use]
    pub const fn is_integer(self) -> bool {
        matches!(self, Self::U8 | Self::I8 | Self::U16 | Self::I16 | Self::U32 | Self::I32 | Self::U64 | Self::I64)
    }

    /// Whether the values are real floating-point numbers.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64 | Self::F128)
    }

    /// Whether a value is one real number: not a complex number, not a colour.
    #[must_use]
    pub const fn is_real(self) -> bool {
        self.is_integer() || self.is_float()
    }

    /// Whether the values are complex numbers.
    #[must_use]
    pub const fn is_complex(self) -> bool {
        matches!(self, Self::Complex64 | Self::Complex128 | Self::Complex256)
    }

    /// Short lower-case name, as messages and command lines use it: `u8`, `f32`, `complex64`, `rgb24`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::F128 => "f128",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
            Self::Complex256 => "complex256",
            Self::Rgb24 => "rgb24",
            Self::Rgba32 => "rgba32",
        }
    }

    /// The type with that [`DType::name`], if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
