//! One data set: its element type and shape, and its values.

use hdf5_pure::{Dataset, Datatype, DatatypeByteOrder, FloatingPointLayout, Layout};
use volkit_core::{Array, BoxError, DType, Voxels};

use crate::{Endian, IoError, Limits};

use super::datatype::IEEE754_BINARY16;
use super::keras::Place;

/// The most that deflate shrinks anything, rounded up: a match of 258 bytes costs at least two bits.
const MAX_COMPRESSION: u64 = 1040;

/// Shape and element type of a data set; the type is none when it is no float that weights have.
pub(super) struct Description {
    pub(super) shape: Vec<usize>,
    pub(super) element: Option<(DType, Endian)>,
}

/// Reads what the header of a data set says.
pub(super) fn describe(place: &Place<'_>, data_set: &Dataset) -> Result<Description, IoError> {
    let shape = data_set.shape().map_err(|error| place.failed(error))?;
    let size = |&n: &u64| usize::try_from(n).map_err(|_| place.refused(format!("shape {shape:?} is too large")));
    let sizes = shape.iter().map(size).collect::<Result<Vec<_>, _>>()?;
    let datatype = data_set.datatype().map_err(|error| place.failed(error))?;
    Ok(Description { shape: sizes, element: float(&datatype) })
}

fn float(datatype: &Datatype) -> Option<(DType, Endian)> {
    let Datatype::FloatingPoint { byte_order, layout, .. } = datatype else { return None };
    let endian = match byte_order {
        DatatypeByteOrder::LittleEndian => Endian::Little,
        DatatypeByteOrder::BigEndian => Endian::Big,
        DatatypeByteOrder::Vax => return None,
    };
    let known = [
        (IEEE754_BINARY16, DType::F16),
        (FloatingPointLayout::IEEE754_BINARY32, DType::F32),
        (FloatingPointLayout::IEEE754_BINARY64, DType::F64),
    ];
    let dtype = known.iter().find(|(known, dtype)| known == layout && datatype.type_size() as usize == dtype.size());
    dtype.map(|&(_, dtype)| (dtype, endian))
}

/// Reads the values, after a check of what they would take.
pub(super) fn read(place: &Place<'_>, data_set: &Dataset, file_len: u64, limits: &Limits) -> Result<Array, IoError> {
    let Description { shape, element } = describe(place, data_set)?;
    let Some((dtype, endian)) = element else {
        let found = data_set.dtype().map_err(|error| place.failed(error))?;
        return Err(place.refused(format!("has element type {found}; weights are 16-, 32- or 64-bit floats")));
    };
    let n = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let n = n.ok_or_else(|| place.refused(format!("shape {shape:?} is too large")))?;
    let needed = limits.check_array(place.path, &format!("data set '{}'", place.name), n, dtype.size())?;
    if needed > file_len.saturating_mul(MAX_COMPRESSION) {
        return Err(place.refused(format!("shape {shape:?} is too large for a file of {file_len} bytes")));
    }
    check_storage(place, data_set, &shape, dtype, file_len, limits)?;
    let bytes = if n == 0 { Vec::new() } else { data_set.read_raw().map_err(|error| place.failed(error))? };
    if bytes.len() as u64 != needed {
        return Err(place.refused(format!("holds {} bytes, shape {shape:?} of {dtype} takes {needed}", bytes.len())));
    }
    let wrong = |error| IoError::core(place.path, error);
    let mut values = Voxels::zeros(dtype, n).map_err(wrong)?;
    let mut view = values.view_mut();
    view.bytes_mut().copy_from_slice(&bytes);
    endian.swap_if_needed(dtype, view.bytes_mut());
    Array::new(shape, values).map_err(wrong)
}

/// Storage that was never written would read as fill values, which a network takes for weights. Sizes in the index of
/// chunks must lie within the file: the reader allocates what they say.
fn check_storage(
    place: &Place<'_>,
    data_set: &Dataset,
    shape: &[usize],
    dtype: DType,
    file_len: u64,
    limits: &Limits,
) -> Result<(), IoError> {
    let failed = |error: hdf5_pure::Error| place.failed(error);
    let chunk_shape = match data_set.layout().map_err(failed)? {
        Layout::Contiguous { address: None, .. } if !shape.contains(&0) => {
            return Err(place.refused("was never written"));
        }
        Layout::Chunked { chunk_shape, .. } => chunk_shape,
        _ => return Ok(()),
    };
    if chunk_shape.len() != shape.len() || chunk_shape.contains(&0) {
        return Err(place.refused(format!("has chunks {chunk_shape:?} for shape {shape:?}")));
    }
    let chunk_bytes = chunk_shape.iter().fold(dtype.size() as u128, |n, &m| n.saturating_mul(m.into()));
    let n_chunks = shape.iter().zip(&chunk_shape).map(|(&m, &chunk)| (m as u64).div_ceil(chunk));
    let n_chunks = n_chunks.fold(1u64, u64::saturating_mul);
    if chunk_bytes > u128::from(limits.volume_bytes) || n_chunks > file_len {
        return Err(place.refused(format!("has {n_chunks} chunks {chunk_shape:?}, which are too large or too many")));
    }
    let chunks = data_set.chunks().map_err(failed)?;
    if chunks.iter().any(|chunk| chunk.address.checked_add(chunk.storage_size).is_none_or(|end| end > file_len)) {
        return Err(place.refused("has a chunk that ends behind the file"));
    }
    let found = chunks.len() as u64;
    if found < n_chunks {
        return Err(place.refused(format!("has {found} of {n_chunks} chunks: the others were never written")));
    }
    Ok(())
}

impl Place<'_> {
    fn failed(&self, error: hdf5_pure::Error) -> IoError {
        let source: BoxError = error.into();
        IoError::DataSet { path: self.path.to_owned(), name: self.name.to_owned(), source }
    }

    fn refused(&self, why: impl Into<String>) -> IoError {
        IoError::DataSet { path: self.path.to_owned(), name: self.name.to_owned(), source: why.into().into() }
    }
}
