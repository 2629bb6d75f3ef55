//! Arrays of elements whose type is known at run time.

use half::{bf16, f16};
use num_complex::Complex;

use crate::element::{Element, RealElement};
use crate::{CoreError, DType, F128};

/// Runs an expression with the typed slice (or vector) inside a [`Voxels`], [`VoxelsRef`] or [`VoxelsMut`].
///
/// ```
/// use volkit_core::{Voxels, with_voxels};
/// let voxels = Voxels::I16(vec![1, 2, 3]);
/// assert_eq!(with_voxels!(Voxels, &voxels, values => values.len()), 3);
/// ```
#[macro_export]
macro_rules! with_voxels {
    ($kind:ident, $voxels:expr, $values:ident => $body:expr) => {
        match $voxels {
            $crate::$kind::U8($values) => $body,
            $crate::$kind::I8($values) => $body,
            $crate::$kind::U16($values) => $body,
            $crate::$kind::I16($values) => $body,
            $crate::$kind::U32($values) => $body,
            $crate::$kind::I32($values) => $body,
            $crate::$kind::U64($values) => $body,
            $crate::$kind::I64($values) => $body,
            $crate::$kind::F16($values) => $body,
            $crate::$kind::BF16($values) => $body,
            $crate::$kind::F32($values) => $body,
            $crate::$kind::F64($values) => $body,
            $crate::$kind::F128($values) => $body,
            $crate::$kind::Complex64($values) => $body,
            $crate::$kind::Complex128($values) => $body,
            $crate::$kind::Complex256($values) => $body,
            $crate::$kind::Rgb24($values) => $body,
            $crate::$kind::Rgba32($values) => $body,
        }
    };
}

/// Like [`with_voxels!`] for real-valued elements; `$otherwise` for complex numbers and colours.
#[macro_export]
macro_rules! with_real_voxels {
    ($kind:ident, $voxels:expr, $values:ident => $body:expr, $otherwise:expr) => {
        match $voxels {
            $crate::$kind::U8($values) => $body,
            $crate::$kind::I8($values) => $body,
            $crate::$kind::U16($values) => $body,
            $crate::$kind::I16($values) => $body,
            $crate::$kind::U32($values) => $body,
            $crate::$kind::I32($values) => $body,
            $crate::$kind::U64($values) => $body,
            $crate::$kind::I64($values) => $body,
            $crate::$kind::F16($values) => $body,
            $crate::$kind::BF16($values) => $body,
            $crate::$kind::F32($values) => $body,
            $crate::$kind::F64($values) => $body,
            $crate::$kind::F128($values) => $body,
            $crate::$kind::Complex64(_)
            | $crate::$kind::Complex128(_)
            | $crate::$kind::Complex256(_)
            | $crate::$kind::Rgb24(_)
            | $crate::$kind::Rgba32(_) => $otherwise,
        }
    };
}

macro_rules! containers {
    ($($variant:ident: $ty:ty),* $(,)?) => {
        /// An owned array of elements.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)] // The variants are the element types; `DType` documents them.
        pub enum Voxels {
            $($variant(Vec<$ty>),)*
        }

        /// A borrowed array of elements.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum VoxelsRef<'a> {
            $($variant(&'a [$ty]),)*
        }

        /// A borrowed array of elements, to write.
        #[derive(Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum VoxelsMut<'a> {
            $($variant(&'a mut [$ty]),)*
        }

        impl Voxels {
            /// Borrows.
            #[must_use]
            pub fn view(&self) -> VoxelsRef<'_> {
                match self { $(Self::$variant(values) => VoxelsRef::$variant(values),)* }
            }

            /// Borrows, to write.
            pub fn view_mut(&mut self) -> VoxelsMut<'_> {
                match self { $(Self::$variant(values) => VoxelsMut::$variant(values),)* }
            }

            /// `len` elements that are zero (black, transparent).
            ///
            /// # Errors
            /// [`CoreError::Length`] when the memory can not be had.
            pub fn zeros(dtype: DType, len: usize) -> Result<Self, CoreError> {
                match dtype { $(DType::$variant => Ok(Self::$variant(zeroed::<$ty>(len)?)),)* }
            }
        }

        impl<'a> VoxelsRef<'a> {
            /// Element type.
            #[must_use]
            pub fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$variant,)* }
            }

            /// Number of elements.
            #[must_use]
            pub fn len(&self) -> usize {
                with_voxels!(VoxelsRef, self, values => values.len())
            }

            /// Whether there is no element.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The bytes in the byte order of this machine.
            #[must_use]
            pub fn bytes(&self) -> &'a [u8] {
                with_voxels!(VoxelsRef, *self, values => bytemuck::cast_slice(values))
            }

            /// Copies.
            #[must_use]
            pub fn to_voxels(&self) -> Voxels {
                match self { $(Self::$variant(values) => Voxels::$variant(values.to_vec()),)* }
            }
        }

        impl VoxelsMut<'_> {
            /// Element type.
            #[must_use]
            pub fn dtype(&self) -> DType {
                match self { $(Self::$variant(_) => DType::$variant,)* }
            }

            /// Number of elements.
            #[must_use]
            pub fn len(&self) -> usize {
                with_voxels!(VoxelsMut, self, values => values.len())
            }

            /// Whether there is no element.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The bytes in the byte order of this machine.
            pub fn bytes_mut(&mut self) -> &mut [u8] {
                with_voxels!(VoxelsMut, self, values => bytemuck::cast_slice_mut(values))
            }

            /// A shorter borrow of the same elements.
            pub fn reborrow(&mut self) -> VoxelsMut<'_> {
                match self { $(Self::$variant(values) => VoxelsMut::$variant(values),)* }
            }

            /// Reads what has been written.
            #[must_use]
            pub fn view(&self) -> VoxelsRef<'_> {
                match self { $(Self::$variant(values) => VoxelsRef::$variant(values),)* }
            }

            /// The elements `range` alone.
            ///
            /// # Panics
            /// When the range does not lie inside, as a slice does.
            #[must_use]
            pub fn slice(&mut self, range: std::ops::Range<usize>) -> VoxelsMut<'_> {
                match self { $(Self::$variant(values) => VoxelsMut::$variant(&mut values[range]),)* }
            }
        }
    };
}

