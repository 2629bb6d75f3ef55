//! Reading volumes by regions.

use crate::element::Element;
use crate::{BoxError, Region, Volume, VolumeMeta, Voxels, VoxelsMut};

/// Something that voxels can be read from, box by box: a file, an array in a store, a volume in memory.
///
/// # Protocol
/// `meta` never changes and costs nothing. `read_region` may be called any number of times, in any order, from any
/// number of threads at once; the caller allocates. An error leaves `out` with any content and the source usable.
/// Reads in the order of memory (slabs along the last axis, forward) are the cheapest on every source.
pub trait VolumeSource: Send + Sync {
    /// Shape, element type and place of the volume.
    fn meta(&self) -> &VolumeMeta;

    /// Reads the box `region` into `out`, first axis fastest, converted to the element type of `out`.
    ///
    /// # Errors
    /// When the region does not lie inside, `out` has another length, there is no conversion to its element type, or
    /// reading fails.
    fn read_region(&self, region: &Region, out: VoxelsMut<'_>) -> Result<(), BoxError>;
}

/// Reads a box as values of type `T`.
///
/// # Errors
/// As [`VolumeSource::read_region`].
pub fn read_vec<T: Element>(source: &dyn VolumeSource, region: &Region) -> Result<Vec<T>, BoxError> {
    let voxels = read_as(source, region, T::DTYPE)?;
    Ok(T::from_voxels(voxels).expect("invariant: allocated with this element type"))
}

/// Reads a whole volume with the element type that the source has.
///
/// # Errors
/// As [`VolumeSource::read_region`].
pub fn read_all(source: &dyn VolumeSource) -> Result<Volume, BoxError> {
    let meta = source.meta();
    let voxels = read_as(source, &Region::whole(meta.shape()), meta.dtype())?;
    Ok(Volume::from_meta(meta.clone(), voxels)?)
}

fn read_as(source: &dyn VolumeSource, region: &Region, dtype: crate::DType) -> Result<Voxels, BoxError> {
    region.check_inside(source.meta().shape())?;
    let mut voxels = Voxels::zeros(dtype, region.len())?;
    source.read_region(region, voxels.view_mut())?;
    Ok(voxels)
}
