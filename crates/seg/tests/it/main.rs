//! Public behaviour of the crate.
#![allow(clippy::unwrap_used)]

mod golden;
mod labels;
mod load;
mod nets;
mod network;
#[cfg(feature = "picture")]
mod picture;
#[cfg(feature = "report")]
mod report;
mod segment;
mod synthseg_clean;
#[cfg(feature = "candle")]
mod synthseg_composite;
mod synthseg_files;
mod synthseg_net;
mod synthseg_net_golden;
mod synthseg_net_naive;
mod synthseg_proc;
mod synthseg_proc_golden;
mod synthseg_runs;
mod synthseg_whole;
mod tile_predictor;
#[cfg(feature = "training")]
mod training;
#[cfg(all(feature = "training", feature = "candle"))]
mod training_net;
mod volumes;
