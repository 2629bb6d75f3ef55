//! Images and sinks to measure tiling with.
#![forbid(unsafe_code)]

mod merge_cost;
mod run;

pub use merge_cost::{MERGES, merge_secs};
pub use run::{NullSink, noise, run_over, volume};
