//! Integration tests of volkit-psi.
#![allow(clippy::unwrap_used)]

mod bad_weights;
mod closed_form;
mod golden;
#[cfg(feature = "training")]
mod kan;
mod loss;
mod metrics;
mod net;
mod patches;
mod scenes;
mod surface;
mod tiled;
#[cfg(feature = "training")]
mod training;
