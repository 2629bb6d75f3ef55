//! Criterion suite of volkit-seg: made-up weights of the size of the published ones.
#![forbid(unsafe_code)]

mod weights;

pub use weights::write_keras;
