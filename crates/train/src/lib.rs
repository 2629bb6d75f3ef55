//! Parts of a trainer, on plain slices: no tensor framework.
//!
//! Optimisers ([`Adam`] with its variants, [`Sgd`], [`Lbfgs`]), the [`GradScaler`] of mixed precision, [`Accumulator`] for
//! batches in parts, [`clip_grad_norm`], [`Schedule`]s, the [`Ema`] of parameters, [`EarlyStopping`], and [`Checkpoint`]s
//! that are complete or not there.
//!
//! Everything is generic over [`Real`], `f32` or `f64`. Results depend on the values alone: the same steps give the same
//! bits.
#![forbid(unsafe_code)]

mod accumulate;
mod adam;
mod checkpoint;
mod clip;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod early_stopping;
mod ema;
mod error;
mod lbfgs;
mod line_search;
mod optimizer;
mod real;
mod scaler;
mod schedule;
mod sgd;

pub use accumulate::Accumulator;
pub use adam::{Adam, AdamMoments, AdamOptions, WeightDecay};
pub use checkpoint::{Checkpoint, CheckpointArray};
pub use clip::{Norm, clip_grad_norm};
pub use early_stopping::{EarlyStopping, Epoch};
pub use ema::Ema;
pub use error::TrainError;
pub use lbfgs::{Lbfgs, LbfgsOptions, LbfgsReport, LineSearch, Objective};
pub use optimizer::{Optimizer, OptimizerState, Parameter};
pub use real::Real;
pub use scaler::{GradScaler, GradScalerOptions};
pub use schedule::{Constant, Cosine, Exponential, Schedule, Step, Warmup};
pub use sgd::{Sgd, SgdOptions};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
