//! Multi-view video of an animal to 3-D Gaussians, frame by frame.
//!
//! A [`Rig`] is what a calibration says, a [`WorldFrame`] the upright frame that everything lives in. [`prepare`] reads the
//! videos ([`FrameSource`]) once into a [`ViewStore`]; [`track_frame`] and [`Track`] find centre and heading; a [`Carver`]
//! makes the coloured visual hull of a frame, [`CropFinder`] the part of the grid that the animal ever reaches. A
//! [`PoseModel`] turns hulls into Gaussians, [`Trainer`] trains it through the rasterizer of `volkit-splat`, and
//! [`evaluate_frame`] says how good the pictures are.
//!
//! This crate opens no file: bytes, arrays and volumes come through the seams of `volkit-core`.
#![forbid(unsafe_code)]

mod carve;
mod error;
mod frames;
mod mat;
mod matrix;
mod model;
mod prepare;
mod project;
mod quality;
mod random;
mod rig;
mod track;
mod views;

pub use carve::{
    CarveGrid, CarveRules, CarvedVolume, Carver, ColourRules, CropFinder, Hull, Level, Pose, find_interval,
};
pub use error::PoseError;
pub use frames::{
    Background, Frame, FrameSource, Opener, PictureSequence, PixmapStream, Y4mStream, read_jpeg, read_png,
};
pub use mat::{MatValue, read_mat};
pub use model::{
    EpochReport, LossParts, LossWeights, MetricsTable, ModelConfig, PoseModel, Recording, ReferenceModel, SceneModel,
    Split, TrainConfig, Trainer, UNet3d, UNet3dConfig, ViewMetrics, evaluate_frame, scene_of, view_metrics,
};
pub use prepare::{MaskSource, Preparation, PrepareConfig, Sampling, ViewVideos, prepare};
pub use project::{Compat, EdgeUnit, ProjectConfig};
pub use quality::{MaskQuality, MaskReport};
pub use rig::{Distortion, FrameKind, Rig, RigCamera, UpLine, WorldFrame, up_from_lines, up_from_rig};
pub use track::{Moments, Track, TrackConfig, headings, rough_centre, track_frame, triangulate};
pub use views::{FrameViews, ViewStore};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
