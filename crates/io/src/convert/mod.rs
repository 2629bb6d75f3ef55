//! Whole HDF5 files to Zarr: streamed, resumed where it was interrupted, left alone where it is done.

mod attributes;
mod journal;
mod options;
mod plan;
mod run;
mod verify;

pub use options::{ChunkRule, ConvertOptions, ConvertReport, ConvertedArray};
pub use run::convert_hdf5;
