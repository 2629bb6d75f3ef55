//! Vocabulary of volkit: what a volume is, and the traits at which its crates meet.
//!
//! A [`Volume`] is an array of up to seven axes, first axis fastest, with an [`Affine`] that maps voxel centres to
//! millimetres in RAS+ world space. Code that need not know where voxels come from reads a [`VolumeSource`], writes a
//! [`VolumeSink`], takes weights from an [`ArrayStore`] and runs a [`Predictor`]; long work reports to a [`Progress`].
//!
//! This crate opens no file and knows no tensor framework.
#![forbid(unsafe_code)]

mod affine;
mod axis_map;
#[cfg(feature = "testing")]
pub mod conformance;
mod dtype;
mod duration;
mod element;
mod error;
mod error_line;
mod f128;
mod memory;
mod meta;
mod natural_order;
#[cfg(feature = "ndarray")]
mod ndarray_conversions;
mod predictor;
mod progress;
mod random;
mod region;
mod sink;
mod source;
mod store;
mod volume;
mod voxels;

pub use affine::Affine;
pub use axis_map::AxisMap;
pub use dtype::DType;
pub use duration::duration_text;
pub use element::{Element, RealElement};
pub use error::{BoxError, CoreError};
pub use error_line::error_line;
pub use f128::F128;
pub use memory::{MemorySink, MemorySlot, MemoryStore};
pub use meta::{MAX_AXES, VolumeMeta};
pub use natural_order::natural_order;
pub use num_complex::Complex;
pub use predictor::{Batch, OutOfMemory, OutputSpec, Predictor, PredictorSpec, Scale};
pub use progress::{Progress, SilentProgress, Stopped};
pub use random::Random;
pub use region::{Region, Rows};
pub use sink::VolumeSink;
pub use source::{VolumeSource, read_all, read_vec};
pub use store::{Array, ArrayStore};
pub use volume::Volume;
pub use voxels::{Voxels, VoxelsMut, VoxelsRef};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
