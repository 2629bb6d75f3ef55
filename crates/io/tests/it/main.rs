//! Public behaviour of volkit-io.
#![allow(clippy::unwrap_used)]

mod arrays;
mod atomicity;
mod bad_files;
#[cfg(feature = "nifti")]
mod cross_check;
mod golden;
mod headers;
#[cfg(feature = "hdf5")]
mod keras;
#[cfg(feature = "hdf5")]
mod keras_files;
mod round_trips;
mod shared;
mod sources;
mod stores;
