//! The error of this crate.

use volkit_core::{CoreError, DType};

/// What the functions of this crate refuse.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GeomError {
    /// A slice has not as many values as its size says.
    #[error("{op}: size {size:?} holds {wanted} voxels, got {got}")]
    Length {
        /// Operation.
        op: &'static str,
        /// Size that was given.
        size: [usize; 3],
        /// Values that the size needs.
        wanted: usize,
        /// Values that came.
        got: usize,
    },
    /// There is no value to work on.
    #[error("{op}: no voxels")]
    Empty {
        /// Operation.
        op: &'static str,
    },
    /// A size whose voxels can not be counted or held in memory.
    #[error("{op}: size {size:?} has too many voxels")]
    TooLarge {
        /// Operation.
        op: &'static str,
        /// Size that was asked for.
        size: Vec<usize>,
    },
    /// A parameter out of its range.
    #[error("{op}: {name} = {value} {why}")]
    Parameter {
        /// Operation.
        op: &'static str,
        /// Parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Text that does not name an orientation.
    #[error("orientation '{0}': wanted three letters, one each of L/R, P/A, I/S, such as RAS")]
    Codes(String),
    /// An axis of the volume points nowhere, so the volume has no orientation to change.
    #[error("reorient: voxel axis {axis} has no direction in world space")]
    NoDirection {
        /// First axis that has none.
        axis: usize,
    },
    /// An affine holds NaN or infinity.
    #[error("{op}: affine is not finite: {rows:?}")]
    NotFinite {
        /// Operation.
        op: &'static str,
        /// Upper rows of the affine.
        rows: [[f64; 4]; 3],
    },
    /// The operation is not defined for values of this type.
    #[error("{op}: not defined for {dtype} values")]
    DType {
        /// Operation.
        op: &'static str,
        /// Type of the values.
        dtype: DType,
    },
    /// A type of `volkit-core` refused.
    #[error(transparent)]
    Core(#[from] CoreError),
}

/// Number of voxels of `size`, if it can be counted.
pub(crate) fn n_voxels(op: &'static str, size: [usize; 3]) -> Result<usize, GeomError> {
    let count = size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    count.filter(|&n| n < 1 << 62).ok_or_else(|| GeomError::TooLarge { op, size: size.to_vec() })
}

/// Checks that a slice of `got` values fills `size`.
pub(crate) fn check_len(op: &'static str, size: [usize; 3], got: usize) -> Result<(), GeomError> {
    let wanted = n_voxels(op, size)?;
    if wanted == got { Ok(()) } else { Err(GeomError::Length { op, size, wanted, got }) }
}

/// A vector of `size` copies of `value`.
pub(crate) fn filled<T: Copy>(op: &'static str, size: [usize; 3], value: T) -> Result<Vec<T>, GeomError> {
    let len = n_voxels(op, size)?;
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| GeomError::TooLarge { op, size: size.to_vec() })?;
    values.resize(len, value);
    Ok(values)
}

/// A vector of zeros; memory that is never touched costs nothing.
pub(crate) fn zeros<T: volkit_core::Element>(op: &'static str, size: [usize; 3]) -> Result<Vec<T>, GeomError> {
    let len = n_voxels(op, size)?;
    let too_large = || GeomError::TooLarge { op, size: size.to_vec() };
    let voxels = volkit_core::Voxels::zeros(T::DTYPE, len).map_err(|_| too_large())?;
    T::from_voxels(voxels).map_err(|_| too_large())
}
