//! Geometry of volumes: orientation, resampling, smoothing, percentiles, connected components, crop and pad.
//!
//! Everything here works on the first three axes of a [`volkit_core::Volume`] (further axes are a stack of such
//! volumes), or on a slice beside its size `[nx, ny, nz]`, first axis fastest. Affines are `world_from_voxel`: they
//! take the index of a voxel's centre to millimetres in RAS+. Work is spread over the threads of the current rayon
//! pool; no result depends on how many there are.
//!
//! | subject | entry points |
//! |---|---|
//! | orientation | [`Orientation`], [`reorient`], [`apply_axis_map`], [`axis_map_by_inverse`] |
//! | grids | [`Grid`] |
//! | resampling from grid to grid | [`Resampling`], [`resample`], [`resample_slice`], [`resample_labels`] |
//! | another size or spacing of the same box | [`resize`], [`SpacingResize`] |
//! | smoothing | [`Gaussian`], [`fwhm_to_sigma`] |
//! | intensities | [`percentiles`], [`rescale_unit`], [`Statistics`] |
//! | connected components | [`components`], [`keep_largest`] |
//! | boxes | [`crop`], [`pad`], [`paste`], [`bounding_box`] |
#![forbid(unsafe_code)]

mod align;
mod components;
mod crop;
mod error;
mod finite;
mod gaussian;
mod grid;
mod intensity;
mod labels;
mod oblique;
mod orientation;
mod percentile;
mod polar;
mod prefilter;
mod reorient;
mod resample;
mod resampling;
mod resize;
mod row_walk;
mod sample;
mod separable;
mod spacing_resize;
mod taps;

pub use align::axis_map_by_inverse;
pub use components::{Components, components, keep_largest};
pub use crop::{bounding_box, crop, pad, paste};
pub use error::GeomError;
pub use gaussian::{Gaussian, coarsening_sigma, fwhm_to_sigma, gaussian, sigma_voxels};
pub use grid::Grid;
pub use intensity::{Statistics, clip, rescale_unit};
pub use labels::{resample_labels, resample_labels_slice};
pub use orientation::{AxisDirection, Orientation};
pub use percentile::{NanRule, percentile, percentiles};
pub use prefilter::spline_coefficients;
pub use reorient::{apply_axis_map, reorient, reorient_slice};
pub use resample::{resample, resample_map, resample_slice};
pub use resampling::{Order, Outside, Resampling};
pub use resize::{ResizeRule, resize, resize_slice, zoomed_size};
pub use sample::Sample;
pub use spacing_resize::{SpacingMethod, SpacingResize};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
