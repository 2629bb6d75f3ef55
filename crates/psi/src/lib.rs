//! Phase-shifting interferometry: heights from stacks of fringe images.
//!
//! An [`Interferometer`] says what a camera sees of a height. [`ClosedForm`] solves stacks for heights without training: in
//! memory, band after band from any [`volkit_core::VolumeSource`] ([`HeightStream`]), or as a model of tiles
//! ([`ClosedFormPredictor`]). [`PsiScene`] and [`Sensor`] make stacks from a seed; [`HeightErrors`] and [`Surface`] measure
//! results. [`FringeLoss`] is the loss that needs no true height, [`PatchSampler`] and [`read_patch`] cut random patches from
//! sources that need not fit in memory.
//!
//! [`SimpleUNet`] runs the 2-D network of the mixed-precision and tiling benchmarks on the executor of `volkit-kernels`.
//! With the feature `training` the crate also holds what is trained on tensors of candle: Chebyshev networks with first and
//! second derivatives.
//!
//! The crate opens no file.
#![forbid(unsafe_code)]

mod area;
mod closed_form;
mod error;
mod graph_predictor;
mod height_colours;
mod interferometer;
#[cfg(feature = "training")]
mod kan;
mod loss;
mod metrics;
mod patches;
mod random;
mod scene;
mod simple_unet;
mod state_dict;
mod surface;
#[cfg(feature = "training")]
mod training;

pub use area::area_average;
pub use closed_form::{ClosedForm, ClosedFormOptions, ClosedFormPredictor, FringeOrder, HeightStream, Heights};
pub use error::PsiError;
pub use graph_predictor::GraphPredictor;
pub use height_colours::ColourScale;
pub use interferometer::Interferometer;
#[cfg(feature = "training")]
pub use kan::{ChebyKan, Domain, Jet, LayerNorm, ScaledCpikan, ScaledCpikanConfig, tanh_jet};
pub use loss::{AugmentedInterface, FringeLoss, InterfaceLoss, LossParts, interface_loss};
pub use metrics::{HeightErrors, Summary};
pub use patches::{Orientation, PatchOptions, PatchPlace, PatchSampler, read_patch};
pub use scene::{Levels, PsiScene, SceneOptions, Sensor, Shape, Split};
pub use simple_unet::SimpleUNet;
pub use surface::{Plane, Surface, SurfaceParameters};
#[cfg(feature = "training")]
pub use training::{
    Curriculum, FringeTask, HeightNet, HeightNetConfig, HeightTask, NetInput, NetKind, PatchData, PinnConfig,
    PinnProblem, PsiSample, UNetPredictor, network_input,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
