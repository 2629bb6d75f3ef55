//! Boxes cut out, added around, put back and found.

use volkit_core::{Element, RealElement, Region, Volume, VolumeMeta, Voxels, with_real_voxels, with_voxels};

use crate::GeomError;
use crate::error::{check_len, zeros};

/// The part of the volume that `region` tells (one entry per axis, or three: then axes past the third stay whole), with
/// the affine of the part.
///
/// # Errors
/// A region that does not lie inside.
pub fn crop(volume: &Volume, region: &Region) -> Result<Volume, GeomError> {
    let shape = volume.shape();
    let (mut start, mut size) = (region.start().to_vec(), region.size().to_vec());
    if start.len() == 3 && shape.len() > 3 {
        start.resize(shape.len(), 0);
        size.extend_from_slice(&shape[3..]);
    }
    let region = Region::new(start, size)?;
    let rows = region.rows(shape)?;
    let meta = windowed(volume.meta(), region.size(), |axis| region.start().get(axis).map_or(0, |&n| n as i64))?;
    fn copied<T: Element>(values: &[T], rows: volkit_core::Rows, len: usize) -> Voxels {
        let (run, mut out) = (rows.run_len(), Vec::with_capacity(len));
        for at in rows {
            out.extend_from_slice(&values[at..at + run]);
        }
        T::into_voxels(out)
    }
    let voxels = with_voxels!(Voxels, volume.voxels(), values => copied(values, rows, region.len()));
    Ok(Volume::from_meta(meta, voxels)?)
}

/// The volume with `before` and `after` more voxels on each side of its three spatial axes, all `value` (as the element
/// type stores it; colours and complex numbers take 0 only), with the affine of the larger grid.
///
/// # Errors
/// [`GeomError::TooLarge`], [`GeomError::DType`].
pub fn pad(volume: &Volume, before: [usize; 3], after: [usize; 3], value: f64) -> Result<Volume, GeomError> {
    const OP: &str = "pad";
    let size = volume.meta().spatial_size();
    let grown = |axis: usize| size[axis].checked_add(before[axis])?.checked_add(after[axis]);
    let too_large = || GeomError::TooLarge { op: OP, size: size.to_vec() };
    let mut shape = Vec::new();
    for axis in 0..3 {
        shape.push(grown(axis).ok_or_else(too_large)?);
    }
    while shape.len() > volume.shape().len() && shape.last() == Some(&1) {
        shape.pop();
    }
    shape.extend(volume.shape().iter().skip(3));
    let start = |axis: usize| before.get(axis).map_or(0, |&n| -(n as i64));
    let meta = windowed(volume.meta(), &shape, start)?;
    let len = meta.n_voxels();
    fn constant<T: RealElement>(_: &[T], len: usize, value: f64) -> Result<Voxels, GeomError> {
        let mut out = zeros::<T>(OP, [len, 1, 1])?;
        if value != 0.0 {
            out.fill(T::from_f64(value));
        }
        Ok(T::into_voxels(out))
    }
    let refused = GeomError::DType { op: OP, dtype: volume.dtype() };
    let voxels = with_real_voxels!(Voxels, volume.voxels(), values => constant(values, len, value)?, {
        if value != 0.0 {
            return Err(refused);
        }
        Voxels::zeros(volume.dtype(), len)?
    });
    let mut padded = Volume::from_meta(meta, voxels)?;
    paste(volume, &mut padded, before)?;
    Ok(padded)
}

/// Writes `part` into `whole` from voxel `start` of the three spatial axes on. Further axes must be equal; values are
/// converted to the element type of `whole`.
///
/// # Errors
/// A part that does not lie inside, or whose values can not be converted.
pub fn paste(part: &Volume, whole: &mut Volume, start: [usize; 3]) -> Result<(), GeomError> {
    let n_axes = whole.shape().len().max(part.shape().len()).max(3);
    let of = |shape: &[usize]| (0..n_axes).map(|axis| shape.get(axis).copied().unwrap_or(1)).collect::<Vec<_>>();
    let (part_shape, whole_shape) = (of(part.shape()), of(whole.shape()));
    let mut offset = start.to_vec();
    offset.resize(n_axes, 0);
    let region = Region::new(offset, part_shape.clone())?;
    if part_shape[3..] != whole_shape[3..] {
        let (start, size) = (region.start().to_vec(), part_shape);
        return Err(volkit_core::CoreError::Region { start, size, shape: whole_shape }.into());
    }
    let rows = region.rows(&whole_shape)?;
    let run = rows.run_len();
    for (r, at) in rows.enumerate() {
        let from = r * run..(r + 1) * run;
        let values = with_voxels!(Voxels, part.voxels(), values => volkit_core::VoxelsRef::from(&values[from]));
        values.convert_into(whole.voxels_mut().slice(at..at + run))?;
    }
    Ok(())
}

/// The smallest box of `values` (of `size`) that holds every voxel differing from zero; `None` when there is none.
///
/// # Errors
/// [`GeomError::Length`].
pub fn bounding_box<T: Copy + PartialEq + Default>(
    values: &[T],
    size: [usize; 3],
) -> Result<Option<Region>, GeomError> {
    check_len("bounding box", size, values.len())?;
    let [nx, ny, _] = size;
    let (mut low, mut high) = (size, [0; 3]);
    let is_set = |value: &T| *value != T::default();
    for (r, row) in values.chunks_exact(nx.max(1)).enumerate() {
        let Some(first) = row.iter().position(is_set) else { continue };
        let last = row.iter().rposition(is_set).unwrap_or(first);
        let (j, k) = (r % ny, r / ny);
        for (axis, (from, to)) in [(first, last), (j, j), (k, k)].into_iter().enumerate() {
            low[axis] = low[axis].min(from);
            high[axis] = high[axis].max(to + 1);
        }
    }
    if high == [0; 3] {
        return Ok(None);
    }
    let extent: [usize; 3] = std::array::from_fn(|axis| high[axis] - low[axis]);
    Ok(Some(Region::new(low, extent)?))
}

/// The description of a window of a volume; spacings stay.
fn windowed(meta: &VolumeMeta, shape: &[usize], start: impl Fn(usize) -> i64) -> Result<VolumeMeta, GeomError> {
    let affine = meta.affine().window([start(0), start(1), start(2)]);
    let lengths = affine.spacing();
    let spacing = |axis: usize| meta.spacing().get(axis).or(lengths.get(axis)).copied().unwrap_or(1.0);
    let spacing: Vec<f64> = (0..shape.len()).map(spacing).collect();
    Ok(VolumeMeta::new(shape, meta.dtype(), affine)?.with_spacing(spacing)?)
}
