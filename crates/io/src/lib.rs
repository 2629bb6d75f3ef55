//! Reading and writing volumes: NIfTI-1 and NIfTI-2, MGH and MGZ, Analyze 7.5, NRRD, `.npy` and `.npz`, with the feature
//! `hdf5` also data sets in HDF5 files; and stores of named arrays: safetensors, `.npz`, PyTorch state dicts and Keras
//! weights.
//!
//! [`read`] gives an [`Image`]: a volume with the header of its file, kept whole. [`probe`] reads the header only;
//! [`open`] gives a [`FileSource`] that is read by boxes. [`write()`] writes an image and brings up to date what the new
//! voxels change of its header; [`create`] gives a sink that is written by boxes. The content of a file decides how it
//! is read, its name how it is written. Every output is complete before it takes its name.
//!
//! Readers check a header against [`Limits`] before they allocate, verify checksums, and never panic on any bytes.
//! What is odd but readable is told in warnings.
//!
//! ```
//! use volkit_core::{Affine, Volume};
//! use volkit_io::{Image, WriteOptions, read, write};
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("ramp.nii.gz");
//! let volume = Volume::new([4, 3, 2], (0..24).collect::<Vec<i16>>(), Affine::from_scale([1.0, 1.0, 2.5]))?;
//! write(&path, &Image::new(volume), &WriteOptions::default())?;
//! let image = read(&path)?;
//! assert_eq!(image.volume().meta().spacing(), [1.0, 1.0, 2.5]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod array_file;
mod atomic;
#[cfg(any(feature = "hdf5", feature = "zarr"))]
mod boxes;
mod bytes;
mod cast;
mod checksum;
#[cfg(all(feature = "hdf5", feature = "zarr"))]
mod convert;
mod data_set_path;
mod decode;
mod endian;
mod error;
mod format;
mod gzip;
mod gzip_write;
#[cfg(feature = "hdf5")]
mod hdf5;
mod image;
mod jacobi;
mod keras_layers;
mod limits;
mod mgh;
mod nifti;
#[cfg(feature = "nifti")]
mod nifti_conversions;
mod npz;
mod nrrd;
mod options;
mod raw;
mod safetensors_store;
mod sink;
#[cfg(feature = "stacks")]
mod stack;
mod torch;
mod units;
mod weights;
#[cfg(feature = "zarr")]
mod zarr;

pub use array_file::{create_array, create_raw, open_array, open_raw};
pub use atomic::write_atomically;
pub use cast::smallest_label_dtype;
pub use checksum::{sha256, sha256_file};
#[cfg(all(feature = "hdf5", feature = "zarr"))]
pub use convert::{ChunkRule, ConvertOptions, ConvertReport, ConvertedArray, convert_hdf5};
pub use data_set_path::split_data_set;
pub use decode::Scaling;
pub use endian::Endian;
pub use error::IoError;
pub use format::{
    Format, HDF5_WEIGHTS, PREFIX_BYTES, WriteReport, create, formats, has_suffix, open, probe, read, read_with, write,
};
#[cfg(feature = "hdf5")]
pub use hdf5::{
    Hdf5Backend, Hdf5DataSet, Hdf5Entry, Hdf5File, Hdf5Filter, Hdf5Format, Hdf5Info, Hdf5Kind, Hdf5Layout, Hdf5Node,
    Hdf5Value, Hdf5Writer, KerasStore, create_hdf5, open_hdf5, walk_hdf5, write_keras,
};
pub use image::{FileSource, Header, Image, ImageInfo};
pub use keras_layers::{KerasLayer, keras_layers};
pub use limits::Limits;
pub use mgh::{ColorEntry, MghFormat, MghHeader};
pub use nifti::{Extension, NiftiFormat, NiftiHeader};
#[cfg(feature = "nifti")]
pub use nifti_conversions::{from_nifti_volume, to_nifti_volume};
pub use npz::{NpzFormat, NpzStore, write_npz};
pub use nrrd::NrrdFormat;
pub use options::{BaseAffine, ColourPart, ComplexPart, NiftiVersion, Partial, ReadOptions, Values, WriteOptions};
pub use safetensors_store::{SafetensorsStore, write_safetensors};
#[cfg(feature = "stacks")]
pub use stack::{create_stack, is_picture, open_stack, stack_files, stack_names};
pub use torch::TorchStore;
pub use units::{SpaceUnit, TimeUnit, Units};
pub use weights::open_weights;
#[cfg(feature = "zarr")]
pub use zarr::{
    BloscCodec, BloscShuffle, Downsampling, OmeAxis, OmeImage, OmeLevel, PyramidOptions, ZarrArray, ZarrCodec,
    ZarrEntry, ZarrFormat, ZarrSink, ZarrSource, ZarrSpec, ZarrVersion, default_chunk, list_zarr, write_pyramid,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
