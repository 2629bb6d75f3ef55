//! Images, sinks and a small network to measure tiling with.
#![forbid(unsafe_code)]

mod net;
mod run;

pub use net::ConvNet;
pub use run::{NullSink, noise, run_over, volume};
