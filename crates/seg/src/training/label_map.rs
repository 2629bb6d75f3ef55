//! A label map, ready to be deformed.

use volkit_core::{Affine, Volume};
use volkit_geom::{axis_map_by_inverse, reorient_slice};

use super::generation_labels::GenerationLabels;
use crate::SegError;

/// A segmented head that scans are generated from: voxels of 1 mm, x to the right, y to the front, z up.
#[derive(Clone, Debug)]
pub struct LabelMap {
    /// Voxels along x, y and z.
    pub(super) size: [usize; 3],
    /// Position of each voxel's label in the table, x fastest.
    pub(super) positions: Vec<u8>,
    /// Middle of what is to be found, in voxels.
    pub(super) brain_centre: [f64; 3],
    /// Whether it is a map of the cerebrum alone, of which the fluid around it may be erased.
    pub(super) is_cerebrum: bool,
}

/// Difference from 1 mm up to which a map counts as of 1 mm.
const SPACING_TOLERANCE_MM: f64 = 0.05;

impl LabelMap {
    /// Turns a volume of labels to RAS. `is_cerebrum` is told of maps that lack the rest of the head's brain, from which
    /// label 24 is sometimes erased.
    ///
    /// # Errors
    /// [`SegError::Scan`] for a label that is not in the table of generation, other than three axes, or voxels that are
    /// not of 1 mm.
    pub fn new(labels: &Volume, is_cerebrum: bool) -> Result<Self, SegError> {
        let refuse = |field, value, why| Err(SegError::Scan { field, value, why });
        let Ok(size) = <[usize; 3]>::try_from(labels.shape()) else {
            return refuse("axes", labels.shape().len().to_string(), "a label map has three");
        };
        let spacing = labels.affine().spacing();
        if spacing.iter().any(|mm| (mm - 1.0).abs() > SPACING_TOLERANCE_MM) {
            return refuse("voxel size", format!("{spacing:?}"), "label maps have voxels of 1 mm");
        }
        let table = GenerationLabels::get();
        let mut last = (0, table.position(0)?);
        let mut positions = Vec::with_capacity(size.iter().product());
        for label in labels.to_real::<f32>()? {
            if label < 0.0 || label.fract() != 0.0 {
                return refuse("label", label.to_string(), "labels are whole numbers from 0");
            }
            let label = label as u32;
            if label != last.0 {
                last = (label, table.position(label)?);
            }
            positions.push(last.1);
        }
        let map = axis_map_by_inverse(labels.affine(), &Affine::IDENTITY)?;
        let positions = reorient_slice(&positions, size, &map)?;
        let size = map.new_size(size);
        if size.contains(&0) {
            return refuse("size", format!("{size:?}"), "has no voxel");
        }
        let brain_centre = brain_centre(&positions, size, &table.channels());
        Ok(Self { size, positions, brain_centre, is_cerebrum })
    }

    /// Voxels along x, y and z.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        self.size
    }
}

/// Mean position of voxels with a structure; the middle of the map where there are none.
fn brain_centre(positions: &[u8], size: [usize; 3], channels: &[u8]) -> [f64; 3] {
    let [nx, ny, _] = size;
    let (mut sums, mut count) = ([0usize; 3], 0usize);
    for (at, position) in positions.iter().enumerate() {
        if channels[usize::from(*position)] != 0 {
            for (sum, index) in sums.iter_mut().zip([at % nx, at / nx % ny, at / (nx * ny)]) {
                *sum += index;
            }
            count += 1;
        }
    }
    if count == 0 {
        return size.map(|n| (n as f64 - 1.0) / 2.0);
    }
    sums.map(|sum| sum as f64 / count as f64)
}
