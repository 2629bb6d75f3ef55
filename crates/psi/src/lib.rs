//! Networks for phase-shifting interferometry.
//!
//! [`SimpleUNet`] reads the 2-D network of the mixed-precision and tiling benchmarks (four 3 x 3 convolutions, 16 -> 32 ->
//! 64 -> 32 -> 1 channels) from any [`volkit_core::ArrayStore`] with the names that PyTorch gives, and makes a
//! [`GraphPredictor`] of it: a [`volkit_core::Predictor`] that runs on the executor of `volkit-kernels`, a few rows at a
//! time, in memory that does not grow with the height of the image.
//!
//! The crate opens no file and knows no tensor framework.
#![forbid(unsafe_code)]

mod error;
mod graph_predictor;
mod simple_unet;
mod state_dict;

pub use error::PsiError;
pub use graph_predictor::GraphPredictor;
pub use simple_unet::SimpleUNet;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