containers! {
    U8: u8, I8: i8, U16: u16, I16: i16, U32: u32, I32: i32, U64: u64, I64: i64,
    F16: f16, BF16: bf16, F32: f32, F64: f64, F128: F128,
    Complex64: Complex<f32>, Complex128: Complex<f64>, Complex256: [F128; 2],
    Rgb24: [u8; 3], Rgba32: [u8; 4],
}

impl Voxels {
    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.view().dtype()
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slice inside, when its element type is `T`.
    #[must_use]
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        T::from_ref(self.view())
    }

    /// The values as real numbers of type `T`: the vector itself where the type is `T` already.
    ///
    /// # Errors
    /// [`CoreError::DType`] for complex numbers and colours.
    pub fn into_real<T: RealElement>(self) -> Result<Vec<T>, CoreError> {
        match T::from_voxels(self) {
            Ok(values) => Ok(values),
            Err(other) => other.view().to_real(),
        }
    }
}

impl VoxelsRef<'_> {
    /// The values as real numbers of type `T` (through f64; see [`RealElement`] for the rounding).
    ///
    /// # Errors
    /// [`CoreError::DType`] for complex numbers and colours.
    pub fn to_real<T: RealElement>(&self) -> Result<Vec<T>, CoreError> {
        let mut out = zeroed::<T>(self.len())?;
        self.convert_into(T::as_mut(&mut out))?;
        Ok(out)
    }

    /// Writes the values to `out`, converted to its element type: copied where the types are equal, through f64
    /// where both are real.
    ///
    /// # Errors
    /// [`CoreError::Length`] when the lengths differ, [`CoreError::DType`] when there is no conversion.
    pub fn convert_into(&self, mut out: VoxelsMut<'_>) -> Result<(), CoreError> {
        if out.len() != self.len() {
            return Err(CoreError::Length { shape: vec![out.len()], wanted: out.len(), got: self.len() });
        }
        if out.dtype() == self.dtype() {
            out.bytes_mut().copy_from_slice(self.bytes());
            return Ok(());
        }
        let refused = CoreError::DType { from: self.dtype(), to: out.dtype() };
        with_real_voxels!(VoxelsRef, *self, from => {
            with_real_voxels!(VoxelsMut, out, to => { convert(from, to); Ok(()) }, Err(refused))
        }, Err(refused))
    }
}

fn convert<A: RealElement, B: RealElement>(from: &[A], to: &mut [B]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = B::from_f64(from.to_f64());
    }
}

fn zeroed<T: Element>(len: usize) -> Result<Vec<T>, CoreError> {
    bytemuck::allocation::try_zeroed_vec(len).map_err(|()| CoreError::Length { shape: vec![len], wanted: len, got: 0 })
}

impl<T: Element> From<Vec<T>> for Voxels {
    fn from(values: Vec<T>) -> Self {
        T::into_voxels(values)
    }
}

impl<'a, T: Element> From<&'a [T]> for VoxelsRef<'a> {
    fn from(values: &'a [T]) -> Self {
        T::as_ref(values)
    }
}

impl<'a, T: Element> From<&'a mut [T]> for VoxelsMut<'a> {
    fn from(values: &'a mut [T]) -> Self {
        T::as_mut(values)
    }
}
