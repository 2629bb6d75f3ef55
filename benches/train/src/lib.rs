//! Whole training steps of the benchmark network, for the timing of volkit-train.
#![forbid(unsafe_code)]

mod step;

pub use step::{SimpleStep, StepKind};
