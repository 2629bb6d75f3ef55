//! Weights of Keras networks in HDF5 files.

mod attributes;
mod data_set;
mod keras;
mod names;

pub use keras::KerasStore;
