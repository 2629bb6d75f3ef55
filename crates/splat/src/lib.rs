//! Differentiable 3-D Gaussian splatting on the CPU, on plain slices: no tensor framework, no GPU.
//!
//! [`Gaussians`] are seen by a [`Camera`] and blended by a [`Rasterizer`] into a [`Rendering`]: colour, alpha and depth.
//! [`Rasterizer::backward`] turns derivatives of a loss by that rendering into [`Gradients`] by every parameter, the
//! background and the pose of the camera. [`CpuRasterizer`] projects each Gaussian in `f64` and leaves the tile loops to
//! `volkit-kernels`; the same input gives the same bits for any number of threads. With the feature `candle`,
//! `CompositeRasterizer` blends on any device candle has.
//!
//! Conventions are those of the field: quaternions are `w, x, y, z` and need not be unit, scales are kept as
//! logarithms, opacities as logits, camera axes are x right, y down, z forward, and the centre of the first pixel is at
//! (0.5, 0.5).
#![forbid(unsafe_code)]

mod atomic;
mod block;
mod camera;
#[cfg(feature = "candle")]
mod composite;
mod config;
mod cpu;
mod error;
mod exponential;
#[cfg(feature = "files")]
mod files;
mod gaussians;
mod gradients;
mod loss;
mod matrix;
mod pipeline;
mod ply;
mod projection;
mod projection_backward;
mod rasterizer;
mod rotation;
mod sh;
#[cfg(feature = "candle")]
mod tensors;
mod train;
#[cfg(feature = "viewer")]
mod viewer;

pub use camera::{Camera, Intrinsics};
#[cfg(feature = "candle")]
pub use composite::CompositeRasterizer;
pub use config::RenderConfig;
pub use cpu::CpuRasterizer;
pub use error::SplatError;
#[cfg(feature = "files")]
pub use files::{Orbit, PosedImage, TransformsOptions, Turntable, encode_png, read_transforms, write_png};
pub use gaussians::{ColourSlices, Colours, GaussianSlices, Gaussians};
pub use gradients::Gradients;
pub use loss::{PhotometricLoss, PhotometricValue, Ssim, SsimBorder, iou_loss, l1_loss};
pub use ply::{read_ply, write_ply};
pub use rasterizer::{Rasterizer, Rendering, RenderingGradient};
pub use sh::{MAX_SH_DEGREE, SH_C0, sh_coefficients};
#[cfg(feature = "candle")]
pub use tensors::{GaussianTensors, RenderingTensors, TensorRasterizer};
pub use train::{
    Densified, DensifyRules, Pulls, SplatTrainer, StepReport, TrainerConfig, TrainingView, adam_options, psnr,
    scene_from_points, scene_scale,
};
#[cfg(feature = "viewer")]
pub use viewer::ViewerPage;
pub use volkit_kernels::{Isa, Splat, SplatGradient, Threads};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
