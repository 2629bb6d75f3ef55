//! What is known of a volume before its voxels are read.

use crate::{Affine, CoreError, DType};

/// Most axes a volume may have (as NIfTI).
pub const MAX_AXES: usize = 7;

/// Shape, element type and place in the world of a volume.
///
/// Axes are in voxel order: the first axis varies fastest in memory and the first three are spatial. Axes that a
/// volume of fewer than three axes lacks count as length 1 for the affine.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeMeta {
    shape: Vec<usize>,
    dtype: DType,
    affine: Affine,
    spacing: Vec<f64>,
}

impl VolumeMeta {
    /// A volume of that shape; the spacing is that of the affine, 1 for axes past the third.
    ///
    /// # Errors
    /// [`CoreError::Shape`] for no axis, more than [`MAX_AXES`] or a voxel count of 2^63 or more.
    pub fn new(shape: impl Into<Vec<usize>>, dtype: DType, affine: Affine) -> Result<Self, CoreError> {
        let shape = shape.into();
        let n_voxels = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let countable = n_voxels.is_some_and(|n| n < 1 << 63);
        if shape.is_empty() || shape.len() > MAX_AXES || !countable {
            return Err(CoreError::Shape(shape));
        }
        let lengths = affine.spacing();
        let spacing = (0..shape.len()).map(|axis| lengths.get(axis).copied().unwrap_or(1.0)).collect();
        Ok(Self { shape, dtype, affine, spacing })
    }

    /// The same with a spacing of its own, one number per axis (millimetres for spatial axes; the fourth is often
    /// the repetition time). Files may record a spacing that differs from the affine's.
    ///
    /// # Errors
    /// [`CoreError::Spacing`] when the count is wrong or a number is not finite.
    pub fn with_spacing(self, spacing: impl Into<Vec<f64>>) -> Result<Self, CoreError> {
        let spacing = spacing.into();
        if spacing.len() != self.shape.len() || spacing.iter().any(|x| !x.is_finite()) {
            return Err(CoreError::Spacing { spacing, n_axes: self.shape.len() });
        }
        Ok(Self { spacing, ..self })
    }

    /// The same with another element type.
    #[must_use]
    pub fn with_dtype(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// Voxels along each axis, first axis fastest.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Voxels along the three spatial axes; 1 for axes that are not there.
    #[must_use]
    pub fn spatial_size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.shape.get(axis).copied().unwrap_or(1))
    }

    /// Number of voxels.
    #[must_use]
    pub fn n_voxels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of all voxels; saturates.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.n_voxels().saturating_mul(self.dtype.size())
    }

    /// Element type of the values.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// World position (millimetres, RAS+) of voxel centres.
    #[must_use]
    pub fn affine(&self) -> &Affine {
        &self.affine
    }

    /// Distance between voxel centres along each axis, as recorded.
    #[must_use]
    pub fn spacing(&self) -> &[f64] {
        &self.spacing
    }
}

#[cfg(test)]
mod tests {
    use super::VolumeMeta;
    use crate::{Affine, DType};

    #[test]
    fn sizes_and_spacing() {
        let meta = VolumeMeta::new([4, 5], DType::I16, Affine::from_scale([2.0, 3.0, 4.0])).unwrap();
        assert_eq!(meta.spatial_size(), [4, 5, 1]);
        assert_eq!((meta.n_voxels(), meta.n_bytes()), (20, 40));
        assert_eq!(meta.spacing(), [2.0, 3.0]);
        assert!(meta.clone().with_spacing([1.0]).is_err());
        assert!(meta.with_spacing([1.0, f64::NAN]).is_err());
    }

    #[test]
    fn refuses_shapes_that_can_not_be() {
        for shape in [vec![], vec![1; 8], vec![usize::MAX, 2], vec![1 << 62, 2]] {
            assert!(VolumeMeta::new(shape, DType::U8, Affine::IDENTITY).is_err());
        }
    }
}
