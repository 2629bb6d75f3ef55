//! NIfTI-1, NIfTI-2 and Analyze 7.5.

mod affine;
mod codec;
mod compose;
mod extensions;
mod format;
mod header;
mod interpret;
mod pair;
pub(crate) mod types;

#[cfg(feature = "nifti")]
pub(crate) use codec::FieldError;
pub use extensions::Extension;
pub use format::NiftiFormat;
pub use header::NiftiHeader;
