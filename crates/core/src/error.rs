//! The error of this crate, and the error that its traits carry.

use crate::DType;

/// What implementers of the traits return: any error; the crate that calls the trait wraps it with its own context.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the types of this crate refuse.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// A shape has no axis, more than seven axes, or more voxels than can be counted.
    #[error("shape {0:?} is not usable: a volume has 1 to 7 axes and a voxel count below 2^63")]
    Shape(Vec<usize>),
    /// The number of elements is not that of the shape.
    #[error("shape {shape:?} holds {wanted} voxels, got {got}")]
    Length {
        /// Shape that was asked for.
        shape: Vec<usize>,
        /// Elements it needs.
        wanted: usize,
        /// Elements that came.
        got: usize,
    },
    /// A region does not lie inside the shape, or has another number of axes.
    #[error("region {start:?}+{size:?} does not lie inside shape {shape:?}")]
    Region {
        /// First voxel of the region.
        start: Vec<usize>,
        /// Size of the region.
        size: Vec<usize>,
        /// Shape it must lie in.
        shape: Vec<usize>,
    },
    /// Values of one element type were asked for as another that can not hold them.
    #[error("{from} values can not be read as {to}")]
    DType {
        /// Element type that is there.
        from: DType,
        /// Element type asked for.
        to: DType,
    },
    /// An affine that can not be inverted.
    #[error("affine is singular or not finite: {0:?}")]
    SingularAffine([[f64; 4]; 3]),
    /// An array that a store does not have.
    #[error("no array named '{0}'")]
    NoArray(String),
    /// Spacing that does not fit the shape.
    #[error("spacing {spacing:?} does not fit {n_axes} axes (one finite number per axis)")]
    Spacing {
        /// Spacing that was given.
        spacing: Vec<f64>,
        /// Axes of the shape.
        n_axes: usize,
    },
}
