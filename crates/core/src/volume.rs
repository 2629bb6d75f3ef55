//! Volumes in memory.

use crate::element::{Element, RealElement};
use crate::source::VolumeSource;
use crate::{Affine, BoxError, CoreError, DType, Region, VolumeMeta, Voxels, VoxelsMut, with_voxels};

/// A volume in memory: its voxels, first axis fastest, and what they mean.
///
/// ```
/// use volkit_core::{Affine, Volume};
/// let volume = Volume::new([2, 3, 1], vec![0i16, 1, 2, 3, 4, 5], Affine::from_scale([1.0, 1.0, 2.5]))?;
/// assert_eq!(volume.as_slice::<i16>().map(|v| v[volume.offset([1, 2, 0])]), Some(5));
/// # Ok::<(), volkit_core::CoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    meta: VolumeMeta,
    voxels: Voxels,
}

impl Volume {
    /// A volume of that shape and affine.
    ///
    /// # Errors
    /// [`CoreError::Shape`] for a shape that can not be, [`CoreError::Length`] when the number of values is not that
    /// of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, voxels: impl Into<Voxels>, affine: Affine) -> Result<Self, CoreError> {
        let voxels = voxels.into();
        Self::from_meta(VolumeMeta::new(shape, voxels.dtype(), affine)?, voxels)
    }

    /// A volume with that description, whose element type becomes that of the values.
    ///
    /// # Errors
    /// [`CoreError::Length`] when the number of values is not that of the shape.
    pub fn from_meta(meta: VolumeMeta, voxels: impl Into<Voxels>) -> Result<Self, CoreError> {
        let voxels = voxels.into();
        if voxels.len() != meta.n_voxels() {
            let shape = meta.shape().to_vec();
            return Err(CoreError::Length { shape, wanted: meta.n_voxels(), got: voxels.len() });
        }
        Ok(Self { meta: meta.with_dtype(voxels.dtype()), voxels })
    }

    /// What is known of the volume besides its voxels.
    #[must_use]
    pub fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    /// Voxels along each axis, first axis fastest.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.meta.shape()
    }

    /// Element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.meta.dtype()
    }

    /// World position (millimetres, RAS+) of voxel centres.
    #[must_use]
    pub fn affine(&self) -> &Affine {
        self.meta.affine()
    }

    /// The voxels.
    #[must_use]
    pub fn voxels(&self) -> &Voxels {
        &self.voxels
    }

    /// The voxels, to write.
    pub fn voxels_mut(&mut self) -> VoxelsMut<'_> {
        self.voxels.view_mut()
    }

    /// The voxels, taken out.
    #[must_use]
    pub fn into_voxels(self) -> Voxels {
        self.voxels
    }

    /// The voxels as a slice, when the element type is `T`.
    #[must_use]
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        self.voxels.as_slice()
    }

    /// The values as real numbers of type `T`.
    ///
    /// # Errors
    /// [`CoreError::DType`] for complex numbers and colours.
    pub fn to_real<T: RealElement>(&self) -> Result<Vec<T>, CoreError> {
        self.voxels.view().to_real()
    }

    /// The same volume with values of element type `T`.
    ///
    /// # Errors
    /// [`CoreError::DType`] for complex numbers and colours.
    pub fn cast<T: RealElement>(&self) -> Result<Self, CoreError> {
        Self::from_meta(self.meta.clone(), self.to_real::<T>()?)
    }

    /// Position of voxel `(i, j, k)` of the first three axes (and the first index of all others) in the slice.
    #[must_use]
    pub fn offset(&self, [i, j, k]: [usize; 3]) -> usize {
        let [nx, ny, _] = self.meta.spatial_size();
        i + nx * (j + ny * k)
    }

    /// The same volume without the axes of length 1 past the third.
    #[must_use]
    pub fn squeezed(self) -> Self {
        let keep = |&(axis, &n): &(usize, &usize)| axis < 3 || n != 1;
        let shape: Vec<_> = self.shape().iter().enumerate().filter(keep).map(|(_, &n)| n).collect();
        let spacing: Vec<_> =
            self.shape().iter().enumerate().filter(keep).map(|(axis, _)| self.meta.spacing()[axis]).collect();
        let meta = VolumeMeta::new(shape, self.dtype(), *self.affine())
            .and_then(|meta| meta.with_spacing(spacing))
            .expect("invariant: fewer axes of a valid volume are a valid volume");
        Self { meta, voxels: self.voxels }
    }
}

impl VolumeSource for Volume {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn read_region(&self, region: &Region, mut out: VoxelsMut<'_>) -> Result<(), BoxError> {
        let rows = region.rows(self.shape())?;
        if out.len() != region.len() {
            let shape = region.size().to_vec();
            return Err(CoreError::Length { shape, wanted: region.len(), got: out.len() }.into());
        }
        let len = rows.run_len();
        let view = self.voxels.view();
        for (run, offset) in rows.enumerate() {
            let part = with_voxels!(VoxelsRef, view, values => (&values[offset..offset + len]).into());
            let part: crate::VoxelsRef<'_> = part;
            part.convert_into(out.slice(run * len..(run + 1) * len))?;
        }
        Ok(())
    }
}
