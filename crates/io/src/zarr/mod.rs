//! Zarr version 2 and 3: arrays of chunks in files of a folder.
//!
//! The metadata is read strictly, field by field. Chunks are decoded by codecs that know how many bytes must come out,
//! so that no stream can ask for more; blosc is that of the crate `zarrs`, behind a check of its header.

mod array;
mod blosc;
mod chain;
mod element;
mod format;
mod group;
mod keys;
mod metadata;
mod ome;
mod pyramid;
mod read;
mod sharding;
mod sink;
mod source;
mod spec;
mod stage;
mod store;
mod transpose;
mod v2;
mod v3;
mod write;

pub use array::ZarrArray;
#[cfg(feature = "hdf5")]
pub(crate) use element::{ElementType, fill_json};
pub use format::ZarrFormat;
pub use group::{ZarrEntry, list_zarr};
#[cfg(feature = "hdf5")]
pub(crate) use group::{root_attributes, write_group};
pub use metadata::ZarrVersion;
pub use ome::{OmeAxis, OmeImage, OmeLevel};
pub use pyramid::{Downsampling, PyramidOptions, write_pyramid};
pub use sink::ZarrSink;
#[cfg(feature = "hdf5")]
pub(crate) use sink::{remove, replace, with_suffix};
pub use source::ZarrSource;
pub use spec::{BloscCodec, BloscShuffle, ZarrCodec, ZarrSpec, default_chunk};
