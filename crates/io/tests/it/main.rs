//! Public behaviour of volkit-io.
#![allow(clippy::unwrap_used)]

mod arrays;
mod atomicity;
mod bad_files;
#[cfg(all(feature = "hdf5", feature = "zarr"))]
mod convert;
#[cfg(feature = "nifti")]
mod cross_check;
mod golden;
#[cfg(feature = "hdf5")]
mod hdf5_files;
mod headers;
#[cfg(feature = "hdf5")]
mod keras;
#[cfg(feature = "hdf5")]
mod keras_files;
mod mutations;
mod nrrd;
#[cfg(all(feature = "hdf5", feature = "zarr"))]
mod one_frame;
mod round_trips;
mod shared;
mod sources;
#[cfg(feature = "stacks")]
mod stacks;
mod stores;
mod torch;
#[cfg(feature = "zarr")]
mod zarr;
#[cfg(feature = "zarr")]
mod zarr_bad;
#[cfg(feature = "zarr")]
mod zarr_cross_check;
#[cfg(feature = "zarr")]
mod zarr_groups;
#[cfg(feature = "zarr")]
mod zarr_mutations;
