//! Arrays in row-major files, `.npy` and raw: the array `[C, s0, s1]` as a volume of shape `[s1, s0, C]`, whose first
//! axis is fastest. Nothing is turned: boxes are read and written where they lie.

use std::path::Path;

use volkit_core::{Affine, VolumeMeta, VolumeSink, VolumeSource};

use crate::bytes::ByteSource;
use crate::decode::Decoder;
use crate::npz::{NPY_MAGIC, NpyHeader};
use crate::raw::{Layout, RawSource};
use crate::sink::{self, RawFile};
use crate::{Endian, IoError, ReadOptions, Scaling, WriteOptions};

/// Longest header of a `.npy` file that is looked at.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// Opens a row-major (`fortran_order: False`) `.npy` file for reading by boxes, its axes reversed.
///
/// ([`crate::open`] gives `.npy` files as images whose index `[x, y, z]` is the voxel `(x, y, z)`, and has to turn
/// row-major ones in memory.)
///
/// # Errors
/// See [`IoError`]; [`IoError::Unsupported`] for column-major files.
pub fn open_array(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Box<dyn VolumeSource>, IoError> {
    let path = path.as_ref();
    let bytes = ByteSource::open(path, options)?;
    let mut prefix = vec![0; MAX_HEADER_BYTES];
    let len = bytes.read_up_to(0, &mut prefix)?;
    prefix.truncate(len);
    if !prefix.starts_with(NPY_MAGIC) {
        return Err(IoError::not_this_format(path, "no .npy array"));
    }
    let header = NpyHeader::parse(path, "array", &prefix)?;
    if header.first_axis_fastest && header.shape.len() > 1 {
        let what = "fortran_order is True: tiles are read from row-major arrays; save it in C order";
        return Err(IoError::unsupported(path, what));
    }
    let shape: Vec<usize> = header.shape.iter().rev().copied().collect();
    let meta = VolumeMeta::new(shape, header.dtype, Affine::IDENTITY).map_err(|error| IoError::core(path, error))?;
    source(path, bytes, &meta, header.data_start as u64, header.endian, options)
}

/// Opens a file without a header for reading by boxes: `meta` gives shape (first axis fastest) and stored element type,
/// and the voxels begin at byte `offset`, in this machine's byte order.
///
/// # Errors
/// See [`IoError`]; [`IoError::Truncated`] for a file that is too short.
pub fn open_raw(
    path: impl AsRef<Path>,
    meta: &VolumeMeta,
    offset: u64,
    options: &ReadOptions,
) -> Result<Box<dyn VolumeSource>, IoError> {
    let path = path.as_ref();
    source(path, ByteSource::open(path, options)?, meta, offset, Endian::NATIVE, options)
}

/// Begins a row-major `.npy` file that is written by boxes: a volume of shape `[s1, s0, C]` becomes the array
/// `[C, s0, s1]`.
///
/// # Errors
/// See [`IoError`].
pub fn create_array(
    path: impl AsRef<Path>,
    meta: &VolumeMeta,
    options: &WriteOptions,
) -> Result<Box<dyn VolumeSink>, IoError> {
    let path = path.as_ref();
    let meta = meta.clone().with_dtype(options.dtype.unwrap_or(meta.dtype()));
    let (dtype, endian) = (meta.dtype(), Endian::Little);
    let shape = meta.shape().iter().rev().copied().collect();
    let header = NpyHeader { dtype, endian, first_axis_fastest: false, shape, data_start: 0 };
    let before =
        header.encode().ok_or_else(|| IoError::unsupported(path, format!("NumPy has no element type {dtype}")))?;
    sink::create(path, &meta, RawFile::new(path, before, endian), options)
}

/// Begins a file without a header that is written by boxes, in this machine's byte order.
///
/// # Errors
/// See [`IoError`].
pub fn create_raw(
    path: impl AsRef<Path>,
    meta: &VolumeMeta,
    options: &WriteOptions,
) -> Result<Box<dyn VolumeSink>, IoError> {
    let path = path.as_ref();
    let meta = meta.clone().with_dtype(options.dtype.unwrap_or(meta.dtype()));
    sink::create(path, &meta, RawFile::new(path, Vec::new(), Endian::NATIVE), options)
}

fn source(
    path: &Path,
    bytes: ByteSource,
    meta: &VolumeMeta,
    offset: u64,
    endian: Endian,
    options: &ReadOptions,
) -> Result<Box<dyn VolumeSource>, IoError> {
    let decoder = Decoder::new(path, meta.dtype(), Scaling::IDENTITY, options)?;
    Ok(Box::new(RawSource::new(bytes, meta, Layout { offset, endian, decoder, last: true, shape_field: "shape" })?))
}
