//! Labels on the grid of the input.

use volkit_core::Volume;
use volkit_geom::{Grid, Resampling, resample};

use crate::SegError;

/// A label map on another grid, that of the scan: the label of the nearest voxel, 0 outside.
///
/// # Errors
/// An affine that has no inverse; a grid that memory can not hold.
pub fn labels_on_grid(labels: &Volume, grid: &Grid) -> Result<Volume, SegError> {
    if Grid::of(labels) == *grid {
        return Ok(labels.clone());
    }
    Ok(resample(labels, grid, &Resampling::nearest())?)
}
