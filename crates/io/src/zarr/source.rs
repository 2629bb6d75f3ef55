//! An array as a volume that is read by boxes.

use serde_json::{Map, Value, json};
use volkit_core::{Affine, BoxError, Region, VolumeMeta, VolumeSource, Voxels, VoxelsMut};

use super::array::ZarrArray;
use super::spec::ZarrSpec;
use crate::decode::Decoder;
use crate::{IoError, ReadOptions, Scaling};

/// Attribute with the 4 x 4 matrix from voxels to millimetres, row after row; the same as in HDF5 files.
pub(super) const AFFINE: &str = "world_from_voxel";
/// Attribute with the spacing of each axis, in the order of the volume.
const SPACING: &str = "spacing";
/// Names of axes in voxel order.
const AXES: [&str; 3] = ["x", "y", "z"];

/// An array of a Zarr store as a volume: its axes reversed, so that `[z, y, x]` becomes a volume of axes `x, y, z`.
///
/// The place in the world is that of the attributes `world_from_voxel` (4 x 4) and `spacing`, which
/// [`crate::ZarrSink`] writes, or that of the level of an OME-Zarr image; without either, voxel indices are
/// millimetres.
#[derive(Debug)]
pub struct ZarrSource {
    array: ZarrArray,
    meta: VolumeMeta,
    decoder: Decoder,
}

impl ZarrSource {
    /// An array as a volume.
    ///
    /// # Errors
    /// When the array has more than seven axes, or its values can not be given as `options` asks.
    pub fn new(array: ZarrArray, options: &ReadOptions) -> Result<Self, IoError> {
        let meta = volume_meta(&array)?;
        Self::with_meta(array, meta, options)
    }

    pub(crate) fn with_meta(array: ZarrArray, meta: VolumeMeta, options: &ReadOptions) -> Result<Self, IoError> {
        let decoder = Decoder::new(array.folder(), array.dtype(), Scaling::IDENTITY, options)?;
        let meta = meta.with_dtype(decoder.value_dtype());
        Ok(Self { array, meta, decoder })
    }

    /// The array.
    #[must_use]
    pub fn array(&self) -> &ZarrArray {
        &self.array
    }
}

impl VolumeSource for ZarrSource {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn read_region(&self, region: &Region, mut out: VoxelsMut<'_>) -> Result<(), BoxError> {
        region.check_inside(self.meta.shape())?;
        let (start, size) = row_major_box(&self.array, region);
        if self.decoder.is_identity() && out.dtype() == self.array.dtype() {
            return Ok(self.array.read_box(&start, &size, out.reborrow())?);
        }
        let mut stored = Voxels::zeros(self.array.dtype(), region.len())?;
        self.array.read_box(&start, &size, stored.view_mut())?;
        Ok(self.decoder.decode(stored.view(), out)?)
    }
}

/// A box of voxels as a box of the array; a single number has one voxel and no axis.
pub(super) fn row_major_box(array: &ZarrArray, region: &Region) -> (Vec<usize>, Vec<usize>) {
    if array.shape().is_empty() {
        return (Vec::new(), Vec::new());
    }
    (region.start().iter().rev().copied().collect(), region.size().iter().rev().copied().collect())
}

/// Shape in voxel order, element type and place in the world.
pub(super) fn volume_meta(array: &ZarrArray) -> Result<VolumeMeta, IoError> {
    let core = |error| IoError::core(array.folder(), error);
    let (affine, spacing) = place(array)?;
    let meta = VolumeMeta::new(voxel_shape(array), array.dtype(), affine).map_err(core)?;
    match spacing {
        Some(spacing) => meta.with_spacing(spacing).map_err(core),
        None => Ok(meta),
    }
}

pub(super) fn voxel_shape(array: &ZarrArray) -> Vec<usize> {
    let mut shape: Vec<usize> = array.shape().iter().rev().copied().collect();
    if shape.is_empty() {
        shape.push(1);
    }
    shape
}

fn place(array: &ZarrArray) -> Result<(Affine, Option<Vec<f64>>), IoError> {
    let attributes = array.attributes();
    let bad = |field: &str, why: &str| {
        let value = attributes.get(field).unwrap_or(&Value::Null);
        IoError::bad_header(array.folder(), format!("attributes.{field}"), value, why)
    };
    let affine = match attributes.get(AFFINE) {
        None => Affine::IDENTITY,
        Some(matrix) => {
            // Some writers keep the rows, some only the numbers.
            let numbers = finite_numbers(matrix).filter(|numbers| matches!(numbers.len(), 12 | 16));
            let numbers = numbers.ok_or_else(|| bad(AFFINE, "must be 3 or 4 rows of 4 finite numbers"))?;
            Affine::from_rows(std::array::from_fn(|r| std::array::from_fn(|c| numbers[4 * r + c])))
        }
    };
    let spacing = match attributes.get(SPACING) {
        Some(spacing) if attributes.contains_key(AFFINE) => {
            let spacing = finite_numbers(spacing).filter(|spacing| spacing.len() == array.shape().len().max(1));
            Some(spacing.ok_or_else(|| bad(SPACING, "must be one finite number an axis"))?)
        }
        // Whatever else calls itself spacing may mean anything.
        _ => None,
    };
    Ok((affine, spacing))
}

/// The numbers of lists in lists, one after the other.
fn finite_numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Array(values) => {
            let parts: Option<Vec<Vec<f64>>> = values.iter().map(finite_numbers).collect();
            Some(parts?.concat())
        }
        _ => value.as_f64().filter(|x| x.is_finite()).map(|x| vec![x]),
    }
}

impl ZarrSpec {
    /// The array that holds a volume: axes reversed, with the place in the world among its attributes.
    #[must_use]
    pub fn for_volume(meta: &VolumeMeta) -> Self {
        let shape: Vec<usize> = meta.shape().iter().rev().copied().collect();
        let n = shape.len();
        let mut spec = Self::new(shape, meta.dtype());
        let place = [(AFFINE, json!(meta.affine().to_matrix())), (SPACING, json!(meta.spacing()))];
        spec.attributes = Map::from_iter(place.map(|(name, value)| (name.to_owned(), value)));
        if n <= AXES.len() {
            spec.dimension_names = AXES[..n].iter().rev().map(|name| Some((*name).to_owned())).collect();
        }
        spec
    }
}
