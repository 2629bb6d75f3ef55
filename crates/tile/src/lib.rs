//! Tiled (sliding-window) inference for images larger than memory: exact, in constant memory, with any model.
//!
//! A [`TilePlan`] cuts an image into overlapping tiles; [`TiledInference`] reads them from a
//! [`volkit_core::VolumeSource`], runs a [`volkit_core::Predictor`] and merges the outputs by a [`Blend`] into
//! [`volkit_core::VolumeSink`]s, planes at a time: what is unfinished is one row of tiles, whatever the height of the
//! image. Windows are normalised per axis, so the weights add to one at every sample, the border included, and no count
//! volume is kept; where the receptive radius of a model is known, overlap-discard ([`Blend::Crop`] with
//! [`TilePlan::for_receptive_field`]) equals direct inference.
//!
//! Arrays are channel-first and row-major, `[N, C, s0, s1, ..]` with one to four spatial axes. As a volume, whose first
//! axis is fastest, such an array has the shape `[.., s1, s0, C, N]`.
//!
//! The crate opens no file and knows no tensor framework.
#![forbid(unsafe_code)]

mod accumulate;
mod axis;
mod blend;
mod error;
mod importance;
mod infer;
mod inset;
mod layout;
mod memory;
mod output;
mod padding;
mod pipeline;
mod plan;
mod pointwise;
mod reader;
mod reduce;
mod ring;
mod skip;
mod stages;
mod weights;
mod window;

pub use axis::{AxisPlan, AxisSpec, Layout, Overlap, SmallAxis};
pub use blend::Blend;
pub use error::TileError;
pub use importance::ImportanceMap;
pub use infer::{BatchSize, InferReport, NotFinite, Precision, Target, TiledInference};
pub use inset::Inset;
pub use memory::{MemoryEstimate, ModelMemory, OpMemory, activation_peak};
pub use padding::Padding;
pub use plan::{MAX_SPATIAL_AXES, Tile, TilePlan};
pub use pointwise::Pointwise;
pub use reduce::{Argmax, Reduce, Softmax, Threshold};
pub use skip::{EmptyTest, Skip, SkipPolicy};
pub use weights::axis_weights;
pub use window::{NamedWindow, Window, WindowAxis};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
