//! The conformed image: the grid that a MeshNet was trained on.

use volkit_core::{Affine, AxisMap, DType, Volume};
use volkit_geom::{Grid, NanRule, Orientation, Outside, Resampling, percentiles, reorient_slice, resample_slice};
use volkit_kernels::Label;

use crate::SegError;
use crate::scan::Scan;

/// Voxels of the conformed grid along each axis.
pub const CONFORMED_SIZE: usize = 256;
/// Largest difference of a spacing from 1 mm that counts as conformed, in mm.
const SPACING_TOLERANCE_MM: f64 = 0.01;
/// Least cosine between a voxel axis and its world axis that counts as conformed: 8 degrees.
const LEAST_COSINE: f64 = 0.99;
/// Percentile that becomes white when a resampled scan is turned into bytes.
const WHITE_PERCENTILE: f64 = 99.9;

/// Values of a conformed image, x fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum ConformedVoxels {
    /// Of scans that were bytes, and of all that were resampled.
    U8(Vec<u8>),
    /// Of scans on the conformed grid with other element types.
    F32(Vec<f32>),
}

/// A scan brought to the grid that the networks were trained on: 256 voxels of 1 mm along each axis, LIA (x to the
/// left, y down, z to the front).
///
/// A scan that has this size and spacing (within 0.01 mm) along the axes of the world (within 8 degrees) is only
/// flipped and turned, exactly. Any other is resampled: linear, into the grid along the world's axes whose middle is
/// the scan's middle (voxel `(n - 1) / 2`, integer division), and rescaled to bytes: its minimum to 0, its 99.9th
/// percentile to 255, clipped and rounded. What lies outside the scan gets its minimum; what lies outside the grid, 256
/// mm wide, is not seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Conformed {
    grid: Grid,
    voxels: ConformedVoxels,
    scan_grid: Grid,
    /// The flips that made it, where it was not resampled.
    flips: Option<AxisMap>,
    warnings: Vec<String>,
}

impl Conformed {
    /// Conforms a scan.
    ///
    /// # Errors
    /// [`SegError::Scan`] for a scan that can not be segmented (see [`crate::Segmenter::segment`]).
    pub fn new(scan: &Volume) -> Result<Self, SegError> {
        let mut scan = Scan::new(scan)?;
        let scan_grid = Grid::new(scan.size(), *scan.volume().affine());
        if !is_conformed(&scan_grid)? {
            return Self::resampled(scan, scan_grid);
        }
        let flips = Orientation::of(&scan_grid.affine)?.axis_map_to(Orientation::LIA)?;
        let voxels = if scan.volume().dtype() == DType::U8 {
            ConformedVoxels::U8(reorient_slice(&scan.values::<u8>()?, scan_grid.size, &flips)?)
        } else {
            ConformedVoxels::F32(reorient_slice(&scan.finite_values()?, scan_grid.size, &flips)?)
        };
        let grid = scan_grid.with_axis_map(&flips);
        Ok(Self { grid, voxels, scan_grid, flips: Some(flips), warnings: scan.warnings })
    }

    fn resampled(mut scan: Scan<'_>, scan_grid: Grid) -> Result<Self, SegError> {
        let grid = conformed_grid(&scan_grid)?;
        let values = scan.finite_values()?;
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let how = Resampling::linear().with_outside(Outside::Constant(f64::from(low)));
        let resampled = resample_slice(&values, &scan_grid, &grid, &how)?;
        drop(values);
        let voxels = ConformedVoxels::U8(to_bytes(&resampled)?);
        Ok(Self { grid, voxels, scan_grid, flips: None, warnings: scan.warnings })
    }

    /// Voxels along x, y, z.
    #[must_use]
    pub fn size(&self) -> [usize; 3] {
        self.grid.size
    }

    /// World position of voxel centres.
    #[must_use]
    pub fn affine(&self) -> &Affine {
        &self.grid.affine
    }

    /// The values.
    #[must_use]
    pub fn voxels(&self) -> &ConformedVoxels {
        &self.voxels
    }

    /// Whether the scan had to be resampled.
    #[must_use]
    pub fn is_resampled(&self) -> bool {
        self.flips.is_none()
    }

    /// What was unusual about the scan.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Percentiles over all voxels, linear between ranks.
    ///
    /// # Errors
    /// [`SegError::Geom`] for a percentile outside 0 to 100.
    pub fn percentiles(&self, q: [f64; 2]) -> Result<[f64; 2], SegError> {
        let values = match &self.voxels {
            ConformedVoxels::U8(values) => percentiles(values, &q, NanRule::Propagate),
            ConformedVoxels::F32(values) => percentiles(values, &q, NanRule::Propagate),
        }?;
        Ok([values[0], values[1]])
    }

