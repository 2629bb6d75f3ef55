//! What a scan must be to be segmented.

use volkit_core::{Element, Region, Volume, read_vec};

use crate::SegError;

/// Fewest voxels along a spatial axis: fewer are pictures, not volumes.
const FEWEST_SLICES: usize = 4;

/// The first volume of a scan that was found usable.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    volume: &'a Volume,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Scan<'a> {
    /// Checks shape, element type and affine.
    pub(crate) fn new(volume: &'a Volume) -> Result<Self, SegError> {
        let shape = volume.shape();
        let shape_text = || format!("{shape:?}");
        let refuse = |field, value, why| Err(SegError::Scan { field, value, why });
        if !volume.dtype().is_real() {
            return refuse("element type", volume.dtype().to_string(), "a scan has one real number a voxel");
        }
        if shape.len() < 3 || shape[..3].contains(&1) {
            return refuse("shape", shape_text(), "a scan has three spatial axes; this one is a single slice");
        }
        if shape[..3].iter().any(|&n| n < FEWEST_SLICES) {
            return refuse("shape", shape_text(), "a scan has at least 4 voxels along each spatial axis");
        }
        if shape[3..].contains(&0) {
            return refuse("shape", shape_text(), "a scan has voxels");
        }
        if shape.iter().skip(4).any(|&n| n != 1) {
            return refuse("shape", shape_text(), "a scan has three spatial axes and at most one more");
        }
        let affine = volume.affine();
        if !affine.is_finite() {
            return refuse("affine", format!("{:?}", affine.rows()), "not finite");
        }
        if affine.inverse().is_err() {
            return refuse("affine", format!("{:?}", affine.rows()), "singular");
        }
        let mut warnings = Vec::new();
        if let Some(&n @ 2..) = shape.get(3) {
            warnings.push(format!("the scan holds {n} volumes; the first one is segmented"));
        }
        Ok(Self { volume, warnings })
    }

    pub(crate) fn volume(&self) -> &'a Volume {
        self.volume
    }

    pub(crate) fn size(&self) -> [usize; 3] {
        self.volume.meta().spatial_size()
    }

    /// Values of the first volume.
    pub(crate) fn values<T: Element>(&self) -> Result<Vec<T>, SegError> {
        let mut size = vec![1; self.volume.shape().len()];
        size[..3].copy_from_slice(&self.size());
        let first = Region::new(vec![0; size.len()], size)?;
        read_vec(self.volume, &first).map_err(|error| match error.downcast() {
            Ok(core) => SegError::Core(*core),
            Err(other) => SegError::ReadTensor { tensor: "scan".into(), source: other },
        })
    }

    /// Values of the first volume with every voxel that is not finite set to the smallest finite value.
    pub(crate) fn finite_values(&mut self) -> Result<Vec<f32>, SegError> {
        let mut values = self.values::<f32>()?;
        let finite = values.iter().copied().filter(|value| value.is_finite());
        let (count, low) = finite.fold((0usize, f32::INFINITY), |(count, low), value| (count + 1, low.min(value)));
        if count == 0 {
            let value = format!("{} voxels, none finite", values.len());
            return Err(SegError::Scan { field: "values", value, why: "there is nothing to segment" });
        }
        if count < values.len() {
            let not_finite = values.len() - count;
            self.warnings.push(format!("{not_finite} voxels are NaN or infinite; they count as {low}, the minimum"));
            values.iter_mut().filter(|value| !value.is_finite()).for_each(|value| *value = low);
        }
        Ok(values)
    }
}
