//! Training: its parts on plain slices, without a tensor framework, and with the feature `candle` a trainer made of them.
//!
//! Optimisers ([`Adam`] with its variants, [`Sgd`], [`Lbfgs`]), the [`GradScaler`] of mixed precision, [`Accumulator`] for
//! batches in parts, [`clip_grad_norm`], [`Schedule`]s, the [`Ema`] of parameters, [`EarlyStopping`], and [`Checkpoint`]s
//! that are complete or not there.
//!
//! The parts are generic over [`Real`], `f32` or `f64`. Results depend on the values alone: the same steps give the same
//! bits.
#![cfg_attr(
    feature = "candle",
    doc = "

The trainer: [`Parameters`] that the layers of a candle network take from a [`Precision`], a [`Task`] with a loss, a
[`DataSet`], [`Observer`]s, and the [`Trainer`] that runs them."
)]
#![forbid(unsafe_code)]

mod accumulate;
mod adam;
mod checkpoint;
mod clip;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
#[cfg(feature = "candle")]
mod data;
mod early_stopping;
mod ema;
mod error;
mod lbfgs;
mod line_search;
#[cfg(feature = "candle")]
mod loader;
#[cfg(feature = "candle")]
mod observer;
#[cfg(feature = "candle")]
mod observers;
mod optimizer;
#[cfg(feature = "candle")]
mod parameters;
#[cfg(feature = "candle")]
mod precision;
mod real;
mod scaler;
mod schedule;
mod sgd;
#[cfg(feature = "candle")]
mod task;
#[cfg(feature = "candle")]
mod trainer;

pub use accumulate::Accumulator;
pub use adam::{Adam, AdamMoments, AdamOptions, WeightDecay};
pub use checkpoint::{Checkpoint, CheckpointArray};
pub use clip::{Norm, clip_grad_norm};
#[cfg(feature = "candle")]
pub use data::{BatchRequest, DataSet};
pub use early_stopping::{EarlyStopping, Epoch};
pub use ema::Ema;
pub use error::TrainError;
pub use lbfgs::{Lbfgs, LbfgsOptions, LbfgsReport, LineSearch, Objective};
#[cfg(feature = "candle")]
pub use loader::{Batch, Batches, prefetch};
#[cfg(feature = "candle")]
pub use observer::{Ending, EpochRecord, Event, Observer, RunFacts, StepRecord, TrainReport};
#[cfg(feature = "candle")]
pub use observers::{JsonLines, LossHistory, LossPoint, ProgressObserver};
pub use optimizer::{Optimizer, OptimizerState, Parameter};
#[cfg(feature = "candle")]
pub use parameters::Parameters;
#[cfg(feature = "candle")]
pub use precision::{OpClass, Precision};
pub use real::Real;
pub use scaler::{GradScaler, GradScalerOptions};
pub use schedule::{Constant, Cosine, Exponential, Schedule, Step, Warmup};
pub use sgd::{Sgd, SgdOptions};
#[cfg(feature = "candle")]
pub use task::{Loss, Moment, Task};
#[cfg(feature = "candle")]
pub use trainer::{CheckpointOptions, NonFinite, OptimizerOptions, ScheduleUnit, Trainer, TrainerOptions};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