    /// The image as a volume.
    ///
    /// # Errors
    /// Does not fail for an image made by [`Conformed::new`].
    pub fn into_volume(self) -> Result<Volume, SegError> {
        Ok(match self.voxels {
            ConformedVoxels::U8(values) => Volume::new(self.grid.size, values, self.grid.affine)?,
            ConformedVoxels::F32(values) => Volume::new(self.grid.size, values, self.grid.affine)?,
        })
    }

    /// Labels of this image on the grid of the scan: turned back where the scan was turned, otherwise the label of the
    /// nearest voxel, 0 outside.
    pub(crate) fn labels_on_scan<T>(&self, labels: &[T]) -> Result<Vec<T>, SegError>
    where
        T: Label + volkit_geom::Sample,
    {
        match &self.flips {
            Some(flips) => Ok(reorient_slice(labels, self.grid.size, &flips.inverse())?),
            None => Ok(resample_slice(labels, &self.grid, &self.scan_grid, &Resampling::nearest())?),
        }
    }

    /// Grid of the scan.
    pub(crate) fn scan_grid(&self) -> &Grid {
        &self.scan_grid
    }
}

fn is_conformed(grid: &Grid) -> Result<bool, SegError> {
    let spacing = grid.spacing_mm();
    if grid.size != [CONFORMED_SIZE; 3] || spacing.iter().any(|mm| (mm - 1.0).abs() > SPACING_TOLERANCE_MM) {
        return Ok(false);
    }
    let upright = grid.reoriented(Orientation::RAS)?;
    Ok((0..3).all(|axis| upright.affine.column(axis)[axis] / upright.affine.spacing()[axis] >= LEAST_COSINE))
}

/// The grid of 256^3 voxels of 1 mm along the world's axes, LIA, that has the scan in its middle.
fn conformed_grid(scan: &Grid) -> Result<Grid, SegError> {
    let upright = scan.reoriented(Orientation::RAS)?;
    let middle = upright.affine.apply(upright.size.map(|n| ((n - 1) / 2) as f64));
    let half = ((CONFORMED_SIZE - 1) / 2) as f64;
    let affine = Affine::from_scale([1.0; 3]).with_translation(middle.map(|x| x - half));
    Ok(Grid::new([CONFORMED_SIZE; 3], affine).reoriented(Orientation::LIA)?)
}

/// Minimum to 0, 99.9th percentile to 255, clipped, rounded half to even.
fn to_bytes(values: &[f32]) -> Result<Vec<u8>, SegError> {
    let ends = percentiles(values, &[0.0, WHITE_PERCENTILE], NanRule::Propagate)?;
    let (low, range) = (ends[0], ends[1] - ends[0]);
    if range.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
        return Ok(vec![0; values.len()]);
    }
    let byte = |value: &f32| ((f64::from(*value) - low) / range * 255.0).clamp(0.0, 255.0).round_ties_even() as u8;
    Ok(values.iter().map(byte).collect())
}

#[cfg(test)]
mod tests {
    use super::{conformed_grid, is_conformed, to_bytes};
    use volkit_core::Affine;
    use volkit_geom::Grid;

    #[test]
    fn bytes_span_minimum_to_percentile() {
        let values: Vec<f32> = (0..=1000).map(|v| v as f32 - 500.0).collect();
        let bytes = to_bytes(&values).unwrap();
        assert_eq!((bytes[0], bytes[500], bytes[999], bytes[1000]), (0, 128, 255, 255));
        assert_eq!(to_bytes(&[3.0; 10]).unwrap(), [0; 10]);
    }

    #[test]
    fn which_grids_are_conformed() {
        let lia = Affine::from_rows([[-1.0, 0.0, 0.0, 128.0], [0.0, 0.0, 1.0, -128.0], [0.0, -1.0, 0.0, 128.0]]);
        assert!(is_conformed(&Grid::new([256; 3], lia)).unwrap());
        assert!(is_conformed(&Grid::new([256; 3], Affine::from_scale([1.005, 1.0, 0.995]))).unwrap());
        assert!(!is_conformed(&Grid::new([256; 3], Affine::from_scale([1.02, 1.0, 1.0]))).unwrap());
        assert!(!is_conformed(&Grid::new([256, 256, 255], lia)).unwrap());
        let (sin, cos) = 0.2f64.sin_cos();
        let oblique = Affine::from_parts([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], [0.0; 3]);
        assert!(!is_conformed(&Grid::new([256; 3], oblique)).unwrap());
    }

    #[test]
    fn voxels_of_one_mm_fall_on_voxels() {
        let scan = Grid::new([100, 121, 90], Affine::from_scale([1.0; 3]).with_translation([-3.25, 7.5, 1.0]));
        let grid = conformed_grid(&scan).unwrap();
        let index = grid.affine.inverse().unwrap().apply(scan.affine.apply([49.0, 60.0, 44.0]));
        // Middle (127, 127, 127) along right, front, up; x and y of LIA count the other way.
        assert_eq!(index, [128.0, 128.0, 127.0]);
        assert_eq!(grid.affine.linear(), [[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]);
    }
}
